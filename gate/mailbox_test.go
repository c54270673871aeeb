package gate_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// write sets what the mailbox adds to its mail.
func (h *fixture) write(w registry.WritingPatch) {
	h.Helper()
	h.Update(func(tx store.Tx) error {
		_, err := h.Registry.SetMailbox(tx, h.Approver, h.Box, registry.MailboxPatch{WritingPatch: w})
		return err
	})
}

func TestTheOperatorsCopiesAreRecipientsWithinTheDigest(t *testing.T) {
	h := build(t)
	plain := h.Submit()
	watch, all := mail.MustAddress("watch@audit.test"), mail.MustAddress("all@audit.test")
	h.write(registry.WritingPatch{AutoCC: &all, AutoBCC: &watch})
	m := h.Submit()
	auto := 0
	for _, r := range m.Envelope.Rcpts {
		if r.Auto {
			auto++
		}
	}
	if auto != 2 || len(m.Envelope.Rcpts) != len(plain.Envelope.Rcpts)+2 {
		t.Fatalf("recipients %+v", m.Envelope.Rcpts)
	}
	fewer := m.Envelope
	fewer.Rcpts = slices.DeleteFunc(slices.Clone(fewer.Rcpts), func(r mail.Rcpt) bool { return r.Auto })
	raw, err := h.DB.Body(h.ctx, "mail/raw/"+string(m.ID))
	if err == nil && mail.DigestOf(fewer, raw) == m.Digest {
		t.Error("the digest does not cover the copies")
	}
}

func TestTheOperatorsCopiesNeedNoPlaceOnTheAllowlist(t *testing.T) {
	h := build(t)
	watch := mail.MustAddress("watch@audit.test")
	h.write(registry.WritingPatch{AutoBCC: &watch})
	m := h.Submit()
	for _, r := range m.Envelope.Rcpts {
		if r.Auto {
			continue
		}
		if _, err := h.Gate.AllowAdd(h.ctx, h.Approver, h.Box, r.Addr.String(), ""); err != nil {
			t.Fatal(err)
		}
	}
	if m := h.Submit(); m.State != mail.Ready {
		t.Errorf("the mail is %s although everybody whom it names is listed", m.State)
	}
}

func TestADeletedMailboxSendsNothingThatWaitsThere(t *testing.T) {
	h := build(t)
	held, ready := h.Submit(), h.Approve(h.Submit())
	if _, err := h.Gate.DeleteMailbox(h.ctx, h.Agent, h.Box); err == nil {
		t.Fatal("its agent deletes it")
	}
	if _, err := h.Gate.DeleteMailbox(h.ctx, h.Approver, h.Box); err != nil {
		t.Fatal(err)
	}
	for _, m := range []*mail.Mail{held, ready} {
		if now := h.Mail(m.ID); now.State != mail.Cancelled {
			t.Errorf("a mail that was %s is %s", m.State, now.State)
		}
	}
	if _, err := h.Gate.AdmitDelivery(h.ctx, mail.Address{}, h.Box, 0); mail.WordOf(err) != string(mail.ReasonNoMailbox) {
		t.Errorf("mail for it is answered %v", err)
	}
	if err := h.Gate.Admit(h.ctx, h.Agent, h.Box, 0, nil); err == nil {
		t.Error("its agent still sends")
	}
}

func TestWhatIsAskedAboutLaterIsHeldWhenItsTimeHasCome(t *testing.T) {
	h := build(t)
	s := h.Submission("you@dest.test")
	s.NotBefore, s.Timing = h.Clock.Now().Add(time.Hour), mail.ScheduleFirst
	r, err := h.Gate.Submit(h.ctx, h.Agent, s)
	if err != nil || r.Mail.State != mail.Ready || r.Mail.Basis != mail.NoBasis {
		t.Fatalf("%+v, %v", r.Mail, err)
	}
	yes := gate.Decision{Approve: true, Digest: r.Mail.Digest}
	if _, err := h.Gate.Decide(h.ctx, h.Approver, r.Mail.ID, yes); !errors.Is(err, mail.ErrStale) {
		t.Errorf("it is decided before it is held: %v", err)
	}
	if _, err := h.Gate.SetMode(h.ctx, h.Approver, h.Box, mail.Autonomous); err != nil {
		t.Fatal(err)
	}
	h.Clock.Forward(2 * time.Hour)
	h.tryClaim(r.Mail.ID)
	if m := h.Mail(r.Mail.ID); m.State != mail.Held || len(h.Hop.Sent()) > 0 {
		t.Errorf("a looser mode frees it: %s", m.State)
	}
	if m := h.Approve(h.Mail(r.Mail.ID)); m.State != mail.Ready || m.Basis != mail.Approved {
		t.Errorf("it is not approved: %s", m.State)
	}
}
