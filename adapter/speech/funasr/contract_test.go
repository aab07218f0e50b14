package funasr

import (
	"testing"

	"go.uber.org/goleak"

	"ringmaster/internal/lab/asr"
	"ringmaster/internal/lab/tone"
	"ringmaster/internal/speech"
	"ringmaster/internal/speech/speechtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func speak(text string) []int16 { return tone.Encode(text, 8000) }

// serve starts the instrument and a recognizer on it.
func serve(t *testing.T, a asr.Config, c Config) (*Recognizer, *asr.Server) {
	t.Helper()
	s := asr.New(a)
	url, stop, err := s.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	c.URL = url
	r, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return r, s
}

func TestContract(t *testing.T) {
	for _, d := range []asr.Dialect{asr.CPP, asr.Python} {
		t.Run(string(d), func(t *testing.T) {
			speechtest.TestRecognizer(t, func(t *testing.T) speech.Recognizer {
				r, _ := serve(t, asr.Config{Dialect: d}, Config{})
				return r
			}, speak)
		})
	}
}
