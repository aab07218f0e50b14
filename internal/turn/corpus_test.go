package turn

import (
	"context"
	"sync"
	"testing"

	"ringmaster/internal/lab/env"
	. "ringmaster/internal/turn/turntest"
)

// corpus is the speech of one half, synthesised once for all tests that want it.
type corpus struct {
	once            sync.Once
	agents, callers [][]float64
	err             error
}

var corpora [2]corpus

// load gives the agents' and the callers' sentences of one half.
func load(t testing.TB, h Half) (agents, callers [][]float64) {
	t.Helper()
	env.Need(t, env.Espeak)
	c := &corpora[h]
	c.once.Do(func() { c.make(h) })
	if c.err != nil {
		t.Fatal(c.err)
	}
	return c.agents, c.callers
}

func (c *corpus) make(h Half) {
	espeak, err := env.Find(env.Espeak)
	if err != nil {
		c.err = err
		return
	}
	type job struct {
		v    Voice
		text string
		out  *[]float64
	}
	var agents, callers []job
	for _, lang := range Languages() {
		voices := h.Voices(lang)
		for i, s := range h.Agent(lang) {
			for k := range 2 {
				agents = append(agents, job{v: voices[(i*3+k*5)%len(voices)], text: s})
			}
		}
		for i, s := range h.Caller(lang) {
			for k := range 3 {
				callers = append(callers, job{v: voices[(i*3+k*3+1)%len(voices)], text: s})
			}
		}
	}
	c.agents, c.callers = make([][]float64, len(agents)), make([][]float64, len(callers))
	for i := range agents {
		agents[i].out = &c.agents[i]
	}
	for i := range callers {
		callers[i].out = &c.callers[i]
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	next := make(chan job)
	for range 2 {
		wg.Go(func() {
			for j := range next {
				x, err := Speak(context.Background(), espeak, j.v, j.text)
				mu.Lock()
				if err != nil {
					c.err = err
				}
				*j.out = x
				mu.Unlock()
			}
		})
	}
	for _, j := range append(agents, callers...) {
		next <- j
	}
	close(next)
	wg.Wait()
}
