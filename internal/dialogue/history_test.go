package dialogue

import (
	"strings"
	"testing"
	"time"

	"ringmaster/internal/campaign"
)

const byHistory = `format: ringmaster/1
id: follow_up
title: Follow up
purpose: service
language: cmn
slots: {day: text}
disclosure: {say: 本次通话将会录音。}
start: open
nodes:
  open:
    skip:
      - {when: 'any(history, .disposition == "complaint" and .days < 90)', goto: apology}
      - {when: 'len(history) > 0 and history[0].script == "follow_up" and history[0].days < 7', goto: short}
      - {when: 'count(history, .disposition == "no_answer") >= 3', goto: rare}
      - {when: 'any(history, "interested" in .tags)', goto: warm}
      - {when: 'any(history, .slots.day == "周六")', goto: saturday}
    say: 您好，第一次和您联系。
    expect: [{intent: affirm, goto: bye}]
  apology: {say: 上次的事非常抱歉。, goto: bye}
  short: {say: 前几天联系过您。, goto: bye}
  rare: {say: 总算联系上您了。, goto: bye}
  warm: {say: 您上次说有兴趣。, goto: bye}
  saturday: {say: 您说过周六方便。, goto: bye}
  bye: {say: 再见。, end: completed}
`

// The strategy follows the customer's history: each fixture takes its branch,
// and the move says which condition turned the way.
func TestRow_S6_HistoryDecidesTheBranchAndSaysWhy(t *testing.T) {
	s := compile(t, byHistory)
	ago := func(days int, script string, d campaign.Disposition, more ...string) Past {
		return Past{At: at().AddDate(0, 0, -days), Script: script, Disposition: d, Tags: more}
	}
	never := ago(2, "other", campaign.NoAnswer)
	for name, c := range map[string]struct {
		history []Past
		says    string
		why     string
	}{
		"nobody called before":        {nil, "您好，第一次和您联系。", "the notice has been heard"},
		"an old other call":           {[]Past{ago(200, "other", campaign.Completed)}, "您好，第一次和您联系。", "the notice has been heard"},
		"a complaint last month":      {[]Past{ago(3, "other", campaign.Completed), ago(30, "other", campaign.Complaint)}, "上次的事非常抱歉。", `open.skip.1 because any(history, .disposition == "complaint" and .days < 90)`},
		"a complaint long ago":        {[]Past{ago(91, "other", campaign.Complaint)}, "您好，第一次和您联系。", "the notice has been heard"},
		"the same call days ago":      {[]Past{ago(6, "follow_up", campaign.Completed)}, "前几天联系过您。", "open.skip.2 because"},
		"the same call weeks ago":     {[]Past{ago(8, "follow_up", campaign.Completed)}, "您好，第一次和您联系。", "the notice"},
		"the complaint counts first":  {[]Past{ago(1, "follow_up", campaign.Complaint)}, "上次的事非常抱歉。", "open.skip.1 because"},
		"three times nobody answered": {[]Past{never, never, never}, "总算联系上您了。", "open.skip.3 because"},
		"twice nobody answered":       {[]Past{never, never}, "您好，第一次和您联系。", "the notice"},
		"was interested":              {[]Past{ago(40, "other", campaign.Completed, "interested")}, "您上次说有兴趣。", `open.skip.4 because any(history, "interested" in .tags)`},
		"named a day":                 {[]Past{{At: at().Add(-time.Hour * 500), Slots: map[string]string{"day": "周六"}}}, "您说过周六方便。", "open.skip.5 because"},
	} {
		cu := Customer{ID: "1", Language: "cmn", History: c.history}
		_, mv := chat(t, s, cu, Input{Kind: Said})
		if !strings.HasPrefix(said(mv), c.says) || !strings.Contains(mv.Reason, c.why) {
			t.Errorf("%s: %q because %q", name, said(mv), mv.Reason)
		}
	}
}
