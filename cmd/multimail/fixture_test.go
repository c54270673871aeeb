package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/multimail/multimail/internal/mailtest"
)

// answer is what a command said.
type answer struct {
	out, stderr string
	code        int
}

// call runs a command line in this process, with nobody at the terminal.
func call(t *testing.T, args ...string) answer {
	t.Helper()
	return callAs(t, "", false, args...)
}

// callAs runs a command line whose input is in; asks says whether that is a
// person's.
func callAs(t *testing.T, in string, asks bool, args ...string) answer {
	t.Helper()
	var out, stderr bytes.Buffer
	e := &environment{ctx: t.Context(), in: strings.NewReader(in), out: &out, stderr: &stderr,
		asks: func(any) bool { return asks }, getenv: os.Getenv}
	code := e.run(args)
	return answer{out.String(), stderr.String(), code}
}

// want fails unless the status is code and stderr has every text.
func (a answer) want(t *testing.T, code int, texts ...string) answer {
	t.Helper()
	if a.code != code {
		t.Fatalf("exit %d, want %d\n%s%s", a.code, code, a.out, a.stderr)
	}
	for _, text := range texts {
		if !strings.Contains(a.stderr, text) {
			t.Errorf("no %q in\n%s", text, a.stderr)
		}
	}
	return a
}

// decoded reads what a command printed with --json.
func decoded[T any](t *testing.T, a answer) (v T) {
	t.Helper()
	a.want(t, exitDone)
	if err := json.Unmarshal([]byte(a.out), &v); err != nil {
		t.Fatalf("%v in %s", err, a.out)
	}
	return v
}

// shortDir is t.TempDir with a path that leaves room for a socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "mm-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// site is a daemon that was set up with init and runs from a configuration.
type site struct {
	*testing.T
	data, key  string // the approver's key lies beside the data
	config     string
	submission string // host:port, implicit TLS
	password   string // of the agent
}

const (
	siteMailbox = "bot@example.test"
	siteAgent   = "bot"
)

// setUp makes a data directory and a configuration, and starts nothing.
func setUp(t *testing.T) *site {
	t.Helper()
	dir := shortDir(t)
	s := &site{T: t, data: filepath.Join(dir, "data"), key: filepath.Join(dir, "approver.key"),
		config: filepath.Join(dir, "config.toml")}
	call(t, "init", "--data", s.data, "--operator", "Example", "--domain", "example.test",
		"--oversight", "boss@example.test", "--approver", "ann", "--approver-key", s.key, "--internal").want(t, exitDone)
	s.certificate()
	s.write(fmt.Sprintf("data = %q\n[smtp]\nsubmission = \"\"\nsubmissions = \"127.0.0.1:0\"\n"+
		"tls_cert_file = %q\ntls_key_file = %q\n"+
		"[http]\nlisten = \"\"\n[relay]\nsmarthost = \"127.0.0.1:1\"\n",
		s.data, filepath.Join(dir, "tls", "cert.pem"), filepath.Join(dir, "tls", "key.pem")))
	return s
}

// certificate writes a fresh certificate and its key beside the configuration.
func (s *site) certificate() {
	mailtest.NewCA(s).Files(filepath.Join(filepath.Dir(s.config), "tls"), "localhost", "127.0.0.1")
}

func (s *site) write(config string) {
	s.Helper()
	if err := os.WriteFile(s.config, []byte(config), 0o600); err != nil {
		s.Fatal(err)
	}
}

// started runs the daemon, with an agent and its mailbox.
func started(t *testing.T) *site {
	t.Helper()
	s := setUp(t)
	s.serve()
	a := decoded[struct {
		Password string `json:"password"`
	}](t, s.cli("agent", "add", siteAgent, "--json"))
	s.password = a.Password
	s.cli("mailbox", "add", siteMailbox, "--agent", siteAgent).want(t, exitDone)
	return s
}

// serve starts the daemon, ends it with the test, and returns its log.
func (s *site) serve() *events {
	s.Helper()
	ctx, stop := context.WithCancel(context.Background())
	log := &events{ready: make(chan struct{})}
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"serve", "--config", s.config}, strings.NewReader(""), io.Discard, log, os.Getenv)
	}()
	s.Cleanup(func() {
		stop()
		if code := <-ended; code != exitDone {
			s.Errorf("the daemon ended with %d:\n%s", code, log)
		}
	})
	select {
	case <-log.ready:
	case code := <-ended:
		ended <- code
		s.Fatalf("the daemon ended with %d:\n%s", code, log)
	}
	s.submission = log.submissions
	return log
}

// events is the daemon's log; it knows when the daemon listens.
type events struct {
	mu          sync.Mutex
	text        bytes.Buffer
	ready       chan struct{}
	submissions string // set before ready is closed
}

func (l *events) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var e struct{ Msg, Submissions string }
	if json.Unmarshal(b, &e) == nil && e.Msg == "listening" {
		l.submissions = e.Submissions
		close(l.ready)
	}
	return l.text.Write(b)
}

func (l *events) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// cli runs a command over the bare socket.
func (s *site) cli(args ...string) answer {
	s.Helper()
	return call(s.T, append(args, "--data", s.data)...)
}

// approver runs a command with the key that init made.
func (s *site) approver(args ...string) answer {
	s.Helper()
	return s.cli(append(args, "--key-file", s.key)...)
}

// submit sends a mail as the agent and returns its id.
func (s *site) submit(eml string, to ...string) string {
	s.Helper()
	c, err := smtp.DialTLS(s.submission, &tls.Config{InsecureSkipVerify: true}) // a certificate of our own making
	if err != nil {
		s.Fatal(err)
	}
	defer c.Close()
	if err := c.Auth(sasl.NewPlainClient("", siteAgent, s.password)); err != nil {
		s.Fatal(err)
	}
	if err := c.SendMail(siteMailbox, to, strings.NewReader(strings.ReplaceAll(eml, "\n", "\r\n"))); err != nil {
		s.Fatal(err)
	}
	type item struct{ ID string }
	held := decoded[[]item](s.T, s.approver("pending", "--all", "--json"))
	if len(held) == 0 {
		s.Fatal("nothing is held")
	}
	return held[len(held)-1].ID
}

const plainMail = "From: bot@example.test\nTo: ada@dest.test\nSubject: Hello\n\nGood morning.\n"
