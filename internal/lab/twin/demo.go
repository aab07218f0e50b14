package twin

import _ "embed"

//go:embed demo.yaml
var demo []byte

// DemoCast are the subscribers of the demonstration: talks, interrupts, busy,
// silent (never answers), voicemail, stop, and the agents agent1 (accepts) and
// agent2 (declines).
func DemoCast(speak Speak) (Cast, error) { return ParseCast(demo, speak) }
