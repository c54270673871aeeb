package queue_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
	"github.com/multimail/multimail/internal/systemtest"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// fixture is a ledger on a real store. Nobody decides here: the tests give the
// facts of each step.
type fixture struct {
	*systemtest.System
	clock *systemtest.Clock
	box   mail.Address
}

func build(t testing.TB) *fixture {
	clock := systemtest.NewClock(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC), 0)
	return &fixture{System: systemtest.New(t, systemtest.Options{Now: clock.Now}), clock: clock,
		box: mail.MustAddress("bot@example.test")}
}

// The changes that make a mail what a test needs.
var (
	hold    = queue.Change{Event: step.Submit, Facts: step.Facts{Mode: mail.GatedAll}}
	release = queue.Change{Event: step.Submit, Facts: step.Facts{Mode: mail.Autonomous}}
	approve = queue.Change{Event: step.Approve, Facts: step.Facts{Mode: mail.GatedAll, Match: true}}
	reject  = queue.Change{Event: step.Reject, Facts: step.Facts{Match: true}}
	cancel  = queue.Change{Event: step.Cancel}
	retry   = queue.Change{Event: step.Settle, Facts: step.Facts{Pending: true}}
	sent    = queue.Change{Event: step.Settle, Facts: step.Facts{Delivered: step.All}}
)

// claim is a claim with a lease until a time.
func claim(until time.Time) queue.Change {
	return queue.Change{Event: step.Claim, Facts: step.Facts{Mode: mail.Autonomous, Due: true, Intact: true},
		Apply: func(m *mail.Mail, _ audit.Ref) { m.Lease.Until = until }}
}

// draft is a mail that is not stored yet.
func (f *fixture) draft(d mail.Direction, box mail.Address) *mail.Mail {
	m := &mail.Mail{ID: mail.NewID(f.clock.Now()), Direction: d, Mailbox: box, Agent: "bot", Size: 100,
		Digest: mail.Digest(strings.Repeat("d", 64)), ExpiresAt: f.clock.Now().Add(time.Hour), NextAttempt: f.clock.Now(),
		Envelope: mail.Envelope{From: box,
			Rcpts: []mail.Rcpt{{Addr: mail.MustAddress("ada@dest.test"), Standing: mail.Pending}}}}
	f.clock.Forward(time.Millisecond) // ids of one millisecond are in no order
	return m
}

var raw = []byte("Subject: Hello\r\n\r\nHello.\r\n")

func bodyOf(m *mail.Mail) store.Staged { return store.Inline(queue.RawKey(m.ID), raw) }

// full adds to a change what the log requires of its entry.
func full(d mail.Direction, c queue.Change) queue.Change {
	c.Actor = audit.System
	if c.Event == step.Submit && d == mail.Outgoing {
		c.Extra = map[string]string{"door": "smtp", "agent": "bot"}
	}
	return c
}

// put stores a mail with its first step, which must be made.
func (f *fixture) put(m *mail.Mail, c queue.Change) *mail.Mail {
	f.Helper()
	f.Update(func(tx store.Tx) error {
		out, err := f.Ledger.Put(tx, m, bodyOf(m), full(m.Direction, c))
		if err == nil && out.Answer != step.Done {
			f.Fatalf("put: %s", out.Answer)
		}
		return err
	})
	return m
}

// move makes a step with a mail as it stands, which must be made.
func (f *fixture) move(id mail.ID, c queue.Change) *mail.Mail {
	f.Helper()
	m := f.mail(id)
	f.Update(func(tx store.Tx) error {
		out, err := f.Ledger.Move(tx, m, full(m.Direction, c))
		if err == nil && out.Answer != step.Done {
			f.Fatalf("%s: %s", c.Event, out.Answer)
		}
		return err
	})
	return m
}

func (f *fixture) held() *mail.Mail { f.Helper(); return f.put(f.draft(mail.Outgoing, f.box), hold) }
func (f *fixture) ready() *mail.Mail {
	f.Helper()
	return f.put(f.draft(mail.Outgoing, f.box), release)
}

// notice is an incoming mail that its mailbox has.
func (f *fixture) notice(about mail.ID) *mail.Mail {
	f.Helper()
	m := f.draft(mail.Incoming, f.box)
	m.Notice = &mail.Notice{About: about, Action: "rejected"}
	return f.put(m, hold)
}

func (f *fixture) mail(id mail.ID) (m *mail.Mail) {
	f.Helper()
	f.View(func(tx store.Tx) (err error) { m, err = f.Ledger.Load(tx, id); return err })
	return m
}

// damage makes the record of a mail unreadable.
func (f *fixture) damage(id mail.ID, record string) {
	f.Helper()
	f.Update(func(tx store.Tx) error { return storetest.Records(tx).Put("mail/"+string(id), []byte(record)) })
}

// keys returns every record of the ledger, without the log.
func (f *fixture) keys() map[string]string {
	f.Helper()
	out := map[string]string{}
	f.View(func(tx store.Tx) error {
		return storetest.Records(tx).Scan(store.Range{}, func(key string, v []byte) error {
			if !strings.HasPrefix(key, "audit") {
				out[key] = string(v)
			}
			return nil
		})
	})
	return out
}

// indexed returns the indexes that name a mail, without its id.
func (f *fixture) indexed(id mail.ID) (out []string) {
	f.Helper()
	for key := range f.keys() {
		if at, ok := strings.CutSuffix(key, string(id)); ok {
			out = append(out, at)
		}
	}
	slices.Sort(out)
	return out
}

// entries returns the entries of the log about a mail.
func (f *fixture) entries(id mail.ID) (out []audit.Record) {
	f.Helper()
	f.View(func(tx store.Tx) error {
		list, err := f.Audit.ByMail(tx, string(id))
		for _, e := range list {
			out = append(out, e.Record())
		}
		return err
	})
	return out
}

func (f *fixture) counts() map[mail.State]int {
	f.Helper()
	all, err := f.Queue.Counts(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	maps.DeleteFunc(all, func(_ mail.State, n int) bool { return n == 0 })
	return all
}

func (f *fixture) tally(d mail.Direction, s mail.State) (t queue.Tally) {
	f.Helper()
	f.View(func(tx store.Tx) (err error) { t, err = f.Ledger.Tally(tx, f.box, d, s); return err })
	return t
}

var errUndo = errors.New("undone")

// undo runs fn in a transaction that is rolled back.
func (f *fixture) undo(fn func(store.Tx) error) {
	f.Helper()
	err := f.DB.Update(context.WithoutCancel(f.Context()), func(tx store.Tx) error {
		if err := fn(tx); err != nil {
			f.Fatal(err)
		}
		return errUndo
	})
	if !errors.Is(err, errUndo) {
		f.Fatal(err)
	}
}

// idsOf returns the ids of a list in its order.
func idsOf(list []queue.Listed, err error) (ids []mail.ID, _ error) {
	for _, e := range list {
		ids = append(ids, e.ID)
	}
	return ids, err
}
