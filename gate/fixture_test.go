package gate_test

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/delivery"
	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/config"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/systemtest"
	"github.com/multimail/multimail/mail"
)

// fixture is the gate in a real system; only the next hop and the clock are the
// test's.
type fixture struct {
	*systemtest.System
	ctx   context.Context
	d     *delivery.Delivery
	hop   *hop
	clock *systemtest.Clock
	doubt atomic.Bool // the clock is not trusted

	box      mail.Address
	agent    registry.Principal
	approver registry.Principal
	admin    registry.Principal
}

// hop is a next hop that answers as it is told.
type hop struct {
	mu     sync.Mutex
	answer func(a mail.Address) mail.Result // nil: delivered
	pause  func(mail.Phase)                 // called before each question to policy
	wires  []wire
}

type wire struct {
	id mail.ID
	to []string
	b  string
}

func (h *hop) Free(*mail.Mail) bool              { return true }
func (h *hop) Freed() <-chan struct{}            { return nil }
func (h *hop) Reserve(*mail.Mail) (func(), bool) { return func() {}, true }

func (h *hop) Deliver(ctx context.Context, m *mail.Mail, raw []byte, proceed func(mail.Phase) error) []mail.Result {
	var results []mail.Result
	for _, ph := range []mail.Phase{mail.BeforeData, mail.BeforeDot} {
		if h.pause != nil {
			h.pause(ph)
		}
		err := proceed(ph)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			for _, a := range m.Recipients(mail.Pending) {
				results = append(results, mail.Result{Addr: a, Stopped: true})
			}
			return results
		}
	}
	w := wire{id: m.ID, b: string(m.Prefix) + string(raw)}
	for _, a := range m.Recipients(mail.Pending) {
		r := mail.Result{Addr: a, Delivered: true, Code: 250}
		if h.answer != nil {
			r = h.answer(a)
			r.Addr = a
		}
		if r.Delivered {
			w.to = append(w.to, a.String())
		}
		results = append(results, r)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(w.to) > 0 {
		h.wires = append(h.wires, w)
	}
	return results
}

func (h *hop) sent() []wire {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]wire(nil), h.wires...)
}

// stamp marks a release, so that a test sees whose it was.
type stamp struct{}

func (stamp) Stamp(_ context.Context, m *mail.Mail, _ []byte) ([]byte, error) {
	r := m.Release
	return fmt.Appendf(nil, "X-Release: %s %s %s %s\r\n", r.Mode, r.Basis, r.By, r.Ref), nil
}

func build(t testing.TB) *fixture {
	h := &fixture{ctx: t.Context(), clock: systemtest.NewClock(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC), 0),
		box: mail.MustAddress("bot@example.test"), hop: &hop{}}
	h.System = systemtest.New(t, systemtest.Options{Now: h.clock.Now})
	h.gates(gate.Options{Trusted: h.trusted})
	h.people()
	return h
}

// gates builds the gate with these options, and a delivery behind it.
func (h *fixture) gates(o gate.Options) {
	h.Helper()
	h.Gate = h.NewGate(h.DB, o)
	h.d = h.delivers(h.DB, h.hop, delivery.Options{Stamps: []delivery.Stamp{stamp{}}, Trusted: h.trusted})
}

// delivers returns a delivery behind the gate with these options.
func (h *fixture) delivers(db store.Store, hop delivery.Hop, o delivery.Options) *delivery.Delivery {
	h.Helper()
	o.Node, o.Log, o.Jitter = systemtest.Node, systemtest.Quiet, func() float64 { return 0 }
	q := config.Default().Queue
	o.Workers, o.Lease = cmp.Or(o.Workers, q.Workers), time.Duration(q.Lease)
	o.FirstRetry, o.MaxRetry = time.Duration(q.FirstRetry), time.Duration(q.MaxRetry)
	d, err := delivery.New(db, h.Gate, h.Ledger, h.Nodes, hop, o)
	if err != nil {
		h.Fatal(err)
	}
	return d
}

func (h *fixture) trusted() bool { return !h.doubt.Load() }

// people fills the registry.
func (h *fixture) people() {
	h.AddOperator("example.test", mail.MustAddress("boss@example.test"))
	h.agent, _ = h.AddAgent("bot", "ref-1", h.box)
	h.approver, _, _ = h.AddKey(registry.KeyRequest{Name: "ann", Kind: registry.KindApprover, Owner: "ann",
		Scopes: []registry.Scope{registry.ScopeOversight, registry.ScopeOversightRead}})
	h.admin, _, _ = h.AddKey(registry.KeyRequest{Name: "ops", Kind: registry.KindAdmin, Owner: "ops",
		Scopes: []registry.Scope{registry.ScopeAdmin}})
}

func (h *fixture) mode(m mail.Mode) {
	h.Helper()
	if _, err := h.Gate.SetMode(h.ctx, h.Operator, h.box, m); err != nil {
		h.Fatal(err)
	}
}

const text = "From: bot@example.test\r\nTo: ada@dest.test\r\nSubject: Hello\r\n\r\nGood morning.\r\n"

// submission is a mail to these recipients.
func (h *fixture) submission(to ...string) gate.Submission {
	s := gate.Submission{Mailbox: h.box, Raw: []byte(text), Door: "smtp", Envelope: mail.Envelope{From: h.box}}
	for _, a := range to {
		s.Envelope.Rcpts = append(s.Envelope.Rcpts, mail.Rcpt{Addr: mail.MustAddress(a)})
	}
	return s
}

func (h *fixture) submit(to ...string) *mail.Mail {
	h.Helper()
	if len(to) == 0 {
		to = []string{"ada@dest.test"}
	}
	r, err := h.Gate.Submit(h.ctx, h.agent, h.submission(to...))
	if err != nil {
		h.Fatal(err)
	}
	return r.Mail
}

func (h *fixture) approve(m *mail.Mail) *mail.Mail {
	h.Helper()
	m, err := h.Gate.Decide(h.ctx, h.approver, m.ID, gate.Verdict{Approve: true, Digest: m.Digest})
	if err != nil {
		h.Fatal(err)
	}
	return m
}

func (h *fixture) mail(id mail.ID) *mail.Mail {
	h.Helper()
	m, err := h.Queue.Mail(h.ctx, id)
	if err != nil {
		h.Fatal(err)
	}
	return m
}

// runQueue runs the workers until done says so.
func (h *fixture) runQueue(done func() bool) {
	h.Helper()
	ctx, cancel := context.WithTimeout(h.ctx, 30*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	run, stop := context.WithCancel(ctx)
	go func() { ended <- h.d.Run(run, ctx) }()
	for !done() {
		moved := h.Queue.Changed()
		if done() {
			break
		}
		select {
		case <-moved:
		case <-ctx.Done():
			h.Fatal("the queue does not get there")
		}
	}
	stop()
	if err := <-ended; err != nil {
		h.Fatal(err)
	}
}

// runIdle runs the workers until they find nothing to do. It needs a synctest
// bubble, which knows when everything waits.
func (h *fixture) runIdle() {
	h.Helper()
	run, stop := context.WithCancel(h.ctx)
	ended := make(chan error, 1)
	go func() { ended <- h.d.Run(run, h.ctx) }()
	synctest.Wait()
	stop()
	if err := <-ended; err != nil {
		h.Fatal(err)
	}
}

// runUntil runs the workers until the mail is in one of the states.
func (h *fixture) runUntil(id mail.ID, states ...mail.State) *mail.Mail {
	h.Helper()
	h.runQueue(func() bool {
		for _, s := range states {
			if h.mail(id).State == s {
				return true
			}
		}
		return false
	})
	return h.mail(id)
}

// kinds returns the kinds of the entries about a mail.
func (h *fixture) kinds(id mail.ID) string {
	h.Helper()
	var out []string
	h.View(func(tx store.Tx) error {
		entries, err := h.Audit.ByMail(tx, string(id))
		for _, e := range entries {
			out = append(out, strings.TrimPrefix(string(e.Record().Kind), "mail."))
		}
		return err
	})
	return strings.Join(out, " ")
}

// received is a notice with the text that is shown of it.
type received struct {
	mail.Notice
	ID   mail.ID
	Text string
}

// notices lists what the mailbox has received, newest first.
func (h *fixture) notices() (out []received) {
	h.Helper()
	h.View(func(tx store.Tx) error {
		out = nil
		items, err := h.Inbox.List(tx, h.box, "", 100)
		for _, i := range items {
			out = append(out, received{Notice: *i.Mail.Notice, ID: i.ID})
		}
		return err
	})
	for i := range out {
		raw, err := h.Queue.Raw(h.ctx, out[i].ID)
		if err != nil {
			h.Fatal(err)
		}
		out[i].Text = message.NewReview(raw).Text()
	}
	return out
}

// intact checks the chain and that records and indexes agree.
func (h *fixture) intact() {
	h.Helper()
	if _, err := h.Gate.VerifyLog(h.ctx); err != nil {
		h.Error(err)
	}
	counts, err := h.Queue.Counts(h.ctx)
	if err != nil {
		h.Fatal(err)
	}
	all, err := h.Queue.All(h.ctx, "", 1000)
	if err != nil {
		h.Fatal(err)
	}
	found := map[mail.State]int{}
	for _, m := range all {
		found[m.Mail.State]++
	}
	for _, s := range mail.States[1:] {
		if counts[s] != found[s] {
			h.Errorf("%d mails are counted as %s, %d are", counts[s], s, found[s])
		}
		if s.Final() {
			continue
		}
		listed := 0
		h.View(func(tx store.Tx) error {
			listed = 0
			for _, d := range mail.Directions {
				list, err := h.Ledger.InState(tx, d, s, "", 1000)
				if err != nil {
					return err
				}
				listed += len(list)
			}
			return nil
		})
		if listed != found[s] {
			h.Errorf("the index of %s has %d of %d", s, listed, found[s])
		}
	}
}
