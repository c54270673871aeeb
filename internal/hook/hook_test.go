package hook

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

func want(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestWhatHappensToAMailIsToldOnce(t *testing.T) {
	f := newFixture(t)
	f.Submit() // before anybody listens
	f.add(f.root(), EventNames()...)
	m := f.Submit()
	f.Approve(m)
	f.round()
	want(t, "events", f.events(), "[oversight.approved oversight.pending]")
	f.SetMode(mail.ReadOnly)
	f.round()
	want(t, "events", f.events(), "[policy.changed]")
	f.round()
	want(t, "again", f.events(), "[]")
	if n := f.count("delivered"); n != 3 {
		t.Errorf("%d are counted", n)
	}
}

func TestAnEventSaysWhatTheInterfaceNames(t *testing.T) {
	f := newFixture(t)
	f.add(f.root(), "oversight.pending")
	m := f.Submit("ada@dest.test", "bob@dest.test")
	f.round()
	got := f.taken()
	if len(got) != 1 {
		t.Fatalf("%d requests", len(got))
	}
	body := fmt.Sprintf(`{"event":"oversight.pending","timestamp":%q,"data":{"email_id":%q,`+
		`"mailbox_id":"bot@example.test","from":"bot@example.test","to":["ada@dest.test"],"subject":"Hello",`+
		`"direction":"outbound","has_attachments":false}}`, f.Clock.Now().UTC().Format(time.RFC3339), m.ID)
	want(t, "body", string(got[0].body), body)
	want(t, "type", got[0].header.Get("Content-Type"), "application/json")
}

// A crash may come between any two transactions: each half is done again by who comes next,
// and the id stays.
func TestACrashBetweenAnyTwoStepsLosesNoEvent(t *testing.T) {
	f := newFixture(t)
	s := f.add(f.root(), "oversight.pending")
	f.Submit()
	f.h = f.restart(t) // before the log is read
	if _, err := f.h.follow(f.Context()); err != nil {
		t.Fatal(err)
	}
	f.h = f.restart(t) // after the cursor has moved
	id := f.deliveries(s.ID)[0].ID
	f.Update(func(tx store.Tx) error {
		j, err := f.h.claim(tx, id)
		if j == nil {
			t.Error("it is not due")
		}
		return err
	})
	f.h = f.restart(t) // after the attempt was committed, before or after it was made
	f.round()
	want(t, "within the lease", f.events(), "[]")
	f.Clock.Forward(lease)
	f.round()
	got := f.taken()
	if len(got) != 1 || got[0].header.Get("webhook-id") != "msg_"+id {
		t.Fatalf("%v, want one with %s", got, id)
	}
	f.Clock.Forward(day)
	f.round()
	want(t, "once it is settled", f.events(), "[]")
}

// A node whose lease ran out says nothing of the attempt that another one makes.
func TestALateResultDoesNotSettleTheAttemptOfAnother(t *testing.T) {
	f := newFixture(t)
	s := f.add(f.root(), "oversight.pending")
	f.Submit()
	if _, err := f.h.follow(f.Context()); err != nil {
		t.Fatal(err)
	}
	id := f.deliveries(s.ID)[0].ID
	var first *job
	f.Update(func(tx store.Tx) (err error) { first, err = f.h.claim(tx, id); return err })
	f.Clock.Forward(lease)
	f.Update(func(tx store.Tx) error { _, err := f.h.claim(tx, id); return err })
	f.Update(func(tx store.Tx) error { return f.h.settle(tx, first, answer{status: 200}) })
	want(t, "status", f.deliveries(s.ID)[0].Status, Pending)
}

func TestAFailureIsTriedAgainByTheScheduleAndEndsTheWebhookAfterDays(t *testing.T) {
	f := newFixture(t)
	s := f.add(f.root(), "oversight.pending")
	f.Submit()
	f.respond(fails(500))
	f.round()
	for i, pause := range schedule {
		want(t, fmt.Sprintf("attempts after %d", i), len(f.taken()), 1)
		f.Clock.Forward(pause - time.Millisecond)
		f.round()
		want(t, "too early", len(f.taken()), 0)
		if !f.subscription(s.ID).Active() {
			break
		}
		f.Clock.Forward(time.Millisecond)
		f.round()
	}
	now := f.subscription(s.ID)
	want(t, "why", now.Why, "failing")
	want(t, "entries", f.disabled(), "[failing]")
	want(t, "counted", f.count("disabled"), 1)
	if d := f.deliveries(s.ID)[0]; d.Answer != 500 || d.Problem != ProblemStatus {
		t.Errorf("%+v", d)
	}
	f.respond(nil)
	f.taken()
	f.Submit()
	f.Clock.Forward(30 * day)
	f.round()
	want(t, "disabled", f.events(), "[]")
}

func TestASuccessEndsTheFailures(t *testing.T) {
	f := newFixture(t)
	s := f.add(f.root(), "oversight.pending")
	f.Submit()
	f.respond(fails(503))
	f.round()
	if f.subscription(s.ID).FailingAt.IsZero() {
		t.Error("it does not count as failing")
	}
	f.respond(nil)
	f.Clock.Forward(schedule[0])
	f.round()
	if now := f.subscription(s.ID); !now.FailingAt.IsZero() || now.Pending != 0 || now.Done != 1 {
		t.Errorf("%+v", now)
	}
}

func TestATargetThatIsGoneIsNotAskedAgain(t *testing.T) {
	f := newFixture(t)
	s := f.add(f.root(), "oversight.pending")
	f.Submit()
	f.respond(fails(http.StatusGone))
	f.round()
	want(t, "why", f.subscription(s.ID).Why, "gone")
}

func TestARevokedCredentialEndsItsWebhooks(t *testing.T) {
	f := newFixture(t)
	p := f.root()
	s := f.add(p, "oversight.pending")
	f.Submit()
	f.Update(func(tx store.Tx) error { return f.Registry.RevokeKey(tx, f.Operator, p.Credential.ID) })
	f.round()
	want(t, "events", f.events(), "[]")
	want(t, "why", f.subscription(s.ID).Why, "owner")
	want(t, "entries", f.disabled(), "[owner]")
}

// Between the entry and the attempt, or between two attempts, a mail may become one that its
// mailbox does not show.
func TestMailThatIsHiddenMeanwhileIsNotTold(t *testing.T) {
	read := Rights{Read: true, Covers: func(mail.Address) bool { return true }}
	oversee := Rights{Oversee: true, Covers: read.Covers}
	elsewhere := Rights{Read: true, Oversee: true, Covers: func(mail.Address) bool { return false }}
	for _, c := range []struct {
		name  string
		r     Rights
		e     Event
		d     mail.Direction
		s     mail.State
		wants bool
	}{
		{"an agent's incoming mail", read, MessageReceived, mail.Incoming, mail.Received, true},
		{"held", read, MessageReceived, mail.Incoming, mail.Held, false},
		{"quarantined", read, MessageReceived, mail.Incoming, mail.Quarantined, false},
		{"rejected", read, MessageReceived, mail.Incoming, mail.Rejected, false},
		{"what is held of others", read, OversightPending, mail.Outgoing, mail.Held, false},
		{"a decision over its own", read, OversightApproved, mail.Outgoing, mail.Ready, true},
		{"a decision over incoming mail", read, OversightRejected, mail.Incoming, mail.Rejected, false},
		{"the overseer's", oversee, OversightPending, mail.Incoming, mail.Held, true},
		{"the overseer's decision", oversee, OversightRejected, mail.Incoming, mail.Rejected, true},
		{"mail that an overseer may not read", oversee, MessageReceived, mail.Incoming, mail.Received, false},
		{"another mailbox", elsewhere, OversightPending, mail.Outgoing, mail.Held, false},
		{"another mailbox's mail", elsewhere, MessageReceived, mail.Incoming, mail.Received, false},
		{"erased", oversee, OversightRejected, mail.Outgoing, mail.Erased, false},
		{"erased for its reader", read, MessageSent, mail.Outgoing, mail.Erased, false},
	} {
		m := &mail.Mail{Direction: c.d, Mailbox: mail.MustAddress("bot@example.test")}
		if err := m.State.UnmarshalText([]byte(c.s.String())); err != nil {
			t.Fatal(err)
		}
		if got := c.r.sees(c.e, m); got != c.wants {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestWhatItsOwnerMayNotSeeAtTheAttemptIsWithdrawn(t *testing.T) {
	f := newFixture(t)
	hidden := false
	rights := f.h.o.Rights
	f.h.o.Rights = func(tx store.Tx, o Owner) (Rights, error) {
		r, err := rights(tx, o)
		if hidden {
			r.Oversee = false
		}
		return r, err
	}
	s := f.add(f.root(), "oversight.pending")
	f.Submit()
	if _, err := f.h.follow(f.Context()); err != nil {
		t.Fatal(err)
	}
	hidden = true
	f.round()
	want(t, "events", f.events(), "[]")
	want(t, "status", f.deliveries(s.ID)[0].Status, Withdrawn)
}

func TestWebhooksOfOneMailboxHearOfNoOther(t *testing.T) {
	f := newFixture(t)
	p := f.root()
	f.AddAgent("two", "", mail.MustAddress("two@example.test"))
	f.Update(func(tx store.Tx) error {
		_, err := f.h.Add(tx, p, ownerOf(p), Request{URL: f.target.URL, Events: EventNames(),
			Mailbox: mail.MustAddress("two@example.test")})
		return err
	})
	f.Submit()
	f.round()
	want(t, "events", f.events(), "[]")
}

func TestAWebhookThatCannotBeIsRefused(t *testing.T) {
	f := newFixture(t)
	root := f.root()
	ok := Request{URL: "https://hooks.example/x", Events: []string{"message.sent"}}
	for _, c := range []struct {
		name   string
		change func(*Request)
		p      registry.Principal
		says   string
	}{
		{"no event", func(q *Request) { q.Events = nil }, root, "name the events"},
		{"an event that there is not", func(q *Request) { q.Events = []string{"message.*"} }, root, "an event is one of"},
		{"a format that there is not", func(q *Request) { q.Format = "xml" }, root, "raw, slack or teams"},
		{"what an agent may not see", func(q *Request) { q.Events = []string{"oversight.pending"} }, f.Agent, "may not see"},
		{"what an approver may not read", func(*Request) {}, f.Approver, "may not see"},
		{"policy for an agent", func(q *Request) { q.Events = []string{"policy.changed"} }, f.Agent, "may not see"},
		{"another's mailbox", func(q *Request) { q.Mailbox = mail.MustAddress("x@example.test") }, f.Agent, "does not reach"},
		{"nobody", func(*Request) {}, registry.Principal{Kind: "agent", Name: "bot"}, "API key"},
	} {
		q := ok
		c.change(&q)
		err := f.DB.Update(f.Context(), func(tx store.Tx) error {
			_, err := f.h.Add(tx, c.p, ownerOf(c.p), q)
			return err
		})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
	f.Update(func(tx store.Tx) error { _, err := f.h.Add(tx, root, ownerOf(root), ok); return err })
}

func TestThereIsABoundOfWebhooks(t *testing.T) {
	f := newFixture(t)
	p := f.root()
	for i := range maxOwned + 1 {
		err := f.DB.Update(f.Context(), func(tx store.Tx) error {
			_, err := f.h.Add(tx, p, ownerOf(p), Request{URL: "https://hooks.example/", Events: []string{"message.sent"}})
			return err
		})
		if (err != nil) != (i == maxOwned) {
			t.Fatalf("%d: %v", i, err)
		}
	}
}

func TestTooMuchThatWaitsEndsAWebhook(t *testing.T) {
	f := newFixture(t)
	s := f.add(f.root(), "oversight.pending")
	f.Update(func(tx store.Tx) error {
		now, err := f.h.Get(tx, s.ID)
		now.Pending = maxPending
		return errorsOr(err, put(tx, subscriptionKey+s.ID, now))
	})
	f.Submit()
	f.round()
	want(t, "why", f.subscription(s.ID).Why, "backlog")
}

func errorsOr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func TestTheListOfDeliveriesIsBoundedAndOneIsDeliveredAgain(t *testing.T) {
	f := newFixture(t)
	p := f.root()
	s := f.add(p, "policy.changed")
	const n = maxDone + 10
	modes := []mail.Mode{mail.ReadOnly, mail.GatedAll}
	for i := range n {
		f.SetModeAs(p, modes[i%2])
		f.Clock.Forward(time.Second) // so that ids sort
		f.round()
	}
	want(t, "requests", len(f.taken()), n)
	all := f.deliveries(s.ID)
	if len(all) != maxDone || f.subscription(s.ID).Done != maxDone {
		t.Fatalf("%d are listed", len(all))
	}
	last := all[len(all)-1]
	f.Update(func(tx store.Tx) error { _, err := f.h.Redeliver(tx, p, last.ID); return err })
	f.round()
	got := f.taken()
	if len(got) != 1 || got[0].header.Get("webhook-id") != "msg_"+last.ID {
		t.Errorf("%d requests", len(got))
	}
	if d := f.deliveries(s.ID); len(d) != maxDone || d[len(d)-1].Attempts != 2 {
		t.Errorf("%d are listed after it", len(d))
	}
	f.Update(func(tx store.Tx) error { return f.h.Remove(tx, p, s.ID) })
	f.View(func(tx store.Tx) error {
		for _, prefix := range []string{subscriptionKey, deliveryKey, listKey, dueKey, doneKey} {
			keys, err := keysOf(tx, prefix)
			if err != nil || len(keys) > 0 {
				t.Errorf("%d keys of %s are left, %v", len(keys), prefix, err)
			}
		}
		return nil
	})
}

// SetModeAs sets the mode of the mailbox, loosening as the approver.
func (f *fixture) SetModeAs(_ registry.Principal, m mail.Mode) {
	f.Helper()
	if _, err := f.Gate.SetMode(f.Context(), f.Approver, f.Box, m); err != nil {
		f.Fatal(err)
	}
}

func TestATargetThatHangsTakesNoTurnOfAnother(t *testing.T) {
	f := newFixture(t)
	p := f.root()
	f.add(p, "oversight.pending")
	release, started := make(chan struct{}), make(chan struct{}, 100)
	f.respond(func(http.ResponseWriter, *http.Request) { started <- struct{}{}; <-release })
	for range 10 {
		f.Submit()
	}
	if _, err := f.h.follow(f.Context()); err != nil {
		t.Fatal(err)
	}
	var attempts sync.WaitGroup
	for range 5 {
		if err := f.h.start(f.Context(), 0, &attempts); err != nil {
			t.Fatal(err)
		}
	}
	for range maxPerTarget {
		<-started
	}
	f.h.mu.Lock()
	flying := len(f.h.flying)
	f.h.mu.Unlock()
	want(t, "under way", flying, maxPerTarget)
	close(release)
	attempts.Wait()
}

func TestEveryKindOfEventHasASentenceAndOfPolicyHasNone(t *testing.T) {
	for _, e := range Events {
		if (sentences[e] == "") != (e == PolicyChanged) {
			t.Errorf("%s: %q", e, sentences[e])
		}
	}
	if !slices.Contains(EventNames(), "message.received") || len(EventNames()) != len(Events) {
		t.Error(EventNames())
	}
}

func TestAChatIsSentPlainTextOfBoundedSize(t *testing.T) {
	data := mailData{EmailID: "01X", MailboxID: "bot@example.test", From: "x@example.test",
		Subject: "<!channel> <https://evil.test|click> [a](https://evil.test) " + strings.Repeat("ä", 2000)}
	for range 80 {
		data.To = append(data.To, "a@example.test")
	}
	for _, f := range []Format{Slack, Teams} {
		b, err := write(f, message{Event: OversightPending, Data: data}, mailText(OversightPending, data))
		if err != nil || len(b) > 8<<10 {
			t.Fatalf("%s: %d octets, %v", f, len(b), err)
		}
		var v any
		if err := json.Unmarshal(b, &v); err != nil {
			t.Fatal(err)
		}
		found := false
		walk(v, func(o map[string]any) {
			s, _ := o["text"].(string)
			if !strings.Contains(s, "channel") {
				return
			}
			found = true
			if typ := o["type"]; f == Slack && (typ != "plain_text" || strings.ContainsAny(s, "<>")) ||
				f == Teams && typ != "TextRun" {
				t.Errorf("%s: a stranger's words stand in %v", f, o)
			}
		})
		if !found || strings.Contains(string(b), `"event"`) {
			t.Errorf("%s: %s", f, b)
		}
	}
}

func walk(v any, fn func(map[string]any)) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			walk(x, fn)
		}
	case map[string]any:
		fn(v)
		for _, x := range v {
			walk(x, fn)
		}
	}
}
