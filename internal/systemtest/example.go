package systemtest

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/inbox"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Example is a system in which one agent sends from one mailbox. The clock and
// the next hop are the test's, which sets Delivery too: this package cannot
// import delivery, whose own tests use it.
type Example struct {
	*System
	Clock    *Clock
	Doubt    atomic.Bool // the clock is not trusted
	Hop      *Hop
	Delivery interface {
		Run(ctx, stop context.Context) error
	}

	Box      mail.Address       // bot@example.test
	Agent    registry.Principal // may send from Box
	Approver registry.Principal
	Admin    registry.Principal
}

// Text is the message of a Submission.
const Text = "From: bot@example.test\r\nTo: ada@dest.test\r\nSubject: Hello\r\n\r\nGood morning.\r\n"

// NewExample returns an Example without a delivery.
func NewExample(t testing.TB) *Example {
	e := &Example{Clock: NewClock(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC), 0), Hop: &Hop{},
		Box: mail.MustAddress("bot@example.test")}
	e.System = New(t, Options{Now: e.Clock.Now, Gate: gate.Options{Trusted: e.Trusted}})
	e.AddOperator("example.test", mail.MustAddress("boss@example.test"))
	e.Agent, _ = e.AddAgent("bot", "ref-1", e.Box)
	e.Approver, _, _ = e.AddKey(registry.KeyRequest{Name: "ann", Kind: registry.KindApprover, Owner: "ann",
		Scopes: []registry.Scope{registry.ScopeOversight, registry.ScopeOversightRead}})
	e.Admin, _, _ = e.AddKey(registry.KeyRequest{Name: "ops", Kind: registry.KindAdmin, Owner: "ops",
		Scopes: []registry.Scope{registry.ScopeAdmin}})
	return e
}

// Trusted says that the clock is not in doubt.
func (e *Example) Trusted() bool { return !e.Doubt.Load() }

// SetMode sets the mode of the mailbox.
func (e *Example) SetMode(m mail.Mode) {
	e.Helper()
	if _, err := e.Gate.SetMode(e.Context(), e.Operator, e.Box, m); err != nil {
		e.Fatal(err)
	}
}

// Submission is a mail to these recipients.
func (e *Example) Submission(to ...string) gate.Submission {
	s := gate.Submission{Mailbox: e.Box, Raw: []byte(Text), Door: "smtp", Envelope: mail.Envelope{From: e.Box}}
	for _, a := range to {
		s.Envelope.Rcpts = append(s.Envelope.Rcpts, mail.Rcpt{Addr: mail.MustAddress(a)})
	}
	return s
}

// Submit submits a mail to these recipients; to one when none is named.
func (e *Example) Submit(to ...string) *mail.Mail {
	e.Helper()
	if len(to) == 0 {
		to = []string{"ada@dest.test"}
	}
	r, err := e.Gate.Submit(e.Context(), e.Agent, e.Submission(to...))
	if err != nil {
		e.Fatal(err)
	}
	return r.Mail
}

// Approve approves a mail.
func (e *Example) Approve(m *mail.Mail) *mail.Mail {
	e.Helper()
	m, err := e.Gate.Decide(e.Context(), e.Approver, m.ID, gate.Decision{Approve: true, Digest: m.Digest})
	if err != nil {
		e.Fatal(err)
	}
	return m
}

// Mail returns a mail as it stands now.
func (e *Example) Mail(id mail.ID) *mail.Mail {
	e.Helper()
	m, err := e.Queue.Mail(e.Context(), id)
	if err != nil {
		e.Fatal(err)
	}
	return m
}

// RunQueue runs the workers until done says so.
func (e *Example) RunQueue(done func() bool) {
	e.Helper()
	ctx, cancel := context.WithTimeout(e.Context(), 30*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	run, stop := context.WithCancel(ctx)
	go func() { ended <- e.Delivery.Run(run, ctx) }()
	for !done() {
		moved := e.Queue.Changed()
		if done() {
			break
		}
		select {
		case <-moved:
		case <-ctx.Done():
			e.Fatal("the queue does not get there")
		}
	}
	stop()
	if err := <-ended; err != nil {
		e.Fatal(err)
	}
}

// RunIdle runs the workers until they find nothing to do. It needs a synctest
// bubble, which knows when everything waits.
func (e *Example) RunIdle() {
	e.Helper()
	run, stop := context.WithCancel(e.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Delivery.Run(run, e.Context()) }()
	synctest.Wait()
	stop()
	if err := <-ended; err != nil {
		e.Fatal(err)
	}
}

// RunUntil runs the workers until the mail is in one of the states.
func (e *Example) RunUntil(id mail.ID, states ...mail.State) *mail.Mail {
	e.Helper()
	e.RunQueue(func() bool {
		for _, s := range states {
			if e.Mail(id).State == s {
				return true
			}
		}
		return false
	})
	return e.Mail(id)
}

// Kinds returns the kinds of the entries about a mail.
func (e *Example) Kinds(id mail.ID) string {
	e.Helper()
	var out []string
	e.View(func(tx store.Tx) error {
		entries, err := e.Audit.ByMail(tx, string(id))
		for _, entry := range entries {
			out = append(out, strings.TrimPrefix(string(entry.Record().Kind), "mail."))
		}
		return err
	})
	return strings.Join(out, " ")
}

// Received is a notice with the text that is shown of it.
type Received struct {
	mail.Notice
	ID   mail.ID
	Text string
}

// Notices lists what the mailbox has received, newest first.
func (e *Example) Notices() (out []Received) {
	e.Helper()
	e.View(func(tx store.Tx) error {
		out = nil
		items, err := e.Inbox.List(tx, e.Box, inbox.Filter{}, "", 100)
		for _, i := range items {
			out = append(out, Received{Notice: *i.Mail.Notice, ID: i.ID})
		}
		return err
	})
	for i := range out {
		raw, err := e.Queue.Raw(e.Context(), out[i].ID)
		if err != nil {
			e.Fatal(err)
		}
		out[i].Text = message.NewReview(raw).Text()
	}
	return out
}

// Intact checks the chain and that records and indexes agree.
func (e *Example) Intact() {
	e.Helper()
	if _, err := e.Gate.VerifyLog(e.Context()); err != nil {
		e.Error(err)
	}
	counts, err := e.Queue.Counts(e.Context())
	if err != nil {
		e.Fatal(err)
	}
	all, err := e.Queue.All(e.Context(), "", 1000)
	if err != nil {
		e.Fatal(err)
	}
	found := map[mail.State]int{}
	for _, m := range all {
		found[m.Mail.State]++
	}
	for _, s := range mail.States[1:] {
		if counts[s] != found[s] {
			e.Errorf("%d mails are counted as %s, %d are", counts[s], s, found[s])
		}
		if s.Final() {
			continue
		}
		listed := 0
		e.View(func(tx store.Tx) error {
			listed = 0
			for _, d := range mail.Directions {
				list, err := e.Ledger.InState(tx, d, s, "", 1000)
				if err != nil {
					return err
				}
				listed += len(list)
			}
			return nil
		})
		if listed != found[s] {
			e.Errorf("the index of %s has %d of %d", s, listed, found[s])
		}
	}
}
