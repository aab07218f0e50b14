package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ringmaster/adapter/nlu/keyword"
	"ringmaster/adapter/nlu/trained"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/dialogue/rehearse"
	port "ringmaster/internal/nlu"
	"ringmaster/internal/nlu/classify"
	"ringmaster/scripts"
)

func benchCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "bench", Short: "measure this machine"}
	cmd.AddCommand(benchESLCommand(), benchDialogueCommand(), benchMediaCommand(), benchClaimsCommand(), benchCallsCommand(), benchExchangeCommand(), benchWireCommand())
	return cmd
}

// The aims of one core.
const (
	aimPerSecond = 100_000
	aimP99       = time.Millisecond
	aimMemory    = 32 << 10 // bytes a dialogue
)

type benchDialogue struct {
	script string
	each   time.Duration
}

func benchDialogueCommand() *cobra.Command {
	o := benchDialogue{}
	cmd := &cobra.Command{
		Use: "dialogue", Short: "decisions per second, the slowest of a hundred, memory per dialogue", Args: cobra.NoArgs,
		Long: "Plays the conversation tests of a shipped script over and over on one core: the script's decisions alone, then with the embedded understander\n" +
			"by keywords, then with the model that is trained for every script version. Garbage collection is part of what is measured. Decisions per second\n" +
			"are per second of processor time; the times of single decisions are by the clock, so a busy machine shows in the slowest.",
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), cmd.OutOrStdout()) },
	}
	cmd.Flags().StringVar(&o.script, "script", "education/course_consult.yaml", "a shipped script")
	cmd.Flags().DurationVar(&o.each, "each", 3*time.Second, "how long each measurement lasts")
	return cmd
}

// conversation is what one customer does, in order; an empty text is silence.
type conversation struct {
	who     dialogue.Customer
	said    []string
	answers []port.Answer // of a first pass, for the measurement without understanding
}

func (o benchDialogue) run(ctx context.Context, out io.Writer) error {
	s, talk, err := o.load()
	if err != nil {
		return err
	}
	words := keyword.New()
	model := trained.New(trained.Options{Keyword: words, Source: func(context.Context, string, string, string) ([]classify.Example, error) {
		return trained.Examples(s.Expectations()), nil
	}})
	defer model.Close()
	info := s.Info()
	if err := model.Train(ctx, port.Question{Script: info.ID, Version: info.Version}); err != nil {
		return err
	}
	b := &bench{script: s, talk: talk, now: time.Date(2026, 10, 1, 14, 0, 0, 0, time.FixedZone("", 8*3600))}
	b.learn(ctx, words)
	was := runtime.GOMAXPROCS(1)
	rows := []benchRow{
		b.measure(ctx, "decisions alone", nil, o.each),
		b.measure(ctx, "with keywords", words, o.each),
		b.measure(ctx, "with the trained model", model, o.each),
	}
	memory, state := b.memory(ctx)
	runtime.GOMAXPROCS(was)

	fmt.Fprintf(out, "machine  %s, %d cores, %s/%s, %s, 1 core used\n", processor(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	fmt.Fprintf(out, "script   %s (%d nodes), %d conversations of its tests\n\n", info.ID, len(info.Nodes), len(talk))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tdecisions/s\tp50\tp99\tp99.9\tworst\tbytes each\t")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%.0f\t%v\t%v\t%v\t%v\t%d\t\n", r.name, r.perSecond, r.at(500), r.at(990), r.at(999), r.at(1000), r.bytes)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nmemory of a dialogue  %.1f KiB (as it is kept: %.1f KiB)\n\n", memory/1024, float64(state)/1024)
	fmt.Fprintf(out, "aim  %d decisions/s a core: %s\naim  p99 %v with the embedded classifier: %s\naim  %d KiB a dialogue: %s\n",
		aimPerSecond, met(rows[0].perSecond >= aimPerSecond), aimP99, met(rows[2].at(990) <= aimP99), aimMemory>>10, met(memory <= aimMemory))
	return nil
}

func met(ok bool) string {
	if ok {
		return "met"
	}
	return "missed"
}

func (o benchDialogue) load() (*dialogue.Script, []conversation, error) {
	shared, err := scripts.Shared()
	if err != nil {
		return nil, nil, err
	}
	lib, err := dialogue.NewLibrary(shared)
	if err != nil {
		return nil, nil, err
	}
	all, err := scripts.All()
	if err != nil {
		return nil, nil, err
	}
	i := slices.IndexFunc(all, func(f scripts.File) bool { return f.Path == o.script })
	if i < 0 {
		var known []string
		for _, f := range all {
			known = append(known, f.Path)
		}
		return nil, nil, fmt.Errorf("no shipped script %q: %s", o.script, strings.Join(known, ", "))
	}
	s, err := lib.Compile(all[i].Path, all[i].Source)
	if err != nil {
		return nil, nil, err
	}
	file := strings.TrimSuffix(o.script, ".yaml") + ".test.yaml"
	f, err := scripts.FS().Open(file)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }()
	src, err := io.ReadAll(f)
	if err != nil {
		return nil, nil, err
	}
	suite, err := rehearse.Load(file, src)
	if err != nil {
		return nil, nil, err
	}
	var talk []conversation
	for _, c := range suite.Conversations {
		x := conversation{who: suite.Whom(c)}
		for _, st := range c.Talk {
			if said := st.Them + st.Barge; said != "" || st.Silence {
				x.said = append(x.said, said)
			}
		}
		if len(s.Missing(x.who)) == 0 && len(x.said) > 0 {
			talk = append(talk, x)
		}
	}
	if len(talk) == 0 {
		return nil, nil, errors.New("the tests of this script hold no conversation that can be played")
	}
	return s, talk, nil
}

// bench plays conversations.
type bench struct {
	script *dialogue.Script
	talk   []conversation
	now    time.Time
}

// play is one conversation; each is told how long a decision took: what was
// meant, and what follows.
func (b *bench) play(ctx context.Context, c *conversation, u port.Understander, each func(time.Duration)) (dialogue.State, dialogue.Move) {
	begin := time.Now()
	decided := func() {
		if each != nil {
			end := time.Now()
			each(end.Sub(begin))
			begin = end
		}
	}
	st, _ := b.script.Start(c.who, b.now)
	decided()
	st, mv := b.script.Next(st, dialogue.Input{Kind: dialogue.Said}, b.now)
	decided()
	for i, said := range c.said {
		if mv.End != nil {
			break
		}
		in := dialogue.Input{Kind: dialogue.Silence}
		if said != "" {
			in = dialogue.Input{Kind: dialogue.Heard, Text: said}
			if u == nil {
				in.Answer = c.answers[i]
			} else if a, err := u.Understand(ctx, b.script.Question(st, said)); err == nil {
				in.Answer = a
			}
		}
		st, mv = b.script.Next(st, in, b.now)
		decided()
		if mv.End == nil && len(mv.Lines) > 0 {
			st, _ = b.script.Next(st, dialogue.Input{Kind: dialogue.Said}, b.now)
			decided()
		}
	}
	return st, mv
}

// learn keeps what the understander answers, for the measurement without it.
func (b *bench) learn(ctx context.Context, u port.Understander) {
	for i := range b.talk {
		c := &b.talk[i]
		c.answers = make([]port.Answer, len(c.said))
		r := recorder{u: u, answers: map[string]port.Answer{}}
		b.play(ctx, c, &r, nil)
		for k, said := range c.said {
			c.answers[k] = r.answers[said]
		}
	}
}

type recorder struct {
	u       port.Understander
	answers map[string]port.Answer
}

func (r *recorder) Understand(ctx context.Context, q port.Question) (port.Answer, error) {
	a, err := r.u.Understand(ctx, q)
	r.answers[q.Said] = a
	return a, err
}

// benchRow is one measurement.
type benchRow struct {
	name      string
	perSecond float64
	bytes     uint64 // allocated by a decision
	took      []time.Duration
}

// at is the time within which so many of a thousand decisions were made.
func (r benchRow) at(perMille int) time.Duration {
	d := r.took[min(len(r.took)-1, len(r.took)*perMille/1000)]
	return d.Round(100 * time.Nanosecond)
}

const maxDecisions = 5_000_000

func (b *bench) measure(ctx context.Context, name string, u port.Understander, each time.Duration) benchRow {
	r := benchRow{name: name, took: make([]time.Duration, 0, maxDecisions)}
	for i := range b.talk { // once, so that caches are as warm as in a call centre at work
		b.play(ctx, &b.talk[i], u, nil)
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begin, cpu := time.Now(), cpuTime()
	for i := 0; time.Since(begin) < each && len(r.took) < maxDecisions-200 && ctx.Err() == nil; i++ {
		b.play(ctx, &b.talk[i%len(b.talk)], u, func(d time.Duration) { r.took = append(r.took, d) })
	}
	total := time.Since(begin)
	if used := cpuTime() - cpu; used > 0 { // a core that others use too is no slower core
		total = used
	}
	runtime.ReadMemStats(&after)
	r.perSecond = float64(len(r.took)) / total.Seconds()
	r.bytes = (after.TotalAlloc - before.TotalAlloc) / uint64(max(1, len(r.took)))
	slices.Sort(r.took)
	return r
}

// memory is what a dialogue keeps alive between two decisions: its state and
// the last move. state is the size in which it is written down.
func (b *bench) memory(ctx context.Context) (bytes float64, state int) {
	type live struct {
		st dialogue.State
		mv dialogue.Move
	}
	const dialogues = 5000
	kept := make([]live, dialogues)
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range kept {
		c := b.talk[i%len(b.talk)]
		c.said = c.said[:min(len(c.said), 1+i%6)]
		c.who.ID = fmt.Sprint(i)
		kept[i].st, kept[i].mv = b.play(ctx, &c, nil, nil)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	for i := range kept {
		if raw, err := json.Marshal(kept[i].st); err == nil {
			state = max(state, len(raw))
		}
	}
	own := reflect.TypeFor[live]().Size() // of the array, which was there before
	return (float64(after.HeapAlloc)-float64(before.HeapAlloc))/dialogues + float64(own), state
}

// processor names the machine, so that figures can be compared.
func processor() string {
	raw, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		for _, line := range strings.Split(string(raw), "\n") {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				return strings.TrimSpace(value)
			}
		}
	}
	return runtime.GOARCH
}
