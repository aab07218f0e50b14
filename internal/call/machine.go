package call

import (
	"slices"
	"strings"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/dialogue"
)

// machineSure is how much longer a long first utterance must go on, without a
// pause in which a person would wait, to be a recording by sound alone.
const machineSure = 3 * time.Second

// machine takes a verdict of AMD. A beep after speech is sure. A long greeting
// alone may be a talkative person: it counts when it goes on and on, or when
// its words are those of a mailbox.
func (r *rules) machine(s State, verdict string) (State, []Effect) {
	if s.Inbound { // a mailbox calls nobody
		return s, nil
	}
	if s.Resumed > 0 && s.heardThem() { // a detector that begins in mid-call takes any long answer for a greeting
		return s, nil
	}
	switch verdict {
	case "beep":
		return r.isMachine(s, "beep")
	case "greeting":
		s.Suspect = true
		s.Outcome.AMD = "uncertain"
		s.set(dlMachine, machineSure)
		return r.suspectMachine(s)
	}
	if s.Outcome.AMD != "voicemail" {
		s.Outcome.AMD = verdict
	}
	return s, nil
}

// suspectMachine looks for the words of a mailbox in a long greeting.
func (r *rules) suspectMachine(s State) (State, []Effect) {
	if !s.Suspect {
		return s, nil
	}
	said := strings.ToLower(s.Turn.Said())
	for _, w := range mailboxWords() {
		if strings.Contains(said, w) {
			return r.isMachine(s, "greeting")
		}
	}
	return s, nil
}

// heardThem: the customer has had a turn.
func (s *State) heardThem() bool {
	return slices.ContainsFunc(s.Outcome.Turns, func(t campaign.Turn) bool { return t.Side == campaign.Them })
}

func (r *rules) isMachine(s State, why string) (State, []Effect) {
	s.Suspect = false
	s.clear(dlMachine)
	s.Outcome.AMD = "voicemail"
	return r.interruptWith(s, dialogue.Input{Kind: dialogue.Machine, Reason: why})
}

// mailboxWords are what networks and mailboxes say and callees do not.
func mailboxWords() []string {
	return []string{
		"留言", "提示音", "嘀声", "滴声", "语音信箱", "留言信箱", "无法接听", "无法接通", "暂时不便接听", "正在通话中", "已关机", "已停机",
		"不在服务区", "请稍后再拨", "您拨打的", "您所拨打", "留低口讯", "voicemail", "voice mail", "leave a message", "after the tone",
		"after the beep", "not available", "cannot take your call", "mailbox",
	}
}
