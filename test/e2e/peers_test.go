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

// queuedAs finds the mail id as client libraries do.
var queuedAs = regexp.MustCompile(`2\.0\.0 Ok: queued as ([0-9A-HJKMNP-TV-Z]{26})`)

// client is a program that submits one mail with a given subject and prints
// the reply to the final dot.
type client struct {
	name   string
	rcpts  []string // of the envelope, sorted
	submit func(h *daemon, subject string) string
}

func (h *daemon) env(subject string, secure bool) []string {
	port, flag := h.dev.port(), "0"
	if secure {
		port, flag = h.dev.tlsPort(), "1"
	}
	return []string{"CA_FILE=" + h.dev.CAFile, "PORT=" + port, "SECURE=" + flag, "SUBJECT=" + subject,
		"SMTP_USERNAME=" + h.dev.Username, "SMTP_PASSWORD=" + h.dev.Password, "SMTP_FROM=" + h.dev.Mailbox}
}

var clients = []client{
	{"swaks with STARTTLS", []string{"to@dest.test"}, func(h *daemon, subject string) string {
		return h.swaks(subject, "--tls", "--port", h.dev.port())
	}},
	{"swaks with TLS and LOGIN", []string{"to@dest.test"}, func(h *daemon, subject string) string {
		return h.swaks(subject, "--tls-on-connect", "--port", h.dev.tlsPort(), "--auth", "LOGIN")
	}},
	{"smtplib with STARTTLS", []string{"to@dest.test"}, func(h *daemon, subject string) string {
		return h.smtplib(subject, false)
	}},
	{"smtplib with TLS", []string{"to@dest.test"}, func(h *daemon, subject string) string {
		return h.smtplib(subject, true)
	}},
	{"nodemailer with STARTTLS", []string{"bcc@dest.test", "cc@dest.test", "to@dest.test"},
		func(h *daemon, subject string) string {
			return h.nodemailer(subject, false)
		}},
	{"nodemailer with TLS", []string{"bcc@dest.test", "cc@dest.test", "to@dest.test"},
		func(h *daemon, subject string) string {
			return h.nodemailer(subject, true)
		}},
	{"curl", []string{"to@dest.test"}, func(h *daemon, subject string) string {
		eml := write(h.t, "curl.eml", "From: "+h.dev.Mailbox+"\r\nTo: to@dest.test\r\nSubject: "+subject+"\r\n\r\nHello "+
			"from curl.\r\n")
		r := command(h.t, "", nil, "curl", "-sv", "--ssl-reqd", "--cacert", h.dev.CAFile, "--url",
			"smtp://localhost:"+h.dev.port(),
			"-u", h.dev.Username+":"+h.dev.Password, "--mail-from", h.dev.Mailbox, "--mail-rcpt", "to@dest.test", "-T", eml)
		return r.err
	}},
	{"msmtp", []string{"to@dest.test"}, func(h *daemon, subject string) string {
		rc := write(h.t, "msmtprc", "account default\nhost localhost\nport "+h.dev.port()+"\ntls on\ntls_starttls "+
			"on\ntls_trust_file "+
			h.dev.CAFile+"\nauth plain\nuser "+h.dev.Username+"\npassword "+h.dev.Password+"\nfrom "+h.dev.Mailbox+"\n")
		r := command(h.t, "From: "+h.dev.Mailbox+"\nTo: to@dest.test\nSubject: "+subject+"\n\nHello from msmtp.\n", nil,
			"msmtp", "-d", "-C", rc, "to@dest.test")
		return r.out + r.err
	}},
}

func (h *daemon) swaks(subject string, args ...string) string {
	r := command(h.t, "", nil, "swaks", append([]string{"--server", "localhost", "--auth-user", h.dev.Username,
		"--auth-password", h.dev.Password,
		"--from", h.dev.Mailbox, "--to", "to@dest.test", "--header", "Subject: " + subject, "--body", "Hello from swaks."},
		args...)...)
	return r.out + r.err
}

func (h *daemon) smtplib(subject string, secure bool) string {
	r := command(h.t, "", h.env(subject, secure), "/usr/bin/python3", "testdata/submit.py")
	return r.out + r.err
}

func (h *daemon) nodemailer(subject string, secure bool) string {
	r := node(h.t, "nodemailer.mjs", h.env(subject, secure)...)
	return r.out + r.err
}

// Every program's mail is held, approved by id and digest, and delivered with
// one identity header and valid signatures.
func TestOtherProgramsSubmitAndOtherProgramsVerify(t *testing.T) {
	h := start(t)
	zone := h.zone()
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			h := h.in(t)
			subject := "from " + c.name
			said := c.submit(h, subject)
			id := queuedAs.FindStringSubmatch(said)
			if id == nil {
				t.Fatalf("no queue id in\n%s", said)
			}
			if !strings.Contains(said, "2.0.0 "+id[1]+" held for approval") {
				t.Errorf("the reply does not say that it is held:\n%s", said)
			}
			m := h.only(subject)
			if m.ID != id[1] || m.Door != "smtp" || m.Mode != "gated_send" || m.Agent != "demo" {
				t.Errorf("pending shows %+v", m)
			}
			h.approveAndCapture(m, len(c.rcpts))
			to := h.envelopeTo(m.ID)
			slices.Sort(to)
			if !slices.Equal(to, c.rcpts) {
				t.Errorf("delivered to %v, want %v", to, c.rcpts)
			}
			for _, f := range h.captured(m.ID) {
				h.verify(f, zone)
			}
		})
	}
}

// in returns h speaking for a subtest.
func (h *daemon) in(t *testing.T) *daemon {
	c := *h
	c.t = t
	return &c
}

// zone returns the TXT records that the daemon wants published.
func (h *daemon) zone() string {
	h.t.Helper()
	var d struct {
		DNS []struct{ Type, Name, Value string } `json:"dns_records"`
	}
	decode(h.t, h.must("domain", "records", h.dev.Domain, "--json"), &d)
	zone := map[string]string{"_dmarc." + h.dev.Domain: "v=DMARC1; p=reject; adkim=s"}
	for _, r := range d.DNS {
		zone[r.Name] = r.Value
	}
	return encode(h.t, zone)
}

// verify has a captured file checked by programs that are not ours, with the key
// of today.
func (h *daemon) verify(file, zone string) {
	h.t.Helper()
	h.verifyBy(file, zone, "multimail-signing-key")
}

// verifyBy is verify with the keys of a file below /.well-known/.
func (h *daemon) verifyBy(file, zone, keys string) {
	t := h.t
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(b), "\r\nX-AI-Generated: true\r\n"); n != 1 {
		t.Errorf("%d fields X-AI-Generated", n)
	}
	if n := strings.Count(string(b), "\r\nX-MultiMail-Identity: "); n != 1 {
		t.Errorf("%d identity headers", n)
	}
	if strings.Contains(strings.ReplaceAll(string(b), "\r\n", ""), "\n") || strings.Contains(string(b), "\r\nBcc:") {
		t.Error("a bare LF or a Bcc field on the wire")
	}
	var py []bool
	decode(t, must(t, command(t, "", []string{"DNS=" + zone}, "/usr/bin/python3", "testdata/dkimpy.py", file)), &py)
	if len(py) != 2 || !py[0] || !py[1] {
		t.Errorf("dkimpy says %v of two signatures", py)
	}
	var auth struct {
		DKIM  []struct{ Result, Algo string } `json:"dkim"`
		Dmarc string                          `json:"dmarc"`
	}
	decode(t, must(t, node(t, "mailauth.mjs", "DNS="+zone, "EML="+file)), &auth)
	algos := map[string]string{}
	for _, d := range auth.DKIM {
		algos[d.Algo] = d.Result
	}
	if algos["rsa-sha256"] != "pass" || algos["ed25519-sha256"] != "pass" || auth.Dmarc != "pass" {
		t.Errorf("mailauth says %+v", auth)
	}
	var jose struct {
		Payload struct {
			Operator, Iss, Sub, Jti string
			OversightMode           string `json:"oversight_mode"`
			VerifiedOperator        *bool  `json:"verified_operator"`
			Approval                struct{ By string }
		}
		ProtectedHeader struct{ Alg, Typ, Kid string }
		Forged          string
	}
	decode(t, must(t, node(t, "jose.mjs", "EML="+file, "DOCUMENT="+h.dev.HTTP+"/.well-known/"+keys)),
		&jose)
	p := jose.Payload
	if p.Operator != h.dev.Operator || p.Iss != "https://"+h.dev.Domain || p.Sub != h.dev.Mailbox ||
		!strings.HasPrefix(filepath.Base(file), p.Jti) || p.Approval.By != "reviewer" ||
		jose.ProtectedHeader.Alg != "ES256" || jose.Forged != "refused" {
		t.Errorf("jose says %+v", jose)
	}
	// Nothing checks domains yet, so nothing may be claimed of them.
	if p.VerifiedOperator == nil || *p.VerifiedOperator {
		t.Errorf("verified_operator is not false: %+v", p)
	}
	if out := h.must("verify", file); !strings.Contains(out, "valid") || strings.Contains(out, "invalid") {
		t.Errorf("multimail verify says %s", out)
	}
}

func must(t *testing.T, r result) string {
	t.Helper()
	if r.code != 0 {
		t.Fatalf("exit %d\n%s%s", r.code, r.out, r.err)
	}
	return r.out
}
