//go:build e2e

package e2e

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// talk is a line-by-line SMTP dialogue: no library corrects what a test says.
type talk struct {
	t *testing.T
	c net.Conn
	r *bufio.Reader
}

func (h *daemon) tls() *tls.Config {
	h.t.Helper()
	pem, err := os.ReadFile(h.dev.CAFile)
	if err != nil {
		h.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		h.t.Fatal("no certificate in ca_file")
	}
	return &tls.Config{RootCAs: pool, ServerName: "localhost"}
}

// plain connects to the STARTTLS listener and reads the greeting.
func (h *daemon) plain() *talk {
	h.t.Helper()
	c, err := net.Dial("tcp", h.dev.Submission)
	if err != nil {
		h.t.Fatal(err)
	}
	return greet(h.t, c)
}

// secure connects with implicit TLS.
func (h *daemon) secure() *talk {
	h.t.Helper()
	c, err := tls.Dial("tcp", h.dev.Submissions, h.tls())
	if err != nil {
		h.t.Fatal(err)
	}
	return greet(h.t, c)
}

func greet(t *testing.T, c net.Conn) *talk {
	t.Helper()
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(60 * time.Second))
	s := &talk{t, c, bufio.NewReader(c)}
	s.expect("220")
	return s
}

// login connects, greets and authenticates.
func (h *daemon) login() *talk {
	h.t.Helper()
	s := h.secure()
	s.do("EHLO test", "250")
	s.do("AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+h.dev.Username+"\x00"+h.dev.Password)), "235")
	return s
}

func (s *talk) send(text string) {
	s.t.Helper()
	if _, err := s.c.Write([]byte(text)); err != nil {
		s.t.Fatal(err)
	}
}

// reply reads one whole reply; it is empty when the connection was closed.
func (s *talk) reply() string {
	var all strings.Builder
	for {
		line, err := s.r.ReadString('\n')
		all.WriteString(line)
		if err != nil || len(line) < 4 || line[3] != '-' {
			return all.String()
		}
	}
}

// expect reads a reply that begins with one of the codes, separated by "|".
func (s *talk) expect(codes string) string {
	s.t.Helper()
	got := s.reply()
	for _, c := range strings.Split(codes, "|") {
		if strings.HasPrefix(got, c) {
			return got
		}
	}
	s.t.Errorf("got %q, want %s", got, codes)
	return got
}

// do sends a line and expects a reply.
func (s *talk) do(line, codes string) string {
	s.t.Helper()
	s.send(line + "\r\n")
	return s.expect(codes)
}

// deliver sends a whole mail and returns the reply to the final dot.
func (s *talk) deliver(from string, to []string, data, codes string) string {
	s.t.Helper()
	s.do("MAIL FROM:<"+from+">", "250")
	for _, a := range to {
		s.do("RCPT TO:<"+a+">", "250")
	}
	s.do("DATA", "354")
	s.send(data + "\r\n.\r\n")
	return s.expect(codes)
}

func (h *daemon) message(subject string) string {
	return fmt.Sprintf("From: %s\r\nTo: to@dest.test\r\nSubject: %s\r\n\r\nHello.", h.dev.Mailbox, subject)
}
