package gate_test

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// unverified is a gate whose mailbox sends by itself, on a domain that is
// neither verified nor internal.
func unverified(t *testing.T) *fixture {
	h := build(t)
	h.SetMode(mail.Autonomous)
	h.Unverify("example.test")
	return h
}

// tryClaim claims a mail for a node that is live; nil when nothing may be sent now.
func (h *fixture) tryClaim(id mail.ID) *gate.Claim {
	h.Helper()
	h.live()
	c, err := h.Gate.Claim(h.ctx, h.candidate(id), lease)
	if err != nil {
		h.Fatal(err)
	}
	return c
}

func TestNothingLeavesADomainThatIsNotVerified(t *testing.T) {
	e := unverified(t)
	m := e.Submit()
	if c := e.tryClaim(m.ID); c != nil {
		t.Fatal("it was claimed")
	}
	if m = e.Mail(m.ID); m.State != mail.Ready || m.Attempts != 0 {
		t.Errorf("it is %s after %d attempts", m.State, m.Attempts)
	}
	for _, f := range []registry.Finding{registry.FoundNothing, registry.FoundNotOurs} {
		e.Check("example.test", f)
		if c := e.tryClaim(m.ID); c != nil {
			t.Fatalf("it was claimed after finding %d", f)
		}
	}
	e.Check("example.test", registry.FoundOurs)
	c := e.tryClaim(m.ID)
	if c == nil || !c.Mail.Release.Verified {
		t.Fatalf("the domain is verified: %+v", c)
	}
	e.Intact()
}

func TestMailOfAnInternalDomainDoesNotClaimToBeVerified(t *testing.T) {
	e := unverified(t)
	m := e.Submit()
	if _, err := e.Gate.PinDomain(t.Context(), e.Operator, "example.test"); err != nil {
		t.Fatal(err)
	}
	e.Check("example.test", registry.FoundOurs)
	if c := e.tryClaim(m.ID); c == nil || c.Mail.Release.Verified {
		t.Errorf("got %+v", c)
	}
}

func TestAnAttemptEndsWithTheTimeOfItsDomain(t *testing.T) {
	e := unverified(t)
	e.Check("example.test", registry.FoundOurs)
	m := e.Submit()
	e.Clock.Forward(registry.VerifiedLife - 10*time.Second)
	c := e.tryClaim(m.ID)
	if c == nil {
		t.Fatal("it was not claimed")
	}
	if err := e.Gate.Proceed(t.Context(), c); err != nil {
		t.Fatalf("in time: %v", err)
	}
	e.Clock.Forward(10 * time.Second)
	if err := e.Gate.Proceed(t.Context(), c); !errors.Is(err, gate.ErrStopped) {
		t.Errorf("late: %v", err)
	}
}

func TestAnAttemptEndsWhenItsDomainIsUnpinned(t *testing.T) {
	e := build(t)
	e.SetMode(mail.Autonomous)
	c := e.tryClaim(e.Submit().ID)
	if c == nil {
		t.Fatal("it was not claimed")
	}
	e.Unverify("example.test")
	if err := e.Gate.Proceed(t.Context(), c); !errors.Is(err, gate.ErrStopped) {
		t.Errorf("got %v", err)
	}
}

// A mail that waits for its domain is held again after a hold, and its approval
// counts no more.
func TestMailThatWaitsForItsDomainForLongerThanAHoldIsHeldAgain(t *testing.T) {
	for _, c := range []struct {
		name  string
		doubt bool // of the clock
		after time.Duration
		want  mail.State
	}{
		{"before a hold is over", false, 7*24*time.Hour - time.Second, mail.Ready},
		{"after a hold", false, 7 * 24 * time.Hour, mail.Held},
		{"by a clock in doubt", true, 8 * 24 * time.Hour, mail.Ready},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := build(t)
			e.Unverify("example.test")
			// Unverified for long, which is nothing that this mail has waited for.
			e.Clock.Forward(30 * 24 * time.Hour)
			m := e.Approve(e.Submit())
			e.Clock.Forward(c.after)
			e.Doubt.Store(c.doubt)
			if err := e.Gate.Expire(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := e.Mail(m.ID)
			if got.State != c.want {
				t.Fatalf("it is %s, want %s", got.State, c.want)
			}
			if c.want == mail.Held && (got.Basis != mail.NoBasis || len(got.Decisions) != 0 || got.Release != nil ||
				!got.ExpiresAt.After(e.Clock.Now())) {
				t.Errorf("got %+v", got)
			}
			e.Check("example.test", registry.FoundOurs)
			if sent := e.tryClaim(m.ID); (sent != nil) != (c.want == mail.Ready) {
				t.Errorf("claimed %v", sent)
			}
			e.Intact()
		})
	}
}

// What the entry says is what the rules replay.
func TestMailHeldForItsDomainSaysSoInTheLog(t *testing.T) {
	e := unverified(t)
	m := e.Submit()
	e.Clock.Forward(8 * 24 * time.Hour)
	if err := e.Gate.Expire(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.View(func(tx store.Tx) error {
		entries, err := e.Audit.ByMail(tx, string(m.ID))
		if err != nil || len(entries) != 2 {
			t.Fatalf("%d entries, %v", len(entries), err)
		}
		r := entries[1].Record()
		if r.Kind != "mail.hold" || r.Facts["unverified"] != "true" || r.Facts["overdue"] != "true" ||
			r.Facts["table"] != strconv.Itoa(step.Version) {
			t.Errorf("got %s %v", r.Kind, r.Facts)
		}
		return step.Check(string(r.Kind), r.Facts)
	})
}

func TestWhoMayNotLoosenMayNotPin(t *testing.T) {
	e := unverified(t)
	if _, err := e.Gate.PinDomain(t.Context(), e.Admin, "example.test"); err == nil {
		t.Error("an admin pinned it")
	}
	if _, err := e.Gate.PinDomain(t.Context(), e.Agent, "example.test"); err == nil {
		t.Error("an agent pinned it")
	}
	if _, err := e.Gate.PinDomain(t.Context(), e.Approver, "example.test"); err != nil {
		t.Error(err)
	}
	if err := e.Gate.RemoveDomain(t.Context(), e.Admin, "example.test"); err == nil {
		t.Error("a domain in use was removed")
	}
}
