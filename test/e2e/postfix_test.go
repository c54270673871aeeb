//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// postfix is a real mail server as the next hop. It discards what it takes;
// its log says whom it understood to be the recipients.
type postfix struct {
	t    *testing.T
	addr string
	log  string

	always string // lines of its transport table that stay
}

// startPostfix runs Debian's Postfix with a configuration of its own below a
// directory that others may enter, for it drops its rights. Settings given come last,
// so they are in force.
func startPostfix(t *testing.T, settings ...string) *postfix {
	t.Helper()
	dir, err := os.MkdirTemp("", "multimail-postfix-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &postfix{t: t, addr: l.Addr().String(), log: filepath.Join(dir, "maillog")}
	l.Close()
	for _, d := range []string{"conf", "queue", "data"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	must(t, command(t, "", nil, "chmod", "755", dir))
	must(t, command(t, "", nil, "chown", "postfix", filepath.Join(dir, "data")))
	conf := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, "conf", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	conf("main.cf", strings.NewReplacer("DIR", dir).Replace(`compatibility_level = 3.6
queue_directory = DIR/queue
data_directory = DIR/data
maillog_file = DIR/maillog
maillog_file_prefixes = /tmp, /var
myhostname = next.test
mydestination =
local_transport = error:none
default_transport = discard:
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
alias_maps =
local_recipient_maps =
`+strings.Join(settings, "")))
	conf("master.cf", p.addr+services)
	postfix := []string{"-c", filepath.Join(dir, "conf")}
	must(t, command(t, "", nil, "postfix", append(postfix, "start")...))
	t.Cleanup(func() {
		command(t, "", nil, "postfix", append(postfix, "stop")...)
		if t.Failed() {
			t.Logf("Postfix said:\n%s", p.said())
		}
	})
	return p
}

// services are the programs of master.cf, but for the address of the first.
const services = ` inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
discard unix - - n - - discard
virtual unix - n n - - virtual
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
scache unix - - n - 1 scache
error unix - - n - - error
retry unix - - n - - error
proxymap unix - - n - - proxymap
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
`

// said returns the log.
func (p *postfix) said() string {
	p.t.Helper()
	b, err := os.ReadFile(p.log)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(b)
}

var routed = regexp.MustCompile(`discard\[\d+\]: \w+: to=<([^>]*)>`)

// recipients returns whom Postfix delivered to, from its log.
func (p *postfix) recipients() (to []string) {
	p.t.Helper()
	for _, m := range routed.FindAllStringSubmatch(p.said(), -1) {
		to = append(to, m[1])
	}
	return to
}

// Postfix takes what is approved, for the recipients that were shown and no
// other: what an address may hide at our door must not appear behind it.
func TestPostfixAsNextHopSeesOnlyWhatWasApproved(t *testing.T) {
	p := startPostfix(t)
	h := start(t, "--next-hop", p.addr)
	h.login().deliver(h.dev.Mailbox, []string{"plain@good.test"}, h.message("plain"), "250")
	m := h.only("plain")
	h.must("approve", m.ID, "--digest", m.Digest)
	h.until("delivery", func() bool { return h.state(m.ID) == "sent" })
	h.until("Postfix's log", func() bool { return len(p.recipients()) == 1 })

	accepted := 1
	for i, rcpt := range []string{
		`"v@evil.test> ORCPT=rfc822;y"@good.test`, `"v@evil.test"@good.test`, `"x\"@evil.test"@good.test`,
		`"v@evil.test "@good.test`,
		`"v@evil.test,y"@good.test`, `@evil.test:v@good.test`, `v%evil.test@good.test`, `evil.test!v@good.test`,
		`"a b"@good.test`,
		`"v>"@good.test`, `v@evil.test@good.test`, `"@evil.test:v"@good.test`,
	} {
		subject := fmt.Sprintf("hidden %d", i)
		s := h.login()
		s.do("MAIL FROM:<"+h.dev.Mailbox+">", "250")
		if got := s.do("RCPT TO:<"+rcpt+">", "250|553 5.1.3"); strings.HasPrefix(got, "5") {
			if code, _ := h.http("POST", "/v1/send", `{"to":[`+encode(t, rcpt)+`],"subject":"s","markdown":"m"}`); code != 400 {
				t.Errorf("%s is refused over SMTP and %d over the API", rcpt, code)
			}
			continue
		}
		s.do("DATA", "354")
		s.send(h.message(subject) + "\r\n.\r\n")
		s.expect("250")
		accepted++
		m := h.only(subject)
		if len(m.Bcc) != 1 || !strings.HasSuffix(m.Bcc[0], "@good.test") {
			t.Errorf("%s: the approver is shown %v", rcpt, m.Bcc)
		}
		h.must("approve", m.ID, "--digest", m.Digest)
		h.until("the end of "+rcpt, func() bool { st := h.state(m.ID); return st == "sent" || st == "failed" })
	}
	h.until("Postfix's log", func() bool { return len(p.recipients()) >= accepted })
	for _, to := range p.recipients() {
		if strings.HasSuffix(to, "@evil.test") {
			t.Errorf("Postfix delivered to %s", to)
		}
	}
	if got := p.recipients(); len(got) != accepted {
		t.Errorf("%d mails, Postfix delivered to %q", accepted, got)
	}
	t.Logf("Postfix delivered to %q", p.recipients())
}
