package gate_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
	"github.com/multimail/multimail/internal/systemtest"
	"github.com/multimail/multimail/mail"
)

func TestTheModeDecidesWhatBecomesOfASubmission(t *testing.T) {
	for _, c := range []struct {
		mode  mail.Mode
		allow string
		to    []string
		want  string // state, or the code of the refusal
		wire  string // recipients of the released mail
	}{
		{mail.ReadOnly, "", []string{"ada@dest.test"}, "read_only", ""},
		{mail.GatedAll, "", []string{"ada@dest.test"}, "held", ""},
		{mail.GatedAll, "*@dest.test", []string{"ada@dest.test"}, "held", ""},
		{mail.GatedSend, "", []string{"ada@dest.test"}, "held", ""},
		{mail.GatedSend, "*@dest.test", []string{"ada@dest.test"}, "ready", "ada@dest.test"},
		{mail.GatedSend, "*@dest.test", []string{"ada@dest.test", "eve@evil.test"}, "held", ""},
		{mail.GatedSend, "*@dest.test", []string{"ada@sub.dest.test"}, "held", ""},
		{mail.GatedSend, "*@dest.test", []string{"eve%evil.test@dest.test"}, "held", ""},
		{mail.Monitored, "", []string{"ada@dest.test"}, "ready", "ada@dest.test boss@example.test"},
		{mail.Autonomous, "", []string{"ada@dest.test"}, "ready", "ada@dest.test"},
	} {
		t.Run(c.mode.String()+" "+strings.Join(c.to, ","), func(t *testing.T) {
			h := build(t)
			h.SetMode(c.mode)
			if c.allow != "" {
				if _, err := h.Gate.AllowAdd(h.ctx, h.Operator, h.Box, c.allow, ""); err != nil {
					t.Fatal(err)
				}
			}
			r, err := h.Gate.Submit(h.ctx, h.Agent, h.Submission(c.to...))
			var e *mail.Error
			switch {
			case errors.As(err, &e) && e.Word() == c.want:
			case err != nil || r.Mail.State.String() != c.want:
				t.Fatalf("got %v, %v; want %s", r.Mail, err, c.want)
			}
			if c.wire != "" {
				m := h.RunUntil(r.Mail.ID, mail.Sent)
				if got := strings.Join(h.Hop.Sent()[0].To, " "); got != c.wire {
					t.Errorf("sent to %s, want %s", got, c.wire)
				}
				if m.Digest != mail.DigestOf(m.Envelope, []byte(strings.SplitN(h.Hop.Sent()[0].Bytes, "\r\n", 2)[1])) {
					t.Error("the wire is not what the digest names")
				}
			}
			h.Intact()
		})
	}
}

func TestOnlyAnApproverDecidesAndOnlyOverWhatWasSeen(t *testing.T) {
	h := build(t)
	m := h.Submit()
	other := mail.Digest(strings.Repeat("0", 64))
	yes := gate.Decision{Approve: true, Digest: m.Digest}
	for _, c := range []struct {
		name string
		p    registry.Principal
		v    gate.Decision
		want string
	}{
		{"the agent that wrote it", h.Agent, yes, "scope"},
		{"an admin", h.Admin, yes, "scope"},
		{"the socket outside dev mode", registry.Socket(1000, false), yes, "scope"},
		{"a principal nobody knows", registry.Principal{Kind: registry.KindApprover, Name: "eve",
			Scopes: []registry.Scope{registry.ScopeOversight}}, yes, "unauthorised"},
		{"an approver without a digest", h.Approver, gate.Decision{Approve: true}, "invalid"},
		{"an approver with another digest", h.Approver, gate.Decision{Approve: true, Digest: other}, "stale"},
		{"a rejection of another digest", h.Approver, gate.Decision{Digest: other}, "stale"},
		{"a reason without end", h.Approver,
			gate.Decision{Approve: true, Digest: m.Digest, Reason: strings.Repeat("x", 1001)}, "invalid"},
	} {
		_, err := h.Gate.Decide(h.ctx, c.p, m.ID, c.v)
		if mail.WordOf(err) != c.want {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
		if s := h.Mail(m.ID).State; s != mail.Held {
			t.Fatalf("%s: the mail is %s", c.name, s)
		}
	}
	h.Approve(m)
	if _, err := h.Gate.Decide(h.ctx, h.Operator, m.ID, gate.Decision{}); !errors.Is(err, mail.ErrStale) ||
		!strings.Contains(err.Error(), "already approved by approver:ann") {
		t.Errorf("a second decision: %v", err)
	}
	if _, err := h.Gate.Decide(h.ctx, h.Approver, mail.NewID(h.Clock.Now()), yes); !errors.Is(err, mail.ErrNotFound) {
		t.Errorf("an unknown id: %v", err)
	}
	if got := h.Kinds(m.ID); got != "submit"+strings.Repeat(" decide.refuse", 8)+" approve decide.refuse" {
		t.Errorf("entries: %s", got)
	}
	h.Intact()
}

func TestTheFirstOfManyDecisionsWins(t *testing.T) {
	h := build(t)
	m := h.Submit()
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for i := range 16 {
		wg.Go(func() {
			_, err := h.Gate.Decide(h.ctx, h.Approver, m.ID, gate.Decision{Approve: i%2 == 0, Digest: m.Digest})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if !errors.Is(err, mail.ErrStale) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if d := h.Mail(m.ID).Decisions; won != 1 || len(d) != 1 {
		t.Errorf("%d callers won, %d decisions are stored", won, len(d))
	}
	h.Intact()
}

func TestAnApprovedMailLeavesWithTheApprovalInItsStamp(t *testing.T) {
	h := build(t)
	m := h.Approve(h.Submit())
	h.RunUntil(m.ID, mail.Sent)
	want := "X-Release: gated_send approved reviewer " + m.Decisions[0].Ref + "\r\n"
	if w := h.Hop.Sent(); len(w) != 1 || !strings.HasPrefix(w[0].Bytes, want) {
		t.Errorf("the wire begins with %.200q, want %q", w, want)
	}
	if got := h.Kinds(m.ID); got != "submit approve claim sent" {
		t.Errorf("entries: %s", got)
	}
}

func TestHoldsExpireAndAreNeverSent(t *testing.T) {
	h := build(t)
	m := h.Submit()
	h.Clock.Forward(7*24*time.Hour - time.Second)
	if err := h.Gate.Expire(h.ctx); err != nil || h.Mail(m.ID).State != mail.Held {
		t.Fatalf("a second early: %v, %s", err, h.Mail(m.ID).State)
	}
	h.Clock.Forward(time.Second)
	yes := gate.Decision{Approve: true, Digest: m.Digest}
	if _, err := h.Gate.Decide(h.ctx, h.Approver, m.ID, yes); !errors.Is(err, mail.ErrStale) {
		t.Errorf("an approval at the deadline: %v", err)
	}
	if err := h.Gate.Expire(h.ctx); err != nil || h.Mail(m.ID).State != mail.Expired {
		t.Fatalf("at the deadline: %v, %s", err, h.Mail(m.ID).State)
	}
	if n := h.Notices(); len(n) != 1 || n[0].Action != "expired" || n[0].About != m.ID {
		t.Errorf("notices: %+v", n)
	}
	h.Intact()
}

func TestARejectionTellsTheAuthorWhy(t *testing.T) {
	h := build(t)
	m := h.Submit()
	if _, err := h.Gate.Decide(h.ctx, h.Approver, m.ID, gate.Decision{Reason: "too\r\nX-Evil: bold\x1b[2J"}); err != nil {
		t.Fatal(err)
	}
	n := h.Notices()
	if len(n) != 1 || n[0].Action != "rejected" || !strings.Contains(n[0].Text, "bold") ||
		strings.ContainsAny(n[0].Text, "\x1b") {
		t.Errorf("notices: %+v", n)
	}
	raw, err := h.Queue.Raw(h.ctx, n[0].ID)
	if err != nil || strings.Contains(string(raw), "\r\nX-Evil") {
		t.Errorf("%v in %s", err, raw)
	}
}

func TestTighteningBitesAtTheClaim(t *testing.T) {
	t.Run("open mail is held again in gated_send", func(t *testing.T) {
		h := build(t)
		h.SetMode(mail.Monitored)
		m := h.Submit()
		h.SetMode(mail.GatedSend)
		m = h.RunUntil(m.ID, mail.Held)
		if m.Release != nil || m.Prefix != nil || m.ExpiresAt.Before(h.Clock.Now()) || len(h.Hop.Sent()) != 0 {
			t.Errorf("%+v, sent %d", m, len(h.Hop.Sent()))
		}
		h.SetMode(mail.Autonomous) // loosening frees nothing that is held
		if h.Mail(m.ID).State != mail.Held {
			t.Error("a looser mode freed a held mail")
		}
		h.Intact()
	})
	t.Run("an approval is void in read_only", func(t *testing.T) {
		h := build(t)
		m := h.Approve(h.Submit())
		h.SetMode(mail.ReadOnly)
		if m = h.RunUntil(m.ID, mail.Held); len(m.Decisions) != 0 {
			t.Errorf("%+v", m)
		}
		yes := gate.Decision{Approve: true, Digest: m.Digest}
		if _, err := h.Gate.Decide(h.ctx, h.Approver, m.ID, yes); !errors.Is(err, mail.ErrStale) {
			t.Errorf("an approval in read_only: %v", err)
		}
	})
	t.Run("an approval suffices in gated_all", func(t *testing.T) {
		h := build(t)
		m := h.Approve(h.Submit())
		h.SetMode(mail.GatedAll)
		h.RunUntil(m.ID, mail.Sent)
	})
	t.Run("a removed allowlist entry holds what stood on it", func(t *testing.T) {
		h := build(t)
		e, err := h.Gate.AllowAdd(h.ctx, h.Operator, h.Box, "ada@dest.test", "")
		if err != nil {
			t.Fatal(err)
		}
		m := h.Submit()
		if err := h.Gate.AllowRemove(h.ctx, h.Admin, h.Box, e.ID); err != nil || m.State != mail.Ready {
			t.Fatal(err, m.State)
		}
		h.RunUntil(m.ID, mail.Held)
	})
}

func TestAlteredBytesAreHeldAndNeverSent(t *testing.T) {
	h := build(t)
	m := h.Approve(h.Submit())
	h.Update(func(tx store.Tx) error {
		return storetest.Records(tx).PutBody(store.Inline("raw/"+string(m.ID),
			[]byte(strings.Replace(systemtest.Text, "morning", "evening", 1))))
	})
	h.RunUntil(m.ID, mail.Held)
	if len(h.Hop.Sent()) != 0 {
		t.Error("altered bytes were sent")
	}
}

func TestFrozenScopesTakeNothingAndSendNothing(t *testing.T) {
	for _, scope := range []string{"all", "agent:bot", "mailbox:bot@example.test", "domain:example.test"} {
		t.Run(scope, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := build(t)
				ready := h.Approve(h.Submit())
				held := h.Submit()
				s, err := registry.ParseFreezeScope(scope)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := h.Gate.Freeze(h.ctx, h.Admin, s, "test"); err != nil {
					t.Fatal(err)
				}
				if _, err := h.Gate.Submit(h.ctx, h.Agent, h.Submission("ada@dest.test")); !errors.Is(err, mail.ErrFrozen) {
					t.Errorf("a submission: %v", err)
				}
				if err := h.Gate.Admit(h.ctx, h.Agent, h.Box, 0, nil); !errors.Is(err, mail.ErrFrozen) {
					t.Errorf("MAIL FROM: %v", err)
				}
				h.Approve(held) // a decision is not a departure
				h.RunIdle()
				if h.Mail(ready.ID).State != mail.Ready || h.Mail(held.ID).State != mail.Ready || len(h.Hop.Sent()) != 0 {
					t.Error("something moved")
				}
				if err := h.Gate.Thaw(h.ctx, h.Admin, s); err == nil {
					t.Error("an admin thawed")
				}
				if err := h.Gate.Thaw(h.ctx, h.Approver, s); err != nil {
					t.Fatal(err)
				}
				h.RunUntil(ready.ID, mail.Sent)
				h.Intact()
			})
		})
	}
}

func TestIdempotencyKeysJoinRequests(t *testing.T) {
	h := build(t)
	s := h.Submission("ada@dest.test")
	s.Door, s.IdempotencyKey, s.Fingerprint = "http", "k1", "f1"
	first, err := h.Gate.Submit(h.ctx, h.Agent, s)
	if err != nil || first.Replay {
		t.Fatal(first, err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			r, err := h.Gate.Submit(h.ctx, h.Agent, s)
			if err != nil || !r.Replay || r.Mail.ID != first.Mail.ID {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	wg.Wait()
	other := s
	other.Fingerprint = "f2"
	if _, err := h.Gate.Submit(h.ctx, h.Agent, other); !errors.Is(err, mail.ErrStale) {
		t.Errorf("the same key for another mail: %v", err)
	}
	if _, err := h.Gate.Submit(h.ctx, h.Approver, s); err == nil {
		t.Error("an approver learnt of a mail by its key")
	}
	h.Clock.Forward(24 * time.Hour)
	if r, err := h.Gate.Submit(h.ctx, h.Agent, s); err != nil || r.Replay {
		t.Errorf("a day later: %+v, %v", r, err)
	}
	all, err := h.Queue.All(h.ctx, "", 10)
	if err != nil || len(all) != 2 {
		t.Errorf("%d mails, %v", len(all), err)
	}
}

func TestASubmissionMustBelongToItsMailbox(t *testing.T) {
	h := build(t)
	for _, c := range []struct {
		name string
		edit func(*gate.Submission)
		want string
	}{
		{"From is somebody else", func(s *gate.Submission) {
			s.Raw = []byte(strings.Replace(systemtest.Text, "bot@", "ceo@", 1))
		}, "sender"},
		{"Sender is somebody else", func(s *gate.Submission) {
			s.Raw = []byte("Sender: ceo@example.test\r\n" + systemtest.Text)
		}, "sender"},
		{"MAIL FROM is somebody else", func(s *gate.Submission) {
			s.Envelope.From = mail.MustAddress("ceo@example.test")
		}, "sender"},
		{"the null sender", func(s *gate.Submission) { s.Envelope.From = mail.Address{} }, "sender"},
		{"a mailbox of nobody", func(s *gate.Submission) {
			s.Mailbox = mail.MustAddress("ceo@example.test")
			s.Envelope.From = s.Mailbox
		}, "sender"},
		{"no recipient", func(s *gate.Submission) { s.Envelope.Rcpts = nil }, "no_recipient"},
		{"bare LF", func(s *gate.Submission) { s.Raw = []byte(systemtest.Text + "a\nb\r\n") }, "content"},
	} {
		s := h.Submission("ada@dest.test")
		c.edit(&s)
		_, err := h.Gate.Submit(h.ctx, h.Agent, s)
		if mail.WordOf(err) != c.want {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	if all, err := h.Queue.All(h.ctx, "", 10); err != nil || len(all) != 0 {
		t.Errorf("%d mails are stored, %v", len(all), err)
	}
	h.Update(func(tx store.Tx) error { return h.Registry.DisableAgent(tx, h.Operator, "bot") })
	if _, err := h.Gate.Submit(h.ctx, h.Agent, h.Submission("ada@dest.test")); !errors.Is(err, registry.ErrCredentials) {
		t.Errorf("a disabled agent: %v", err)
	}
	h.Intact()
}

func TestCancelIsForTheAuthorAndTheOperator(t *testing.T) { synctest.Test(t, testCancel) }

func testCancel(t *testing.T) {
	h := build(t)
	m := h.Submit()
	if _, err := h.Gate.Cancel(h.ctx, h.Approver, m.ID); !errors.Is(err, mail.ErrNotFound) {
		t.Errorf("an approver: %v", err)
	}
	for range 2 { // twice is no error
		if got, err := h.Gate.Cancel(h.ctx, h.Agent, m.ID); err != nil || got.State != mail.Cancelled {
			t.Errorf("the author: %v, %v", got, err)
		}
	}
	yes := gate.Decision{Approve: true, Digest: m.Digest}
	if _, err := h.Gate.Decide(h.ctx, h.Approver, m.ID, yes); !errors.Is(err, mail.ErrStale) {
		t.Errorf("an approval afterwards: %v", err)
	}
	ready := h.Approve(h.Submit())
	if got, err := h.Gate.Cancel(h.ctx, h.Admin, ready.ID); err != nil || got.State != mail.Cancelled {
		t.Errorf("an admin: %v, %v", got, err)
	}
	h.RunIdle()
	if len(h.Hop.Sent()) != 0 {
		t.Error("a cancelled mail was sent")
	}
	h.Intact()
}

func TestAnOperatorHoldsAndRetries(t *testing.T) {
	h := build(t)
	m := h.Approve(h.Submit())
	if _, err := h.Gate.Hold(h.ctx, h.Agent, m.ID); err == nil {
		t.Error("an agent held")
	}
	m, err := h.Gate.Hold(h.ctx, h.Admin, m.ID)
	if err != nil || m.State != mail.Held || len(m.Decisions) != 0 {
		t.Fatalf("%+v, %v", m, err)
	}
	h.Approve(m)
	h.Hop.Answer = func(mail.Address) mail.Result { return mail.Result{Code: 451, Enhanced: "4.2.0"} }
	h.RunQueue(func() bool { return strings.Contains(h.Kinds(m.ID), "retry") })
	h.Hop.Answer = nil
	if _, err := h.Gate.Retry(h.ctx, h.Admin, m.ID); err != nil {
		t.Fatal(err)
	}
	h.RunUntil(m.ID, mail.Sent)
	if _, err := h.Gate.Retry(h.ctx, h.Admin, m.ID); !errors.Is(err, mail.ErrStale) {
		t.Errorf("a retry of sent mail: %v", err)
	}
	h.Intact()
}

func TestScheduledMailIsHeldForAnHourPastItsTimeAtMost(t *testing.T) {
	h := build(t)
	s := h.Submission("ada@dest.test")
	s.NotBefore = h.Clock.Now().Add(time.Hour)
	r, err := h.Gate.Submit(h.ctx, h.Agent, s)
	if err != nil {
		t.Fatal(err)
	}
	if want := s.NotBefore.Add(time.Hour); !r.Mail.ExpiresAt.Equal(want) {
		t.Errorf("the hold ends at %s, want %s: it must not go out late in silence", r.Mail.ExpiresAt, want)
	}
}
