package dashscope

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"ringmaster/adapter/speech/live"
	"ringmaster/internal/audio"
	"ringmaster/internal/speech"
)

// stride is how much audio one message carries: the documentation advises 100 ms.
const stride = 100 * time.Millisecond

// Recognizer opens a task for each recognition; safe for concurrent use.
type Recognizer struct {
	config HearConfig
}

// NewRecognizer checks c; it does not connect.
func NewRecognizer(c HearConfig) (*Recognizer, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	return &Recognizer{config: c}, nil
}

// runHearing is the payload of run-task for Paraformer.
type runHearing struct {
	TaskGroup  string     `json:"task_group"`
	Task       string     `json:"task"`
	Function   string     `json:"function"`
	Model      string     `json:"model"`
	Parameters hearParams `json:"parameters"`
	Input      input      `json:"input"`
}

// hearParams are the parameters as the documentation has them. Heartbeat keeps
// the service from leaving after a minute of silence, which a call may have.
type hearParams struct {
	Format      string   `json:"format"`
	SampleRate  int      `json:"sample_rate"`
	Languages   []string `json:"language_hints,omitempty"`
	Vocabulary  string   `json:"vocabulary_id,omitempty"`
	Semantic    bool     `json:"semantic_punctuation_enabled"`
	EndSilence  int64    `json:"max_sentence_silence,omitempty"` // ms
	Heartbeat   bool     `json:"heartbeat"`
	Punctuation bool     `json:"punctuation_prediction_enabled"`
	ITN         bool     `json:"inverse_text_normalization_enabled"`
}

// Recognize opens a task and waits until the service has started it. The stream
// ends with ctx: cancelling ctx makes Recv fail and frees everything, as Close
// does. RecognizeOptions.Hotwords are not sent: the service takes lists that were
// made beforehand only (HearConfig.Vocabulary).
func (r *Recognizer) Recognize(ctx context.Context, o speech.RecognizeOptions) (speech.Recognition, error) {
	c := &r.config
	run, err := r.run(o)
	if err != nil {
		return nil, fmt.Errorf("recognizer %s: %w", c.Name, err)
	}
	t, err := r.start(ctx, run)
	if err != nil {
		return nil, fmt.Errorf("recognizer %s: %w", c.Name, err)
	}
	last, err := json.Marshal(command{Header: header{Action: "finish-task", TaskID: t.id, Streaming: "duplex"}, Payload: more{}})
	if err != nil {
		t.close()
		return nil, fmt.Errorf("recognizer %s: %w: %w", c.Name, speech.ErrProtocol, err)
	}
	s, err := live.Open(ctx, t.conn, live.Config{
		Name: "recognizer " + c.Name, Codec: &listener{task: t.id}, Format: o.Format, Rate: run.Parameters.SampleRate, Stride: stride, Last: last,
		WriteTimeout: c.WriteTimeout, IdleTimeout: c.IdleTimeout, FinalTimeout: c.FinalTimeout, PingInterval: c.PingInterval,
		Queue: c.Queue, MaxMessage: maxMessage, Logger: c.Logger,
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// start connects and waits for task-started.
func (r *Recognizer) start(ctx context.Context, run runHearing) (*task, error) {
	late := fmt.Errorf("%w: the task did not start within %v", speech.ErrUnavailable, r.config.ConnectTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, r.config.ConnectTimeout, late)
	defer cancel()
	t, err := dial(ctx, r.config.Client, r.config.URL, r.config.Token)
	if err != nil {
		return nil, err
	}
	if err := t.send(ctx, "run-task", run); err != nil {
		t.close()
		return nil, err
	}
	e, _, err := t.next(ctx)
	if err == nil && e != taskStarted {
		err = fmt.Errorf("%w: %q before task-started", speech.ErrProtocol, e)
	}
	if err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

func (r *Recognizer) run(o speech.RecognizeOptions) (runHearing, error) {
	c := &r.config
	if err := o.Format.Validate(); err != nil {
		return runHearing{}, fmt.Errorf("%w: %w", speech.ErrUnsupported, err)
	}
	hints, ok := c.Languages[o.Language]
	if !ok && o.Language != "" {
		return runHearing{}, fmt.Errorf("%w: %s does not hear the language %.16q", speech.ErrUnsupported, c.Model, o.Language)
	}
	p := hearParams{
		Format: "pcm", SampleRate: o.Format.Rate, Vocabulary: c.Vocabulary, Languages: hints, Semantic: c.SemanticPunctuation,
		Heartbeat: true, Punctuation: true, ITN: !c.NoITN,
	}
	if o.Format.Rate != audio.FormatSlin.Rate && o.Format.Rate != audio.FormatSlin16.Rate {
		p.SampleRate = audio.FormatSlin16.Rate
	}
	if c.eight() {
		p.SampleRate, p.Languages = audio.FormatSlin.Rate, nil
	}
	if !c.SemanticPunctuation {
		end := c.EndSilence
		if o.EndSilence > 0 {
			end = min(max(o.EndSilence, minEndSilence), maxEndSilence)
		}
		p.EndSilence = end.Milliseconds()
	}
	return runHearing{TaskGroup: "audio", Task: "asr", Function: "recognition", Model: c.Model, Parameters: p}, nil
}

// newClient is for tasks: without redirects, and without connections that are
// used again.
func newClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

var _ speech.Recognizer = (*Recognizer)(nil)
