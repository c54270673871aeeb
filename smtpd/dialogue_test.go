package smtpd

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The scripts in testdata are played to our server, which must reply as they
// have it. They also have the replies of the server of go-smtp, with the same
// backend, where they differ; make differences reports whether they still do.
//
//	C: text       sent with CRLF; in Go quotes: sent as it is
//	S: 250        how our reply begins; "S: -" for the end of the connection
//	G: 502        how that of go-smtp begins, where it differs
//	plain         no TLS
//	auth          EHLO and a login before the script
//	stored 1      how many mails our server took, and after a slash go-smtp's
//	ours          the script is not for go-smtp, which would hang on it
func TestEveryDialogueIsAnsweredAsItsScriptSays(t *testing.T) {
	replies := 0
	for name, s := range scripts(t) {
		t.Run(name, func(t *testing.T) {
			srv, g := build(t, options())
			s.play(t, dial(t, srv, !s.plain), func() int { return len(g.stored()) }, func(l scriptLine, got string) {
				replies++
				if l.ends && got != "" || !strings.HasPrefix(got, l.ours) {
					t.Errorf("got %q, want %q", got, l.ours)
				}
			})
		})
	}
	if want := 140; replies < want {
		t.Errorf("%d replies were compared, want %d at least", replies, want)
	}
}

type script struct {
	plain, auth bool
	ours        bool
	lines       []scriptLine
}

// scriptLine is what a client sends, or what it is answered.
type scriptLine struct {
	send         string
	stored       bool // the number of mails is asked, which is the answer
	ours, theirs string
	differs      bool // the library answers otherwise
	ends         bool // the answer is the end of the connection
}

// scripts reads the files of scripts. Each script begins with "== name".
func scripts(t *testing.T) map[string]*script {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	all := map[string]*script{}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		var s *script
		for in := bufio.NewScanner(f); in.Scan(); {
			if name, ok := strings.CutPrefix(in.Text(), "== "); ok {
				name = strings.TrimSuffix(filepath.Base(file), ".txt") + "/" + name
				if all[name] != nil {
					t.Fatalf("two scripts are called %q", name)
				}
				s = &script{}
				all[name] = s
			} else if in.Text() != "" && in.Text()[0] != '#' {
				s.add(t, in.Text())
			}
		}
		f.Close()
	}
	return all
}

// add reads one line of a script.
func (s *script) add(t *testing.T, text string) {
	t.Helper()
	verb, rest, _ := strings.Cut(text, " ")
	switch verb {
	case "plain":
		s.plain = true
	case "auth":
		s.auth = true
	case "ours":
		s.ours = true
	case "C:":
		raw, err := strconv.Unquote(rest)
		if err != nil {
			raw = rest + "\r\n"
		}
		s.lines = append(s.lines, scriptLine{send: raw})
	case "S:":
		ours := strings.TrimPrefix(rest, "-")
		s.lines = append(s.lines, scriptLine{ours: ours, theirs: ours, ends: ours == ""})
	case "G:":
		l := &s.lines[len(s.lines)-1]
		l.theirs, l.differs = strings.TrimPrefix(rest, "-"), true
		if strings.HasPrefix(l.ours, rest) {
			t.Fatalf("%q is no difference from %q", rest, l.ours)
		}
	case "stored":
		ours, theirs, differs := strings.Cut(rest, "/")
		if !differs {
			theirs = ours
		}
		s.lines = append(s.lines, scriptLine{stored: true, ours: ours, theirs: theirs, differs: differs})
	default:
		t.Fatalf("what is %q?", text)
	}
}

// play sends the lines of a script and hands each reply to judge.
func (s *script) play(t *testing.T, p *peer, stored func() int, judge func(l scriptLine, got string)) {
	t.Helper()
	if s.auth {
		p.login()
	} else {
		p.expect("220")
	}
	for _, l := range s.lines {
		switch {
		case l.send != "":
			p.send(l.send)
		case l.stored:
			judge(l, strconv.Itoa(stored()))
		default:
			got := p.reply()
			if p.late {
				got += "(nothing more came in time)"
			}
			judge(l, got)
		}
	}
}
