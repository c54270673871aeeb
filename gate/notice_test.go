package gate_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
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

// unreadable renders a notice that cannot be read back.
func unreadable(message.Notice) []byte { return []byte("Subject: lost\r\n\r\n") }

// bounced makes a mail fail for good and returns how its settling ended. The
// gate writes through db.
func bounced(t *testing.T, db func(*fixture) store.Store) (*fixture, *mail.Mail) {
	h := build(t)
	h.Hop.Answer = func(mail.Address) mail.Result {
		return mail.Result{Permanent: true, Code: 550, Enhanced: "5.1.1", Message: "no such user"}
	}
	m := h.Approve(h.Submit())
	whole := h.Gate
	h.Gate = h.NewGate(db(h), gate.Options{})
	h.Delivery = h.delivers()
	m = h.RunUntil(m.ID, mail.Failed, mail.Sent)
	h.Gate = whole
	return h, m
}

func TestACommitThatFailsNeverLosesTheAuthorsNotice(t *testing.T) {
	for _, failures := range []int{1, 2, 3} {
		t.Run(fmt.Sprint(failures), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, m := bounced(t, func(h *fixture) store.Store {
					left, claimed := failures, false
					return flaky{h.DB, func() error {
						if !claimed { // the first commit of the workers
							claimed = true
							return nil
						}
						if left--; left >= 0 {
							return store.ErrAborted
						}
						return nil
					}}
				})
				if n := h.Notices(); m.State != mail.Failed || len(n) != 1 || n[0].About != m.ID {
					t.Errorf("%s with the notices %+v", m.State, n)
				}
				if len(h.Hop.Sent()) != 0 || m.Attempts != 1 {
					t.Errorf("%d attempts", m.Attempts)
				}
				h.Intact()
			})
		})
	}
}

func TestANoticeThatCannotBeBuiltIsDroppedWithAnEntry(t *testing.T) {
	h := build(t)
	gate.Render(h.Gate, unreadable)
	h.Hop.Answer = func(mail.Address) mail.Result { return mail.Result{Permanent: true, Code: 550} }
	m := h.RunUntil(h.Approve(h.Submit()).ID, mail.Failed, mail.Sent)
	if m.State != mail.Failed || m.Attempts != 1 {
		t.Errorf("%s after %d attempts", m.State, m.Attempts)
	}
	if k := h.Kinds(m.ID); strings.Count(k, "notice.drop") != 1 || !strings.Contains(k, "failed") {
		t.Errorf("entries: %s", k)
	}
	if n := h.Notices(); len(n) != 0 {
		t.Errorf("the mailbox has %+v", n)
	}
	h.Intact()
}

// A rejection, too, is recorded although its author cannot be told; when the
// store fails, neither is in force.
func TestARejectionStandsWithoutItsNotice(t *testing.T) {
	for _, c := range []struct {
		render func(message.Notice) []byte
		fail   error
		want   mail.State
	}{{unreadable, nil, mail.Rejected}, {nil, errors.New("disk"), mail.Held}} {
		h := build(t)
		m := h.Submit()
		g := h.NewGate(flaky{h.DB, func() error { return c.fail }}, gate.Options{})
		if c.render != nil {
			gate.Render(g, c.render)
		}
		g.Decide(h.ctx, h.Approver, m.ID, gate.Decision{Digest: m.Digest, Reason: "no"})
		if got := h.Mail(m.ID).State; got != c.want {
			t.Errorf("after %v: %s, want %s", c.fail, got, c.want)
		}
	}
}

func TestANoticeIsReceivedInEveryModeAndUnderAFreeze(t *testing.T) {
	for _, mode := range mail.Modes {
		for _, frozen := range []bool{false, true} {
			h := build(t)
			m := h.Submit()
			h.SetMode(mode)
			if frozen {
				if _, err := h.Gate.Freeze(h.ctx, h.Operator, registry.FreezeScope{Kind: "all"}, "test"); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := h.Gate.Decide(h.ctx, h.Approver, m.ID, gate.Decision{Digest: m.Digest, Reason: "no"}); err != nil {
				t.Fatal(err)
			}
			if n := h.Notices(); len(n) != 1 || n[0].About != m.ID || n[0].Action != "rejected" {
				t.Errorf("%s, frozen %t: %+v", mode, frozen, n)
			}
			h.Intact()
		}
	}
}

func TestANoticeIsAMailOfItsOwn(t *testing.T) {
	h := build(t)
	m := h.Submit()
	h.Clock.Forward(time.Second)
	if _, err := h.Gate.Decide(h.ctx, h.Approver, m.ID, gate.Decision{Digest: m.Digest, Reason: "no"}); err != nil {
		t.Fatal(err)
	}
	all, err := h.Queue.All(h.ctx, "", 10)
	if err != nil || len(all) != 2 {
		t.Fatalf("%d mails, %v", len(all), err)
	}
	n := all[0].Mail
	raw, err := h.Queue.Raw(h.ctx, n.ID)
	if err != nil {
		t.Fatal(err)
	}
	if n.Direction != mail.Incoming || n.State != mail.Received || n.Digest != mail.DigestOf(n.Envelope, raw) ||
		n.Size != int64(len(raw)) || h.Kinds(n.ID) != "receive" {
		t.Errorf("%+v with the entries %s", n, h.Kinds(n.ID))
	}
	for name, try := range map[string]func() error{
		"approve": func() error {
			_, err := h.Gate.Decide(h.ctx, h.Approver, n.ID, gate.Decision{Approve: true, Digest: n.Digest})
			return err
		},
		"hold":   func() error { _, err := h.Gate.Hold(h.ctx, h.Admin, n.ID); return err },
		"cancel": func() error { _, err := h.Gate.Cancel(h.ctx, h.Admin, n.ID); return err },
		"retry":  func() error { _, err := h.Gate.Retry(h.ctx, h.Admin, n.ID); return err },
	} {
		if err := try(); !errors.Is(err, mail.ErrStale) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := h.Gate.Cancel(h.ctx, h.Agent, n.ID); !errors.Is(err, mail.ErrNotFound) {
		t.Errorf("its agent cancelled it: %v", err)
	}
	h.Intact()
}
