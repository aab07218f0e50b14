package freeswitch

import (
	"encoding/json"
	"testing"

	"ringmaster/internal/pbx"
)

// What FreeSWITCH answers about a channel and about all of them: whatever it
// is, reading it ends, and an ID that could leave its place in a command is
// none of ours.
func FuzzReply(f *testing.F) {
	f.Add(`{"row_count":1,"rows":[{"uuid":"a","created_epoch":"1795473208","callstate":"ACTIVE","presence_data":"rm-1:tag"}]}`)
	f.Add(`{"row_count":0}`)
	f.Add(`{"Unique-ID":"a","variable_x":["1"],"Answer-State":"answered"}`)
	f.Add(`{"rows":[{"created_epoch":"99999999999999999999","uuid":"a b\nc"}]}`)
	f.Add(`{"rows":[null,{}]}`)
	s := &Switch{}
	f.Fuzz(func(t *testing.T, reply string) {
		var table struct {
			Rows []listed `json:"rows"`
		}
		if json.Unmarshal([]byte(reply), &table) == nil {
			for _, r := range table.Rows {
				_ = r.up()
				if n := atoi64(r.Created); n < 0 || n > 1e12 {
					t.Fatalf("%q is %d", r.Created, n)
				}
				_, _ = s.tagOf(r.Mark)
				if checkLegID(pbx.LegID(r.UUID)) == nil && !identifier(r.UUID) {
					t.Fatalf("%q is an ID", r.UUID)
				}
			}
		}
		var d dump
		if json.Unmarshal([]byte(reply), &d) == nil {
			_ = d.Get("Answer-State")
		}
	})
}
