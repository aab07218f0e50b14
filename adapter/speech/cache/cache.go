package cache

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"ringmaster/internal/speech"
)

// Config of a Cache.
type Config struct {
	// Provider names what stands behind the cache, with its version or model:
	// two providers may share a folder.
	Provider string
	// Dir is where prompts are kept; empty keeps them in memory only.
	Dir string
	// MemoryBytes and DiskBytes bound the two; 0 means 64 MiB and 1 GiB.
	MemoryBytes, DiskBytes int64
	// MaxAudio is the longest prompt; 0 means 10 min.
	MaxAudio time.Duration
	// WarmConcurrency is how many prompts Warm makes at once; 0 means 4.
	WarmConcurrency int
	// Level keeps every prompt at the loudness of level.Target, with 20 ms of
	// silence at its ends. What is played while it is made comes as the provider
	// gives it: put a level.Synthesizer in front of one that streams.
	Level bool
	// Identity, when set, stands for the voice of an utterance in the key under
	// which a prompt is kept: who really speaks it, with which settings.
	Identity func(speech.Utterance) string
	Log      *slog.Logger
}

// Stats count what happened since New.
type Stats struct {
	Hits      int64 // played from memory or disk, or from a synthesis already begun
	DiskHits  int64 // of these, read from disk
	Misses    int64
	Synths    int64 // times that the provider was asked
	Errors    int64 // syntheses that failed
	Evictions int64 // prompts forgotten for want of room, memory and disk
	Corrupt   int64 // files that did not fit their checksum
	Memory    int64 // bytes held now
	Disk      int64
}

type key [sha256.Size]byte

// Cache is a speech.Synthesizer that asks the one behind it only once for the
// same thing. It is safe for concurrent use.
type Cache struct {
	next speech.Synthesizer
	cfg  Config
	disk *disk // nil without a folder

	hits, diskHits, misses, synths, failures, evictions, corrupt atomic.Int64

	mu      sync.Mutex
	closed  bool
	flights map[key]*prompt   // being made
	kept    lru[key, *prompt] // complete; weight: bytes
	workers sync.WaitGroup
}

// ErrClosed means that the cache was closed.
var ErrClosed = errors.New("cache: the prompt cache is closed")

// New puts a cache in front of a synthesizer and looks what the folder holds.
func New(next speech.Synthesizer, cfg Config) (*Cache, error) {
	if cfg.MemoryBytes <= 0 {
		cfg.MemoryBytes = 64 << 20
	}
	if cfg.DiskBytes <= 0 {
		cfg.DiskBytes = 1 << 30
	}
	if cfg.MaxAudio <= 0 {
		cfg.MaxAudio = 10 * time.Minute
	}
	if cfg.WarmConcurrency <= 0 {
		cfg.WarmConcurrency = 4
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	c := &Cache{
		next: next, cfg: cfg, flights: map[key]*prompt{},
	}
	if cfg.Dir != "" {
		d, err := openDisk(cfg.Dir, cfg.DiskBytes)
		if err != nil {
			return nil, err
		}
		c.disk = d
	}
	return c, nil
}

// keyOf is the hash over everything that shapes the sound; each field is
// preceded by its length, so that no two differ only in where one ends.
func (c *Cache) keyOf(u speech.Utterance) key {
	speed := u.Speed
	if speed == 0 {
		speed = 1
	}
	if c.cfg.Identity != nil {
		u.Voice = c.cfg.Identity(u)
	}
	h := sha256.New()
	kind := "ringmaster prompt 1"
	if c.cfg.Level {
		kind = "ringmaster prompt 2"
	}
	for _, field := range []string{kind, c.cfg.Provider, u.Voice, string(u.Language), u.Text} {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(field)))
		h.Write(n[:])
		_, _ = io.WriteString(h, field) // a hash does not fail
	}
	var tail [16]byte
	binary.BigEndian.PutUint64(tail[:], math.Float64bits(speed))
	binary.BigEndian.PutUint64(tail[8:], uint64(u.Format.Rate))
	h.Write(tail[:])
	for _, hint := range u.Hints {
		_, _ = fmt.Fprintf(h, "%d %d %q %d;", hint.Start, hint.End, hint.Reading, hint.Pause)
	}
	return key(h.Sum(nil))
}

// Synthesize plays from memory at once; else from disk; else it asks the
// provider, once for however many callers want the same, and streams what
// comes. An error of the provider arrives with the first Read. The provider is
// stopped when nobody listens any more.
func (c *Cache) Synthesize(ctx context.Context, u speech.Utterance) (speech.Synthesis, error) {
	if err := u.Format.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", speech.ErrUnsupported, err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	k := c.keyOf(u)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	if p, ok := c.kept.get(k); ok {
		c.hits.Add(1)
		return newReading(ctx, c, p), nil
	}
	p, ok := c.flights[k]
	if ok {
		c.hits.Add(1)
	} else {
		p = c.start(ctx, k, u)
	}
	p.refs++
	return newReading(ctx, c, p), nil
}

// start begins to make a prompt. The caller holds c.mu.
func (c *Cache) start(ctx context.Context, k key, u speech.Utterance) *prompt {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p := &prompt{key: k, rate: u.Format.Rate, changed: make(chan struct{}), cancel: cancel}
	c.flights[k] = p
	c.workers.Add(1)
	go func() {
		defer c.workers.Done()
		defer cancel()
		c.fill(ctx, p, u)
	}()
	return p
}

// fill takes a prompt from disk or from the provider and keeps it.
func (c *Cache) fill(ctx context.Context, p *prompt, u speech.Utterance) {
	if c.fromDisk(p) {
		c.hits.Add(1)
		c.diskHits.Add(1)
		c.keep(p, p)
		return
	}
	c.misses.Add(1)
	c.synths.Add(1)
	whole, err := c.fromProvider(ctx, p, u)
	if err != nil {
		if ctx.Err() == nil { // being given up is no failure
			c.failures.Add(1)
		}
		c.drop(p)
		p.finish(err)
		return
	}
	if !whole {
		p.finish(nil)
		c.drop(p)
		return
	}
	kept := p
	if c.cfg.Level {
		kept = p.levelled(u)
	}
	c.keep(p, kept) // before the end is told: who asks again then finds it
	p.finish(nil)
	if c.disk == nil {
		return
	}
	evicted, err := c.disk.store(kept)
	c.evictions.Add(int64(evicted))
	if err != nil {
		c.cfg.Log.Warn("prompt was not kept on disk", "err", err)
	}
}

func (c *Cache) fromDisk(p *prompt) bool {
	if c.disk == nil {
		return false
	}
	stored, err := c.disk.load(p.key, p.rate, c.cfg.MaxAudio)
	if errors.Is(err, errCorrupt) {
		c.corrupt.Add(1)
		c.cfg.Log.Warn("a prompt on disk was damaged and is made anew", "err", err)
	}
	if err != nil {
		return false
	}
	p.append(stored.samples, stored.marks)
	p.finish(nil)
	return true
}

// degraded is what a synthesis may tell: it was not spoken by the provider that
// was asked, and must be asked for again when that one is back.
type degraded interface{ Degraded() bool }

// fromProvider streams the provider's audio into a prompt; keep tells whether
// it may be played again to others.
func (c *Cache) fromProvider(ctx context.Context, p *prompt, u speech.Utterance) (keep bool, err error) {
	syn, err := c.next.Synthesize(ctx, u)
	if err != nil {
		return false, err
	}
	defer closing(syn)
	limit := int(u.Format.Samples(c.cfg.MaxAudio))
	buf := make([]int16, u.Format.FrameSamples()*5)
	total := 0
	for {
		n, err := syn.Read(buf)
		total += n
		if total > limit {
			return false, fmt.Errorf("%w: more than %v of audio for one prompt", speech.ErrProtocol, c.cfg.MaxAudio)
		}
		end := errors.Is(err, io.EOF)
		if n > 0 || end {
			p.append(buf[:n], syn.Marks())
		}
		if end {
			d, ok := syn.(degraded)
			return !ok || !d.Degraded(), nil
		}
		if err != nil {
			return false, err
		}
	}
}

// closing ends a synthesis of which everything was read or given up: what Close
// says changes nothing.
func closing(s speech.Synthesis) { _ = s.Close() }

// keep moves a complete prompt into memory in place of the one that was made,
// and forgets what no longer fits.
func (c *Cache) keep(made, p *prompt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flights[p.key] == made {
		delete(c.flights, p.key)
	}
	if p.size() > c.cfg.MemoryBytes {
		return
	}
	c.kept.put(p.key, p, p.size())
	for c.kept.weight > c.cfg.MemoryBytes {
		c.kept.dropOldest()
		c.evictions.Add(1)
	}
}

func (c *Cache) drop(p *prompt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flights[p.key] == p {
		delete(c.flights, p.key)
	}
}

// release is called once by every reading; without listeners an unfinished
// prompt is given up, so that a caller who interrupts stops the provider.
func (c *Cache) release(p *prompt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.refs--
	if c.flights[p.key] == p && p.refs == 0 {
		delete(c.flights, p.key)
		p.cancel()
	}
}

// Cached tells whether an utterance would play without a synthesis.
func (c *Cache) Cached(u speech.Utterance) bool {
	k := c.keyOf(u)
	c.mu.Lock()
	ok := c.kept.has(k)
	c.mu.Unlock()
	return ok || c.disk != nil && c.disk.has(k)
}

// Warm makes every utterance that is not cached yet, so that calls can begin:
// progress, which may be nil, is called after each, never twice at once. All
// are tried; the error counts what failed and wraps the first failure.
func (c *Cache) Warm(ctx context.Context, us []speech.Utterance, progress func(done, total int)) error {
	work := make(chan speech.Utterance)
	var mu sync.Mutex
	var failed, done int
	var first error
	var wg sync.WaitGroup
	for range min(c.cfg.WarmConcurrency, len(us)) {
		wg.Go(func() {
			for u := range work {
				err := c.prepare(ctx, u)
				mu.Lock()
				done++
				if err != nil {
					failed++
					if first == nil {
						first = err
					}
				}
				if progress != nil {
					progress(done, len(us))
				}
				mu.Unlock()
			}
		})
	}
feed:
	for _, u := range us {
		select {
		case work <- u:
		case <-ctx.Done():
			break feed
		}
	}
	close(work)
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("cache: %d of %d prompts were prepared: %w", done-failed, len(us), err)
	}
	if first != nil {
		return fmt.Errorf("cache: %d of %d prompts could not be prepared: %w", failed, len(us), first)
	}
	return nil
}

func (c *Cache) prepare(ctx context.Context, u speech.Utterance) error {
	syn, err := c.Synthesize(ctx, u)
	if err != nil {
		return err
	}
	defer closing(syn)
	buf := make([]int16, 8192)
	for {
		if _, err := syn.Read(buf); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

// Stats are the counts so far.
func (c *Cache) Stats() Stats {
	s := Stats{
		Hits: c.hits.Load(), DiskHits: c.diskHits.Load(), Misses: c.misses.Load(), Synths: c.synths.Load(),
		Errors: c.failures.Load(), Evictions: c.evictions.Load(), Corrupt: c.corrupt.Load(),
	}
	c.mu.Lock()
	s.Memory = c.kept.weight
	c.mu.Unlock()
	if c.disk != nil {
		s.Disk = c.disk.size()
	}
	return s
}

// Close stops what is being made and waits for it.
func (c *Cache) Close() error {
	c.mu.Lock()
	c.closed = true
	for _, p := range c.flights {
		p.cancel()
	}
	c.mu.Unlock()
	c.workers.Wait()
	return nil
}
