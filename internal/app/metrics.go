package app

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"ringmaster/internal/call"
)

// metrics are what Prometheus reads. Labels are codes and configured names,
// never a person's.
type metrics struct {
	registry *prometheus.Registry
	calls    *prometheus.CounterVec
	talk     prometheus.Histogram
	ring     prometheus.Histogram
	degraded *prometheus.CounterVec
	silence  prometheus.Histogram
	spans    *prometheus.HistogramVec
	rest     prometheus.Histogram
	app      *App
}

func newMetrics(a *App) *metrics {
	m := &metrics{app: a, registry: prometheus.NewRegistry(),
		calls:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringmaster_calls_total", Help: "Finished attempts by disposition and trunk."}, []string{"disposition", "pbx", "trunk"}),
		talk:     prometheus.NewHistogram(prometheus.HistogramOpts{Name: "ringmaster_talk_seconds", Help: "Length of conversations.", Buckets: []float64{1, 3, 5, 10, 20, 30, 60, 120, 300, 600}}),
		ring:     prometheus.NewHistogram(prometheus.HistogramOpts{Name: "ringmaster_ring_seconds", Help: "Time from originate to answer.", Buckets: []float64{1, 2, 5, 10, 15, 20, 30, 45, 60}}),
		degraded: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringmaster_degraded_calls_total", Help: "Calls in which a part failed."}, []string{"part"}),
	}
	m.silence = prometheus.NewHistogram(prometheus.HistogramOpts{Name: "ringmaster_turn_silence_seconds", Help: "Silence between the customer's last sound and our first, by the recording.", Buckets: turnBuckets()})
	m.spans = prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "ringmaster_turn_span_seconds", Help: "Where that silence went, by the clock.", Buckets: turnBuckets()}, []string{"span"})
	m.rest = prometheus.NewHistogram(prometheus.HistogramOpts{Name: "ringmaster_turn_unexplained_seconds", Help: "How far the spans of a turn and its silence in the recording are apart, either way.",
		Buckets: []float64{.005, .01, .02, .04, .06, .1, .2, .5, 1}})
	m.registry.MustRegister(m.silence, m.spans, m.rest)
	a.caller.deps.Silence = m.heardSilence
	m.registry.MustRegister(m.calls, m.talk, m.ring, m.degraded, m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.registry.MustRegister(a.examiner.verdicts)
	watch := a.caller.watch
	a.caller.watch = func(s Sight) {
		m.saw(s)
		if s.Outcome != nil {
			a.examiner.ended()
		}
		if watch != nil {
			watch(s)
		}
	}
	return m
}

func turnBuckets() []float64 {
	return []float64{.005, .01, .02, .05, .1, .2, .3, .4, .6, .8, 1, 1.5, 2, 3, 5}
}

func (m *metrics) heardSilence(s call.Silence) {
	m.silence.Observe(s.Total.Seconds())
	for _, p := range s.Spans() {
		m.spans.WithLabelValues(p.Name).Observe(p.For.Seconds())
	}
	m.rest.Observe(s.Unexplained().Abs().Seconds())
}

func (m *metrics) saw(s Sight) {
	o := s.Outcome
	if o == nil || o.NeverSent != "" {
		return
	}
	m.calls.WithLabelValues(string(o.Disposition), s.Attempt.Placed.PBX, s.Attempt.Placed.Trunk).Inc()
	if o.Answered() {
		m.talk.Observe(o.EndedAt.Sub(o.AnsweredAt).Seconds())
		if !s.Attempt.Inbound {
			m.ring.Observe(o.AnsweredAt.Sub(o.StartedAt).Seconds())
		}
	}
	for _, part := range o.Degraded {
		m.degraded.WithLabelValues(part).Inc()
	}
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

var (
	descLive    = prometheus.NewDesc("ringmaster_calls_live", "Calls in progress.", nil, nil)
	descUp      = prometheus.NewDesc("ringmaster_pbx_up", "1 while commands and events of the exchange both work.", []string{"pbx"}, nil)
	descLag     = prometheus.NewDesc("ringmaster_pbx_event_lag", "Unread events over all legs.", []string{"pbx"}, nil)
	descDropped = prometheus.NewDesc("ringmaster_media_frames_dropped_total", "Audio frames dropped by us.", []string{"pbx"}, nil)
	descLines   = prometheus.NewDesc("ringmaster_trunk_lines", "Lines of a trunk by state; shut: no new call takes any of them (drained, resting, exchange away).", []string{"pbx", "trunk", "state"}, nil)
	descOutbox  = prometheus.NewDesc("ringmaster_outbox_messages", "Messages by state.", []string{"state"}, nil)
	descSched   = prometheus.NewDesc("ringmaster_attempts_total", "Attempts by what the scheduler did with them.", []string{"step"}, nil)
	descStore   = prometheus.NewDesc("ringmaster_store_errors_total", "Database errors seen by the scheduler.", nil, nil)
	descOrphans = prometheus.NewDesc("ringmaster_orphan_legs_total", "Legs without a call that were hung up.", nil, nil)
	descVoices  = prometheus.NewDesc("ringmaster_voice_substitutions_total", "Lines that another provider's voice spoke; lost: what it does not share with the voice that was asked for.", []string{"provider", "instead", "lost"}, nil)
	descPrompts = prometheus.NewDesc("ringmaster_prompts_total", "Prompt cache by result.", []string{"result"}, nil)
)

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descLive, descUp, descLag, descDropped, descLines, descOutbox, descSched, descStore, descOrphans, descPrompts} {
		ch <- d
	}
	ch <- descVoices
}

// Collect reads what others count.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	st := m.app.scheduler.Stats()
	gauge(descLive, float64(st.Live))
	count(descStore, st.StoreErrors)
	for step, n := range map[string]uint64{"claimed": st.Claimed, "placed": st.Placed, "finished": st.Finished, "postponed": st.Postponed, "refused": st.Refused, "orphaned": st.Orphans} {
		count(descSched, n, step)
	}
	for name, sw := range m.app.fleet.switches() {
		h, up := sw.Health(), 0.0
		if h.Up {
			up = 1
		}
		gauge(descUp, up, name)
		gauge(descLag, float64(h.Lag), name)
		count(descDropped, h.Dropped, name)
	}
	for _, e := range m.app.fleet.exchanges(time.Now()) {
		for _, t := range e.Trunks {
			free, shut := t.Lines-t.Busy, 0
			if t.Shut != "" {
				free, shut = 0, free
			}
			gauge(descLines, float64(t.Busy), e.Name, t.Name, "busy")
			gauge(descLines, float64(free), e.Name, t.Name, "free")
			gauge(descLines, float64(shut), e.Name, t.Name, "shut")
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if waiting, dead, err := m.app.store.Outbox().Depth(ctx); err == nil {
		gauge(descOutbox, float64(waiting), "waiting")
		gauge(descOutbox, float64(dead), "dead")
	}
	count(descOrphans, m.app.janitor.count())
	if c := m.app.cast; c != nil {
		for s, n := range c.Substitutions() {
			count(descVoices, uint64(max(0, n)), s.From, s.To, s.Lost)
		}
	}
	p := m.app.prompts.Stats()
	for result, n := range map[string]int64{"hit": p.Hits, "miss": p.Misses, "synthesized": p.Synths, "error": p.Errors} {
		count(descPrompts, uint64(max(0, n)), result)
	}
}
