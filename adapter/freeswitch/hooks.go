package freeswitch

import (
	"context"
	"slices"
	"strings"
)

// MissingContexts names those of some dialplan contexts that the exchange does
// not have, sorted. Conditions inside a context cannot be asked for: the
// extensions are not looked at.
func (s *Switch) MissingContexts(ctx context.Context, want map[string]string) ([]string, error) {
	var missing []string
	for name := range want {
		if name == "" || !identifier(name) {
			return nil, refuse("a context is [A-Za-z0-9._-]")
		}
		reply, err := s.esl.API(ctx, "xml_locate dialplan context name "+name)
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(strings.TrimSpace(reply), "<context") {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	return missing, nil
}

// InboundAddr is where calls are handed over to us; empty when none are taken.
func (s *Switch) InboundAddr() string {
	if s.server == nil {
		return ""
	}
	return s.server.Addr()
}
