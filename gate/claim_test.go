package gate_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/node"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
	"github.com/multimail/multimail/internal/systemtest"
	"github.com/multimail/multimail/mail"
)

// lease is that of a worker, whose node is live once live was called.
var lease = gate.Lease{Node: systemtest.Node, Session: "s", For: time.Hour, Margin: time.Minute, Retry: time.Minute}

// live gives the node its lease. It has applied every policy there will be, so
// that no change waits for it.
func (h *fixture) live() {
	h.Helper()
	h.Update(func(tx store.Tx) error {
		return h.Nodes.Begin(tx, node.Record{Name: lease.Node, Session: lease.Session, Applied: 1 << 40,
			Until: tx.Now().Add(24 * time.Hour)})
	})
}

// candidate reads a mail for a claim and stamps it.
func (h *fixture) candidate(id mail.ID) *gate.Candidate {
	h.Helper()
	c, err := h.Gate.Candidate(h.ctx, id)
	if err != nil {
		h.Fatal(err)
	}
	if !c.Stamped {
		c.Mail.Prefix = []byte("X-Mode: " + c.Mail.Release.Mode.String() + "\r\n")
	}
	return c
}

func (h *fixture) claim(id mail.ID) *gate.Claim {
	h.Helper()
	c, err := h.Gate.Claim(h.ctx, h.candidate(id), lease)
	if err != nil || c == nil {
		h.Fatalf("claimed %v, %v", c, err)
	}
	return c
}

func TestAClaimOfTermsThatHaveChangedBeginsAgain(t *testing.T) {
	for name, change := range map[string]func(h *fixture){
		"the mode":              func(h *fixture) { h.SetMode(mail.Monitored) },
		"the mode, for a while": func(h *fixture) { h.SetMode(mail.Monitored); h.SetMode(mail.Autonomous) },
	} {
		t.Run(name, func(t *testing.T) {
			h := build(t)
			h.live()
			h.SetMode(mail.Autonomous)
			m := h.Submit()
			c := h.candidate(m.ID)
			change(h)
			got, err := h.Gate.Claim(h.ctx, c, lease)
			if name == "the mode" {
				if !errors.Is(err, gate.ErrTerms) || got != nil {
					t.Errorf("claimed %+v, %v", got, err)
				}
				if m := h.Mail(m.ID); m.State != mail.Ready || m.Attempts != 0 || m.Release != nil || m.Prefix != nil ||
					h.Kinds(m.ID) != "submit" {
					t.Errorf("%+v with the entries %s", m, h.Kinds(m.ID))
				}
				got, err = h.Gate.Claim(h.ctx, h.candidate(m.ID), lease)
			}
			if err != nil || got == nil {
				t.Fatalf("claimed %v, %v", got, err)
			}
			h.agrees(m.ID)
			h.Intact()
		})
	}
}

// agrees checks that a claimed mail stands on the terms of its claim alone.
func (h *fixture) agrees(id mail.ID) {
	h.Helper()
	m := h.Mail(id)
	var claim audit.Record
	h.View(func(tx store.Tx) error {
		entries, err := h.Audit.ByMail(tx, string(id))
		for _, e := range entries {
			if r := e.Record(); r.Kind == audit.MailClaim {
				claim = r
			}
		}
		return err
	})
	if m.State != mail.Sending || m.Release == nil {
		h.Errorf("%s with the release %+v", m.State, m.Release)
		return
	}
	mode := m.Release.Mode.String()
	if copied := m.Copied(mail.MustAddress("boss@example.test")); claim.Facts["mode"] != mode ||
		string(m.Prefix) != "X-Mode: "+mode+"\r\n" || copied != (m.Release.Mode == mail.Monitored) {
		h.Errorf("released in %s, claimed in %s, stamped %q, copied: %t", mode, claim.Facts["mode"], m.Prefix, copied)
	}
}

// While another goroutine changes the mode, every release says the mode in which
// its claim was made, and is stamped and copied by that one.
func TestClaimsAgreeWithThePolicyTheyMeet(t *testing.T) {
	h := build(t)
	h.live()
	h.SetMode(mail.Autonomous)
	var ids []mail.ID
	for range 20 {
		ids = append(ids, h.Submit().ID)
	}
	stop := make(chan struct{})
	var changing sync.WaitGroup
	changing.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := h.Gate.SetMode(h.ctx, h.Operator, h.Box, mail.Modes[3+i%2]); err != nil {
				t.Error(err)
				return
			}
		}
	})
	again := 0
	for _, id := range ids {
		for {
			c, err := h.Gate.Claim(h.ctx, h.candidate(id), lease)
			if errors.Is(err, gate.ErrTerms) {
				again++
				continue
			}
			if err != nil || c == nil {
				t.Errorf("claimed %v, %v", c, err)
			}
			break
		}
	}
	close(stop)
	changing.Wait()
	t.Logf("%d claims began again", again)
	for _, id := range ids {
		h.agrees(id)
	}
	h.Intact()
}

// Two nodes may pick the same mail. The loser is told that the terms have changed,
// begins again, and finds the mail being sent.
func TestOneOfTwoWorkersClaimsAMail(t *testing.T) {
	h := build(t)
	h.live()
	h.SetMode(mail.Autonomous)
	for range 10 {
		m := h.Submit()
		var claims [2]*gate.Claim
		var workers sync.WaitGroup
		for i := range claims {
			c := h.candidate(m.ID)
			workers.Go(func() {
				var err error
				for claims[i], err = h.Gate.Claim(h.ctx, c, lease); errors.Is(err, gate.ErrTerms); {
					if c, err = h.Gate.Candidate(h.ctx, m.ID); err == nil {
						claims[i], err = h.Gate.Claim(h.ctx, c, lease)
					}
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		workers.Wait()
		if (claims[0] == nil) == (claims[1] == nil) {
			t.Errorf("claimed %v and %v", claims[0], claims[1])
		}
		if got := h.Mail(m.ID); got.Attempts != 1 || got.Lease.Token != 1 || h.Kinds(m.ID) != "submit claim" {
			t.Errorf("%d attempts, token %d, entries %s", got.Attempts, got.Lease.Token, h.Kinds(m.ID))
		}
	}
	h.Intact()
}

// A mail that is being sent is nobody else's to send.
func TestAMailThatIsBeingSentIsNotClaimed(t *testing.T) {
	h := build(t)
	h.live()
	m := h.Approve(h.Submit())
	h.claim(m.ID)
	if c, err := h.Gate.Claim(h.ctx, h.candidate(m.ID), lease); c != nil || err != nil {
		t.Errorf("claimed %+v, %v", c, err)
	}
	h.Intact()
}

func TestANodeWithoutALeaseClaimsNothing(t *testing.T) {
	h := build(t)
	m := h.Approve(h.Submit())
	if c, err := h.Gate.Claim(h.ctx, h.candidate(m.ID), lease); c != nil || !errors.Is(err, node.ErrLost) {
		t.Errorf("claimed %v, %v", c, err)
	}
	h.live()
	other := lease
	other.Session = "another process"
	if c, err := h.Gate.Claim(h.ctx, h.candidate(m.ID), other); c != nil || !errors.Is(err, node.ErrLost) {
		t.Errorf("another process claimed %v, %v", c, err)
	}
	if got := h.Mail(m.ID); got.State != mail.Ready || got.Attempts != 0 {
		t.Errorf("%s after %d attempts", got.State, got.Attempts)
	}
}

// Each mail asks twice, so that the answer must cost next to nothing.
func TestProceedReadsNoFactsWhilePolicyIsAsItWas(t *testing.T) {
	h := build(t)
	var read []string
	h.Gate = h.NewGate(storetest.Watched{Store: h.DB, Read: func(key string) { read = append(read, key) }}, gate.Options{})
	h.live()
	m := h.Approve(h.Submit())
	c := h.claim(m.ID)
	proceed := func() error {
		read = nil
		return h.Gate.Proceed(h.ctx, c)
	}
	if err := proceed(); err != nil || !slices.Equal(read, []string{"node/" + systemtest.Node, "registry/epoch"}) {
		t.Errorf("%v after reading %q", err, read)
	}
	if _, err := h.Gate.AllowAdd(h.ctx, h.Operator, h.Box, "pal@friend.test", ""); err != nil {
		t.Fatal(err)
	}
	if err := proceed(); err != nil || len(read) <= 2 {
		t.Errorf("after a change of policy: %v, having read %q", err, read)
	}
	if _, err := h.Gate.Freeze(h.ctx, h.Operator, everything, ""); err != nil {
		t.Fatal(err)
	}
	if err := proceed(); !errors.Is(err, gate.ErrStopped) {
		t.Errorf("after a freeze: %v", err)
	}
}

func TestNothingProceedsAtTheEndOfALease(t *testing.T) {
	h := build(t)
	h.live()
	c := h.claim(h.Approve(h.Submit()).ID)
	h.Clock.Forward(lease.For - lease.Margin - time.Second)
	if err := h.Gate.Proceed(h.ctx, c); err != nil {
		t.Errorf("a second before the margin: %v", err)
	}
	h.Clock.Forward(time.Second)
	if err := h.Gate.Proceed(h.ctx, c); err == nil || errors.Is(err, gate.ErrStopped) {
		t.Errorf("in the margin: %v", err)
	}
}

func TestPostponeMovesTheNextAttemptOfReadyMailAlone(t *testing.T) {
	h := build(t)
	m := h.Approve(h.Submit())
	now := h.Clock.Now()
	if err := h.Gate.Postpone(h.ctx, m.ID, time.Hour); err != nil {
		t.Fatal(err)
	}
	got := h.Mail(m.ID)
	if got.State != mail.Ready || got.Rev != m.Rev || got.Attempts != 0 || !got.NextAttempt.Equal(now.Add(time.Hour)) ||
		h.Kinds(m.ID) != "submit approve" {
		t.Errorf("%+v with the entries %s", got, h.Kinds(m.ID))
	}

	s := h.Submission("ada@dest.test")
	s.NotBefore = now.Add(2 * time.Hour)
	r, err := h.Gate.Submit(h.ctx, h.Agent, s)
	if err != nil {
		t.Fatal(err)
	}
	h.Approve(r.Mail)
	if err := h.Gate.Postpone(h.ctx, r.Mail.ID, time.Minute); err != nil {
		t.Fatal(err)
	}
	if got := h.Mail(r.Mail.ID); !got.NextAttempt.Equal(s.NotBefore) {
		t.Errorf("scheduled mail is attempted at %s, before its time", got.NextAttempt)
	}

	held := h.Submit()
	for id, want := range map[mail.ID]error{held.ID: mail.ErrStale, "x": mail.ErrNotFound} {
		if err := h.Gate.Postpone(h.ctx, id, time.Minute); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", id, err, want)
		}
	}
	h.Intact()
}
