package gate_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/systemtest"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// tallied compares what the store counts with what is there.
func (h *fixture) tallied(at string) {
	h.Helper()
	all, err := h.Queue.All(h.ctx, "", 1<<20)
	if err != nil {
		h.Fatal(err)
	}
	want := map[mail.State]queue.Tally{}
	for _, m := range all {
		s := m.Mail.State
		if s == mail.Sending {
			s = mail.Ready
		}
		want[s] = queue.Tally{Count: want[s].Count + 1, Octets: want[s].Octets + m.Mail.Size}
	}
	h.View(func(tx store.Tx) error {
		for _, s := range []mail.State{mail.Held, mail.Ready} {
			if got, err := h.Ledger.Tally(tx, h.Box, mail.Outgoing, s); err != nil || got != want[s] {
				h.Fatalf("%s: %s: counted %+v, there are %+v (%v)", at, s, got, want[s], err)
			}
		}
		return nil
	})
}

// operations are what may happen to mails, in any order. ids gathers what was
// submitted.
func (h *fixture) operations(r *rand.Rand, ids *[]mail.ID) (ops map[string]func()) {
	ops = map[string]func(){
		"submit": func() {
			s := h.Submission("ada@dest.test")
			s.Raw = []byte(systemtest.Text + strings.Repeat("x\r\n", r.IntN(50)))
			if got, err := h.Gate.Submit(h.ctx, h.Agent, s); err == nil {
				*ids = append(*ids, got.Mail.ID)
			}
		},
		"autonomous": func() { h.SetMode(mail.Autonomous) },
		"gated":      func() { h.SetMode(mail.GatedAll) },
		"attempts":   h.RunIdle,
		"time passes": func() {
			h.Clock.Forward(time.Duration(r.IntN(48)) * time.Hour)
		},
		"expire": func() {
			if err := h.Gate.Expire(h.ctx); err != nil {
				h.Error(err)
			}
		},
	}
	some := func(fn func(id mail.ID)) func() { // a refusal is as good: it must count nothing
		return func() {
			if len(*ids) > 0 {
				fn((*ids)[r.IntN(len(*ids))])
			}
		}
	}
	ops["approve"] = some(func(id mail.ID) {
		_, _ = h.Gate.Decide(h.ctx, h.Approver, id, gate.Decision{Approve: true, Digest: h.Mail(id).Digest})
	})
	ops["reject"] = some(func(id mail.ID) { _, _ = h.Gate.Decide(h.ctx, h.Approver, id, gate.Decision{}) })
	ops["cancel"] = some(func(id mail.ID) { _, _ = h.Gate.Cancel(h.ctx, h.Agent, id) })
	ops["hold"] = some(func(id mail.ID) { _, _ = h.Gate.Hold(h.ctx, h.Operator, id) })
	return ops
}

// Whatever becomes of mail, the counters say what a full scan finds.
func TestTalliesAreWhatIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		r := rand.New(rand.NewPCG(1, 2))
		answers := rand.New(rand.NewPCG(3, 4)) // its own: workers ask for answers at the same time
		var mu sync.Mutex
		h.Hop.Answer = func(mail.Address) mail.Result {
			mu.Lock()
			defer mu.Unlock()
			return []mail.Result{{Delivered: true, Code: 250}, {Code: 451}, {Permanent: true, Code: 550}}[answers.IntN(3)]
		}
		var ids []mail.ID
		ops := h.operations(r, &ids)
		names := []string{"submit", "submit", "submit", "approve", "approve", "reject", "cancel", "hold", "hold",
			"autonomous", "gated", "attempts", "time passes", "expire"}
		for range 300 {
			name := names[r.IntN(len(names))]
			ops[name]()
			h.tallied(name)
		}
		seen := map[mail.State]bool{}
		for _, id := range ids {
			seen[h.Mail(id).State] = true
		}
		for _, s := range []mail.State{mail.Rejected, mail.Cancelled, mail.Expired, mail.Sent, mail.Failed} {
			if !seen[s] {
				t.Errorf("no mail was %s: the test looks past it", s)
			}
		}
	})
}

func TestAMailboxMayHaveOnlySoMuchWaiting(t *testing.T) {
	size := build(t).Submit().Size // of every mail of this text
	for _, c := range []struct {
		name string
		mode mail.Mode
		o    gate.Options
		want mail.Limit
		word string
	}{
		{"held mails", mail.GatedAll, gate.Options{HeldCount: 2}, mail.LimitHeldCount, "decided"},
		{"held octets", mail.GatedAll, gate.Options{HeldSize: 2*size + size/2}, mail.LimitHeldSize, "decided"},
		{"outgoing mails", mail.Autonomous, gate.Options{BacklogCount: 2}, mail.LimitBacklogCount, "wait until"},
		{"outgoing octets", mail.Autonomous, gate.Options{BacklogSize: 2*size + size/2}, mail.LimitBacklogSize, "wait until"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := build(t)
			h.gates(c.o)
			h.SetMode(c.mode)
			var last *mail.Mail
			var err error
			n := 0
			for ; n < 5 && err == nil; n++ {
				var r gate.Receipt
				if r, err = h.Gate.Submit(h.ctx, h.Agent, h.Submission("ada@dest.test")); err == nil {
					last = r.Mail
				}
			}
			var e *mail.Error
			if !errors.As(err, &e) || e.Reason != mail.ReasonMailboxFull || e.Limit != c.want ||
				!strings.Contains(e.Public, c.word) {
				t.Fatalf("mail %d: %v", n, err)
			}
			if n != 3 {
				t.Errorf("mail %d was the first to be refused, want the third", n)
			}
			if _, err := h.Gate.Cancel(h.ctx, h.Agent, last.ID); err != nil {
				t.Fatal(err)
			}
			h.Submit() // in the place of the one that is gone
			h.tallied("after it")
		})
	}
}

// An approval, and a hold of what was approved, never fail for a quota.
func TestAQuotaNeverStopsADecision(t *testing.T) {
	h := build(t)
	h.gates(gate.Options{HeldCount: 1, BacklogCount: 1})
	h.SetMode(mail.GatedAll)
	one := h.Approve(h.Submit())
	two := h.Approve(h.Submit())
	h.Submit()
	for _, m := range []*mail.Mail{one, two} {
		if _, err := h.Gate.Hold(h.ctx, h.Operator, m.ID); err != nil {
			t.Error(err)
		}
	}
	h.tallied("held again")
}

func TestSubmissionsOfACredentialAreLimitedOverEveryDoor(t *testing.T) {
	h := build(t)
	h.gates(gate.Options{SubmissionsPerMinute: 2, Now: h.Clock.Now})
	g := h.Gate
	for i, door := range []string{"smtp", "http"} {
		s := h.Submission("ada@dest.test")
		s.Door = door
		if _, err := g.Submit(h.ctx, h.Agent, s); err != nil {
			t.Fatalf("submission %d: %v", i, err)
		}
	}
	_, err := g.Submit(h.ctx, h.Agent, h.Submission("ada@dest.test"))
	var e *mail.Error
	if !errors.As(err, &e) || e.Kind != mail.ErrRateLimited || e.Limit != mail.LimitSubmissionRate {
		t.Errorf("beyond the limit: %v", err)
	}
	h.Clock.Forward(time.Minute)
	if _, err := g.Submit(h.ctx, h.Agent, h.Submission("ada@dest.test")); err != nil {
		t.Errorf("a minute later: %v", err)
	}
}
