package app

import (
	"encoding/json"
	"fmt"

	"ringmaster/internal/redact"
)

// Redactor masks results given as JSON lines; calls are told apart by their
// "call". At most 10,000 calls are remembered: the oldest is then forgotten.
func Redactor(patterns ...string) (func(line []byte) (redact.Seen, error), error) {
	if err := redact.Check(patterns...); err != nil {
		return nil, err
	}
	base := redact.New(patterns...)
	calls := map[string]*redact.Masker{}
	var order []string
	return func(line []byte) (redact.Seen, error) {
		var r redact.Result
		if err := json.Unmarshal(line, &r); err != nil {
			return redact.Seen{}, fmt.Errorf("not a result {\"call\",\"side\",\"text\",\"final\"}: %w", err)
		}
		m := calls[r.Call]
		if m == nil {
			if len(order) == 10000 {
				delete(calls, order[0])
				order = order[1:]
			}
			m = base.Fork()
			calls[r.Call] = m
			order = append(order, r.Call)
		}
		return m.See(r), nil
	}, nil
}
