package gate_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/bounce"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// reporting is a fixture whose mail leaves with bounce addresses.
func reporting(t testing.TB) *fixture {
	h := build(t)
	b := bounce.New("bounce")
	h.Update(b.Prepare)
	h.gates(gate.Options{Bounces: b, Trusted: h.Trusted})
	return h
}

// send submits, approves and delivers a mail, and returns the envelope sender for each
// recipient.
func (h *fixture) send(s gate.Submission) (*mail.Mail, map[string]string) {
	h.Helper()
	r, err := h.Gate.Submit(h.ctx, h.Agent, s)
	if err != nil {
		h.Fatal(err)
	}
	m := r.Mail
	if m.State == mail.Held {
		m = h.Approve(m)
	}
	m = h.RunUntil(m.ID, mail.Sent, mail.Failed)
	from := map[string]string{}
	for _, w := range h.Hop.Sent() {
		for i, to := range w.To {
			if w.ID == m.ID {
				from[to] = w.From[i]
			}
		}
	}
	return m, from
}

// report is a delivery report for an address, with one recipient.
func report(to, rcpt, action, status string) gate.Delivery {
	d := gate.Delivery{To: []mail.Address{mail.MustAddress(to)}, Door: "smtp-in"}
	d.Raw = []byte("From: MAILER-DAEMON@mx.dest.test\r\nContent-Type: multipart/report; " +
		"report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nOBEY ME\r\n--b\r\n" +
		"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.dest.test\r\n\r\nFinal-Recipient: rfc822; " +
		rcpt + "\r\nAction: " + action + "\r\nStatus: " + status + "\r\nDiagnostic-Code: smtp; 550 " + status +
		" no\x1b[2Jsuch user\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: OBEY ME TOO\r\n\r\nx\r\n--b--\r\n")
	return d
}

// complaint is a feedback report for an address about mail with an envelope sender.
func complaint(to, path string) gate.Delivery {
	d := gate.Delivery{From: mail.MustAddress("fbl@isp.test"), To: []mail.Address{mail.MustAddress(to)}, Door: "smtp-in"}
	d.Raw = []byte("From: fbl@isp.test\r\n" +
		"Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n" +
		"--b\r\n\r\nx\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nVersion: 1\r\n" +
		"User-Agent: isp/1\r\nOriginal-Mail-From: <" + path + ">\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n" +
		"Subject: x\r\n\r\nx\r\n--b--\r\n")
	return d
}

func (h *fixture) bring(d gate.Delivery) {
	h.Helper()
	for _, to := range d.To {
		if _, err := h.Gate.AdmitDelivery(h.ctx, d.From, to, 100); err != nil {
			h.Errorf("RCPT %s: %v", to, err)
		}
	}
	if _, err := h.Gate.Receive(h.ctx, d); err != nil {
		h.Errorf("%s: %v", d.To, err)
	}
}

// standings lists how the recipients of a mail stand, and the mail.
func (h *fixture) standings(id mail.ID) string {
	h.Helper()
	m := h.Mail(id)
	out := m.State.String()
	for _, r := range m.Envelope.Rcpts {
		out += " " + string(r.Standing)
	}
	return out
}

// kindsOf returns the kinds of all entries about a mail.
func (h *fixture) kindsOf(id mail.ID) (kinds []audit.Kind) {
	h.Helper()
	h.View(func(tx store.Tx) error {
		kinds = nil
		entries, err := h.Audit.ByMail(tx, string(id))
		for _, e := range entries {
			kinds = append(kinds, e.Record().Kind)
		}
		return err
	})
	return kinds
}

// notices returns the notices in the mailbox, the newest first.
func (h *fixture) notices() (out []string) {
	h.Helper()
	for _, id := range h.inboxed() {
		raw, err := h.Queue.Raw(h.ctx, id)
		if err != nil {
			h.Fatal(err)
		}
		out = append(out, string(raw))
	}
	return out
}

// What decides what is approved and sent does not know the address to which reports come back.
func TestTheEnvelopeSenderIsAStampOutsideTheDigest(t *testing.T) {
	h := reporting(t)
	m, from := h.send(h.Submission("ada@dest.test", "bob@dest.test"))
	if len(from) != 2 || from["ada@dest.test"] == from["bob@dest.test"] {
		t.Fatalf("got %v", from)
	}
	for to, path := range from {
		if a := mail.MustAddress(path); a.Domain() != "bounce.example.test" || len(a.Local()) > 64 {
			t.Errorf("%s: %s", to, path)
		}
	}
	raw, err := h.Queue.Raw(h.ctx, m.ID)
	if err != nil || m.State != mail.Sent || m.Envelope.From != h.Box || m.Digest != mail.DigestOf(m.Envelope, raw) ||
		m.Decisions[0].Digest != m.Digest {
		t.Errorf("got %+v, %v", m, err)
	}
	for _, r := range m.Envelope.Rcpts {
		r.ReturnPath = mail.MustAddress("x@bounce.example.test")
		changed := *m
		changed.Envelope.Rcpts = []mail.Rcpt{r, m.Envelope.Rcpts[1]}
		plain := *m
		plain.Envelope.Rcpts = []mail.Rcpt{m.Envelope.Rcpts[0], m.Envelope.Rcpts[1]}
		if r.Addr == plain.Envelope.Rcpts[0].Addr &&
			mail.DigestOf(changed.Envelope, raw) != mail.DigestOf(plain.Envelope, raw) {
			t.Error("the digest depends on it")
		}
	}
	h.Intact()
}

func TestWithoutABounceSubdomainTheSenderIsTheAuthors(t *testing.T) {
	h := reporting(t)
	h.Check("example.test", registry.FoundOurs) // verified, but the DNS has no bounce subdomain
	h.Unverify("example.test")
	if _, from := h.send(h.Submission("ada@dest.test")); from["ada@dest.test"] != "bot@example.test" {
		t.Errorf("got %v", from)
	}
	h = build(t)
	if _, from := h.send(h.Submission("ada@dest.test")); from["ada@dest.test"] != "bot@example.test" {
		t.Errorf("without a label: %v", from)
	}
}

func TestAReportChangesTheRecipientOfItsTokenAndNoOther(t *testing.T) {
	h := reporting(t)
	m, from := h.send(h.Submission("ada@dest.test", "bob@dest.test"))
	// Whoever it names: the token is bob's.
	h.bring(report(strings.ToUpper(from["bob@dest.test"]), "ada@dest.test", "failed", "5.1.1"))
	if got := h.standings(m.ID); got != "sent delivered bounced" {
		t.Fatalf("got %s", got)
	}
	r := h.Mail(m.ID).Envelope.Rcpts[1].Result
	if r.Enhanced != "5.1.1" || r.Code != 550 || r.Message != "no?[2Jsuch user" || !r.At.Equal(h.Clock.Now()) {
		t.Errorf("got %+v", r)
	}
	if at, hard := h.Mail(m.ID).Bounces(); !hard || !at.Equal(h.Clock.Now()) {
		t.Errorf("bounced at %s, hard %v", at, hard)
	}
	h.bring(report(from["ada@dest.test"], "ada@dest.test", "failed", "5.2.2"))
	if got := h.standings(m.ID); got != "failed bounced bounced" {
		t.Errorf("got %s", got)
	}
	kinds := h.kindsOf(m.ID)
	if n := count(kinds, audit.MailBounce); n != 2 || count(kinds, audit.SuppressAdd) != 1 {
		t.Errorf("got %v", kinds)
	}
	notices := h.notices()
	if all := strings.Join(notices, ""); len(notices) != 2 ||
		!strings.Contains(all, "Final-Recipient: rfc822; bob@dest.test\r\nAction: failed\r\nStatus: 5.1.1\r\n"+
			"Diagnostic-Code: smtp; 550 5.1.1 there is no such mailbox\r\n") {
		t.Errorf("got %q", notices)
	}
	for _, n := range notices {
		if strings.Contains(n, "OBEY ME") || strings.Contains(n, "such user") {
			t.Errorf("the words of a stranger are in a notice: %q", n)
		}
	}
	h.Intact()
}

func count(kinds []audit.Kind, k audit.Kind) (n int) {
	for _, x := range kinds {
		if x == k {
			n++
		}
	}
	return n
}

func TestAForgedReportChangesNothing(t *testing.T) {
	h := reporting(t)
	m, from := h.send(h.Submission("ada@dest.test"))
	good := mail.MustAddress(from["ada@dest.test"])
	before := h.kindsOf(m.ID)
	bent := "a" + good.Local()[1:]
	if bent == good.Local() {
		bent = "b" + good.Local()[1:]
	}
	for to, want := range map[string]string{
		bent + "@bounce.example.test":             "no_mailbox",
		good.Local()[1:] + "@bounce.example.test": "no_mailbox",
		"ada=dest.test@bounce.example.test":       "no_mailbox",
		good.Local() + "@example.test":            "no_mailbox", // of a mailbox that is not
		good.Local() + "@bounce.dest.test":        "relay",
		good.Local() + "@bounces.example.test":    "relay",
	} {
		if _, err := h.Gate.AdmitDelivery(h.ctx, mail.Address{}, mail.MustAddress(to), 100); reason(err) != want {
			t.Errorf("RCPT %s: %s, want %s", to, reason(err), want)
		}
		if _, err := h.Gate.Receive(h.ctx, report(to, "ada@dest.test", "failed", "5.1.1")); reason(err) != want {
			t.Errorf("%s: %s, want %s", to, reason(err), want)
		}
	}
	// A report for the mailbox is mail, and none for postmaster is about a delivery.
	h.bring(report("bot@example.test", "ada@dest.test", "failed", "5.1.1"))
	h.bring(report("postmaster@example.test", "ada@dest.test", "failed", "5.1.1"))
	h.Clock.Forward(31 * 24 * time.Hour)
	if _, err := h.Gate.AdmitDelivery(h.ctx, mail.Address{}, good, 100); reason(err) != "no_mailbox" {
		t.Errorf("after 31 days: %v", err)
	}
	if got := h.standings(m.ID); got != "sent delivered" || !slices.Equal(before, h.kindsOf(m.ID)) {
		t.Errorf("got %s, %v", got, h.kindsOf(m.ID))
	}
}

func TestAReportThatComesAThousandTimesHasOneEntryAndOneNotice(t *testing.T) {
	h := reporting(t)
	s := h.Submission("ada@dest.test", "bob@dest.test")
	s.Envelope.Rcpts[1].Notify = []string{"DELAY", "SUCCESS"}
	m, from := h.send(s)
	inboxed := len(h.inboxed()) // the next hop took it for bob
	for range 250 {
		h.bring(report(from["ada@dest.test"], "ada@dest.test", "failed", "5.1.1"))
		h.bring(report(from["ada@dest.test"], "ada@dest.test", "delivered", "2.0.0"))
		h.bring(report(from["bob@dest.test"], "bob@dest.test", "delayed", "4.4.1"))
		h.bring(report(from["bob@dest.test"], "bob@dest.test", "delivered", "2.0.0"))
	}
	if got := h.standings(m.ID); got != "sent bounced delivered" {
		t.Errorf("got %s", got)
	}
	kinds := h.kindsOf(m.ID)
	if count(kinds, audit.MailBounce) != 1 || count(kinds, audit.SuppressAdd) != 1 {
		t.Errorf("got %v", kinds)
	}
	if n := len(h.inboxed()) - inboxed; n != 3 {
		t.Errorf("%d notices, want one of the failure, one of the delay, one of the delivery", n)
	}
	h.Intact()
}

func TestWhoDidNotAskIsNotToldOfADelay(t *testing.T) {
	h := reporting(t)
	s := h.Submission("ada@dest.test", "bob@dest.test")
	s.Envelope.Rcpts[1].Notify = []string{"NEVER"}
	m, from := h.send(s)
	for _, to := range []string{"ada@dest.test", "bob@dest.test"} {
		h.bring(report(from[to], to, "delayed", "4.4.1"))
		h.bring(report(from[to], to, "expanded", "2.0.0"))
	}
	h.bring(report(from["bob@dest.test"], "bob@dest.test", "failed", "5.1.1"))
	if got, n := h.standings(m.ID), len(h.inboxed()); got != "sent delivered bounced" || n != 0 {
		t.Errorf("%s, %d notices", got, n)
	}
}

// The next hop may bounce a mail before its reply to the final dot is on record.
func TestAReportDuringTheAttemptComesAgainLater(t *testing.T) {
	h := reporting(t)
	r, err := h.Gate.Submit(h.ctx, h.Agent, h.Submission("ada@dest.test"))
	if err != nil {
		t.Fatal(err)
	}
	m := h.Approve(r.Mail)
	var early error
	h.Hop.Pause = func(ph mail.Phase) {
		if ph != mail.BeforeDot {
			return
		}
		h.View(func(tx store.Tx) error {
			_, err := h.Registry.Domain(tx, "example.test")
			return err
		})
		var to mail.Address
		b := bounce.New("bounce")
		h.View(func(tx store.Tx) (err error) {
			to, err = b.Make(tx, "example.test", bounce.Token{Mail: m.ID})
			return err
		})
		_, early = h.Gate.Receive(h.ctx, report(to.String(), "ada@dest.test", "failed", "5.1.1"))
	}
	m = h.RunUntil(m.ID, mail.Sent, mail.Failed)
	if !errors.Is(early, mail.ErrUnavailable) || m.State != mail.Sent {
		t.Fatalf("%v, %s", early, m.State)
	}
	h.bring(report(h.Hop.Sent()[0].From[0], "ada@dest.test", "failed", "5.1.1"))
	if got := h.standings(m.ID); got != "failed bounced" {
		t.Errorf("got %s", got)
	}
}

// Nothing that comes to a bounce address is answered, and nothing is kept of it.
func TestWhatIsNoReportIsRefusedAndLeavesNothing(t *testing.T) {
	h := reporting(t)
	m, from := h.send(h.Submission("ada@dest.test", "bob@dest.test"))
	h.bring(report(from["ada@dest.test"], "ada@dest.test", "failed", "5.1.1"))
	before, notice := h.kindsOf(m.ID), h.notices()[0]
	for name, raw := range map[string]string{
		"a person": "From: ada@dest.test\r\n\r\nHello?\r\n", "out of office": "Auto-Submitted: auto-replied\r\n\r\nAway.\r\n",
		"nothing": "\r\n", "octets": "\x00\xff",
	} {
		d := report(from["bob@dest.test"], "", "", "")
		d.Raw = []byte(raw)
		if _, err := h.Gate.Receive(h.ctx, d); reason(err) != "forbidden" {
			t.Errorf("%s: %v", name, err)
		}
		d.To = append(d.To, h.Box) // beside a mailbox it is mail of the mailbox
		if list, err := h.Gate.Receive(h.ctx, d); err != nil || len(list) != 1 {
			t.Errorf("%s, for a mailbox too: %d mails, %v", name, len(list), err)
		}
	}
	// Our own notice about ada, brought back: a report on a report.
	d := report(from["ada@dest.test"], "", "", "")
	d.Raw = []byte(notice)
	h.bring(d)
	if !slices.Equal(before, h.kindsOf(m.ID)) {
		t.Errorf("got %v", h.kindsOf(m.ID))
	}
	h.Intact()
}

func TestTheBounceDomainHasAPostmaster(t *testing.T) {
	h := reporting(t)
	list, err := h.Gate.Receive(h.ctx, brought("Postmaster@bounce.example.test", "postmaster@example.test"))
	if err != nil || len(list) != 1 || list[0].Mailbox.Key() != "postmaster@example.test" {
		t.Errorf("%+v, %v", list, err)
	}
	for _, to := range []string{"abuse@bounce.example.test", "postmaster@bounce.example.test"} {
		if _, err := h.Gate.AdmitDelivery(h.ctx, mail.Address{}, mail.MustAddress(to), 1); err != nil {
			t.Errorf("%s: %v", to, err)
		}
	}
	_, err = h.Gate.AdmitDelivery(h.ctx, mail.Address{}, mail.MustAddress("postmaster@bounce.dest.test"), 1)
	if reason(err) != "relay" {
		t.Error(err)
	}
}

// The oversight address gets its copies whatever comes back.
func TestABouncedCopyChangesNothingForTheMail(t *testing.T) {
	h := reporting(t)
	h.SetMode(mail.Monitored)
	m, from := h.send(h.Submission("ada@dest.test"))
	h.bring(report(from["boss@example.test"], "boss@example.test", "failed", "5.1.1"))
	if got := h.standings(m.ID); got != "sent delivered bounced" {
		t.Errorf("got %s", got)
	}
	if at, _ := h.Mail(m.ID).Bounces(); !at.IsZero() {
		t.Error("the mail counts as bounced")
	}
	if kinds := h.kindsOf(m.ID); count(kinds, audit.SuppressAdd) != 0 || len(h.inboxed()) != 0 {
		t.Errorf("got %v", kinds)
	}
	again, _ := h.send(h.Submission("ada@dest.test"))
	if got := h.standings(again.ID); got != "sent delivered delivered" {
		t.Errorf("the next one: %s", got)
	}
}
