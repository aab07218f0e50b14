package turn

import (
	"context"
	"sync"
	"testing"

	"ringmaster/internal/lab/env"
	. "ringmaster/internal/turn/turntest"
)

// load synthesises the agents' and the callers' sentences of one half.
func load(ctx context.Context, t testing.TB, h Half) (agents, callers [][]float64) {
	t.Helper()
	env.Need(t, env.Espeak)
	espeak, err := env.Find(env.Espeak)
	if err != nil {
		t.Fatal(err)
	}
	type job struct {
		v    Voice
		text string
		out  *[]float64
	}
	var jobs []job
	count := 0
	for _, lang := range Languages() {
		voices := h.Voices(lang)
		count += len(h.Agent(lang))*2 + len(h.Caller(lang))*3
		_ = voices
	}
	agents = make([][]float64, 0, count)
	var ja, jc []job
	for _, lang := range Languages() {
		voices := h.Voices(lang)
		for i, s := range h.Agent(lang) {
			for k := range 2 {
				ja = append(ja, job{v: voices[(i*3+k*5)%len(voices)], text: s})
			}
		}
		for i, s := range h.Caller(lang) {
			for k := range 3 {
				jc = append(jc, job{v: voices[(i*3+k*3+1)%len(voices)], text: s})
			}
		}
	}
	agents, callers = make([][]float64, len(ja)), make([][]float64, len(jc))
	for i := range ja {
		ja[i].out = &agents[i]
	}
	for i := range jc {
		jc[i].out = &callers[i]
	}
	jobs = append(ja, jc...)
	var wg sync.WaitGroup
	next := make(chan job)
	for range 2 {
		wg.Go(func() {
			for j := range next {
				x, err := Speak(ctx, espeak, j.v, j.text)
				if err != nil {
					t.Errorf("%v", err)
				}
				*j.out = x
			}
		})
	}
	for _, j := range jobs {
		next <- j
	}
	close(next)
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return agents, callers
}
