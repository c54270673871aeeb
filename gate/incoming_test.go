package gate_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// reason is the word of an error, and its limit.
func reason(err error) string {
	var e *mail.Error
	if !errors.As(err, &e) {
		return fmt.Sprint(err)
	}
	return strings.TrimSpace(e.Word() + " " + string(e.Limit))
}

func TestOnlyMailForMailboxesHereIsTaken(t *testing.T) {
	h := build(t)
	for to, want := range map[string]string{
		"bot@example.test": "<nil>", "BOT@Example.Test": "<nil>", "postmaster@example.test": "<nil>",
		"Abuse@example.test": "<nil>", "nobody@example.test": "no_mailbox", "bot+tag@example.test": "no_mailbox",
		`"bot"@example.test`: "<nil>", "ada@dest.test": "relay", "postmaster@dest.test": "relay",
		"bot@sub.example.test": "relay", `"bot@example.test"@dest.test`: "relay", "bot%dest.test@example.test": "no_mailbox",
	} {
		if room, err := h.Gate.AdmitDelivery(h.ctx, mail.Address{}, mail.MustAddress(to), 100); reason(err) != want ||
			(err == nil) != (room > 0) {
			t.Errorf("RCPT %s: %v, room for %d, want %s", to, err, room, want)
		}
		list, err := h.Gate.Receive(h.ctx, brought(to))
		if got := reason(err); got != want || (err == nil) != (len(list) == 1) {
			t.Errorf("%s: %s, %d mails, want %s", to, got, len(list), want)
		}
	}
	h.Intact()
}

// A mail for several mailboxes is one mail in each, or in none.
func TestAMailForSeveralMailboxesIsTakenWholeOrNotAtAll(t *testing.T) {
	h := build(t)
	other := mail.MustAddress("two@example.test")
	h.AddAgent("two", "", other)
	list, err := h.Gate.Receive(h.ctx, brought(h.Box.String(), other.String()))
	if err != nil || len(list) != 2 {
		t.Fatalf("%d mails, %v", len(list), err)
	}
	for i, box := range []mail.Address{h.Box, other} {
		m := h.Mail(list[i].ID)
		raw, err := h.Queue.Raw(h.ctx, m.ID)
		if m.Mailbox != box || len(m.Envelope.Rcpts) != 1 || m.Envelope.Rcpts[0].Addr != box || err != nil ||
			string(raw) != hello || m.Digest != mail.DigestOf(m.Envelope, raw) || m.Author != mail.World ||
			m.Header.Subject != "Hello" || m.Arrival.Helo != "mx.dest.test" || string(m.Prefix) == "" {
			t.Errorf("%+v, %q, %v", m, raw, err)
		}
	}
	if list[0].Digest == list[1].Digest {
		t.Error("two envelopes have one digest")
	}
	if _, err := h.Gate.Receive(h.ctx, brought(h.Box.String(), "nobody@example.test")); reason(err) != "no_mailbox" {
		t.Error(err)
	}
	if n := len(h.inboxed()); n != 1 {
		t.Errorf("%d in the inbox after a mail that was refused", n)
	}
	h.Intact()
}

func TestWhatAFilterTakesForSpamIsQuarantinedInEveryMode(t *testing.T) {
	for _, mode := range mail.Modes {
		t.Run(mode.String(), func(t *testing.T) {
			h := build(t)
			h.gates(gate.Options{Filter: func(context.Context, *mail.Mail, []byte) (mail.Spam, error) {
				return mail.Spam{Verdict: mail.SpamQuarantined, Score: 9}, nil
			}})
			h.SetMode(mode)
			m := h.arrive()
			if m.State != mail.Quarantined || len(h.inboxed()) != 0 || m.ExpiresAt.IsZero() {
				t.Fatalf("%+v", m)
			}
			if mode != mail.ReadOnly {
				out, err := h.Gate.Submit(h.ctx, h.Agent, h.Submission("ada@dest.test"))
				if err != nil || out.Mail.State != mail.Held {
					t.Errorf("outgoing spam: %+v, %v", out.Mail, err)
				}
			}
			h.Approve(m)
			if got := h.Mail(m.ID); got.State != mail.Received || got.Spam.Label != gate.LabelClean || len(h.inboxed()) != 1 {
				t.Errorf("released, it is %s", got.State)
			}
			h.Intact()
		})
	}
}

// What a filter writes into its log can be found again, although the mails have no ids yet.
func TestAFilterIsToldWhatTheTransactionIsCalled(t *testing.T) {
	h := build(t)
	var told []string
	h.gates(gate.Options{Filter: func(_ context.Context, m *mail.Mail, _ []byte) (mail.Spam, error) {
		told = append(told, m.Transaction())
		return mail.Spam{Verdict: mail.SpamClean}, nil
	}})
	d := brought(h.Box.String())
	d.Arrival.Transaction = "QQQQQQQQQQ-2"
	list, err := h.Gate.Receive(h.ctx, d)
	if err != nil || h.Mail(list[0].ID).Arrival.Transaction != d.Arrival.Transaction {
		t.Fatal(list, err)
	}
	m := h.Submit()
	if want := []string{d.Arrival.Transaction, string(m.ID)}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

// The policy of the domain in From does not depend on what a filter makes of the mail.
func TestWhatADomainWantsQuarantinedIsQuarantinedWithoutAFilter(t *testing.T) {
	h := build(t)
	h.SetMode(mail.Autonomous)
	d := brought(h.Box.String())
	d.Arrival.Auth.Quarantine = true
	list, err := h.Gate.Receive(h.ctx, d)
	if err != nil || list[0].State != mail.Quarantined || len(h.inboxed()) != 0 {
		t.Fatalf("%+v, %v", list, err)
	}
	h.Approve(list[0])
	if got := h.Mail(list[0].ID); got.State != mail.Received || len(h.inboxed()) != 1 {
		t.Errorf("released, it is %s", got.State)
	}
	h.Intact()
}

func TestAFilterThatIsDownRefusesTheMail(t *testing.T) {
	h := build(t)
	h.gates(gate.Options{Filter: func(context.Context, *mail.Mail, []byte) (mail.Spam, error) {
		return mail.Spam{}, mail.ErrUnavailable.Errorf("not now")
	}})
	if _, err := h.incoming(); !errors.Is(err, mail.ErrUnavailable) || len(h.inboxed()) != 0 {
		t.Error(err)
	}
	if _, err := h.Gate.Submit(h.ctx, h.Agent, h.Submission("ada@dest.test")); !errors.Is(err, mail.ErrUnavailable) {
		t.Error(err)
	}
}

// A full mailbox takes nothing more, and what its agents do not see counts.
func TestAFullMailboxTakesNoMoreMail(t *testing.T) {
	for name, o := range map[string]gate.Options{
		"quota quota_count": {QuotaCount: 2}, "quota quota_size": {QuotaSize: int64(2*len(hello) + 1)},
	} {
		h := build(t)
		h.gates(o)
		h.SetMode(mail.GatedAll)
		h.arrive()
		h.SetMode(mail.GatedSend)
		left, err := h.Gate.AdmitDelivery(h.ctx, mail.Address{}, h.Box, 0)
		if o.QuotaSize > 0 && left != int64(len(hello)+1) || err != nil {
			t.Errorf("room for %d, %v", left, err)
		}
		h.arrive()
		if _, err := h.Gate.AdmitDelivery(h.ctx, mail.Address{}, h.Box, int64(len(hello))); reason(err) != name {
			t.Errorf("RCPT: %v", err)
		}
		if _, err := h.incoming(); reason(err) != name {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := h.Gate.AdmitDelivery(h.ctx, mail.Address{}, mail.MustAddress("abuse@example.test"), 10); err != nil {
			t.Errorf("another mailbox: %v", err)
		}
		h.Intact()
	}
}

func TestItsReaderReportsAMailAndOnlyAnApproverBringsItBack(t *testing.T) {
	h := build(t)
	m := h.arrive()
	stranger, _ := h.AddAgent("two", "", mail.MustAddress("two@example.test"))
	for who, p := range map[string]registry.Principal{"another agent": stranger, "an admin": h.Admin} {
		if _, err := h.Gate.ReportSpam(h.ctx, p, m.ID); err == nil {
			t.Errorf("%s reported it", who)
		}
	}
	h.Clock.Forward(30 * 24 * time.Hour)
	got, err := h.Gate.ReportSpam(h.ctx, h.Agent, m.ID)
	if err != nil || got.State != mail.Quarantined || got.Spam.Label != gate.LabelSpam || !got.FinishedAt.IsZero() ||
		!got.ExpiresAt.After(h.Clock.Now()) || len(h.inboxed()) != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := h.Gate.ReportSpam(h.ctx, h.Agent, m.ID); !errors.Is(err, mail.ErrNotFound) {
		t.Errorf("reported what it does not see: %v", err)
	}
	if _, err := h.Gate.Decide(h.ctx, h.Agent, m.ID, gate.Decision{Approve: true, Digest: m.Digest}); err == nil {
		t.Error("the agent brought it back")
	}
	h.Approve(got)
	if n := len(h.inboxed()); n != 1 {
		t.Errorf("%d in the inbox", n)
	}
	h.Intact()
}

func TestAnErasedMailLeavesAStub(t *testing.T) {
	h := build(t)
	in, out := h.arrive(), h.Submit()
	if err := h.Gate.Erase(h.ctx, out.ID); !errors.Is(err, mail.ErrStale) {
		t.Errorf("erased what waits: %v", err)
	}
	if _, err := h.Gate.Decide(h.ctx, h.Approver, out.ID, gate.Decision{Reason: "no"}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []mail.ID{in.ID, out.ID} {
		if err := h.Gate.Erase(h.ctx, id); err != nil {
			t.Fatal(err)
		}
		m := h.Mail(id)
		if m.State != mail.Erased || m.Header.Subject != "" || m.Arrival != nil || len(m.Envelope.Rcpts) > 0 ||
			len(m.Prefix) > 0 || m.Author != "" || len(m.Decisions) > 0 {
			t.Errorf("kept: %+v", m)
		}
		if _, err := h.Queue.Raw(h.ctx, id); !errors.Is(err, mail.ErrNotFound) {
			t.Errorf("its bytes: %v", err)
		}
		if err := h.Gate.Erase(h.ctx, id); !errors.Is(err, mail.ErrStale) {
			t.Errorf("erased twice: %v", err)
		}
	}
	if slices.Contains(h.inboxed(), in.ID) {
		t.Error("it is in the inbox")
	}
	h.Intact()
}

// filed notes what the gate tells a Filer.
type filed struct {
	log  []string
	fail error
}

func (f *filed) File(_ store.Tx, m *mail.Mail) error {
	f.log = append(f.log, "+"+m.Direction.String())
	return f.fail
}

func (f *filed) Unfile(_ store.Tx, m *mail.Mail) error {
	f.log = append(f.log, "-"+m.Direction.String())
	return f.fail
}

func TestAFilerHearsOfWhatAMailboxShowsAndOfNothingElse(t *testing.T) {
	h, f := build(t), &filed{}
	h.gates(gate.Options{Filer: f})
	want := func(what string, events ...string) {
		t.Helper()
		if !slices.Equal(f.log, events) {
			t.Errorf("%s: %v, want %v", what, f.log, events)
		}
		f.log = nil
	}
	out := h.Submit()
	want("submitted", "+outgoing")
	h.Approve(out)
	want("approved")
	h.SetMode(mail.GatedAll)
	in := h.arrive()
	want("held")
	h.Approve(in)
	want("let in", "+incoming")
	if _, err := h.Gate.ReportSpam(h.ctx, h.Agent, in.ID); err != nil {
		t.Fatal(err)
	}
	want("reported", "-incoming")
	h.Approve(in)
	want("let in again", "+incoming")
	if err := h.Gate.Erase(h.ctx, in.ID); err != nil {
		t.Fatal(err)
	}
	want("erased", "-incoming")
	f.fail = errors.New("cannot file")
	h.SetMode(mail.GatedSend)
	if _, err := h.incoming(); err == nil || len(h.inboxed()) != 0 {
		t.Errorf("taken without being filed: %v", err)
	}
}
