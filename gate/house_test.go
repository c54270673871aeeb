package gate_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/delivery"
	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/inbox"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/node"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/bolt"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// house is the gate with real rooms around it; only the next hop and the
// clock are the test's.
type house struct {
	testing.TB
	ctx    context.Context
	dir    string // of db
	db     *bolt.DB
	log    *audit.Log
	reg    *registry.Registry
	inbox  *inbox.Inbox
	ledger *queue.Ledger
	q      *queue.Reader
	g      *gate.Gate
	nodes  *node.Nodes
	d      *delivery.Delivery
	hop    *hop
	clock  *clock
	doubt  atomic.Bool // the clock is not trusted

	box      mail.Address
	agent    registry.Principal
	operator registry.Principal // the dev mode's socket
	approver registry.Principal
	admin    registry.Principal
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
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

func build(t testing.TB) *house {
	h := &house{TB: t, ctx: t.Context(), clock: &clock{now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)},
		box: mail.MustAddress("bot@example.test"), hop: &hop{}, dir: t.TempDir()}
	var err error
	if h.db, err = bolt.Open(bolt.Options{Dir: h.dir, Create: true, Now: h.clock.Now, Reserve: 1}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.db.Close() })
	h.log = audit.New("node")
	h.reg = registry.New(h.log)
	h.ledger = queue.New(h.log, "node")
	h.q = queue.NewReader(h.db, h.ledger, quiet)
	h.inbox = inbox.New(h.ledger)
	h.nodes = node.New()
	h.gates(gate.Options{Trusted: h.trusted})
	h.people()
	return h
}

var quiet = slog.New(slog.DiscardHandler)

// gates builds the gate with these options, and a delivery behind it.
func (h *house) gates(o gate.Options) {
	h.Helper()
	o.Log = quiet
	h.g = gate.New(h.db, h.ledger, h.reg, h.log, h.nodes, o)
	h.d = h.delivers(h.db, h.hop, delivery.Options{Stamps: []delivery.Stamp{stamp{}}, Trusted: h.trusted})
}

// delivers returns a delivery behind the gate with these options.
func (h *house) delivers(db store.Store, hop delivery.Hop, o delivery.Options) *delivery.Delivery {
	h.Helper()
	o.Node, o.Log, o.Jitter = "node", quiet, func() float64 { return 0 }
	d, err := delivery.New(db, h.g, h.ledger, h.nodes, hop, o)
	if err != nil {
		h.Fatal(err)
	}
	return d
}

func (h *house) trusted() bool { return !h.doubt.Load() }

// people fills the registry.
func (h *house) people() {
	h.operator = registry.Socket(1000, true)
	h.update(func(tx store.Tx) error {
		must := func(err error) {
			if err != nil {
				h.Fatal(err)
			}
		}
		must(h.reg.SetOperator(tx, h.operator, registry.Operator{Name: "Example", Oversight: mail.MustAddress("boss@example.test")}))
		_, err := h.reg.AddDomain(tx, h.operator, "example.test")
		must(err)
		_, password, err := h.reg.AddAgent(tx, h.operator, "bot", "ref-1")
		must(err)
		_, err = h.reg.AddMailbox(tx, h.operator, h.box, []string{"bot"})
		must(err)
		h.agent, err = h.reg.ByPassword(tx, "bot", password)
		must(err)
		_, secret, err := h.reg.AddKey(tx, h.operator, registry.KeyRequest{Name: "ann", Kind: registry.KindApprover, Owner: "ann",
			Scopes: []registry.Scope{registry.ScopeOversight, registry.ScopeOversightRead}})
		must(err)
		h.approver, err = h.reg.ByKey(tx, secret)
		must(err)
		_, secret, err = h.reg.AddKey(tx, h.operator, registry.KeyRequest{Name: "ops", Kind: registry.KindAdmin, Owner: "ops",
			Scopes: []registry.Scope{registry.ScopeAdmin}})
		must(err)
		h.admin, err = h.reg.ByKey(tx, secret)
		must(err)
		return nil
	})
}

func (h *house) update(fn func(store.Tx) error) {
	h.Helper()
	if err := h.db.Update(h.ctx, fn); err != nil {
		h.Fatal(err)
	}
}

func (h *house) view(fn func(store.Tx) error) {
	h.Helper()
	if err := h.db.View(h.ctx, fn); err != nil {
		h.Fatal(err)
	}
}

func (h *house) mode(m mail.Mode) {
	h.Helper()
	if _, err := h.g.SetMode(h.ctx, h.operator, h.box, m); err != nil {
		h.Fatal(err)
	}
}

const text = "From: bot@example.test\r\nTo: ada@dest.test\r\nSubject: Hello\r\n\r\nGood morning.\r\n"

// submission is a mail to these recipients.
func (h *house) submission(to ...string) gate.Submission {
	s := gate.Submission{Mailbox: h.box, Raw: []byte(text), Door: "smtp", Envelope: mail.Envelope{From: h.box}}
	for _, a := range to {
		s.Envelope.Rcpts = append(s.Envelope.Rcpts, mail.Rcpt{Addr: mail.MustAddress(a)})
	}
	return s
}

func (h *house) submit(to ...string) *mail.Mail {
	h.Helper()
	if len(to) == 0 {
		to = []string{"ada@dest.test"}
	}
	r, err := h.g.Submit(h.ctx, h.agent, h.submission(to...))
	if err != nil {
		h.Fatal(err)
	}
	return r.Mail
}

func (h *house) approve(m *mail.Mail) *mail.Mail {
	h.Helper()
	m, err := h.g.Decide(h.ctx, h.approver, m.ID, gate.Verdict{Approve: true, Digest: m.Digest})
	if err != nil {
		h.Fatal(err)
	}
	return m
}

func (h *house) mail(id mail.ID) *mail.Mail {
	h.Helper()
	m, err := h.q.Mail(h.ctx, id)
	if err != nil {
		h.Fatal(err)
	}
	return m
}

// runQueue runs the workers until done says so.
func (h *house) runQueue(done func() bool) {
	h.Helper()
	ctx, cancel := context.WithTimeout(h.ctx, 30*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	run, stop := context.WithCancel(ctx)
	go func() { ended <- h.d.Run(run, ctx) }()
	for !done() {
		moved := h.q.Changed()
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
func (h *house) runIdle() {
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
func (h *house) runUntil(id mail.ID, states ...mail.State) *mail.Mail {
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
func (h *house) kinds(id mail.ID) string {
	h.Helper()
	var out []string
	h.view(func(tx store.Tx) error {
		entries, err := h.log.ByMail(tx, string(id))
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
func (h *house) notices() (out []received) {
	h.Helper()
	h.view(func(tx store.Tx) error {
		out = nil
		items, err := h.inbox.List(tx, h.box, "", 100)
		for _, i := range items {
			out = append(out, received{Notice: *i.Mail.Notice, ID: i.ID})
		}
		return err
	})
	for i := range out {
		raw, err := h.q.Raw(h.ctx, out[i].ID)
		if err != nil {
			h.Fatal(err)
		}
		out[i].Text = message.NewReview(raw).Text()
	}
	return out
}

// intact checks the chain and that records and indexes agree.
func (h *house) intact() {
	h.Helper()
	if _, err := h.g.VerifyLog(h.ctx); err != nil {
		h.Error(err)
	}
	counts, err := h.q.Counts(h.ctx)
	if err != nil {
		h.Fatal(err)
	}
	all, err := h.q.All(h.ctx, "", 1000)
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
		list, err := h.q.InState(h.ctx, s, "", 1000)
		if err != nil || len(list) != found[s] {
			h.Errorf("the index of %s has %d of %d: %v", s, len(list), found[s], err)
		}
	}
}
