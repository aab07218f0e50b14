//go:build !linux

package media

import "errors"

// poller is an economy that Linux has: elsewhere each line reads for itself.
type poller struct{}

func newPoller() (*poller, error) { return nil, errors.ErrUnsupported }

func (*poller) close()          {}
func (*poller) load() int       { return 0 }
func (*poller) add(*line) error { return errors.ErrUnsupported }
func (*poller) remove(*line)    {}
