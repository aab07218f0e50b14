package pbxtest

import (
	"testing"
	"time"

	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/pbx"
)

// Lab is the world around a Switch in one sub-test: the switch itself,
// subscribers to be dialled, and faults that can be made. A nil function is a
// thing that this lab cannot do; the suite says so and skips what needs it.
// Everything a Lab starts ends with its test.
type Lab struct {
	// Switch is connected: Run is running and Health().Up is true.
	Switch pbx.Switch
	// Callee puts a subscriber with a number of its own on the exchange.
	Callee func(t *testing.T, s callee.Script) Phone
	// Agent puts an agent's telephone on the exchange: Endpoint().Agent is set.
	Agent func(t *testing.T, s callee.Script) Phone
	// Queue puts a queue on the exchange, with whoever takes its calls: the name
	// to hand over to, and that telephone.
	Queue func(t *testing.T, s callee.Script) (name string, agent Phone)
	// Customer puts a subscriber with exactly this number on the exchange.
	Customer func(t *testing.T, number string, s callee.Script) Phone
	// WireAgent and WireQueue are Agent and Queue with real SIP telephones, for
	// an exchange whose others are none; nil where all are.
	WireAgent func(t *testing.T, s callee.Script) Phone
	WireQueue func(t *testing.T, s callee.Script) (name string, agent Phone)
	// Cause is what this exchange reports for a final SIP status.
	Cause func(sip int) pbx.Cause
	// Prompt is a Playback.Media that is audible and ends by itself within
	// 10 s; Endless one that sounds until it is stopped.
	Prompt, Endless string
	// CutLink takes the link between us and the exchange down; the exchange
	// and its calls go on. restore brings it back; both return at once.
	CutLink func(t *testing.T) (restore func())
	// Restart ends the exchange with every call on it and starts it again.
	Restart func(t *testing.T)
	// Patience is how long the suite waits for what must happen at once
	// (an event, a reconnect); 0 means 5 s.
	Patience time.Duration
	// Calls is how many calls the load guarantee places at once; 0 means 50.
	Calls int
}

// Phone is a subscriber as the suite sees it.
type Phone interface {
	// Endpoint is how to dial it.
	Endpoint() pbx.Endpoint
	// Calls are its rings so far, oldest first, the present one included.
	Calls() []callee.Call
}

// Told is a Phone that also says all that the exchange told it, request by
// request: the INVITE with every header, and what followed it inside the call.
// On an exchange without SIP it is what a display would show.
type Told interface {
	Phone
	Told() []string
}
