package freeswitch

import (
	"slices"
	"strings"
	"testing"

	"ringmaster/adapter/freeswitch/esl/esltest"
)

// What FreeSWITCH 1.11.2 says of a context that it has, and of one that it lacks.
func TestMissingContexts(t *testing.T) {
	const prefix = "api xml_locate dialplan context name "
	server := esltest.New(t)
	server.Answer = func(_ *esltest.Conn, cmd esltest.Command) (kind, text string) {
		if !strings.HasPrefix(cmd.Line, "api ") {
			return "command/reply", "+OK"
		}
		switch strings.TrimPrefix(cmd.Line, prefix) {
		case "ringmaster-inbound":
			return "api/response", "<context name=\"ringmaster-inbound\">\n      <extension name=\"ringmaster-inbound\">\n"
		case "api uptime ms":
			return "api/response", "60000\n"
		case "nowhere", "ringmaster-fallback":
			return "api/response", "can't find anything\n"
		}
		return "api/response", "+OK\n"
	}
	sw := start(t, Config{Addr: server.Addr(), Password: esltest.Password})
	got, err := sw.MissingContexts(t.Context(), map[string]string{"ringmaster-inbound": "10", "nowhere": "1", "ringmaster-fallback": "menu"})
	if err != nil || !slices.Equal(got, []string{"nowhere", "ringmaster-fallback"}) {
		t.Errorf("%q, %v", got, err)
	}
	for _, name := range []string{"", "a b", "a\nb", "a;b", "${x}"} {
		if _, err := sw.MissingContexts(t.Context(), map[string]string{name: "1"}); err == nil {
			t.Errorf("%q was asked for", name)
		}
	}
}
