// Package systemtest holds the system that the tests of several packages need: a
// real store, log, registry, ledger and gate, and people in the registry. What
// stands behind or before them (a next hop, a door) is the test's.
//
//	s := systemtest.New(t, systemtest.Options{Now: clock.Now})
//	s.AddOperator("example.test", boss)
//	agent, _ := s.AddAgent("bot", "ref-1", box)
//	receipt, err := s.Gate.Submit(t.Context(), agent, submission)
//
// Only tests import it. The constructors of these packages are called here and
// where the daemon is put together, nowhere else.
package systemtest

import (
	"cmp"
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/config"
	"github.com/multimail/multimail/internal/inbox"
	"github.com/multimail/multimail/internal/node"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/bolt"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// Node is the name of the one node of a System.
const Node = "node"

// Quiet logs nothing.
var Quiet = slog.New(slog.DiscardHandler)

// Options are what a test may want to be otherwise.
type Options struct {
	Dir  string           // of the store; "" means a new one
	Now  func() time.Time // of the store; nil means time.Now
	Gate gate.Options     // what is not set is as the configuration has it; its Log is Quiet
}

// System is all that a mail passes between a door and its delivery.
type System struct {
	testing.TB
	Dir string // of DB

	DB       *bolt.DB // closed when the test ends
	Audit    *audit.Log
	Registry *registry.Registry
	Ledger   *queue.Ledger
	Queue    *queue.Reader
	Inbox    *inbox.Inbox
	Nodes    *node.Nodes
	Gate     *gate.Gate

	Operator registry.Principal // the socket of the dev mode, who may do all but send
}

// New returns a system with nobody in it.
func New(t testing.TB, o Options) *System {
	t.Helper()
	s := &System{TB: t, Dir: o.Dir, Operator: registry.Socket(1000, true)}
	if s.Dir == "" {
		s.Dir = t.TempDir()
	}
	var err error
	disk := bolt.Options{Dir: s.Dir, Create: true, Now: o.Now, Reserve: 1, Segment: 1 << 20}
	if s.DB, err = bolt.Open(disk); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.DB.Close() })
	s.Audit = audit.New(Node)
	s.Registry = registry.New(s.Audit, time.Duration(config.Default().Queue.Hold))
	s.Ledger = queue.New(s.Audit, Node)
	s.Queue = queue.NewReader(s.DB, s.Ledger, Quiet)
	s.Inbox = inbox.New(s.Ledger)
	s.Nodes = node.New()
	s.Gate = s.NewGate(s.DB, o.Gate)
	return s
}

// NewGate returns another gate of the same system, with a store that may be one
// before s.DB.
func (s *System) NewGate(db store.Store, o gate.Options) *gate.Gate {
	if o.Log == nil {
		o.Log = Quiet
	}
	if o.Filer == nil {
		o.Filer, o.Answers = s.Inbox, s.Inbox
	}
	if o.Trash == nil {
		o.Trash = s.Inbox
	}
	c := config.Default()
	o.MaxSize, o.MaxRcpt = cmp.Or(o.MaxSize, int64(c.SMTP.MaxSize)), cmp.Or(o.MaxRcpt, c.SMTP.MaxRecipients)
	o.HeldSize, o.HeldCount = cmp.Or(o.HeldSize, int64(c.Queue.HeldSize)), cmp.Or(o.HeldCount, c.Queue.HeldCount)
	o.BacklogSize = cmp.Or(o.BacklogSize, int64(c.Queue.BacklogSize))
	o.BacklogCount = cmp.Or(o.BacklogCount, c.Queue.BacklogCount)
	o.QuotaSize = cmp.Or(o.QuotaSize, int64(c.Inbox.QuotaSize))
	o.QuotaCount = cmp.Or(o.QuotaCount, c.Inbox.QuotaCount)
	o.RetryLifetime = cmp.Or(o.RetryLifetime, time.Duration(c.Queue.Lifetime))
	o.SubmissionsPerMinute = cmp.Or(o.SubmissionsPerMinute, c.HTTP.SubmissionsPerMinute)
	o.RetentionSize = cmp.Or(o.RetentionSize, int64(c.Inbox.RetentionSize))
	o.TrashAfter = cmp.Or(o.TrashAfter, time.Duration(c.Inbox.TrashAfter))
	return gate.New(db, s.Ledger, s.Registry, s.Audit, s.Nodes, o)
}

// NewLedger returns the ledger of another node on the same store, which appends
// to the log of this one.
func (s *System) NewLedger(node string) *queue.Ledger { return queue.New(s.Audit, node) }

// Update runs fn in a transaction that must succeed.
func (s *System) Update(fn func(store.Tx) error) {
	s.Helper()
	if err := s.DB.Update(context.WithoutCancel(s.Context()), fn); err != nil {
		s.Fatal(err)
	}
}

// View runs fn in a transaction that must succeed.
func (s *System) View(fn func(store.Tx) error) {
	s.Helper()
	if err := s.DB.View(context.WithoutCancel(s.Context()), fn); err != nil {
		s.Fatal(err)
	}
}

// AddOperator sets the operator and adds a domain, pinned as internal so that its
// mail leaves; see Unverify.
func (s *System) AddOperator(domain string, oversight mail.Address) {
	s.Helper()
	s.Update(func(tx store.Tx) error {
		o := registry.Operator{Name: "Example", Oversight: oversight}
		if err := s.Registry.SetOperator(tx, s.Operator, o); err != nil {
			return err
		}
		if _, err := s.Registry.AddDomain(tx, s.Operator, domain); err != nil {
			return err
		}
		_, err := s.Registry.PinDomain(tx, s.Operator, domain)
		return err
	})
}

// Unverify unpins a domain: nothing of it leaves until it is verified.
func (s *System) Unverify(domain string) {
	s.Helper()
	if _, err := s.Gate.UnpinDomain(s.Context(), s.Operator, domain); err != nil {
		s.Fatal(err)
	}
}

// Check keeps what a check of a domain has found.
func (s *System) Check(domain string, f registry.Finding) {
	s.Helper()
	var d registry.Domain
	s.View(func(tx store.Tx) (err error) { d, err = s.Registry.Domain(tx, domain); return err })
	if err := s.Gate.NoteCheck(s.Context(), domain, registry.DomainCheck{Challenge: d.Challenge, Finding: f}); err != nil {
		s.Fatal(err)
	}
}

// AddAgent adds an agent and its mailboxes, in the mode that they start in.
func (s *System) AddAgent(name, ref string, boxes ...mail.Address) (p registry.Principal, password string) {
	s.Helper()
	s.Update(func(tx store.Tx) (err error) {
		if _, password, err = s.Registry.AddAgent(tx, s.Operator, name, ref); err != nil {
			return err
		}
		for _, box := range boxes {
			if _, err := s.Registry.AddMailbox(tx, s.Operator, box, []string{name}); err != nil {
				return err
			}
		}
		p, err = s.Registry.ByPassword(tx, name, password)
		return err
	})
	return p, password
}

// AddKey makes a key and returns who holds it.
func (s *System) AddKey(q registry.KeyRequest) (p registry.Principal, k registry.Key, secret string) {
	s.Helper()
	s.Update(func(tx store.Tx) (err error) {
		if k, secret, err = s.Registry.AddKey(tx, s.Operator, q); err != nil {
			return err
		}
		p, err = s.Registry.ByKey(tx, secret)
		return err
	})
	return p, k, secret
}
