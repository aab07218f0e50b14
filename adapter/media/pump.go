package media

import (
	"context"
	"strconv"
	"time"

	"github.com/coder/websocket"

	"ringmaster/internal/pbx"
)

// pump is the one writer of the socket. It sends speech as it comes, silence
// when there is none, and asks for the queue's length once a second, which
// corrects the clock and proves that the exchange lives.
func (w *WebSocket) pump() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	nextStatus := time.Now().Add(statusEvery / 4)
	for {
		select {
		case <-w.done:
			return
		case <-timer.C:
		case <-w.wake:
		case b := <-w.flush:
			err := w.writeFlush(b)
			b.written <- err
			if err != nil {
				w.end(err)
				return
			}
		}
		now := time.Now()
		if now.After(nextStatus) {
			nextStatus = now.Add(statusEvery)
			if err := w.ask(now); err != nil {
				w.end(err)
				return
			}
		}
		wait, err := w.step()
		if err != nil {
			w.end(err)
			return
		}
		timer.Reset(wait)
	}
}

func (w *WebSocket) write(typ websocket.MessageType, data []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	return w.conn.Write(ctx, typ, data)
}

func (w *WebSocket) tell(name, id string) error {
	data, err := command(name, id)
	if err != nil {
		return err
	}
	return w.write(websocket.MessageText, data)
}

// ask sends GET_STATUS, unless the exchange has been silent for too long.
func (w *WebSocket) ask(now time.Time) error {
	w.mu.Lock()
	silent := now.Sub(w.heard)
	w.asked = append(w.asked, question{sent: w.book.sent, drops: w.book.drops})
	w.mu.Unlock()
	if silent > deadAfter {
		return errSilent
	}
	return w.tell(cmdStatus, "")
}

// writeFlush throws everything away: on our side, and in the exchange behind
// a question whose answer tells what had been played.
func (w *WebSocket) writeFlush(b bargeIn) error {
	w.mu.Lock()
	now := time.Now()
	w.queue = w.queue[:0]
	w.given = w.written
	w.flushes++
	for _, d := range w.drains {
		d.done <- pbx.ErrFlushed
	}
	w.drains = nil
	w.paused = toTime(w.book.heardBy(now))
	w.asked = append(w.asked, question{sent: w.book.sent, flush: true, guess: w.book.depth(now), answered: b.answered})
	// Until the answer books it, the clock has to know that the queue is empty.
	w.book.anchor, w.book.depthThen, w.book.lastSpeech = now, 0, now
	w.makeSpace()
	w.mu.Unlock()
	if err := w.tell(cmdStatus, ""); err != nil {
		return err
	}
	return w.tell(cmdFlush, "")
}

// step does what the book's plan says, until there is nothing to do.
func (w *WebSocket) step() (time.Duration, error) {
	for {
		audio, flush, marks, wait := w.next()
		if flush {
			if err := w.tell(cmdFlush, ""); err != nil {
				return 0, err
			}
		}
		for len(audio) > 0 {
			n := min(len(audio), maxMessage/w.frameBytes*w.frameBytes)
			if err := w.write(websocket.MessageBinary, audio[:n]); err != nil {
				return 0, err
			}
			audio = audio[n:]
		}
		for _, id := range marks {
			if err := w.tell(cmdMark, id); err != nil {
				return 0, err
			}
		}
		if len(marks) == 0 || wait > 0 {
			return wait, nil
		}
	}
}

// next books the next messages: the book is changed before they are written,
// which the one writer then does without the lock.
func (w *WebSocket) next() (out []byte, flush bool, marks []string, wait time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.off {
		return nil, false, nil, frameTime
	}
	now := time.Now()
	queued := int64(len(w.queue) / w.frameBytes)
	marksOut := false
	for _, d := range w.drains {
		marksOut = marksOut || d.mark != ""
		if d.mark == "" && d.until > w.given {
			queued = min(queued, d.until-w.given) // the mark goes right behind
		}
	}
	t := w.book.plan(now, queued, !marksOut)
	if t.flush {
		w.book.drop(now, w.book.sent)
	}
	wait = t.wait
	if n := t.speech; n > 0 {
		k := int(n) * w.frameBytes
		w.sending = append(w.sending[:0], w.queue[:k]...)
		out = w.sending
		w.queue = append(w.queue[:0], w.queue[k:]...)
		w.given += n
		w.book.send(now, n, true)
		w.makeSpace()
	} else if t.silence > 0 {
		out = w.quiet[:int(t.silence)*w.frameBytes]
		w.book.send(now, t.silence, false)
	} else if queued > 0 || len(w.queue) > 0 {
		w.makeSpace() // time alone makes room
	}
	for _, d := range w.drains {
		if d.mark == "" && d.until <= w.given {
			w.marks++
			d.mark, d.sent = "m"+strconv.FormatInt(w.marks, 36), w.book.sent
			marks = append(marks, d.mark)
		}
	}
	if len(marks) > 0 && len(w.queue) > 0 {
		wait = 0
	}
	return out, t.flush, marks, wait
}
