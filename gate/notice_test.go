package gate_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// flaky is a store whose next updates fail, before or in place of the commit.
type flaky struct {
	store.Store
	fail func() error
}

func (f flaky) Update(ctx context.Context, fn func(store.Tx) error) error {
	return f.Store.Update(ctx, func(tx store.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return f.fail()
	})
}

// noBounce is an inbox that takes no notice.
type noBounce struct{ err error }

func (n noBounce) Bounce(store.Tx, *mail.Mail, []byte) error { return n.err }

// bounced makes a mail fail for good and returns how its settling ended.
func bounced(t *testing.T, db func(*house) store.Store, b queue.Bouncer) (*house, *mail.Mail) {
	h := build(t)
	h.hop.answer = func(mail.Address) mail.Result {
		return mail.Result{Permanent: true, Code: 550, Enhanced: "5.1.1", Message: "no such user"}
	}
	if b == nil {
		b = h.inbox
	}
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	q, err := queue.New(db(h), h.log, h.hop, b, queue.Options{Stamps: []queue.Stamp{stamp{}}, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	h.q = q
	h.g = gate.New(h.db, h.q, h.reg, h.log, gate.Options{Log: quiet})
	m := h.approve(h.submit())
	return h, h.runUntil(m.ID, mail.Failed, mail.Sent)
}

func TestACommitThatFailsNeverLosesTheAuthorsNotice(t *testing.T) {
	for _, failures := range []int{1, 2, 3} {
		t.Run(fmt.Sprint(failures), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, m := bounced(t, func(h *house) store.Store {
					left, claimed := failures, false
					return flaky{h.db, func() error {
						if !claimed { // the first commit of the workers
							claimed = true
							return nil
						}
						if left--; left >= 0 {
							return store.ErrAborted
						}
						return nil
					}}
				}, nil)
				if n := h.notices(); m.State != mail.Failed || len(n) != 1 || n[0].About != m.ID {
					t.Errorf("%s with the notices %+v", m.State, n)
				}
				if len(h.hop.sent()) != 0 || m.Attempts != 1 {
					t.Errorf("%d attempts", m.Attempts)
				}
				h.intact()
			})
		})
	}
}

func TestANoticeThatCannotBeBuiltIsDroppedWithAnEntry(t *testing.T) {
	h, m := bounced(t, func(h *house) store.Store { return h.db }, noBounce{fmt.Errorf("inbox: %w", mail.ErrNotice)})
	if m.State != mail.Failed || m.Attempts != 1 {
		t.Errorf("%s after %d attempts", m.State, m.Attempts)
	}
	if k := h.kinds(m.ID); strings.Count(k, "notice.drop") != 1 || !strings.Contains(k, "failed") {
		t.Errorf("entries: %s", k)
	}
	h.intact()
}

// A rejection, too, is recorded although its author cannot be told.
func TestARejectionStandsWithoutItsNotice(t *testing.T) {
	h := build(t)
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	for err, want := range map[error]mail.State{mail.ErrNotice: mail.Rejected, errors.New("disk"): mail.Held} {
		q, qerr := queue.New(h.db, h.log, h.hop, noBounce{err}, queue.Options{Log: quiet})
		if qerr != nil {
			t.Fatal(qerr)
		}
		g := gate.New(h.db, q, h.reg, h.log, gate.Options{Log: quiet})
		r, serr := g.Submit(h.ctx, h.agent, h.submission("ada@dest.test"))
		if serr != nil {
			t.Fatal(serr)
		}
		g.Decide(h.ctx, h.approver, r.Mail.ID, gate.Verdict{Digest: r.Mail.Digest, Reason: "no"})
		if got := h.mail(r.Mail.ID).State; got != want {
			t.Errorf("after %v: %s, want %s", err, got, want)
		}
	}
}
