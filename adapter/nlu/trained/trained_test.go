package trained

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ringmaster/adapter/nlu/keyword"
	"ringmaster/internal/nlu"
	"ringmaster/internal/nlu/nlutest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open gives an understander whose model for q is ready.
func open(t *testing.T, q nlu.Question) *Understander {
	t.Helper()
	u := New(Options{Keyword: keyword.New(), Workers: 2})
	t.Cleanup(u.Close)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := u.Train(ctx, q); err != nil {
		t.Fatal(err)
	}
	return u
}

func TestContract(t *testing.T) {
	u := open(t, nlutest.Question(""))
	nlutest.Run(t, func(*testing.T) nlu.Understander { return u }, nlutest.Options{})
}

func TestContractBeforeTheModelIsReady(t *testing.T) {
	u := New(Options{Keyword: keyword.New()})
	u.turn <- struct{}{} // no training gets its turn
	t.Cleanup(u.Close)
	nlutest.Run(t, func(*testing.T) nlu.Understander { return u }, nlutest.Options{})
	if u.Ready(nlutest.Question("")) {
		t.Error("ready without a training")
	}
}
