package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ringmaster/internal/dialogue/check"
)

// controller is a running controller, asked over its API as any program asks
// it: it alone knows lines, rules and versions.
type controller struct{ api, key string }

// flags are those of every command that asks a controller.
func (c *controller) flags(cmd *cobra.Command, scopes string) {
	cmd.Flags().StringVar(&c.api, "api", "http://127.0.0.1:8080", "where the controller listens")
	cmd.Flags().StringVar(&c.key, "key", "", "API key with "+scopes+"; empty = $RINGMASTER_KEY")
}

// answerError is an answer that is not what was asked for.
type answerError struct {
	Status   int
	Title    string
	Detail   string
	Findings []check.Finding // of a script that is refused
}

func (e *answerError) Error() string {
	s := fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status))
	if e.Title != "" && !strings.EqualFold(e.Title, http.StatusText(e.Status)) {
		s += ": " + e.Title
	}
	if e.Detail != "" {
		s += " (" + e.Detail + ")"
	}
	switch e.Status {
	case http.StatusUnauthorized:
		s += ": give --key, or set RINGMASTER_KEY; whoever runs the controller makes one with `ringmaster key create`"
	case http.StatusForbidden:
		s += ": ask whoever runs the controller for a key that may (docs/access.md), or ask somebody who has one"
	}
	return s
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 16 << 20

// do asks with a body of the given media type; nil = none.
func (c controller) do(ctx context.Context, method, path, kind string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.api, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("--api: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+cmp.Or(c.key, os.Getenv("RINGMASTER_KEY")))
	if body != nil {
		req.Header.Set("Content-Type", kind)
	}
	resp, err := (&http.Client{Timeout: time.Minute}).Do(req)
	if err != nil {
		return nil, fmt.Errorf("no controller answers (is it running, and is --api its address, http.listen of its configuration?): %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("the controller's answer broke off: %w", err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		e := &answerError{Status: resp.StatusCode}
		_ = json.Unmarshal(answer, e) // what is not JSON has no more to tell
		e.Status = resp.StatusCode
		return nil, e
	}
	return answer, nil
}

// get asks for JSON.
func (c controller) get(ctx context.Context, path string, into any) ([]byte, error) {
	answer, err := c.do(ctx, http.MethodGet, path, "", nil)
	if err == nil && into != nil {
		err = json.Unmarshal(answer, into)
	}
	return answer, err
}

// post sends JSON and reads JSON.
func (c controller) post(ctx context.Context, path string, what, into any) error {
	body, err := json.Marshal(what)
	if err != nil {
		return err
	}
	answer, err := c.do(ctx, http.MethodPost, path, "application/json", body)
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, into)
}
