package sound

import "testing"

// Calls are spread over a tick, and whoever hears somebody moves with him.
func TestCallsAreSpreadAndPeersMoveTogether(t *testing.T) {
	c := NewClock(make(chan struct{}), func([]Done) {})
	const calls = 3 * spokes
	var phones, legs []*Line
	for range calls {
		phone, leg := NewPhone(nil), NewLeg(nil, nil)
		phone.Connect([]*Line{leg}, nil)
		leg.Connect([]*Line{phone}, nil)
		c.Add(leg)
		c.Add(phone)
		phones, legs = append(phones, phone), append(legs, leg)
	}
	// Two agents, one of them talking to the last customer in place of us.
	agent, idle := NewPhone(nil), NewPhone(nil)
	c.Add(agent)
	c.Add(idle)
	last := phones[calls-1]
	last.Connect([]*Line{agent}, nil)
	agent.Connect([]*Line{last}, nil)
	legs[calls-1].Connect(nil, nil)

	var on [spokes]spoke
	seat(&on, c.phones, c.legs)
	for i := range calls - 1 {
		if phones[i].spoke != legs[i].spoke {
			t.Errorf("call %d: telephone on spoke %d, leg on %d", i, phones[i].spoke, legs[i].spoke)
		}
	}
	if last.spoke != agent.spoke {
		t.Errorf("customer on spoke %d, agent on %d", last.spoke, agent.spoke)
	}
	moved := 0
	for i, s := range on {
		moved += len(s.phones) + len(s.legs)
		if n := len(s.phones); n < calls/spokes-1 || n > calls/spokes+2 {
			t.Errorf("%d telephones on spoke %d", n, i)
		}
	}
	if moved != len(c.phones)+len(c.legs) {
		t.Errorf("%d lines move, want %d", moved, len(c.phones)+len(c.legs))
	}
	for _, l := range append(phones, agent, idle) {
		c.Remove(l)
	}
	if c.seats != [spokes]int{} {
		t.Errorf("seats are kept: %v", c.seats)
	}
}
