package funasr

import (
	"fmt"

	"ringmaster/adapter/speech/live"
	"ringmaster/internal/audio"
	"ringmaster/internal/speech"
)

// ErrClosed is what a stream answers after Close, or to Write after CloseWrite.
var ErrClosed = live.ErrClosed

// codec is one stream's side of the protocol.
type codec struct {
	join   assembler
	native bool // it is the C++ server, which always acknowledges
}

// Parse implements live.Codec.
func (c *codec) Parse(binary bool, data []byte) (live.Take, error) {
	if binary {
		return nil, fmt.Errorf("%w: a binary answer of %d bytes", speech.ErrProtocol, len(data))
	}
	m, err := parseMessage(data)
	if err != nil {
		return nil, err
	}
	return func(h *live.Hearing) (live.Answer, error) { return c.take(m, h) }, nil
}

func (c *codec) take(m message, h *live.Hearing) (live.Answer, error) {
	c.native = c.native || m.native
	results, err := c.join.take(m, h)
	return live.Answer{
		Results: results, Open: c.join.open(), Last: m.kind == ended || m.complete,
		Perhaps: !c.native && m.kind != partial,
	}, err
}

// Rest implements live.Codec.
func (c *codec) Rest() []speech.Result { return c.join.rest() }

// stream is one recognition.
type stream struct {
	*live.Stream
	bias *bias
}

// settings of one stream.
func (c *Config) settings(f audio.Format, first []byte, b *bias) live.Config {
	return live.Config{
		Name: "funasr", Codec: &codec{}, Format: f, Rate: serverRate, Stride: c.stride(),
		First: first, Last: []byte(endOfInput), Between: b.take,
		WriteTimeout: c.WriteTimeout, IdleTimeout: c.IdleTimeout, FinalTimeout: c.FinalTimeout, Drain: c.Drain,
		PingInterval: c.PingInterval, Queue: c.Queue, MaxMessage: maxMessage, Logger: c.Logger,
	}
}
