package queue

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/bolt"
	"github.com/multimail/multimail/internal/store/storetest"
	"github.com/multimail/multimail/mail"
)

// counting is a store that counts what is read in its views.
type counting struct {
	store.Store
	n *int
}

type countingTx struct {
	store.Records
	n *int
}

func (c counting) View(ctx context.Context, fn func(store.Tx) error) error {
	return c.Store.View(ctx, func(tx store.Tx) error { return fn(store.NewTx(countingTx{storetest.Records(tx), c.n})) })
}

func (c countingTx) Get(key string) ([]byte, error) { *c.n++; return c.Records.Get(key) }

func (c countingTx) Scan(r store.Range, fn func(string, []byte) error) error {
	*c.n++
	return c.Records.Scan(r, func(k string, v []byte) error { *c.n++; return fn(k, v) })
}

// open is a policy that stops nothing, and a deliverer with slots enough.
type open struct{ Policy }

func (open) Frozen(store.Tx, string, mail.Address) (bool, error) { return false, nil }
func (open) Reserve(*mail.Mail) (func(), bool)                   { return func() {}, true }
func (open) Deliver(context.Context, *mail.Mail, []byte, func(mail.Phase) error) []mail.Result {
	return nil
}
func (open) Bounce(store.Tx, *mail.Mail, []byte) error { return nil }

type yard struct {
	*testing.T
	q   *Queue
	now time.Time
	n   int
}

func newYard(t *testing.T) *yard {
	y := &yard{T: t, now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	db, err := bolt.Open(bolt.Options{Dir: t.TempDir(), Create: true, Reserve: 1, Now: func() time.Time { return y.now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if y.q, err = New(counting{db, &y.n}, audit.New("node"), open{}, open{}, Options{Workers: 8}); err != nil {
		t.Fatal(err)
	}
	y.q.Use(open{})
	return y
}

// ready writes n mails of a mailbox, each to a destination of its own.
func (y *yard) ready(box string, n int, at time.Time) (ids []mail.ID) {
	err := y.q.db.Update(y.Context(), func(tx store.Tx) error {
		ids = nil
		for i := range n {
			m := &mail.Mail{ID: mail.NewID(y.now), State: mail.Ready, Mailbox: mail.MustAddress(box), Agent: "bot", NextAttempt: at}
			to := mail.MustAddress(fmt.Sprintf("a@%s%d-%d.test", box[:1], at.Unix(), i))
			m.Envelope.Rcpts = []mail.Rcpt{{Addr: to, Standing: mail.Pending}}
			if err := y.q.write(tx, m); err != nil {
				return err
			}
			ids = append(ids, m.ID)
		}
		return nil
	})
	if err != nil {
		y.Fatal(err)
	}
	return ids
}

func (y *yard) next() *pick {
	y.Helper()
	p, _, err := y.q.next(y.Context())
	if err != nil {
		y.Fatal(err)
	}
	return p
}

// take removes a picked mail from the index, as its claim does.
func (y *yard) take(p *pick) {
	if err := y.q.db.Update(y.Context(), func(tx store.Tx) error { return space.Delete(tx, dueKey(p.m)) }); err != nil {
		y.Fatal(err)
	}
}

func TestTheCostOfACommitDoesNotGrowWithTheDeferredDestinations(t *testing.T) {
	cost := func(deferred int) int {
		y := newYard(t)
		y.ready("a@x.test", deferred, y.now.Add(time.Hour))
		if p := y.next(); p != nil {
			t.Fatal("a deferred mail was picked")
		}
		y.n = 0
		for i := range 5 {
			ids := y.ready("b@x.test", 1, y.now.Add(time.Duration(-i)*time.Second))
			p := y.next()
			if p == nil || p.m.ID != ids[0] {
				t.Fatalf("got %v, want %v", p, ids)
			}
			y.take(p)
			y.q.flights.end(p.flight)
			y.next()
		}
		return y.n
	}
	few, many := cost(10), cost(1000)
	t.Logf("10 deferred: %d reads for 5 commits; 1000 deferred: %d", few, many)
	if few != many {
		t.Errorf("5 commits cost %d reads beside 10 deferred destinations and %d beside 1000", few, many)
	}
}

func TestADeferredGroupIsPickedWhenItsTimeHasCome(t *testing.T) {
	y := newYard(t)
	ids := y.ready("a@x.test", 1, y.now.Add(time.Minute))
	if y.next() != nil {
		t.Fatal("picked too early")
	}
	if _, wait, _ := y.q.next(t.Context()); wait != idle {
		t.Errorf("waits %s", wait)
	}
	y.now = y.now.Add(58 * time.Second)
	if _, wait, _ := y.q.next(t.Context()); wait != 2*time.Second {
		t.Errorf("waits %s, want 2s", wait)
	}
	y.now = y.now.Add(2 * time.Second)
	if p := y.next(); p == nil || p.m.ID != ids[0] {
		t.Errorf("got %v", p)
	}
}

// A transaction that is not visible yet when the dispatcher looks is not forgotten.
func TestAMailWhoseCommitIsLateIsPicked(t *testing.T) {
	y := newYard(t)
	y.next() // walks
	m := &mail.Mail{ID: mail.NewID(y.now), State: mail.Ready, Mailbox: mail.MustAddress("a@x.test"), Agent: "bot", NextAttempt: y.now}
	err := y.q.db.Update(t.Context(), func(tx store.Tx) error {
		if err := y.q.write(tx, m); err != nil {
			return err
		}
		if y.next() != nil {
			t.Error("picked before its commit")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if p := y.next(); p == nil || p.m.ID != m.ID {
		t.Errorf("got %v", p)
	}
}

func TestNotesThatAreLostMakeTheDispatcherLookEverywhere(t *testing.T) {
	y := newYard(t)
	y.next()
	for i := range maxNotes {
		y.q.notes.add(fmt.Sprintf("due/rolled-back%d\x00bot\x00x.test\x00", i))
	}
	ids := y.ready("a@x.test", 1, y.now)
	if p := y.next(); p == nil || p.m.ID != ids[0] || len(y.q.notes.keys) > maxNotes {
		t.Errorf("got %v beside %d notes", p, len(y.q.notes.keys))
	}
}

func TestAMailboxGetsAQuarterOfTheWorkersWhileOthersWait(t *testing.T) {
	y := newYard(t)
	y.ready("slow@x.test", 20, y.now)
	held := map[string]int{}
	for range 20 {
		if p := y.next(); p != nil {
			held[p.m.Mailbox.String()]++
		}
	}
	if held["slow@x.test"] != 6 {
		t.Errorf("alone it has %d of 8 workers, want all but a quarter", held["slow@x.test"])
	}
	y.ready("b@x.test", 5, y.now)
	for range 2 {
		if p := y.next(); p == nil || p.m.Mailbox.String() != "b@x.test" {
			t.Errorf("a newcomer waits: %v", p)
		}
	}
	if p := y.next(); p != nil {
		t.Errorf("beyond its quarter %s has another", p.m.Mailbox)
	}
}

func TestTwoMailboxesThatWaitShareTheWorkers(t *testing.T) {
	y := newYard(t)
	y.ready("a@x.test", 20, y.now)
	y.ready("b@x.test", 20, y.now)
	held := map[string]int{}
	for range 20 {
		if p := y.next(); p != nil {
			held[p.m.Mailbox.String()]++
		}
	}
	if held["a@x.test"] != 3 || held["b@x.test"] != 3 {
		t.Errorf("got %v", held)
	}
}
