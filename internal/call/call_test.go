package call

import (
	"testing"
	"testing/synctest"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/campaign"
	"ringmaster/internal/lab/twin/callee"
)

func TestConversationToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, "talks", callee.Script{Ring: time.Second, Steps: []callee.Step{
			listen(), say("方便，你说"), listen(), say("好的可以"), listen(), say("食品"), listen(), say("没有了"), listen(), pause(20 * time.Second), {Hangup: true}}})
		o := l.run(t)
		show(t, o)
		if o.Disposition != campaign.Completed {
			t.Fatalf("disposition %s: %s", o.Disposition, o.Reason)
		}
		if got := theirs(o); len(got) != 4 || got[0] != "方便，你说" || got[1] != "好的可以" || got[2] != "食品" {
			t.Fatalf("heard %q", got)
		}
		if o.Disclosure == nil || !o.Disclosure.Complete || o.Disclosure.EndMS <= o.Disclosure.StartMS {
			t.Fatalf("no evidence of the disclosure: %+v", o.Disclosure)
		}
		if len(o.Recordings) != 1 || !l.tape.closed {
			t.Fatalf("recordings %+v", o.Recordings)
		}
		if rec, talk := o.Recordings[0].Duration, o.EndedAt.Sub(o.AnsweredAt); rec < talk-500*time.Millisecond || rec > talk+500*time.Millisecond {
			t.Fatalf("recording of %v for a conversation of %v", rec, talk)
		}
	})
}

func TestOutcomesOfCallsThatNobodyTook(t *testing.T) {
	for name, c := range map[string]struct {
		script callee.Script
		want   campaign.Disposition
	}{
		"busy":        {callee.Script{Reject: 486}, campaign.Busy},
		"unallocated": {callee.Script{Reject: 404}, campaign.InvalidNumber},
		"503":         {callee.Script{Reject: 503}, campaign.Congestion},
		"declined":    {callee.Script{Reject: 603, Ring: time.Second}, campaign.Rejected},
		"no answer":   {callee.Script{Never: true}, campaign.NoAnswer},
		"silent":      {callee.Script{Never: true, Silent: true}, campaign.NoAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, "x", c.script)
				if o := l.run(t); o.Disposition != c.want || o.Answered() {
					show(t, o)
					t.Fatalf("got %s, want %s", o.Disposition, c.want)
				}
			})
		})
	}
}

// What was heard and had not yet been set beside the customer's side when the
// leg ended belongs to the recording too.
func TestReferenceRest(t *testing.T) {
	r := newReference(audio.FormatSlin)
	r.wrote(make([]int16, 800))
	r.pull(make([]int16, 160), 60*time.Millisecond)
	r.flushed(90 * time.Millisecond)
	if n := len(r.rest()); n != 720-160 {
		t.Fatalf("%d samples are left, want %d", n, 720-160)
	}
	if len(r.rest()) != 0 {
		t.Fatal("the rest came twice")
	}
}
