package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"ringmaster/config"
	"ringmaster/internal/call"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/dialogue/replay"
	"ringmaster/internal/lab/twin/callee"
)

// wireCallee are customers who take different ways through the script wire_001;
// i varies when they speak. The first seven are brief.
func wireCallee(i int) callee.Script {
	late := callee.Step{Wait: time.Duration(1+i%97) * 7 * time.Millisecond}
	bye := callee.Step{Hangup: true}
	const long = 20 * time.Second
	ways := [][]callee.Step{
		{turnOf(), late, spoken("没有收到"), turnOf(), {Wait: long}},
		{turnOf(), late, bye},
		{{BargeIn: 600 * time.Millisecond}, late, spoken("别打了"), turnOf(), {Wait: long}},
		{late, bye},
		{turnOf(), late, spoken("我要投诉"), turnOf(), {Wait: long}},
		{turnOf(), late, spoken("没收到"), {BargeIn: 300 * time.Millisecond}, bye},
		{turnOf(), late, spoken("不要再打了"), turnOf(), {Wait: long}},
		{turnOf(), late, spoken("收到了"), turnOf(), late, spoken("没看明白"), turnOf(), {Wait: long}},
		{turnOf(), late, spoken("收到了"), {BargeIn: 500 * time.Millisecond}, spoken("明白"), turnOf(), {Wait: long}},
		{turnOf(), late, spoken("天气怎么样"), turnOf(), spoken("收到了"), turnOf(), spoken("明白"), turnOf(), {Wait: long}},
		{turnOf(), late, {Wait: 40 * time.Second}, bye},
	}
	return callee.Script{Ring: time.Duration(100+i%11*30) * time.Millisecond, Steps: ways[i%len(ways)]}
}

// Calls over the sockets of the exchange's twin (ARI, its events, media
// websockets, speech that is really recognized), through the database: every
// one whose log is whole is told again exactly; a version in which something else
// is asked goes elsewhere, and the difference is printed. 7 calls, 1,100 with
// RINGMASTER_PROVE=1, of which 1,000 are wanted.
func TestRow_M4_CallsOverTheWireAreDecidedAgain(t *testing.T) {
	t.Parallel()
	calls, wanted, together := 7, 5, 7
	if os.Getenv("RINGMASTER_PROVE") != "" {
		calls, wanted, together = 1100, 1000, 40
	}
	ex, p := newTwin(t)
	h := newHouse(t, p, "sqlite", func(c *config.Config) {
		c.Dialling.Concurrency, c.Webhooks = together, nil
		c.Recordings.Label.Disabled = true // sound that a busy machine loses would pause the task
	})
	tasks := make([]string, calls)
	for i := range tasks {
		number := fmt.Sprintf("wire%d", i)
		ex.Callee(number, wireCallee(i))
		h.until("a call is ordered", time.Minute, func() bool { // a database that is busy says so, and is asked again
			h.contact(number, number)
			status, raw := h.raw("POST", "/api/v1/call/task", map[string]any{"customer_id": number, "script_id": "wire_001"}, map[string]string{"Idempotency-Key": number})
			var order struct {
				Task string `json:"task_id"`
			}
			ok := (status == http.StatusCreated || status == http.StatusOK) && json.Unmarshal(raw, &order) == nil
			tasks[i] = order.Task
			return ok
		})
	}
	ends := map[string]int{}
	for _, task := range tasks {
		ends[h.attempt(task, 1, 20*time.Minute).Disposition]++
	}
	talks, err := PastTalks(t.Context(), h.app.cfg, h.app.store, "wire_001", 2*calls)
	if err != nil || len(talks) < wanted {
		t.Fatalf("%d of %d calls are stored, %v; they ended %v", len(talks), calls, err, ends)
	}
	calls = len(talks)
	source := string(talks[0].Script.Source())
	after, err := dialogue.Compile("wire_001.yaml", []byte(strings.Replace(source, "do: [{tag: not_received}]\n        goto: resend", "do: [{tag: not_received}]\n        goto: more", 1)))
	if err != nil {
		t.Fatal(err)
	}
	var same, moved replay.Summary
	inputs, mute, cut := 0, 0, 0
	for _, was := range talks {
		if was.Wrong == errNoTalk.Error() { // hung up before there was sound; its decisions are the same
			mute++
			continue
		}
		if strings.HasPrefix(was.Wrong, call.ErrNotWhole.Error()) { // a database that was too busy for it, and the log says so
			cut++
			continue
		}
		if was.Wrong != "" {
			t.Errorf("call %s is not decided again as it was: %s", was.Attempt, was.Wrong)
			continue
		}
		inputs += len(was.Talk.Steps)
		for sum, sc := range map[*replay.Summary]*dialogue.Script{&same: was.Script, &moved: after} {
			c, err := replay.Compare(was.Script, sc, was.Customer, was.Talk, nil)
			if err != nil {
				t.Fatal(err)
			}
			sum.Add(c)
		}
	}
	if same.Calls != calls-mute-cut || same.Same != same.Calls || calls-cut < wanted {
		t.Errorf("the same version: %s", same)
	}
	if moved.Elsewhere == 0 || moved.Elsewhere == calls || moved.Forks[[3]string{"ask", "resend", "more"}] != moved.Elsewhere {
		t.Errorf("another version: %s", moved)
	}
	if len(ends) < 4 {
		t.Errorf("the calls ended %v: they are too much alike", ends)
	}
	t.Logf("%d calls over the wire twin (%d ended before there was sound; of %d the log is not whole), %d inputs of their dialogues, every other one decided again the same; they ended %v\na version that asks on instead of sending again: %s",
		calls, mute, cut, inputs, ends, moved)
	if none, err := PastTalks(t.Context(), h.app.cfg, h.app.store, "nothing", 5); err != nil || len(none) != 0 {
		t.Errorf("a script that was never called with: %d, %v", len(none), err)
	}
}
