package capture

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/mail"
)

var when = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

const id = "01ARZ3NDEKTSV4RRFFQ69G5FAV"

func run(t *testing.T, dir string, maxSize int64) *Server {
	t.Helper()
	s, err := start(Options{Dir: dir, Now: func() time.Time { return when }}, maxSize)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// stamped is a message with the trace field of a release.
func stamped(body string) string {
	m := &mail.Mail{ID: id, Door: "smtp", Encrypted: true}
	return string(message.Received(m, "mail.example.test", when)) + "From: a@x.test\r\n\r\n" + body
}

// send delivers through the client of the standard library.
func send(t *testing.T, s *Server, from string, to []string, raw string) {
	t.Helper()
	if err := trySend(s, from, to, raw); err != nil {
		t.Fatal(err)
	}
}

func trySend(s *Server, from string, to []string, raw string) error {
	c, err := smtp.Dial(s.Addr())
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Mail(from); err != nil {
		return err
	}
	for _, r := range to {
		if err := c.Rcpt(r); err != nil {
			return err
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte(raw)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return c.Quit()
}

func names(t *testing.T, dir string) string {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range all {
		out = append(out, e.Name())
	}
	return strings.Join(out, " ")
}

func TestEachRecipientHasAPairOfFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "captured")
	s := run(t, dir, MaxSize)
	raw := stamped(".leading\r\n.\r\n\xc3\xa9\r\n\r\n" + strings.Repeat("x", 998) + "\r\n\r\n")
	send(t, s, "a@x.test", []string{"b@y.test", `"c d"@y.test`}, raw)
	if got, want := names(t, dir), id+"-1.eml "+id+"-1.json "+id+"-2.eml "+id+"-2.json"; got != want {
		t.Fatalf("got %s", got)
	}
	for i, to := range []string{"b@y.test", `"c d"@y.test`} {
		name := filepath.Join(dir, fmt.Sprintf("%s-%d", id, i+1))
		eml, err := os.ReadFile(name + ".eml")
		if err != nil || string(eml) != raw {
			t.Errorf("octets differ: %v, %d of %d", err, len(eml), len(raw))
		}
		var got map[string]string
		b, _ := os.ReadFile(name + ".json")
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		if len(got) != 3 || got["from"] != "a@x.test" || got["to"] != to ||
			got["received_at"] != "2030-01-02T03:04:05Z" {
			t.Errorf("got %s", b)
		}
	}
	for path, want := range map[string]os.FileMode{
		dir: 0o700, dir + "/" + id + "-1.eml": 0o600, dir + "/" + id + "-1.json": 0o600} {
		if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != want {
			t.Errorf("%s: %v %v", path, fi.Mode(), err)
		}
	}
}

func TestNumbersGoOnAfterARestartAndNothingIsOverwritten(t *testing.T) {
	dir := t.TempDir()
	for i := range 3 {
		s := run(t, dir, MaxSize)
		send(t, s, "a@x.test", []string{"b@y.test"}, stamped(fmt.Sprintf("%d\r\n", i)))
		send(t, s, "a@x.test", []string{"b@y.test"}, fmt.Sprintf("A: b\r\n\r\n%d\r\n", i))
		s.Close()
	}
	for i := range 3 {
		for _, n := range []string{id, unknown} {
			eml, _ := os.ReadFile(fmt.Sprintf("%s/%s-%d.eml", dir, n, i+1))
			if !bytes.HasSuffix(eml, fmt.Appendf(nil, "\r\n\r\n%d\r\n", i)) {
				t.Errorf("%s-%d: %q", n, i+1, eml)
			}
		}
	}
}

func TestConcurrentDeliveriesOfOneMailDoNotMeet(t *testing.T) {
	dir := t.TempDir()
	s := run(t, dir, MaxSize)
	const n = 20
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			rcpt := fmt.Sprintf("r%d@y.test", i)
			if err := trySend(s, "a@x.test", []string{rcpt, rcpt}, stamped(rcpt+"\r\n")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	seen := map[string]int{}
	for i := range 2 * n {
		name := fmt.Sprintf("%s/%s-%d", dir, id, i+1)
		eml, err := os.ReadFile(name + ".eml")
		if err != nil {
			t.Fatal(err)
		}
		var e envelope
		b, _ := os.ReadFile(name + ".json")
		if err := json.Unmarshal(b, &e); err != nil || !bytes.HasSuffix(eml, []byte(e.To+"\r\n")) {
			t.Errorf("%s: envelope and octets are of two mails: %s", name, b)
		}
		seen[e.To]++
	}
	if len(seen) != n || strings.Contains(names(t, dir), "tmp") {
		t.Errorf("%d recipients, files %s", len(seen), names(t, dir))
	}
}

func TestTheIDIsReadFromOurOwnTraceFieldOnly(t *testing.T) {
	ours := "Received: by h.test (MultiMail) with HTTP id " + id + "; Wed, 02 Jan 2030 03:04:05 +0000\r\n"
	for raw, want := range map[string]string{
		ours + "\r\n": id,
		"Received: from x by y with ESMTP id abc; now\r\n" + ours + "\r\n": id,
		"X: y\r\n\r\n" + ours: unknown,
		"Received: by h.test (Other) with HTTP id " + id + "; x\r\n\r\n":                     unknown,
		"Received: by h.test (MultiMail) with HTTP id ../../etc/x; x\r\n\r\n":                unknown,
		"Received: by h.test (MultiMail) with HTTP id 01arz3ndektsv4rrffq69g5fav; x\r\n\r\n": unknown,
		"Received: by h.test (MultiMail) with HTTP\r\n\r\n":                                  unknown,
		"": unknown,
	} {
		if got := idOf([]byte(raw)); got != want {
			t.Errorf("%q: got %s, want %s", raw, got, want)
		}
	}
}

func TestAMessageOfTheLargestSizeIsTakenAndNoneAbove(t *testing.T) {
	dir := t.TempDir()
	raw := stamped(strings.Repeat(strings.Repeat("x", 998)+"\r\n", 100))
	s := run(t, dir, int64(len(raw)))
	send(t, s, "a@x.test", []string{"b@y.test"}, raw)
	err := trySend(s, "a@x.test", []string{"b@y.test"}, raw+"\r\n")
	if err == nil || !strings.HasPrefix(err.Error(), "552") {
		t.Errorf("got %v", err)
	}
	if got := names(t, dir); got != id+"-1.eml "+id+"-1.json" {
		t.Errorf("files %s", got)
	}
}

func TestWhatCannotBeWrittenIsNotAcknowledged(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	s := run(t, dir, MaxSize)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	err := trySend(s, "a@x.test", []string{"b@y.test"}, stamped("x\r\n"))
	if err == nil || !strings.HasPrefix(err.Error(), "452") || strings.Contains(err.Error(), dir) {
		t.Errorf("got %v", err)
	}
}

func TestAfterCloseNothingIsWritten(t *testing.T) {
	dir := t.TempDir()
	s := run(t, dir, MaxSize)
	c, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	if err := s.write("a@x.test", []string{"b@y.test"}, []byte("x")); err == nil || names(t, dir) != "" {
		t.Errorf("%v, files %q", err, names(t, dir))
	}
	if _, err := net.Dial("tcp", s.Addr()); err == nil {
		t.Error("it still listens")
	}
}

func TestItListensOnLoopbackOnly(t *testing.T) {
	for _, o := range []Options{
		{}, {Dir: t.TempDir(), Listen: "0.0.0.0:0"}, {Dir: t.TempDir(), Listen: ":0"},
		{Dir: t.TempDir(), Listen: "192.0.2.1:0"}, {Dir: t.TempDir(), Listen: "nonsense"},
		{Dir: "/dev/null/x"},
	} {
		if s, err := Start(o); err == nil || !strings.HasPrefix(err.Error(), "capture: ") {
			s.Close()
			t.Errorf("%+v: %v", o, err)
		}
	}
	s, err := Start(Options{Dir: t.TempDir(), Listen: "localhost:0"})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}
