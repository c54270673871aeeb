package zone

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fakeBook counts what is noted of each domain.
type fakeBook struct {
	mu      sync.Mutex
	domains []Domain
	noted   map[string][]Outcome
	fail    error
}

func (b *fakeBook) Domains(context.Context) ([]Domain, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]Domain(nil), b.domains...), b.fail
}

func (b *fakeBook) Note(_ context.Context, d Domain, r Report) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.noted[d.Name] = append(b.noted[d.Name], r.Outcome)
	return nil
}

// count returns how often a domain was checked, and forgets it.
func (b *fakeBook) count(name string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(b.noted[name])
	delete(b.noted, name)
	return n
}

// lockedDNS is fakeDNS for several goroutines.
type lockedDNS struct {
	Lookup
	mu sync.Mutex
}

func (l *lockedDNS) TXT(ctx context.Context, name string) ([]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Lookup.TXT(ctx, name)
}

func watching(t *testing.T, domains ...Domain) (*fakeBook, *fakeDNS, *Watcher) {
	z, f := newZones(Settings{})
	f.publish(t, z)
	z.o.Lookup = &lockedDNS{Lookup: f}
	b := &fakeBook{domains: domains, noted: map[string][]Outcome{}}
	return b, f, NewWatcher(z, b, slog.New(slog.DiscardHandler))
}

func TestDomainsAreCheckedOnASchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _, w := watching(t, Domain{Name: "example.test", Challenge: "secret", Verified: true},
			Domain{Name: "new.test", Challenge: "x"}, Domain{Name: "inside.test", Internal: true})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); w.Run(ctx) }()
		synctest.Wait()
		if a, n, i := b.count("example.test"), b.count("new.test"), b.count("inside.test"); a != 1 || n != 1 || i != 0 {
			t.Errorf("at the start: %d, %d and %d checks", a, n, i)
		}
		time.Sleep(24 * time.Hour) // of the bubble
		synctest.Wait()
		// Once an hour and every five minutes, each give or take a tenth and a tick.
		if n := b.count("example.test"); n < 21 || n > 28 {
			t.Errorf("%d checks of a verified domain in a day", n)
		}
		if n := b.count("new.test"); n < 220 || n > 340 {
			t.Errorf("%d checks of another domain in a day", n)
		}
		if n := b.count("inside.test"); n != 0 {
			t.Errorf("%d checks of an internal domain", n)
		}
		b.mu.Lock()
		b.domains = b.domains[:1]
		b.mu.Unlock()
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if n := b.count("new.test"); n > 0 {
			t.Errorf("%d checks of a domain that is gone", n)
		}
		stop()
		<-ended
		if len(w.due) != 1 {
			t.Errorf("%d domains are remembered", len(w.due))
		}
	})
}

func TestAScheduleGoesOnWhenTheBookCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _, w := watching(t, Domain{Name: "example.test", Challenge: "secret"})
		b.fail = errors.New("down")
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go w.Run(ctx)
		synctest.Wait()
		b.mu.Lock()
		b.fail = nil
		b.mu.Unlock()
		time.Sleep(tick)
		synctest.Wait()
		if n := b.count("example.test"); n != 1 {
			t.Errorf("%d checks", n)
		}
	})
}

// slowDNS answers nothing until its caller gives up.
type slowDNS struct{ Lookup }

func (slowDNS) TXT(ctx context.Context, _ string) ([]string, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestACheckOfSilentServersEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _, w := watching(t, Domain{Name: "example.test", Challenge: "secret"})
		w.o.Lookup = slowDNS{}
		start := time.Now()
		r, err := w.Verify(t.Context(), "example.test")
		if err != nil || r.Outcome != Nothing {
			t.Errorf("%v, %v", r.Outcome, err)
		}
		if d := time.Since(start); d > checkTime {
			t.Errorf("it took %v", d)
		}
		if n := b.count("example.test"); n != 1 {
			t.Errorf("%d are noted", n)
		}
	})
}

func TestOnlyADomainOfTheBookIsVerified(t *testing.T) {
	b, _, w := watching(t, Domain{Name: "example.test", Challenge: "secret"})
	if r, err := w.Verify(t.Context(), "example.test"); err != nil || r.Outcome != Ours || b.count("example.test") != 1 {
		t.Errorf("%v, %v", r.Outcome, err)
	}
	if _, err := w.Verify(t.Context(), "gone.test"); !errors.Is(err, ErrUnknownDomain) {
		t.Errorf("got %v", err)
	}
}
