package zone

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// The schedule. A domain that is not verified is looked at more often: somebody
// waits for it.
const (
	tick          = 30 * time.Second // how often the list of domains is read
	everyVerified = time.Hour
	everyOther    = 5 * time.Minute
	spread        = 0.2         // of an interval, at random, so that domains do not meet
	checkTime     = time.Minute // of one domain, however many servers are silent
	atOnce        = 4           // domains that are checked at the same time
)

// Domain is what the schedule knows of a domain.
type Domain struct {
	Name      string
	Challenge string
	Verified  bool
	Internal  bool // not on the schedule
}

// Book has the domains, and keeps what was found.
type Book interface {
	Domains(ctx context.Context) ([]Domain, error)
	Note(ctx context.Context, d Domain, r Report) error
}

// Watcher checks the domains on a schedule, and at once when it is asked to.
type Watcher struct {
	*Zones
	book Book
	log  *slog.Logger
	due  map[string]time.Time // by domain; of Run alone
}

// NewWatcher returns a Watcher that does nothing until Run.
func NewWatcher(z *Zones, b Book, log *slog.Logger) *Watcher {
	return &Watcher{Zones: z, book: b, log: log, due: map[string]time.Time{}}
}

// Run checks each domain when its time has come, until ctx ends.
func (w *Watcher) Run(ctx context.Context) {
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		w.round(ctx)
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// round checks what is due now.
func (w *Watcher) round(ctx context.Context) {
	domains, err := w.book.Domains(ctx)
	if err != nil {
		if ctx.Err() == nil {
			w.log.Error("domains unread", "err", err)
		}
		return
	}
	var wg sync.WaitGroup
	free := make(chan struct{}, atOnce)
	next := map[string]time.Time{}
	for _, d := range domains {
		if d.Internal {
			continue
		}
		next[d.Name] = w.due[d.Name]
		if time.Now().Before(w.due[d.Name]) {
			continue
		}
		next[d.Name] = time.Now().Add(interval(d.Verified))
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			if _, err := w.check(ctx, d); err != nil && ctx.Err() == nil {
				w.log.Error("unchecked", "domain", d.Name, "err", err)
			}
		})
	}
	wg.Wait()
	w.due = next // what is no domain any more is forgotten
}

func interval(verified bool) time.Duration {
	d := everyOther
	if verified {
		d = everyVerified
	}
	return d + time.Duration((rand.Float64()-0.5)*spread*float64(d))
}

// ErrUnknownDomain: the domain is not in the book.
var ErrUnknownDomain = errors.New("zone: no such domain")

// Verify checks a domain now and keeps what was found.
func (w *Watcher) Verify(ctx context.Context, name string) (Report, error) {
	domains, err := w.book.Domains(ctx)
	if err != nil {
		return Report{}, err
	}
	for _, d := range domains {
		if d.Name == name {
			return w.check(ctx, d)
		}
	}
	return Report{}, ErrUnknownDomain
}

func (w *Watcher) check(ctx context.Context, d Domain) (Report, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	r, err := w.Check(ctx, d.Name, d.Challenge)
	if err != nil {
		return r, err
	}
	return r, w.book.Note(context.WithoutCancel(ctx), d, r)
}
