package dashscope

import "bytes"

// Frame is one websocket message, for Config.Tap.
type Frame struct {
	Conn       int64
	Agent      string // the client's User-Agent
	FromClient bool
	Binary     bool
	Data       []byte
}

// tap gives a connection its number and the function that shows its messages.
func (s *Server) tap(agent string) func(fromClient, binary bool, data []byte) {
	if s.config.Tap == nil {
		return func(bool, bool, []byte) {}
	}
	s.mu.Lock()
	s.conns++
	n := s.conns
	s.mu.Unlock()
	return func(fromClient, binary bool, data []byte) {
		s.config.Tap(Frame{Conn: n, Agent: agent, FromClient: fromClient, Binary: binary, Data: bytes.Clone(data)})
	}
}
