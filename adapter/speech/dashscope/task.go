package dashscope

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/coder/websocket"
	"github.com/google/uuid"

	"ringmaster/internal/speech"
)

// task is one task over its connection. It has no goroutine: next reads, the
// context of a call to it cancels it.
type task struct {
	id   string
	conn *websocket.Conn
}

// command is a message of the client.
type command struct {
	Header  header `json:"header"`
	Payload any    `json:"payload"`
}

type header struct {
	Action    string `json:"action"`
	TaskID    string `json:"task_id"`
	Streaming string `json:"streaming"`
}

// dial connects. Nothing of the address or the token is in an error.
func dial(ctx context.Context, client *http.Client, to, token string) (*task, error) {
	conn, resp, err := websocket.Dial(ctx, to, &websocket.DialOptions{
		HTTPClient: client, HTTPHeader: http.Header{"Authorization": {"Bearer " + token}},
	})
	if err == nil {
		conn.SetReadLimit(maxMessage)
		return &task{id: uuid.NewString(), conn: conn}, nil
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case resp != nil && resp.StatusCode != http.StatusSwitchingProtocols:
		return nil, fmt.Errorf("%w: handshake answered with HTTP %d", speech.ErrUnavailable, resp.StatusCode)
	}
	return nil, fmt.Errorf("%w: %w", speech.ErrUnavailable, err)
}

// send gives a command: run-task, continue-task or finish-task.
func (t *task) send(ctx context.Context, action string, payload any) error {
	msg, err := json.Marshal(command{Header: header{Action: action, TaskID: t.id, Streaming: "duplex"}, Payload: payload})
	if err != nil {
		return fmt.Errorf("%w: %w", speech.ErrProtocol, err)
	}
	if err := t.conn.Write(ctx, websocket.MessageText, msg); err != nil {
		return broken(ctx, err)
	}
	return nil
}

// next is the next event, or the next piece of binary data with event "".
func (t *task) next(ctx context.Context) (event string, data []byte, err error) {
	kind, data, err := t.conn.Read(ctx)
	if err != nil {
		return "", nil, broken(ctx, err)
	}
	if kind == websocket.MessageBinary {
		return "", data, nil
	}
	event, err = parseEvent(data, t.id)
	return event, nil, err
}

// close drops the connection: the server gives up what it was doing.
func (t *task) close() { _ = t.conn.CloseNow() }

// broken says why a connection ended before its task did.
func broken(ctx context.Context, err error) error {
	var closed websocket.CloseError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, websocket.ErrMessageTooBig):
		return fmt.Errorf("%w: a message of more than %d bytes", speech.ErrProtocol, maxMessage)
	case errors.As(err, &closed):
		return fmt.Errorf("%w: the connection was closed in mid-task (%d %s)", speech.ErrUnavailable, closed.Code, short(closed.Reason))
	}
	return fmt.Errorf("%w: the connection broke in mid-task", speech.ErrUnavailable)
}
