package gate_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// warming is the gate of a domain that was added at noon of the first day, where one mail may
// have more recipients than any day.
func warming(t *testing.T) *fixture {
	h := build(t)
	h.gates(gate.Options{WarmUp: true, MaxRcpt: 10_000})
	return h
}

// to is a submission with so many recipients.
func (h *fixture) to(n int) gate.Submission {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("a%d@dest.test", i))
	}
	return h.Submission(list...)
}

// refused submits a mail that is beyond the day, and says how far that is.
func (h *fixture) refused(s gate.Submission) gate.WarmUp {
	h.Helper()
	_, err := h.Gate.Submit(h.ctx, h.Agent, s)
	var e *mail.Error
	w := &gate.WarmUp{}
	if !errors.As(err, &e) || e.Reason != mail.ReasonWarmUp || e.Limit != mail.LimitWarmUp || !errors.As(err, &w) {
		h.Fatalf("%v, want a refusal of the warm-up", err)
	}
	return *w
}

func (h *fixture) taken(s gate.Submission) *mail.Mail {
	h.Helper()
	r, err := h.Gate.Submit(h.ctx, h.Agent, s)
	if err != nil {
		h.Fatal(err)
	}
	return r.Mail
}

func TestTheMailOfANewDomainHasFewRecipientsADay(t *testing.T) {
	h := warming(t)
	for i := range 2 { // the second day begins twelve hours after the first mail
		h.taken(h.to(40))
		left := map[int]time.Duration{0: 12 * time.Hour, 1: 24 * time.Hour}[i]
		if got, want := h.refused(h.to(11)), (gate.WarmUp{Stage: 1, Sent: 40, Limit: 50, Wait: left}); got != want {
			t.Errorf("day %d: %+v, want %+v", i, got, want)
		}
		rejected := h.taken(h.to(10))
		if _, err := h.Gate.Decide(h.ctx, h.Approver, rejected.ID, gate.Decision{}); err != nil {
			t.Fatal(err)
		}
		if got := h.refused(h.to(1)); got.Sent != 50 {
			t.Errorf("day %d: %+v after a mail was rejected", i, got)
		}
		h.Clock.Forward(left)
	}
	h.taken(h.to(50))
}

func TestADomainIsWarmAfterThirtyDays(t *testing.T) {
	h := warming(t)
	begin := h.Clock.Now()
	for _, c := range []struct{ day, stage, limit int }{
		{0, 1, 50}, {9, 1, 50}, {10, 2, 500}, {19, 2, 500}, {20, 3, 5000}, {29, 3, 5000},
	} {
		h.Clock.Forward(begin.AddDate(0, 0, c.day).Sub(h.Clock.Now()))
		if got := h.refused(h.to(c.limit + 1)); got.Stage != c.stage || got.Limit != c.limit || got.Sent != 0 {
			t.Errorf("day %d: %+v", c.day, got)
		}
		h.taken(h.to(c.limit))
		h.refused(h.to(1))
	}
	h.Clock.Forward(begin.AddDate(0, 0, 30).Sub(h.Clock.Now()))
	h.taken(h.to(5001))
	h.Clock.Forward(begin.AddDate(0, 0, -3).Sub(h.Clock.Now())) // a clock that was wrong
	h.refused(h.to(51))
}

func TestADomainIsNotWarmedUpUnlessTheOperatorSaysSo(t *testing.T) {
	h := build(t)
	h.gates(gate.Options{MaxRcpt: 10_000})
	h.taken(h.to(5001))
}

// What leaves later counts on the day on which it leaves, or a thousand mails would leave in one
// hour.
func TestScheduledMailCountsOnItsDay(t *testing.T) {
	h := warming(t)
	scheduled := func(n int) gate.Submission {
		s := h.to(n)
		s.NotBefore = h.Clock.Now().AddDate(0, 0, 2)
		return s
	}
	h.taken(scheduled(45))
	if got := h.refused(scheduled(6)); got.Sent != 45 || got.Wait != 60*time.Hour {
		t.Errorf("%+v", got)
	}
	h.taken(h.to(50))
	h.refused(h.to(1))
	h.Clock.Forward(48 * time.Hour)
	h.taken(h.to(5))
	h.refused(h.to(1))
	var days []string
	h.View(func(tx store.Tx) (err error) {
		days, err = gate.WarmUpDays(tx, "example.test")
		return err
	})
	if !slices.Equal(days, []string{"2026-05-03"}) {
		t.Errorf("days %v are kept", days)
	}
}

func TestAMailIsCountedOnceAndForItsWholeDomain(t *testing.T) {
	h := warming(t)
	s := h.to(30)
	s.IdempotencyKey, s.Fingerprint = "k", "f"
	h.taken(s)
	h.taken(s)
	other := mail.MustAddress("other@example.test")
	agent, _ := h.AddAgent("other", "ref-2", other)
	s = h.to(21)
	s.Mailbox, s.Envelope.From = other, other
	s.Raw = []byte("From: other@example.test\r\nTo: ada@dest.test\r\nSubject: Hello\r\n\r\nGood morning.\r\n")
	_, err := h.Gate.Submit(h.ctx, agent, s)
	w := &gate.WarmUp{}
	if !errors.As(err, &w) || w.Sent != 30 {
		t.Errorf("another mailbox of the domain: %v", err)
	}
	s.Envelope.Rcpts = s.Envelope.Rcpts[:20]
	if _, err := h.Gate.Submit(h.ctx, agent, s); err != nil {
		t.Error(err)
	}
}

// However many submit at once, a day has no more.
func TestNeverMoreThanTheDayIsTakenAtOnce(t *testing.T) {
	h := warming(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	taken := 0
	for i := range 30 {
		wg.Go(func() {
			s := h.to(4)
			s.IdempotencyKey = fmt.Sprint(i) // 4 each: 12 fit, and 2 are left over
			_, err := h.Gate.Submit(h.ctx, h.Agent, s)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				taken += 4
			} else if w := new(gate.WarmUp); !errors.As(err, &w) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := h.refused(h.to(3)); taken != 48 || got.Sent != 48 {
		t.Errorf("%d recipients are taken, %+v", taken, got)
	}
	h.taken(h.to(2))
}
