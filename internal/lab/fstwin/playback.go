package fstwin

import (
	"path"
	"strconv"
	"strings"
	"time"

	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/lab/twin/sound"
)

// playback plays a file, or what another scheme names.
func (r *running) playback() {
	ch := r.ch
	samples, loop, ok := ch.ex.find(r.arg)
	if !ok {
		r.done("FILE NOT FOUND")
		return
	}
	if ch.stream != nil { // playing resets the session, and with it unicast
		ch.stream.close()
		ch.stream = nil
		ch.connect()
	}
	clip := sound.NewClip(r, samples, loop || r.app == "endless_playback")
	r.breakable = true
	status := "done"
	finish := func() {
		ch.line.Unplay(clip)
		ch.set("playback_last_offset_pos", strconv.Itoa(clip.At()))
		ch.set("playback_ms", strconv.Itoa(clip.At()/8))
		ch.set("playback_samples", strconv.Itoa(clip.At()))
		ch.response = "FILE PLAYED" // also after a break, and after a hang-up
		ch.emit("PLAYBACK_STOP", "Playback-Status", status, "Playback-File-Path", r.arg)
	}
	r.stop = func(broken bool) {
		if broken {
			status = "break"
		}
		finish()
	}
	ch.emit("PLAYBACK_START", "Playback-File-Path", r.arg)
	ch.line.Interrupt(clip)
}

// played is a clip that was heard to its end.
func (r *running) played() {
	if r.over {
		return
	}
	r.stop(false)
	r.done("")
}

// find loads what is to be played.
func (ex *Exchange) find(file string) (samples []int16, loop, ok bool) {
	if params, rest, cut := strings.Cut(file, "}"); cut && strings.HasPrefix(params, "{") {
		file = rest
	}
	scheme, rest, _ := strings.Cut(file, "://")
	switch scheme {
	case "tone_stream":
		return tones(rest)
	case "silence_stream":
		n := atoi(strings.Split(rest, ",")[0])
		if n < 0 {
			return make([]int16, callee.Rate), true, true
		}
		return make([]int16, 8*min(n, 600000)), false, true
	case "local_stream":
		return callee.Tone(350, time.Second, 4000), true, true
	case "file_string":
		for part := range strings.SplitSeq(rest, "!") {
			s, _, ok := ex.find(part)
			if !ok {
				return nil, false, false
			}
			samples = append(samples, s...)
		}
		return samples, false, len(samples) > 0
	}
	s := ex.cfg.Prompts[file]
	if s == nil {
		s = ex.cfg.Prompts[strings.TrimSuffix(path.Base(file), path.Ext(file))]
	}
	if t := ex.files[file]; s == nil && t != nil && t.Channels() == 1 {
		s = t.Samples()
	}
	return s, false, len(s) > 0
}

// maxTones bounds what a tone_stream makes: five minutes.
const maxTones = 300 * callee.Rate

// tones reads "%(on,off,hz[,hz]);...;loops=n" (teletone), each part once.
func tones(text string) (samples []int16, loop, ok bool) {
	times := 1
	for part := range strings.SplitSeq(text, ";") {
		n, cut := strings.CutPrefix(part, "loops=")
		if !cut {
			n, cut = strings.CutPrefix(part, "L=")
		}
		if cut {
			loop = n == "-1"
			times = min(max(atoi(n), 1), 20)
			continue
		}
		inner, isTone := strings.CutPrefix(part, "%(")
		f := strings.Split(strings.TrimSuffix(inner, ")"), ",")
		if !isTone || len(f) < 3 {
			continue
		}
		on, off, hz := min(atoi(f[0]), 60000), min(atoi(f[1]), 60000), atoi(f[2])
		if on <= 0 || off < 0 || hz < 50 || hz > 3900 {
			return nil, false, false
		}
		samples = append(samples, callee.Tone(float64(hz), time.Duration(on)*time.Millisecond, 8000)...)
		if len(samples)+8*off > maxTones {
			return nil, false, false
		}
		samples = append(samples, make([]int16, 8*off)...)
	}
	once := samples
	for range times - 1 {
		if len(samples)+len(once) > maxTones {
			break
		}
		samples = append(samples[:len(samples):len(samples)], once...)
	}
	return samples, loop, len(samples) > 0 && len(samples) <= maxTones
}

// broadcast is uuid_broadcast: the application runs at once, with a lock, and
// 100 ms late for a file.
func (ch *channel) broadcast(what string) {
	app, arg := "playback", what
	if name, rest, ok := strings.Cut(what, "::"); ok {
		app, arg = name, rest
		if n, _, bang := strings.Cut(app, "!"); bang {
			app = n
		}
	}
	ch.limit(100*time.Millisecond, func() {
		ch.take(&message{heads: map[string]string{"call-command": "execute", "execute-app-name": app, "execute-app-arg": arg, "event-lock": "true"}})
	})
}

// happened carries out what frames brought about.
func (ex *Exchange) happened(what []sound.Done) {
	if len(what) == 0 {
		return
	}
	ex.mu.Lock()
	defer ex.mu.Unlock()
	for _, d := range what {
		ch, ok := d.Line.Owner.(*channel)
		switch {
		case !ok || ch.hup:
		case d.Finished != nil:
			if r, ok := d.Finished.Owner.(*running); ok {
				r.played()
			}
		case d.Act.DTMF != 0:
			ch.pressed(d.Act.DTMF)
		case d.Act.Hangup:
			ch.reason = d.Act.Cause
			c := normalClearing
			if d.Act.Cause != 0 {
				c = ex.byReason(0, d.Act.Cause)
			}
			ch.hangup(c, true)
		}
	}
}

// pressed is a key that came from a channel, told at its release.
func (ch *channel) pressed(digit byte) {
	d := string(rune(digit))
	ch.emit("DTMF", "DTMF-Digit", d, "DTMF-Duration", "800", "DTMF-Source", "RTP")
	o := ch.bridged
	switch {
	case o == nil:
	case o.leg != nil:
		o.leg.press(digit)
	default:
		o.line.Key(digit)
	}
}

// sendDTMF presses keys towards a channel: "12#@120".
func (ch *channel) sendDTMF(arg string) {
	keys, _, _ := strings.Cut(arg, "@")
	n := 0
	for _, k := range []byte(strings.ToUpper(keys)) {
		if !strings.ContainsRune("0123456789*#ABCD", rune(k)) {
			continue
		}
		n++
		ch.limit(time.Duration(n)*200*time.Millisecond, func() {
			if ch.leg != nil {
				ch.leg.press(k)
				return
			}
			ch.line.Key(k)
		})
	}
}
