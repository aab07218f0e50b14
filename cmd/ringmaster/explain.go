package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// explainCommand asks a running controller, which alone knows lines and rules.
func explainCommand() *cobra.Command {
	var c controller
	at := ""
	cmd := &cobra.Command{
		Use: "explain CUSTOMER_ID TASK | explain --all TASK", Short: "why a contact is or is not dialled: every gate in order", Args: cobra.RangeArgs(1, 2),
		Long: `TASK is the task_id of a call, or a script_id. With --all: how many contacts of the task are dialable, and the others by reason.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			all, _ := cmd.Flags().GetBool("all")
			if all != (len(args) == 1) {
				return fmt.Errorf("either CUSTOMER_ID TASK, or --all TASK")
			}
			q := url.Values{}
			if at != "" {
				q.Set("at", at)
			}
			path := "/api/v1/tasks/" + url.PathEscape(args[0]) + "/explain"
			if !all {
				q.Set("task", args[1])
				path = "/api/v1/contacts/" + url.PathEscape(args[0]) + "/explain"
			}
			body, err := c.get(cmd.Context(), path+"?"+q.Encode(), nil)
			if err != nil {
				return err
			}
			return printExplained(os.Stdout, body, all)
		},
	}
	c.flags(cmd, "tasks:read")
	cmd.Flags().StringVar(&at, "at", "", "another instant than now, 2026-01-02T15:04:05+08:00")
	cmd.Flags().Bool("all", false, "the whole task, counted by reason")
	return cmd
}

// printExplained writes an answer of the API for people.
func printExplained(out io.Writer, body []byte, all bool) error {
	if all {
		var v struct {
			Contacts, Dialable int
			Reasons            map[string]int
		}
		if err := json.Unmarshal(body, &v); err != nil {
			return err
		}
		_, _ = fmt.Fprintf(out, "%8d contacts\n%8d dialable\n", v.Contacts, v.Dialable)
		for _, reason := range sorted(v.Reasons) {
			_, _ = fmt.Fprintf(out, "%8d %s\n", v.Reasons[reason], reason)
		}
		return nil
	}
	var v struct {
		Decision, Gate, Reason string
		OpensAt                string `json:"opens_at"`
		Gates                  []struct {
			Gate, Decision, Reason string
			OpensAt                string `json:"opens_at"`
			Inputs                 map[string]string
		}
	}
	if err := json.Unmarshal(body, &v); err != nil {
		return err
	}
	for _, g := range v.Gates {
		_, _ = fmt.Fprintf(out, "%-7s %-16s %s", g.Decision, g.Gate, g.Reason)
		if g.OpensAt != "" {
			_, _ = fmt.Fprintf(out, " until %s", g.OpensAt)
		}
		for _, name := range sorted(g.Inputs) {
			_, _ = fmt.Fprintf(out, " %s=%s", name, g.Inputs[name])
		}
		_, _ = fmt.Fprintln(out)
	}
	_, err := fmt.Fprintln(out, strings.TrimSpace("=> "+v.Decision+" "+v.Reason+" "+v.OpensAt))
	return err
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
