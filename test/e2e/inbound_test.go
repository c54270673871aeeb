//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/multimail/multimail/internal/mailtest"
)

// server is a daemon that runs by a configuration file, for example.test with the mailbox
// bot@example.test. Its DNS knows of nobody.
type server struct {
	*daemon         // with the agent's login, as far as dev.json would have it
	dir, key string // the approver's key is a file in dir
}

// freePort returns a loopback address that nobody listens on now.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// serveWorld starts a server; lmtp is a host with a port, or a path. Settings are TOML, to
// stand below [inbound] and after it; BASE there is its own address.
func serveWorld(t *testing.T, lmtp, settings string) *server {
	t.Helper()
	dir, err := os.MkdirTemp("", "multimail-world-") // others may enter: Postfix drops its rights
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, command(t, "", nil, "chmod", "755", dir))
	listener := lmtp
	if strings.HasPrefix(lmtp, "/") {
		listener = "unix:" + lmtp
	}
	s := &server{dir: dir, key: filepath.Join(dir, "ann.key"), daemon: &daemon{t: t, data: filepath.Join(dir, "data"),
		log: &lockedBuffer{}, dev: devJSON{Submissions: freePort(t), HTTP: "http://" + freePort(t), Inbound: freePort(t),
			CAFile: filepath.Join(dir, "cert.pem"), Mailbox: "bot@example.test", Username: "bot"}}}
	s.must("init", "--operator", "Example", "--domain", "example.test", "--oversight", "boss@example.test",
		"--approver", "ann", "--approver-key", s.key, "--internal")
	mailtest.NewCA(t).Files(dir, "localhost")
	var zone atomic.Value
	zone.Store("")
	authority, _ := zoneOf(t, &zone)
	s.serve(write(t, "multimail.toml", fmt.Sprintf("data = %q\n[smtp]\nhostname = \"localhost\"\nsubmission = \"\"\n"+
		"submissions = %q\ntls_cert_file = %q\ntls_key_file = %q\n[http]\nlisten = %q\npublic_url = %q\n[dns]\nresolver = "+
		"[\"127.0.0.1:%s\"]\ntimeout = \"1s\"\nbounce = \"bounce\"\n[inbound]\nlisten = %q\nlmtp = %q\n"+
		"hostname = \"mx.example.test\"\n%s", s.data, s.dev.Submissions, filepath.Join(dir, "cert.pem"),
		filepath.Join(dir, "key.pem"), strings.TrimPrefix(s.dev.HTTP, "http://"), s.dev.HTTP, authority, s.dev.Inbound,
		listener, strings.ReplaceAll(settings, "BASE", s.dev.HTTP))))
	var agent struct{ Password string }
	decode(t, s.must("agent", "add", "bot", "--json"), &agent)
	s.dev.Password = agent.Password
	s.must("mailbox", "add", s.dev.Mailbox, "--agent", "bot")
	s.dev.AgentKey = strings.TrimSpace(s.must("key", "create", "agent", "bot"))
	return s
}

// serve runs the daemon until the test ends.
func (s *server) serve(conf string) {
	s.t.Helper()
	cmd := exec.Command(binary, "serve", "--config", conf)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if s.t.Failed() {
			s.t.Logf("the daemon said:\n%s", s.log)
		}
	})
	s.until("the daemon", func() bool { return s.cli("domain", "list").code == 0 })
}

// decides runs a command with the key of the approver.
func (s *server) decides(args ...string) string {
	s.t.Helper()
	return s.must(append(args, "--key-file", s.key)...)
}

// arrived is a mail that came in.
type arrived struct{ ID, Subject, State, Mailbox, Door, From string }

var takenAs = regexp.MustCompile(`250 2\.0\.0 Ok: taken as ([0-9A-Z]{26})`)

// arrivals returns the mails that the replies in a text name, as show prints them.
func arrivals(t *testing.T, text string, show func(id string) string) (all []arrived) {
	t.Helper()
	for _, m := range takenAs.FindAllStringSubmatch(text, -1) {
		var a arrived
		decode(t, show(m[1]), &a)
		all = append(all, a)
	}
	return all
}

func (h *daemon) arrivals(text string) []arrived {
	h.t.Helper()
	return arrivals(h.t, text, func(id string) string { return h.must("mail", "show", id, "--json") })
}

func (h *daemon) inboundPort() string {
	return h.dev.Inbound[strings.LastIndexByte(h.dev.Inbound, ':')+1:]
}

// Programs that send as other servers do deliver under TLS, without a login.
func TestOtherProgramsDeliverFromTheWorld(t *testing.T) {
	h := start(t)
	for _, c := range []struct {
		name string
		send func(subject string) string
	}{
		{"swaks", func(subject string) string {
			r := command(t, "", nil, "swaks", "--server", "localhost", "--port", h.inboundPort(), "--tls-verify",
				"--tls-ca-path", h.dev.CAFile, "--tls", "--ehlo", "mail.far.test", "--from", "far@far.test", "--to",
				h.dev.Mailbox, "--header", "Subject: "+subject, "--body", "Hello from swaks.")
			return r.out + r.err
		}},
		{"nodemailer", func(subject string) string {
			r := node(t, "nodemailer-in.mjs", "PORT="+h.inboundPort(), "CA_FILE="+h.dev.CAFile, "TO="+h.dev.Mailbox,
				"SUBJECT="+subject)
			return r.out + r.err
		}},
	} {
		subject := "from " + c.name
		said := c.send(subject)
		got := h.arrivals(said)
		if len(got) != 1 || got[0].State != "received" || got[0].Door != "smtp-in" || got[0].Mailbox != h.dev.Mailbox ||
			got[0].Subject != subject {
			t.Errorf("%s: %+v\n%s", c.name, got, said)
		}
	}
}

// A server of the world that is put off tries again by itself, and then delivers.
func TestPostfixDeliversAfterItWasPutOff(t *testing.T) {
	h := start(t)
	h.must("freeze", "mailbox:"+h.dev.Mailbox, "--reason", "test")
	p := startPostfix(t, "default_transport = smtp:["+strings.ReplaceAll(h.dev.Inbound, ":", "]:")+"\n"+
		"smtp_tls_security_level = encrypt\nminimal_backoff_time = 1s\nmaximal_backoff_time = 2s\nqueue_run_delay = 1s\n")
	swaks(t, p.addr, "put off", h.dev.Mailbox)
	h.until("the deferral", func() bool { return strings.Contains(p.said(), "status=deferred") })
	if said := p.said(); !strings.Contains(said, " 451 4.7.1 ") || !strings.Contains(said, "dsn=4.7.1") {
		t.Errorf("Postfix says\n%s", said)
	}
	h.must("thaw", "mailbox:"+h.dev.Mailbox)
	h.until("the delivery", func() bool { return strings.Contains(p.said(), "status=sent (250 2.0.0 Ok: taken as ") })
	if got := h.arrivals(p.said()); len(got) != 1 || got[0].Subject != "put off" || got[0].State != "received" {
		t.Errorf("%+v", got)
	}
	// What is not here is refused at once, so Postfix, not we, tells its sender.
	swaks(t, p.addr, "nobody", "nobody@example.test")
	h.until("the refusal", func() bool { return strings.Contains(p.said(), "dsn=5.1.1, status=bounced") })
	if n := strings.Count(h.log.String(), "taken in"); n != 1 {
		t.Errorf("%d mails were taken in", n)
	}
}

// swaks hands a mail to a server that relays for us.
func swaks(t *testing.T, addr, subject string, to ...string) {
	t.Helper()
	host, port, _ := net.SplitHostPort(addr)
	r := command(t, "", nil, "swaks", "--server", host, "--port", port, "--from", "far@far.test", "--to",
		strings.Join(to, ","), "--header", "Subject: "+subject, "--body", "Hello.")
	if r.code != 0 {
		t.Fatalf("swaks: %s%s", r.out, r.err)
	}
}

// nmap's script knows sixteen ways to be an open relay.
func TestNmapFindsNoOpenRelay(t *testing.T) {
	h := start(t)
	r := command(t, "", nil, "nmap", "-n", "-Pn", "-p", h.inboundPort(), "--script", "+smtp-open-relay", "--script-args",
		"smtp-open-relay.domain=far.test", "-d", "127.0.0.1")
	if !strings.Contains(r.out, "smtp-open-relay: Server doesn't seem to be an open relay, all tests failed") {
		t.Errorf("exit %d\n%s%s", r.code, r.out, r.err)
	}
	if strings.Contains(h.log.String(), "taken in") {
		t.Errorf("something was taken:\n%s", h.log)
	}
}

// Clients of LMTP that are not ours, over TCP and over a unix socket: one reply for each
// recipient, and a line of 2,000 octets arrives.
func TestOtherProgramsDeliverOverLMTP(t *testing.T) {
	for _, over := range []string{"TCP", "a unix socket"} {
		t.Run(over, func(t *testing.T) {
			at := freePort(t)
			if over != "TCP" {
				dir, err := os.MkdirTemp("", "multimail-lmtp-")
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { os.RemoveAll(dir) })
				must(t, command(t, "", nil, "chmod", "755", dir))
				at = filepath.Join(dir, "lmtp.sock")
			}
			s := serveWorld(t, at, "lmtp_authserv_id = \"next.test\"\n")
			r := command(t, "", []string{"LMTP=" + at, "SUBJECT=smtplib", "REPLIES=2",
				"TO=bot@example.test nobody@example.test postmaster@example.test"}, "/usr/bin/python3", "testdata/lmtp.py")
			want := "no AUTH\nbot@example.test 250\nnobody@example.test 550\npostmaster@example.test 250\n354\n" +
				"250 2.0.0 Ok: taken as "
			if got := s.arrivals(r.out); !strings.HasPrefix(r.out, want) || len(got) != 2 || got[0].Door != "lmtp" ||
				got[0].State != "received" || got[0].Mailbox != "bot@example.test" || got[0].Subject != "smtplib" {
				t.Errorf("smtplib: %+v\n%s%s", got, r.out, r.err)
			}
			transport := "lmtp:inet:" + at
			if over != "TCP" {
				must(t, command(t, "", nil, "chgrp", "postfix", at)) // as the page says
				transport = "lmtp:unix:" + at
			}
			p := startPostfix(t, "default_transport = "+transport+"\n")
			swaks(t, p.addr, "postfix", "bot@example.test", "abuse@example.test")
			s.until("the mail of Postfix", func() bool { return strings.Count(p.said(), "status=sent (250 2.0.0 ") == 2 })
			for _, m := range s.arrivals(p.said()) {
				if m.Subject != "postfix" || m.Door != "lmtp" || m.State != "received" {
					t.Errorf("%+v", m)
				}
			}
		})
	}
}
