package smtpd

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/internal/registry"
)

// A message under way may finish: its client would otherwise send it twice.
func TestShutdownWaitsForAMessageThatIsStillComing(t *testing.T) {
	srv, g := build(t, options())
	a, b := net.Pipe() // a write to it returns when it was read
	c := newConn(srv, a, false)
	c.secure = true
	c.forget()
	if !srv.enter(c) {
		t.Fatal("no place")
	}
	go func() { defer srv.leave(c); c.serve() }()
	p := newPeer(t, b).login()
	p.begin()
	p.send("a: b\r\n\r\nhalf")
	done := make(chan error, 1)
	go func() { done <- srv.Shutdown(context.Background()) }()
	<-srv.accepting.Done()
	_ = sessions(srv) // waits until every session was asked to finish
	for _, piece := range []string{" and", " half", "\r\n", ".\r\nNOOP\r\n"} {
		p.send(piece)
	}
	p.expect("250-")
	p.expect("421 4.3.2")
	p.expect("")
	if err := <-done; err != nil || len(g.stored()) != 1 {
		t.Errorf("%v, %d mails", err, len(g.stored()))
	}
}

func TestShutdownClosesSessionsThatDoNotFinish(t *testing.T) {
	srv, _ := build(t, options())
	p := dial(t, srv, true).login()
	p.begin()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := srv.Shutdown(ctx); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "1 sessions") {
		t.Error(err)
	}
	p.expect("")
}

func TestRefusedCredentialsAreAnsweredLaterEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.AuthDelay = time.Second
		srv, _ := build(t, o)
		p, ended := piped(t, srv)
		p.do("EHLO t", "250")
		for i, want := range []string{"535 5.7.8", "535 5.7.8", "421 4.7.0"} {
			start := time.Now()
			p.do("AUTH PLAIN AGRlbW8Ad3Jvbmc=", want)
			if d := time.Since(start); d != time.Duration(i+1)*time.Second {
				t.Errorf("refusal %d took %s", i+1, d)
			}
		}
		p.expect("")
		<-ended
	})
}

func TestShutdownDoesNotWaitForTheDelayOfALogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.AuthDelay = time.Hour
		srv, _ := build(t, o)
		p, ended := piped(t, srv)
		p.do("EHLO t", "250")
		p.send("AUTH PLAIN AGRlbW8Ad3Jvbmc=\r\n")
		synctest.Wait()
		start := time.Now()
		srv.stop()
		p.expect("535 5.7.8")
		if d := time.Since(start); d != 0 {
			t.Errorf("waited %s", d)
		}
		p.c.Close()
		<-ended
	})
}

// piped is a client of a session that is set to be under TLS.
func piped(t *testing.T, srv *Server) (*peer, <-chan struct{}) {
	t.Helper()
	a, b := net.Pipe()
	c := newConn(srv, a, false)
	c.secure = true
	c.forget()
	ended := make(chan struct{})
	go func() { c.serve(); close(ended) }()
	p := newPeer(t, b)
	_ = b.SetDeadline(time.Time{})
	p.expect("220")
	return p, ended
}

// A block must come in time; a message that stands still is not finished by
// whatever else comes.
func TestAMessageThatStandsStillEndsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, g := build(t, options())
		p, ended := piped(t, srv)
		p.do("EHLO t", "250")
		p.do("AUTH PLAIN AGRlbW8Ac2VjcmV0", "235")
		p.begin()
		for range 4 {
			p.send("a: b\r\n")
			time.Sleep(2 * time.Minute) // of the fake clock
		}
		start := time.Now()
		p.expect("421 4.4.2")
		if d := time.Since(start); d != time.Minute {
			t.Errorf("left after another %s", d)
		}
		p.expect("")
		<-ended
		if n := len(g.stored()); n != 0 {
			t.Errorf("%d mails", n)
		}
	})
}

func sessions(s *Server) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

func TestUnknownCommandsEndTheSessionAtTheLimit(t *testing.T) {
	out, _ := replay(t, []byte(strings.Repeat("\x01\xff junk\t\r\n", 500)), 1<<16)
	replies := strings.Split(strings.TrimSuffix(out, "\r\n"), "\r\n")[1:] // without the greeting
	want := options().withFixed().MaxErrors
	if len(replies) != want {
		t.Fatalf("%d replies, want %d: %q", len(replies), want, replies)
	}
	for i, got := range replies {
		if last := i == want-1; !last && !strings.HasPrefix(got, "500 ") || last && !strings.HasPrefix(got, "421 4.7.0") {
			t.Errorf("reply %d: %q", i+1, got)
		}
	}
}

func TestAGoodMailResetsTheCountOfErrors(t *testing.T) {
	srv, _ := build(t, options())
	p := dial(t, srv, true).login()
	for range 3 {
		for range 8 {
			p.do("WHAT", "500")
		}
		p.begin()
		p.send("a: b\r\n\r\n.\r\n")
		p.expect("250")
	}
}

// The error a client makes right after STARTTLS counts once.
func TestErrorsUnderTLSCountOnce(t *testing.T) {
	o := options()
	o.MaxErrors = 2
	srv, _ := build(t, o)
	p := dial(t, srv, false)
	p.expect("220")
	p.do("STARTTLS", "220")
	p = newPeer(t, tlsClient(p.c))
	p.do("WHAT", "500")
	p.do("WHAT", "421")
}

func TestRefusedParametersAreErrorsToo(t *testing.T) {
	o := options()
	o.MaxErrors = 3
	srv, _ := build(t, o)
	p := dial(t, srv, true).login()
	p.do("MAIL FROM:agent@example.test", "501")
	p.do("MAIL FROM:<>", "550")
	p.do("DATA", "421 4.7.0")
	p.expect("")
}

// counted counts writes: a reply is one segment, and so are those to a
// pipeline.
type counted struct {
	net.Conn
	n atomic.Int32
}

func (c *counted) Write(b []byte) (int, error) {
	c.n.Add(1)
	return c.Conn.Write(b)
}

func TestRepliesTravelTogether(t *testing.T) {
	srv, _ := build(t, options())
	a, b := net.Pipe()
	out := &counted{Conn: a}
	go newConn(srv, out, false).serve()
	p := newPeer(t, b)
	p.expect("220")
	p.do("EHLO t", "250-")
	if n := out.n.Load(); n != 2 {
		t.Errorf("%d writes for greeting and EHLO", n)
	}
	p.send("RSET\r\nNOOP\r\nVRFY x\r\nNOOP\r\nNO")
	for range 4 {
		p.expect("25")
	}
	if n := out.n.Load(); n != 3 {
		t.Errorf("%d writes; the pipeline was answered in %d", n, n-2)
	}
}

// recordingAuth records which login was checked.
type recordingAuth struct {
	fakeAuth
	user, remote string
}

func (w *recordingAuth) ByPassword(
	_ context.Context, user, _ string, from registry.Origin,
) (registry.Principal, error) {
	w.user, w.remote = user, from.IP
	return registry.Principal{}, registry.ErrCredentials
}

func TestTheAuthenticatorLearnsTheHostAndNoForeignIdentity(t *testing.T) {
	w := &recordingAuth{}
	srv, err := New(&fakeGate{}, w, options())
	if err != nil {
		t.Fatal(err)
	}
	p := dial(t, srv, true)
	p.expect("220")
	p.do("EHLO t", "250")
	p.do("AUTH PLAIN Ym90MgBib3QxAHB3MQ==", "535 5.7.8") // bot2 NUL bot1 NUL pw1
	if w.user != "" {
		t.Errorf("asked for %q", w.user)
	}
	p.do("AUTH PLAIN AGJvdDEAcHcx", "535 5.7.8")
	if w.user != "bot1" || w.remote != "127.0.0.1" {
		t.Errorf("asked for %q from %q", w.user, w.remote)
	}
}
