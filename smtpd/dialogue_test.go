package smtpd

import (
	"bufio"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// The scripts in testdata are played to our server and, with the same backend
// behind it, to the server of go-smtp. Where that one answers otherwise the
// script says so: a difference that vanishes fails the test, and decision
// record 1 is to be read again.
//
//	C: text       sent with CRLF; in Go quotes: sent as it is
//	S: 250        how our reply begins; "S: -" for the end of the connection
//	G: 502        how that of go-smtp begins, where it differs
//	tls, auth     EHLO and a login before the script; plain: no TLS
//	stored 1      how many mails our server took, and after a slash go-smtp's
//	ours          the script is not for go-smtp, which would hang on it
func TestDialogues(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d scripts, %v", len(files), err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".txt")
		for _, s := range scripts(t, f) {
			t.Run(name+"/"+s.name+"/ours", func(t *testing.T) {
				srv, g := build(t, options())
				s.play(t, dial(t, srv, !s.plain), false, func() int { return len(g.stored()) })
			})
			if s.ours {
				continue
			}
			t.Run(name+"/"+s.name+"/go-smtp", func(t *testing.T) {
				srv, g := build(t, options())
				s.play(t, dialGoSMTP(t, srv, !s.plain), true, func() int { return len(g.stored()) })
			})
		}
	}
}

type script struct {
	name        string
	plain, auth bool
	ours        bool
	lines       []string
}

// scripts reads a file of scripts, each begun by "== name".
func scripts(t *testing.T, file string) (all []script) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	for in.Scan() {
		l := in.Text()
		if name, ok := strings.CutPrefix(l, "== "); ok {
			all = append(all, script{name: name})
			continue
		}
		if l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		s := &all[len(all)-1]
		switch l {
		case "plain":
			s.plain = true
		case "auth":
			s.auth = true
		case "ours":
			s.ours = true
		default:
			s.lines = append(s.lines, l)
		}
	}
	return all
}

func (s script) play(t *testing.T, p *peer, other bool, stored func() int) {
	t.Helper()
	if s.auth {
		p.login()
	} else {
		p.expect("220")
	}
	for i := 0; i < len(s.lines); i++ {
		verb, rest, _ := strings.Cut(s.lines[i], " ")
		switch verb {
		case "C:":
			if raw, err := strconv.Unquote(rest); err == nil {
				p.send(raw)
			} else {
				p.send(rest + "\r\n")
			}
		case "S:":
			if i+1 < len(s.lines) && strings.HasPrefix(s.lines[i+1], "G: ") {
				i++
				if them := s.lines[i][3:]; strings.HasPrefix(rest, them) {
					t.Fatalf("%s is no difference from %s", them, rest)
				} else if other {
					rest = them
				}
			}
			p.expect(strings.TrimPrefix(rest, "-"))
		case "stored":
			us, them, differs := strings.Cut(rest, "/")
			if differs && other {
				us = them
			}
			if got := strconv.Itoa(stored()); got != us {
				t.Errorf("%s mails stored, want %s", got, us)
			}
		default:
			t.Fatalf("what is %q?", s.lines[i])
		}
	}
}

// dialGoSMTP puts the library's own server before our backend.
func dialGoSMTP(t *testing.T, s *Server, implicit bool) *peer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := smtp.NewServer(backend{s})
	g.Domain, g.TLSConfig, g.MaxMessageBytes, g.MaxRecipients = "localhost", s.o.TLSConfig, s.o.MaxSize, 100
	g.ReadTimeout, g.WriteTimeout = 10*time.Second, 10*time.Second
	g.EnableDSN = true
	g.ErrorLog = quiet{}
	if implicit {
		l = tls.NewListener(l, s.o.TLSConfig)
	}
	go func() { _ = g.Serve(l) }()
	t.Cleanup(func() { g.Close() })
	return connect(t, l.Addr().String(), implicit)
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}
