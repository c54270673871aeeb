//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A next hop that takes a mail and cannot deliver it later: Postfix, whose reports come back
// through the inbound door to the address of their own recipient.
func TestPostfixBouncesAMailThatItTookAndTheAddressIsSuppressed(t *testing.T) {
	s, p := behindPostfix(t)
	gone := s.sends("gone@gone.test")
	s.until("the report", func() bool { return s.state(gone) == "failed" })
	if m := s.standing(gone); m.Status != "send_failed" || m.BounceType != "hard" || m.BouncedAt == "" ||
		m.Recipients[0].Status != "bounced" || m.Recipients[0].Enhanced != "5.1.1" {
		t.Errorf("the mail is %+v", m)
	}
	sender := p.bounceAddress("gone@gone.test")
	if m := s.notices(gone); len(m) != 1 || m[0].Action != "failed" || m[0].From != "postmaster@example.test" {
		t.Errorf("notices: %+v", m)
	}
	listed := regexp.MustCompile(`gone@gone\.test +hard_bounce +5\.1\.1 +bot@example\.test .*` + gone)
	if out := s.must("suppress", "list"); !listed.MatchString(out) {
		t.Errorf("suppress list says\n%s", out)
	}
	var kinds []string
	for _, e := range s.auditEntries(gone) {
		kinds = append(kinds, e.Kind)
	}
	if want := strings.Fields("mail.submit mail.claim mail.sent mail.bounce suppress.add"); !slices.Equal(kinds, want) {
		t.Errorf("entries %v, want %v", kinds, want)
	}

	s.forges(sender, gone)

	// The address is refused at both doors, for this recipient alone, until an approver takes it off.
	c := s.login()
	c.do("MAIL FROM:<"+s.dev.Mailbox+">", "250")
	if said := c.do("RCPT TO:<gone@gone.test>", "550 5.7.1"); !strings.Contains(said, "gone@gone.test") {
		t.Errorf("RCPT says %s", said)
	}
	c.do("RCPT TO:<here@here.test>", "250")
	draft := `{"to":["gone@gone.test"],"subject":"again","markdown":"m"}`
	if code, said := s.http("POST", "/v1/send", draft); code != 403 || !strings.Contains(said, "gone@gone.test") {
		t.Errorf("REST says %d %s", code, said)
	}
	if r := s.cli("suppress", "rm", "gone@gone.test"); r.code != 1 || !strings.Contains(r.err, "hint: ") {
		t.Errorf("without an approver's key: exit %d %s%s", r.code, r.out, r.err)
	}
	code, said := s.http("DELETE", "/v1/suppression/gone@gone.test", "")
	if code != 202 || !strings.Contains(said, "pending_approval") {
		t.Errorf("the agent takes it off: %d %s", code, said)
	}
	if code, said := s.http("POST", "/v1/send", draft); code != 403 {
		t.Errorf("without the code of the operator REST says %d %s", code, said)
	}
	s.decides("suppress", "rm", "gone@gone.test")
	if code, said := s.http("POST", "/v1/send", draft); code != 202 {
		t.Errorf("afterwards REST says %d %s", code, said)
	}
}

// forges has strangers write to bounce addresses.
func (s *server) forges(sender, id string) {
	s.t.Helper()
	local, domain, _ := strings.Cut(sender, "@")
	for _, to := range []string{flipped(local) + "@" + domain, "x@" + domain, local + "@example.test"} {
		c := s.world()
		c.do("MAIL FROM:<>", "250")
		c.do("RCPT TO:<"+to+">", "550 5.1.1")
	}
	before := len(s.auditEntries(id)) + len(s.must("suppress", "list"))
	c := s.world()
	if said := c.deliver("", []string{strings.ToUpper(local) + "@" + domain}, "From: gone@gone.test\r\nSubject: Away\r\n"+
		"Auto-Submitted: auto-replied\r\n\r\nI am away.", "550 5.7.1"); said == "" {
		s.t.Error("no reply to an automatic answer")
	}
	if after := len(s.auditEntries(id)) + len(s.must("suppress", "list")); after != before {
		s.t.Errorf("a stranger's mail has changed something: %d, %d", before, after)
	}
}

// flipped returns a token with another last letter of its middle.
func flipped(local string) string {
	b := []byte(local)
	if i := len(b) / 2; b[i] == 'a' {
		b[i] = 'b'
	} else {
		b[i] = 'a'
	}
	return string(b)
}

// A report of a delay is a notice, and nothing else; the failure that follows is final, and
// soft: the address may be written to again.
func TestPostfixReportsADelayAndThenAFailureThatSuppressesNobody(t *testing.T) {
	s, p := behindPostfix(t)
	slow := s.sends("slow@slow.test NOTIFY=DELAY,FAILURE")
	s.until("the report of the delay", func() bool { return len(s.notices(slow)) == 1 })
	if m := s.standing(slow); s.notices(slow)[0].Action != "delayed" || m.Status != "sent" || m.BouncedAt != "" ||
		m.Recipients[0].Status != "delivered" {
		t.Errorf("after a delay the mail is %+v, notices %+v", m, s.notices(slow))
	}
	for _, e := range s.auditEntries(slow) {
		if e.Kind == "mail.bounce" {
			t.Errorf("a delay is in the log as %+v", e)
		}
	}
	p.routes("slow.test error:5.4.1 nobody answers there")
	s.until("the report of the failure", func() bool { return s.state(slow) == "failed" })
	if m := s.standing(slow); m.BounceType != "soft" || m.Recipients[0].Status != "bounced" {
		t.Errorf("the mail is %+v", m)
	}
	if out := s.must("suppress", "list", "--json"); strings.TrimSpace(out) != "[]" {
		t.Errorf("suppressed: %s", out)
	}
	if m := s.notices(slow); len(m) != 2 {
		t.Errorf("notices: %+v", m)
	}
	draft := `{"to":["slow@slow.test"],"subject":"again","markdown":"m"}`
	if code, said := s.http("POST", "/v1/send", draft); code != 202 {
		t.Errorf("the next mail: %d %s", code, said)
	}
}

// behindPostfix is a server whose smarthost is Postfix, which reaches slow.test later, and
// learns of the server of gone.test that there is no such address, and brings reports back.
func behindPostfix(t *testing.T) (*server, *postfix) {
	t.Helper()
	p := startPostfix(t, "transport_maps = texthash:DIR/conf/transport\nminimal_backoff_time = 1s\n"+
		"maximal_backoff_time = 1s\nqueue_run_delay = 1s\ndelay_warning_time = 1s\n")
	s := serveWorld(t, freePort(t), "lmtp_authserv_id = \"next.test\"\n[relay]\nsmarthost = \""+p.addr+"\"\n")
	far := startPostfix(t, "smtpd_recipient_restrictions = check_recipient_access "+
		"inline:{ {gone@gone.test = 550 5.1.1 nobody of that name} }, permit_mynetworks, reject\n")
	p.always = "bounce.example.test smtp:[" + strings.Replace(s.dev.Inbound, ":", "]:", 1) + "\n" +
		"gone.test smtp:[" + strings.Replace(far.addr, ":", "]:", 1) + "\n"
	p.routes("slow.test smtp:[127.0.0.1]:1")
	s.decides("mailbox", "mode", s.dev.Mailbox, "autonomous")
	return s, p
}

// routes says by which way Postfix delivers what.
func (p *postfix) routes(line string) {
	p.t.Helper()
	conf := filepath.Join(filepath.Dir(p.log), "conf")
	if err := os.WriteFile(filepath.Join(conf, "transport"), []byte(p.always+line+"\n"), 0o644); err != nil {
		p.t.Fatal(err)
	}
	must(p.t, command(p.t, "", nil, "postfix", "-c", conf, "reload"))
}

// bounceAddress returns the envelope sender of the mail to a recipient.
func (p *postfix) bounceAddress(to string) string {
	p.t.Helper()
	said := p.said()
	queue := regexp.MustCompile(`smtp\[\d+\]: (\w+): to=<` + regexp.QuoteMeta(to) + `>`).FindStringSubmatch(said)
	if queue == nil {
		p.t.Fatalf("no mail to %s in\n%s", to, said)
	}
	from := regexp.MustCompile(queue[1] + `: from=<([a-z2-7]+@bounce\.example\.test)>`).FindStringSubmatch(said)
	if from == nil {
		p.t.Fatalf("the sender of %s is no bounce address:\n%s", queue[1], said)
	}
	return from[1]
}

// sends submits a mail that leaves at once, to a recipient with parameters, and returns its
// id when Postfix has it.
func (s *server) sends(rcpt string) (id string) {
	s.t.Helper()
	to, params, _ := strings.Cut(rcpt, " ")
	c := s.login()
	c.do("MAIL FROM:<"+s.dev.Mailbox+">", "250")
	c.do("RCPT TO:<"+to+"> "+params, "250")
	c.do("DATA", "354")
	c.send("From: " + s.dev.Mailbox + "\r\nTo: " + to + "\r\nSubject: hello\r\n\r\nHello.\r\n.\r\n")
	m := queuedAs.FindStringSubmatch(c.expect("250"))
	if m == nil {
		s.t.Fatal("no id in the reply")
	}
	return m[1]
}

// standing is what the agent is told of its mail.
type standing struct {
	Status     string `json:"status"`
	BouncedAt  string `json:"bounced_at"`
	BounceType string `json:"bounce_type"`
	Recipients []struct{ Status, Enhanced string }
}

func (s *server) standing(id string) (m standing) {
	s.t.Helper()
	code, said := s.http("GET", "/v1/mailboxes/"+s.dev.Mailbox+"/emails/"+id, "")
	if code != 200 {
		s.t.Fatalf("%d %s", code, said)
	}
	if decode(s.t, said, &m); len(m.Recipients) != 1 {
		s.t.Fatalf("recipients: %s", said)
	}
	return m
}

// notice is a notice as a list of the agent shows it.
type notice struct{ About, Action, From string }

// notices returns those about a mail, the newest first.
func (s *server) notices(id string) (about []notice) {
	s.t.Helper()
	var l []notice
	decode(s.t, s.must("inbox", "list", s.dev.Mailbox, "--json"), &l)
	for _, n := range l {
		if n.About == id {
			about = append(about, n)
		}
	}
	return about
}
