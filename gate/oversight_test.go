package gate_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
	"github.com/multimail/multimail/mail"
)

// bossIsBusy delivers to everybody but the oversight address.
func bossIsBusy(a mail.Address) mail.Result {
	if a.Local() == "boss" {
		return mail.Result{Code: 451, Enhanced: "4.7.1", Message: "greylisted"}
	}
	return mail.Result{Delivered: true, Code: 250}
}

// What was delivered in monitored mode owes a copy, and the agent cannot get
// rid of it: not by cancelling, not by tightening its own mailbox.
func TestAnOversightCopyThatIsOwedIsSent(t *testing.T) {
	for _, c := range []struct {
		name string
		to   []string
		act  func(h *fixture, id mail.ID)
		want mail.State
	}{
		{"cancel", []string{"ada@dest.test"}, func(h *fixture, id mail.ID) {
			if _, err := h.Gate.Cancel(h.ctx, h.Agent, id); !errors.Is(err, mail.ErrStale) {
				h.Errorf("the agent cancelled: %v", err)
			}
		}, mail.Sent},
		{"tighten", []string{"ada@dest.test"}, func(h *fixture, id mail.ID) {
			if _, err := h.Gate.SetMode(h.ctx, h.Agent, h.Box, mail.GatedAll); err != nil {
				h.Fatal(err)
			}
		}, mail.Sent},
		{"tighten with one recipient left", []string{"ada@dest.test", "later@dest.test"}, func(h *fixture, id mail.ID) {
			if _, err := h.Gate.SetMode(h.ctx, h.Agent, h.Box, mail.GatedAll); err != nil {
				h.Fatal(err)
			}
		}, mail.Held},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := build(t)
				h.SetMode(mail.Monitored)
				h.Hop.Answer = func(a mail.Address) mail.Result {
					if a.Local() == "later" {
						return mail.Result{Code: 451}
					}
					return bossIsBusy(a)
				}
				m := h.Submit(c.to...)
				h.RunIdle()
				c.act(h, m.ID)
				h.Hop.Answer = nil
				h.Clock.Forward(time.Hour)
				h.RunIdle()
				last := h.Hop.Sent()[len(h.Hop.Sent())-1]
				if strings.Join(last.To, " ") != "boss@example.test" || last.Bytes != h.Hop.Sent()[0].Bytes {
					t.Errorf("the copy was not sent, or not alone: %v", last.To)
				}
				h.Clock.Forward(time.Hour)
				h.RunIdle()
				if got := h.Mail(m.ID).State; got != c.want {
					t.Errorf("the mail is %s, want %s", got, c.want)
				}
				h.Intact()
			})
		})
	}
}

func TestARetryInAMailboxThatBecameMonitoredIsCopied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.SetMode(mail.Autonomous)
		h.Hop.Answer = func(mail.Address) mail.Result { return mail.Result{Code: 451} }
		m := h.Submit()
		h.RunIdle()
		h.SetMode(mail.Monitored)
		h.Hop.Answer = nil
		h.Clock.Forward(time.Hour)
		h.RunIdle()
		if got := strings.Join(h.Hop.Sent()[0].To, " "); got != "ada@dest.test boss@example.test" {
			t.Errorf("sent to %s", got)
		}
		if h.Mail(m.ID).State != mail.Sent {
			t.Error("not sent")
		}
	})
}

// The oversight address is not given up at its first refusal.
func TestARefusedCopyIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.SetMode(mail.Monitored)
		h.Hop.Answer = func(a mail.Address) mail.Result {
			if a.Local() == "boss" {
				return mail.Result{Permanent: true, Code: 550}
			}
			return mail.Result{Delivered: true}
		}
		m := h.Submit()
		h.RunIdle()
		if got := h.Mail(m.ID); got.State != mail.Ready || got.Attempts != 1 {
			t.Fatalf("%s after %d attempts", got.State, got.Attempts)
		}
		h.Hop.Answer = nil
		h.Clock.Forward(time.Hour)
		h.RunIdle()
		if h.Mail(m.ID).State != mail.Sent {
			t.Error("not sent")
		}
	})
}

// One damaged record stops nobody else's expiry.
func TestADamagedRecordStopsNoOtherExpiry(t *testing.T) {
	h := build(t)
	bad, good := h.Submit(), h.Submit()
	h.Update(func(tx store.Tx) error { return storetest.Records(tx).Put("mail/"+string(bad.ID), []byte("{")) })
	h.Clock.Forward(8 * 24 * time.Hour)
	if err := h.Gate.Expire(h.ctx); err != nil {
		t.Error(err)
	}
	if got := h.Mail(good.ID).State; got != mail.Expired {
		t.Errorf("the other is %s", got)
	}
}

func TestHoldingAScheduledMailThatIsLateGivesTimeToDecide(t *testing.T) {
	h := build(t)
	s := h.Submission("ada@dest.test")
	s.NotBefore = h.Clock.Now().Add(time.Hour)
	r, err := h.Gate.Submit(h.ctx, h.Agent, s)
	if err != nil {
		t.Fatal(err)
	}
	h.Approve(r.Mail)
	h.Clock.Forward(3 * time.Hour)
	m, err := h.Gate.Hold(h.ctx, h.Admin, r.Mail.ID)
	if err != nil || !m.ExpiresAt.After(h.Clock.Now()) {
		t.Fatalf("%v, expires %s", err, m.ExpiresAt)
	}
	h.Approve(m)
}

// Naming the oversight address oneself is no way around it, in any spelling.
func TestNamingTheOversightAddressShedsNothing(t *testing.T) {
	for _, boss := range []string{"boss@example.test", "BOSS@example.test"} {
		t.Run(boss, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := build(t)
				h.SetMode(mail.Monitored)
				h.Hop.Answer = func(a mail.Address) mail.Result {
					if a.Local() == "BOSS" {
						return mail.Result{Permanent: true, Code: 550}
					}
					return bossIsBusy(a)
				}
				m := h.Submit("ada@dest.test", boss)
				h.RunIdle()
				if _, err := h.Gate.Cancel(h.ctx, h.Agent, m.ID); !errors.Is(err, mail.ErrStale) {
					t.Errorf("the agent cancelled: %v", err)
				}
				h.Hop.Answer = nil
				h.Clock.Forward(time.Hour)
				h.RunIdle()
				last := h.Hop.Sent()[len(h.Hop.Sent())-1]
				if strings.Join(last.To, " ") != "boss@example.test" || h.Mail(m.ID).State != mail.Sent {
					t.Errorf("%v, %s", last.To, h.Mail(m.ID).State)
				}
			})
		})
	}
}

// An author names the oversight address, which refuses the mail before the mailbox
// is monitored.
func TestAnOversightAddressThatBouncedBeforeStillGetsItsCopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.SetMode(mail.Autonomous)
		h.Hop.Answer = func(a mail.Address) mail.Result {
			if a.Local() == "boss" {
				return mail.Result{Permanent: true, Code: 550, Message: "no"}
			}
			return mail.Result{Code: 451}
		}
		m := h.Submit("ada@dest.test", "boss@example.test")
		h.RunIdle()
		h.SetMode(mail.Monitored)
		h.Hop.Answer = nil
		h.Clock.Forward(time.Hour)
		h.RunIdle()
		h.Clock.Forward(time.Hour)
		h.RunIdle()
		if got := h.sentTo(); got != "ada@dest.test boss@example.test" || h.Mail(m.ID).State != mail.Sent {
			t.Errorf("sent to %q, the mail is %s", got, h.Mail(m.ID).State)
		}
	})
}

func TestAnOversightAddressThatMovedGetsTheCopyInThePlaceOfTheOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.SetMode(mail.Monitored)
		h.Hop.Answer = func(mail.Address) mail.Result { return mail.Result{Code: 451} }
		m := h.Submit("ada@dest.test")
		h.RunIdle()
		h.Update(func(tx store.Tx) error {
			to := mail.MustAddress("new@example.test")
			return h.Registry.SetOperator(tx, h.Operator, registry.Operator{Name: "Example", Oversight: to})
		})
		h.Hop.Answer = nil
		h.Clock.Forward(time.Hour)
		h.RunIdle()
		if got := h.sentTo(); got != "ada@dest.test new@example.test" || h.Mail(m.ID).State != mail.Sent {
			t.Errorf("sent to %q, the mail is %s", got, h.Mail(m.ID).State)
		}
	})
}
