package twin

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// Kind of a fault.
type Kind string

// Faults. Those of requests match Match as a prefix of "METHOD /path" (without
// /ari); those of events match it as the event's type; "" matches everything.
const (
	DropSockets Kind = "drop_sockets" // close the event sockets now, without a word
	Refuse      Kind = "refuse"       // answer no connection until Restore; drops the event sockets too
	Restore     Kind = "restore"      // the end of Refuse
	Restart     Kind = "restart"      // every channel is gone without an event; sockets close; the start time changes
	Stall       Kind = "stall"        // the event sockets write nothing for Delay
	Fail        Kind = "fail"         // Count requests are refused with Code; nothing is done
	LateReply   Kind = "late_reply"   // Count requests are done and answered after Delay
	LoseReply   Kind = "lose_reply"   // Count requests are done and never answered
	LoseEvent   Kind = "lose_event"   // Count events are not sent
	Duplicate   Kind = "duplicate"    // Count events are sent twice
	Reorder     Kind = "reorder"      // Count events are sent after the one that follows them
	Garbage     Kind = "garbage"      // before Count events comes what is no JSON
)

// Fault is something that goes wrong on purpose.
type Fault struct {
	Kind  Kind          `json:"kind"`
	Match string        `json:"match,omitempty"`
	Count int           `json:"count,omitempty"` // 0 means 1
	Code  int           `json:"code,omitempty"`  // of Fail; 0 means 503
	Delay time.Duration `json:"-"`
	// DelayText is Delay in JSON, such as "1.5s".
	DelayText string `json:"delay,omitempty"`
	// Share makes LoseEvent, Duplicate and Reorder strike at random, each
	// matching event with that probability (0.05 is 5 %), until another fault of
	// the kind with Share 0 and Count -1 ends it.
	Share float64 `json:"share,omitempty"`
}

// ErrFault is a fault that does not exist.
var ErrFault = errors.New("no such fault: see Kind in internal/lab/twin")

// faults are those that wait for their request or event; guarded by the
// exchange's lock.
type faults struct {
	waiting []*Fault
	held    []byte // an event that waits for the next (Reorder)
	share   map[Kind]Fault
}

// Inject makes a fault happen, now or to what comes next.
func (ex *Exchange) Inject(f Fault) error {
	if f.Count == 0 {
		f.Count = 1
	}
	if f.Kind == Fail && f.Code == 0 {
		f.Code = http.StatusServiceUnavailable
	}
	ex.mu.Lock()
	defer ex.mu.Unlock()
	switch f.Kind {
	case Refuse:
		ex.refusing.Store(true)
		ex.dropSockets()
	case DropSockets:
		ex.dropSockets()
	case Restore:
		ex.refusing.Store(false)
	case Restart:
		ex.wipe()
		ex.counters.Restarts++
	case Stall:
		for _, a := range ex.apps {
			if a.conn != nil {
				a.conn.mu.Lock()
				a.conn.stalled = time.Now().Add(f.Delay)
				a.conn.mu.Unlock()
			}
		}
	case LoseEvent, Duplicate, Reorder:
		if f.Share > 0 || f.Count < 0 {
			if ex.faults.share == nil {
				ex.faults.share = map[Kind]Fault{}
			}
			ex.faults.share[f.Kind] = f
			return nil
		}
		ex.faults.waiting = append(ex.faults.waiting, &f)
	case Fail, LateReply, LoseReply, Garbage:
		ex.faults.waiting = append(ex.faults.waiting, &f)
	default:
		return fmt.Errorf("%w: %q", ErrFault, f.Kind)
	}
	return nil
}

func (ex *Exchange) dropSockets() {
	for _, a := range ex.apps {
		a.leave()
		a.tidy()
	}
}

func (fs *faults) use(match func(*Fault) bool) *Fault {
	for i, f := range fs.waiting {
		if !match(f) {
			continue
		}
		f.Count--
		if f.Count <= 0 {
			fs.waiting = append(fs.waiting[:i:i], fs.waiting[i+1:]...)
		}
		return f
	}
	return nil
}

// request is the fault of a request, if it has one.
func (fs *faults) request(line string) *Fault {
	return fs.use(func(f *Fault) bool {
		return (f.Kind == Fail || f.Kind == LateReply || f.Kind == LoseReply) && strings.HasPrefix(line, f.Match)
	})
}

// rawMark begins a queued message that is written as it is.
const rawMark = 0xff

// distort is what becomes of an event on its way: nothing, itself, more.
func (fs *faults) distort(eventType string, message []byte) [][]byte {
	f := fs.use(func(f *Fault) bool {
		return (f.Kind == LoseEvent || f.Kind == Duplicate || f.Kind == Reorder || f.Kind == Garbage) &&
			(f.Match == "" || f.Match == eventType)
	})
	if f == nil {
		f = fs.byShare(eventType)
	}
	out := [][]byte{message}
	if f != nil {
		switch f.Kind {
		case LoseEvent:
			out = nil
		case Duplicate:
			out = append(out, message)
		case Garbage:
			out = [][]byte{[]byte(`{"type":"StasisStart","channel":`), []byte("\x00 not JSON"), []byte(`{"type":17,"channel":[]}`), message}
		default: // Reorder; the others are no faults of events
			if fs.held == nil {
				fs.held = message
				return nil
			}
		}
	}
	if fs.held != nil && len(out) > 0 {
		out = append(out, fs.held)
		fs.held = nil
	}
	return out
}

// byShare is a fault that strikes at random, nil mostly.
func (fs *faults) byShare(eventType string) *Fault {
	for _, k := range []Kind{LoseEvent, Duplicate, Reorder} {
		f, ok := fs.share[k]
		if ok && (f.Match == "" || f.Match == eventType) && rand.Float64() < f.Share { //nolint:gosec // chance
			return &f
		}
	}
	return nil
}

// isControl: requests of the test itself, which no fault touches.
func isControl(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/twin/") }

func (ex *Exchange) serveFault(w http.ResponseWriter, r *http.Request) {
	p, err := readParams(r)
	var f Fault
	if err == nil {
		err = json.Unmarshal(p.body, &f)
	}
	if err == nil && f.DelayText != "" {
		f.Delay, err = time.ParseDuration(f.DelayText)
	}
	if err == nil {
		err = ex.Inject(f)
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
