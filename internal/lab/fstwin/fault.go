package fstwin

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind of a fault.
type Kind string

// Faults. Those of commands match Match as a prefix of the command's line;
// those of events match it as the event's name; "" matches everything.
const (
	DropSockets Kind = "drop_sockets" // close every event socket now, without a word
	Refuse      Kind = "refuse"       // take no connection until Restore; drops them too
	Restore     Kind = "restore"      // the end of Refuse and of HalfOpen
	HalfOpen    Kind = "half_open"    // connections stay and nothing passes any more, until Restore closes them
	Restart     Kind = "restart"      // every channel is gone without an event; sockets close; a new Core-UUID
	Shutdown    Kind = "shutdown"     // SHUTDOWN, every call hung up SYSTEM_SHUTDOWN, a notice; then as Restart
	Stall       Kind = "stall"        // connections write nothing for Delay
	Fail        Kind = "fail"         // Count commands are answered -ERR; nothing is done
	LateReply   Kind = "late_reply"   // Count commands are done, and everything after them waits for Delay
	LoseReply   Kind = "lose_reply"   // Count commands are done, and the connection closes before the answer
	LoseEvent   Kind = "lose_event"   // Count events are not sent
	Duplicate   Kind = "duplicate"    // Count events are sent twice
	Reorder     Kind = "reorder"      // Count events are sent after the one that follows them
	Garbage     Kind = "garbage"      // before Count events comes what is none
)

// Fault is something that goes wrong on purpose.
type Fault struct {
	Kind  Kind          `json:"kind"`
	Match string        `json:"match,omitempty"`
	Count int           `json:"count,omitempty"` // 0 means 1
	Delay time.Duration `json:"-"`
	// DelayText is Delay in JSON, such as "1.5s".
	DelayText string `json:"delay,omitempty"`
	// Share makes LoseEvent, Duplicate and Reorder strike at random, each
	// matching event with this probability, until a Fault of the same kind with
	// Share 0 and Count -1 ends it.
	Share float64 `json:"share,omitempty"`
}

// ErrFault is a fault that does not exist.
var ErrFault = errors.New("no such fault: see Kind in internal/lab/fstwin")

// faults are those that wait for their command or event; guarded by the
// exchange's lock.
type faults struct {
	waiting []*Fault
	share   map[Kind]*Fault
	held    *event // waits for the next (Reorder)
}

// Inject makes a fault happen, now or to what comes next.
func (ex *Exchange) Inject(f Fault) error {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	return ex.inject(f)
}

func (ex *Exchange) inject(f Fault) error {
	if f.DelayText != "" {
		d, err := time.ParseDuration(f.DelayText)
		if err != nil {
			return fmt.Errorf("%w: delay: %w", ErrFault, err)
		}
		f.Delay = d
	}
	if f.Count == 0 {
		f.Count = 1
	}
	switch f.Kind {
	case Refuse:
		ex.refusing = true
		ex.dropSockets()
	case DropSockets:
		ex.dropSockets()
	case Restore:
		ex.refusing = false
		if ex.deaf {
			ex.deaf = false
			ex.dropSockets()
		}
	case HalfOpen:
		ex.deaf = true
		for c := range ex.conns {
			c.stall(time.Hour)
		}
	case Restart:
		ex.wipe()
		ex.counters.Restarts++
	case Shutdown:
		ex.shutdown()
	case Stall:
		for c := range ex.conns {
			c.stall(f.Delay)
		}
	case LoseEvent, Duplicate, Reorder:
		if f.Share > 0 || f.Count < 0 {
			if ex.faults.share == nil {
				ex.faults.share = map[Kind]*Fault{}
			}
			ex.faults.share[f.Kind] = &f
			return nil
		}
		ex.faults.waiting = append(ex.faults.waiting, &f)
	case Fail, LateReply, LoseReply, Garbage:
		ex.faults.waiting = append(ex.faults.waiting, &f)
	default:
		return fmt.Errorf("%w: %q", ErrFault, f.Kind)
	}
	return nil
}

func (ex *Exchange) dropSockets() {
	for c := range ex.conns {
		c.cut()
	}
}

func (ex *Exchange) shutdown() {
	ex.emit(ex.newEvent("SHUTDOWN").add("Event-Info", "System Shutting Down"))
	for _, ch := range ex.sorted() {
		ch.hangup("SYSTEM_SHUTDOWN", false)
	}
	for c := range ex.conns {
		c.leave()
	}
	ex.reset()
	ex.counters.Restarts++
}

func (c *conn) stall(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stalled = time.Now().Add(d)
}

func (fs *faults) use(match func(*Fault) bool) *Fault {
	for i, f := range fs.waiting {
		if !match(f) {
			continue
		}
		f.Count--
		if f.Count <= 0 {
			fs.waiting = append(fs.waiting[:i:i], fs.waiting[i+1:]...)
		}
		return f
	}
	return nil
}

// command is the fault of a command, if it has one.
func (fs *faults) command(line string) *Fault {
	return fs.use(func(f *Fault) bool {
		return (f.Kind == Fail || f.Kind == LateReply || f.Kind == LoseReply) && strings.HasPrefix(line, f.Match)
	})
}

// suffer is a command with a fault; true when it is to be carried out as usual.
func (c *conn) suffer(f *Fault, m command) bool {
	switch f.Kind {
	case Fail:
		if strings.HasPrefix(m.line, "api ") {
			c.respond("-ERR injected by the test\n")
			return false
		}
		c.reply("-ERR injected by the test")
		return false
	case LoseReply:
		c.cut() // what is sent from now on is thrown away
		return true
	default: // LateReply
		c.stall(f.Delay)
		return true
	}
}

// distort is what becomes of an event on its way: nothing, itself, more.
func (fs *faults) distort(ex *Exchange, e *event) []*event {
	f := fs.use(func(f *Fault) bool {
		return (f.Kind == LoseEvent || f.Kind == Duplicate || f.Kind == Reorder || f.Kind == Garbage) && (f.Match == "" || f.Match == e.name)
	})
	kind := Kind("")
	if f != nil {
		kind = f.Kind
	} else {
		for _, k := range []Kind{LoseEvent, Duplicate, Reorder} {
			if s := fs.share[k]; s != nil && (s.Match == "" || s.Match == e.name) && ex.rand.Float64() < s.Share {
				kind = k
				break
			}
		}
		if kind == "" && ex.cfg.Disorder > 0 && ex.rand.Float64() < ex.cfg.Disorder {
			kind = Reorder
		}
	}
	out := []*event{e}
	switch kind {
	case LoseEvent:
		out = nil
	case Duplicate:
		out = append(out, e)
	case Garbage:
		out = []*event{{name: e.name, heads: []pair{{"no colon", "\x00\xff"}, {"Event-Name", "\x80 NOTHING"}}}, e}
	case Reorder:
		if fs.held == nil {
			fs.held = e
			// Nobody may ever follow: then it comes late.
			ex.later(100*time.Millisecond, func() {
				if fs.held == e {
					fs.held = nil
					ex.deliver(e)
				}
			})
			return nil
		}
	}
	if fs.held != nil && len(out) > 0 {
		out = append(out, fs.held)
		fs.held = nil
	}
	return out
}
