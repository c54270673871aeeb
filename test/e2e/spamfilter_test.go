//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// gtube is the text that every spam filter takes for spam.
const gtube = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"

// freeAddr returns an address of loopback that is free.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// peerServer runs a server with a configuration in dir, in which DIR stands for the
// directory, until the test ends, and waits until it listens at addr.
func peerServer(t *testing.T, dir, addr, conf, name string, args ...string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "conf"), []byte(strings.ReplaceAll(conf, "DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	said := &lockedBuffer{}
	cmd := exec.Command(name, append(args, filepath.Join(dir, "conf"))...)
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
		}
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Logf("%s said:\n%s\n%s", name, said, log)
		}
	})
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		select {
		case <-done:
			t.Fatalf("%s ended:\n%s", name, said)
		default:
		}
		if c, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			c.Close()
			return
		}
	}
	t.Fatalf("%s does not listen:\n%s", name, said)
}

// startRspamd runs Debian's rspamd with one rule of ours and no network, and returns
// the addresses of its worker and of its controller, and its log file.
func startRspamd(t *testing.T) (worker, controller, log string) {
	t.Helper()
	dir := t.TempDir()
	worker, controller = freeAddr(t), freeAddr(t)
	if err := os.WriteFile(filepath.Join(dir, "tld"), []byte("test\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	conf := strings.NewReplacer("WORKER", worker, "CONTROLLER", controller).Replace(`
options {
  pidfile = "DIR/pid"; tempdir = "DIR"; cores_dir = "DIR"; hs_cache_dir = "DIR"; url_tld = "DIR/tld";
  control_socket = "DIR/control mode=0600"; filters = "regexp"; disable_hyperscan = true;
  dns { nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 1; }
}
actions { reject = 15; add_header = 6; greylist = 4; }
regexp { "PRIZE" = { re = "Subject=/prize/i"; score = 7.0; description = "promises a prize"; } }
logging { type = "file"; filename = "DIR/log"; level = "info"; }
classifier "bayes" {
  backend = "sqlite3"; min_learns = 1; tokenizer { name = "osb"; }
  statfile { symbol = "BAYES_HAM"; spam = false; path = "DIR/ham.sqlite"; }
  statfile { symbol = "BAYES_SPAM"; spam = true; path = "DIR/spam.sqlite"; }
}
worker "normal" { bind_socket = "WORKER"; count = 1; mime = true; }
worker "controller" { bind_socket = "CONTROLLER"; count = 1; secure_ip = []; password = "a word of ours"; }
`)
	peerServer(t, dir, worker, conf, "rspamd", "-f", "-i", "-u", "root", "-g", "root", "-c")
	return worker, controller, filepath.Join(dir, "log")
}

// startOpendkim runs Debian's opendkim, which refuses broken signatures of signed.test,
// and returns its address and a mail that is signed.
func startOpendkim(t *testing.T) (addr, signed string) {
	t.Helper()
	dir := t.TempDir()
	addr = freeAddr(t)
	key := filepath.Join(dir, "key.pem")
	must(t, command(t, "", nil, "openssl", "genrsa", "-out", key, "2048"))
	pub := must(t, command(t, "", nil, "sh", "-c", "openssl rsa -in "+key+" -pubout -outform DER | base64 -w0"))
	for name, text := range map[string]string{
		"internal": "192.0.2.254\n", "keys": "s1._domainkey.signed.test v=DKIM1; k=rsa; p=" + pub + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	host, port, _ := net.SplitHostPort(addr)
	peerServer(t, dir, addr, fmt.Sprintf(`Mode v
Socket inet:%s@%s
Background no
UserID root
RequireSafeKeys no
Syslog no
InternalHosts DIR/internal
TestPublicKeys DIR/keys
On-BadSignature reject
On-KeyNotFound accept
AlwaysAddARHeader yes
`, port, host), "opendkim", "-f", "-x")
	raw := "From: Anna <anna@signed.test>\r\nSubject: signed\r\nDate: " + time.Now().UTC().Format(time.RFC1123Z) +
		"\r\nMessage-ID: <one@signed.test>\r\n\r\nAt noon, as ever.\r\n"
	sign := `import sys, dkim
raw = sys.stdin.buffer.read()
key = open(sys.argv[1], "rb").read()
sys.stdout.buffer.write(dkim.sign(raw, b"s1", b"signed.test", key, canonicalize=(b"simple", b"simple")) + raw)`
	return addr, must(t, command(t, raw, nil, "/usr/bin/python3", "-c", sign, key))
}

// filtered starts a daemon that asks a filter.
func filtered(t *testing.T, settings string) *daemon {
	t.Helper()
	file := filepath.Join(t.TempDir(), "filter.toml")
	if err := os.WriteFile(file, []byte("[filter]\n"+settings), 0o600); err != nil {
		t.Fatal(err)
	}
	return start(t, "--filter", file)
}

// filterVerdict is what an approver is shown of a mail.
type filterVerdict struct {
	State  string `json:"state"`
	Digest string `json:"digest"`
	Spam   struct {
		Verdict string   `json:"verdict"`
		Score   float64  `json:"score"`
		Reasons []string `json:"reasons"`
		Filter  string   `json:"filter"`
		Label   string   `json:"user_label"`
	} `json:"spam"`
}

func (h *daemon) judged(id string) (j filterVerdict) {
	h.t.Helper()
	decode(h.t, h.must("show", id, "--json"), &j)
	return j
}

// comesIn has the world send a mail to the mailbox, and returns its id.
func (h *daemon) comesIn(raw string) string {
	h.t.Helper()
	s := h.world()
	said := s.deliver("anna@signed.test", []string{h.dev.Mailbox}, strings.TrimSuffix(raw, "\r\n"), "250")
	_, id, ok := strings.Cut(strings.TrimSpace(said), " taken as ")
	if !ok {
		h.t.Fatalf("no id in %q", said)
	}
	return id
}

// world connects to the inbound door as another server does.
func (h *daemon) world() *talk {
	h.t.Helper()
	c, err := net.Dial("tcp", h.dev.Inbound)
	if err != nil {
		h.t.Fatal(err)
	}
	s := greet(h.t, c)
	s.do("EHLO mx.signed.test", "250")
	return s
}

// want compares a verdict.
func (j filterVerdict) want(t *testing.T, state, verdict, filter, reason string) {
	t.Helper()
	if j.State != state || j.Spam.Verdict != verdict || j.Spam.Filter != filter ||
		!strings.Contains(strings.Join(j.Spam.Reasons, "\n"), reason) {
		t.Errorf("%+v, want %s, %s by %s: %s", j, state, verdict, filter, reason)
	}
}

// fromWorld is a mail of a stranger.
func fromWorld(subject, text string) string {
	return "From: Anna <anna@signed.test>\r\nTo: agent@example.test\r\nSubject: " + subject + "\r\nDate: " +
		time.Now().UTC().Format(time.RFC1123Z) + "\r\nMessage-ID: <" + strings.ReplaceAll(subject, " ", ".") +
		"@signed.test>\r\n\r\n" + text + "\r\n"
}

func TestRspamdIsAskedInBothDirections(t *testing.T) {
	worker, controller, log := startRspamd(t)
	word := filepath.Join(t.TempDir(), "word")
	if err := os.WriteFile(word, []byte("a word of ours\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h := filtered(t, fmt.Sprintf("kind = 'rspamd'\naddress = 'http://%s'\ntimeout = '60s'\n"+
		"controller = 'http://%s'\ncontroller_password_file = '%s'\n", worker, controller, word))
	h.must("mailbox", "mode", h.dev.Mailbox, "autonomous")
	send := func(subject, text string) string {
		said := h.login().deliver(h.dev.Mailbox, []string{"b@dest.test"},
			strings.Replace(h.message(subject), "Hello.", text, 1), "250")
		return queuedAs.FindStringSubmatch(said)[1]
	}
	clean, flagged, held := send("out clean", "Hello"), send("out prize", "Hello"), send("out spam", gtube)
	h.until("two are sent", func() bool { return h.state(clean) == "sent" && h.state(flagged) == "sent" })
	h.judged(clean).want(t, "sent", "clean", "rspamd", "")
	h.judged(flagged).want(t, "sent", "flagged", "rspamd", "PRIZE 7: promises a prize")
	j := h.judged(held)
	j.want(t, "held", "quarantined", "rspamd", "rspamd: reject")
	h.must("approve", held, "--digest", j.Digest)
	h.until("the third is sent", func() bool { return h.state(held) == "sent" })
	if b, err := os.ReadFile(h.captured(held)[0]); err != nil || !strings.HasSuffix(string(b), gtube+"\r\n") {
		t.Errorf("sent %q, %v", b, err)
	}

	in := h.comesIn(fromWorld("in clean", "Hello"))
	h.judged(in).want(t, "received", "clean", "rspamd", "")
	in = h.comesIn(fromWorld("in prize", "Hello"))
	h.judged(in).want(t, "received", "flagged", "rspamd", "PRIZE 7")
	in = h.comesIn(fromWorld("in spam", gtube))
	j = h.judged(in)
	j.want(t, "quarantined", "quarantined", "rspamd", "rspamd: reject")
	if shown := h.must("show", in); !strings.Contains(shown, "quarantined") || !strings.Contains(shown, "rspamd") {
		t.Errorf("show says\n%s", shown)
	}
	h.must("approve", in, "--digest", j.Digest)
	h.judged(in).want(t, "received", "quarantined", "rspamd", "")
	if j := h.judged(in); j.Spam.Label != "not_spam" {
		t.Errorf("label %q", j.Spam.Label)
	}
	h.until("rspamd has learnt it", func() bool {
		b, err := os.ReadFile(log)
		return err == nil && strings.Contains(string(b), "learned message as ham: in.spam@signed.test")
	})
}

func TestAMilterIsAskedInBothDirections(t *testing.T) {
	addr, signed := startOpendkim(t)
	h := filtered(t, "kind = 'milter'\naddress = 'inet:"+addr+"'\ntimeout = '60s'\n")
	h.must("mailbox", "mode", h.dev.Mailbox, "autonomous")
	h.judged(h.comesIn(signed)).want(t, "received", "clean", "milter", "")
	broken := strings.Replace(signed, "noon", "nine", 1)
	h.judged(h.comesIn(broken)).want(t, "quarantined", "quarantined", "milter", "bad DKIM signature data")

	said := h.login().deliver(h.dev.Mailbox, []string{"b@dest.test"}, h.message("plain"), "250")
	id := queuedAs.FindStringSubmatch(said)[1]
	h.until("it is sent", func() bool { return h.state(id) == "sent" })
	h.judged(id).want(t, "sent", "clean", "milter", "")
}

// While the filter is down mail is refused for now, or taken and flagged.
func TestAFilterThatIsDownRefusesOrFlags(t *testing.T) {
	settings := "kind = 'rspamd'\naddress = 'http://" + freeAddr(t) + "'\n"
	h := filtered(t, settings)
	h.login().deliver(h.dev.Mailbox, []string{"b@dest.test"}, h.message("refused"), "451 4.3.0")
	if code, body := h.http("POST", "/v1/send", `{"to":["a@dest.test"],"subject":"s","markdown":"m"}`); code != 503 {
		t.Errorf("the API: %d %s", code, body)
	}
	h = filtered(t, settings+"when_down = 'accept-flagged'\n")
	h.login().deliver(h.dev.Mailbox, []string{"b@dest.test"}, h.message("taken"), "250")
	h.judged(h.only("taken").ID).want(t, "held", "flagged", "rspamd", "it is down")
	h.judged(h.comesIn(fromWorld("in", "Hello"))).want(t, "received", "flagged", "rspamd", "it is down")
}
