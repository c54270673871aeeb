package delivery

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
	"github.com/multimail/multimail/internal/systemtest"
	"github.com/multimail/multimail/mail"
)

// open is a hop with slots enough.
type open struct{}

func (open) Free(*mail.Mail) bool              { return true }
func (open) Freed() <-chan struct{}            { return nil }
func (open) Reserve(*mail.Mail) (func(), bool) { return func() {}, true }
func (open) Deliver(context.Context, *mail.Mail, []byte, func(mail.Phase) error) []mail.Result {
	return nil
}

type fixture struct {
	*systemtest.System
	d   *Delivery
	now time.Time
	n   int // reads

	agents map[string]registry.Principal // by mailbox
}

func build(t *testing.T) *fixture {
	f := &fixture{agents: map[string]registry.Principal{}, now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	f.System = systemtest.New(t, systemtest.Options{Now: func() time.Time { return f.now },
		Gate: gate.Options{SubmissionsPerMinute: 1 << 20}})
	var err error
	db := storetest.Watched{Store: f.DB, Read: func(string) { f.n++ }}
	f.d, err = New(db, f.Gate, f.Ledger, f.Nodes, open{}, Options{Node: systemtest.Node, Workers: 8,
		Lease: 15 * time.Minute, FirstRetry: time.Minute, MaxRetry: 4 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// agent returns the agent of an autonomous mailbox, both made when they are
// asked for first.
func (f *fixture) agent(box mail.Address) registry.Principal {
	f.Helper()
	if p, ok := f.agents[box.Key()]; ok {
		return p
	}
	if len(f.agents) == 0 {
		f.AddOperator(box.Domain(), mail.MustAddress("boss@boss.test"))
	}
	p, _ := f.AddAgent("bot-"+box.Local(), "", box)
	f.Update(func(tx store.Tx) error {
		_, err := f.Registry.SetMode(tx, f.Operator, box, mail.Autonomous)
		return err
	})
	f.agents[box.Key()] = p
	return p
}

// ready submits n mails of a mailbox, each to a destination of its own, which
// are due at a time.
func (f *fixture) ready(name string, n int, at time.Time) (ids []mail.ID) {
	f.Helper()
	box := mail.MustAddress(name)
	p := f.agent(box)
	for i := range n {
		to := mail.MustAddress(fmt.Sprintf("a@%s%d-%d.test", name[:1], at.Unix(), i))
		r, err := f.Gate.Submit(f.Context(), p, gate.Submission{Mailbox: box, Door: "smtp", NotBefore: at,
			Raw:      []byte("From: " + name + "\r\nTo: " + to.String() + "\r\nSubject: Hello\r\n\r\nHello.\r\n"),
			Envelope: mail.Envelope{From: box, Rcpts: []mail.Rcpt{{Addr: to}}}})
		if err != nil {
			f.Fatal(err)
		}
		ids = append(ids, r.Mail.ID)
	}
	return ids
}

// read asks for the next mail while the node holds its lease.
func (f *fixture) read() (*pick, time.Duration, error) {
	f.Helper()
	if err := f.d.begin(f.Context()); err != nil {
		f.Fatal(err)
	}
	return f.d.next(f.Context())
}

func (f *fixture) next() *pick {
	f.Helper()
	p, _, err := f.read()
	if err != nil {
		f.Fatal(err)
	}
	return p
}

// take cancels a picked mail, so that its key leaves the index as with its claim.
func (f *fixture) take(p *pick) {
	if _, err := f.Gate.Cancel(f.Context(), f.Operator, p.m.ID); err != nil {
		f.Fatal(err)
	}
}

func TestTheCostOfACommitDoesNotGrowWithTheDeferredDestinations(t *testing.T) {
	cost := func(deferred int) int {
		f := build(t)
		f.ready("a@x.test", deferred, f.now.Add(time.Hour))
		if p := f.next(); p != nil {
			t.Fatal("a deferred mail was picked")
		}
		f.n = 0
		for i := range 5 {
			ids := f.ready("b@x.test", 1, f.now.Add(time.Duration(-i)*time.Second))
			p := f.next()
			if p == nil || p.m.ID != ids[0] {
				t.Fatalf("got %v, want %v", p, ids)
			}
			f.take(p)
			f.d.attempts.end(p.attempt)
			f.next()
		}
		return f.n
	}
	few, many := cost(10), cost(1000)
	t.Logf("10 deferred: %d reads for 5 commits; 1000 deferred: %d", few, many)
	if few != many {
		t.Errorf("5 commits cost %d reads beside 10 deferred destinations and %d beside 1000", few, many)
	}
}

func TestADeferredGroupIsPickedWhenItsTimeHasCome(t *testing.T) {
	f := build(t)
	ids := f.ready("a@x.test", 1, f.now.Add(time.Minute))
	if f.next() != nil {
		t.Fatal("picked too early")
	}
	if _, wait, _ := f.read(); wait != idle {
		t.Errorf("waits %s", wait)
	}
	f.now = f.now.Add(58 * time.Second)
	if _, wait, _ := f.read(); wait != 2*time.Second {
		t.Errorf("waits %s, want 2s", wait)
	}
	f.now = f.now.Add(2 * time.Second)
	if p := f.next(); p == nil || p.m.ID != ids[0] {
		t.Errorf("got %v", p)
	}
}

// A mail that becomes due in a transaction is picked once that is visible.
func TestAMailWhoseCommitIsLateIsPicked(t *testing.T) {
	f := build(t)
	ids := f.ready("a@x.test", 1, f.now.Add(time.Hour))
	f.next() // lists all groups
	f.now = f.now.Add(time.Hour - time.Second)
	f.next() // with a lease by the clock of now
	err := f.d.db.Update(t.Context(), func(tx store.Tx) error {
		m, err := f.d.ledger.Load(tx, ids[0])
		if err != nil {
			return err
		}
		m.NotBefore = time.Time{}
		if err := f.d.ledger.Reschedule(tx, m, f.now); err != nil {
			return err
		}
		if p, _, err := f.d.next(t.Context()); p != nil || err != nil {
			t.Errorf("picked before its commit: %v, %v", p, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if p := f.next(); p == nil || p.m.ID != ids[0] {
		t.Errorf("got %v", p)
	}
}

func TestLostGroupsMakeTheDispatcherListAll(t *testing.T) {
	f := build(t)
	f.next()
	ids := f.ready("a@x.test", 1, f.now)
	f.d.ledger.FreshGroups() // as if they had been too many to note
	if p := f.next(); p != nil {
		t.Errorf("got %v", p)
	}
	f.d.due.walked = time.Time{} // what a lost group does
	if err := f.d.refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p := f.next(); p == nil || p.m.ID != ids[0] {
		t.Errorf("got %v", p)
	}
}

func TestAMailboxGetsAQuarterOfTheWorkersWhileOthersWait(t *testing.T) {
	f := build(t)
	f.ready("slow@x.test", 20, f.now)
	held := map[string]int{}
	for range 20 {
		if p := f.next(); p != nil {
			held[p.m.Mailbox.String()]++
		}
	}
	if held["slow@x.test"] != 6 {
		t.Errorf("alone it has %d of 8 workers, want all but a quarter", held["slow@x.test"])
	}
	f.ready("b@x.test", 5, f.now)
	for range 2 {
		if p := f.next(); p == nil || p.m.Mailbox.String() != "b@x.test" {
			t.Errorf("a newcomer waits: %v", p)
		}
	}
	if p := f.next(); p != nil {
		t.Errorf("beyond its quarter %s has another", p.m.Mailbox)
	}
}

func TestTwoMailboxesThatWaitShareTheWorkers(t *testing.T) {
	f := build(t)
	f.ready("a@x.test", 20, f.now)
	f.ready("b@x.test", 20, f.now)
	held := map[string]int{}
	for range 20 {
		if p := f.next(); p != nil {
			held[p.m.Mailbox.String()]++
		}
	}
	if held["a@x.test"] != 3 || held["b@x.test"] != 3 {
		t.Errorf("got %v", held)
	}
}
