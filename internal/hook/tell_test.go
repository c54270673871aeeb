package hook

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/store"
)

// told switches a webhook off and returns how often the operator is told until the end,
// when telling fails as often as it says.
func told(t *testing.T, failures int) (f *fixture, count func() int) {
	f = newFixture(t)
	s, n := f.add(f.root(), "oversight.pending"), 0
	f.h.o.Tell = func(_ context.Context, got Subscription) error {
		if n++; n <= failures {
			return errors.New("the next hop is away")
		}
		if got.ID != s.ID || got.Why != whyGone || got.Ref == "" {
			t.Errorf("told of %+v", got)
		}
		return nil
	}
	f.Update(func(tx store.Tx) error {
		now, err := f.h.Get(tx, s.ID)
		if err == nil {
			err = f.h.disable(tx, &now, whyGone)
		}
		return errorsOr(err, put(tx, subscriptionKey+s.ID, now))
	})
	return f, func() int { return n }
}

func (f *fixture) tell() {
	f.Helper()
	var running sync.WaitGroup
	if err := f.h.tell(f.Context(), &running); err != nil {
		f.Fatal(err)
	}
	running.Wait()
}

func TestTheOperatorIsToldOnceThatAWebhookIsDisabled(t *testing.T) {
	f, count := told(t, 0)
	for range 3 {
		f.tell()
		f.Clock.Forward(2 * tellEvery)
	}
	want(t, "told", count(), 1)
}

func TestANoticeThatFailsIsSentAgainEachHourForADay(t *testing.T) {
	f, count := told(t, 2)
	f.tell()
	f.tell()
	want(t, "told at once", count(), 1)
	f.Clock.Forward(tellEvery - time.Millisecond)
	f.tell()
	want(t, "told too early", count(), 1)
	for range 5 {
		f.Clock.Forward(tellEvery)
		f.tell()
	}
	want(t, "told until it worked", count(), 3)
	f, count = told(t, 1000)
	for range 50 {
		f.tell()
		f.Clock.Forward(tellEvery)
	}
	want(t, "told in vain", count(), maxTells)
}
