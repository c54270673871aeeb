package smtpd

import (
	"bufio"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/internal/throttle"
)

// wrongLogins is a refused login by each mechanism, in the name of an account where
// the mechanism has one. It returns the last reply.
var wrongLogins = []struct {
	mech string
	try  func(p *peer, account string) string
}{
	{"PLAIN", func(p *peer, a string) string {
		p.send("AUTH PLAIN " + b64("\x00"+a+"\x00wrong") + "\r\n")
		return p.reply()
	}},
	{"PLAIN for another", func(p *peer, a string) string {
		p.send("AUTH PLAIN " + b64("other\x00"+a+"\x00"+password) + "\r\n")
		return p.reply()
	}},
	{"LOGIN", func(p *peer, a string) string {
		p.do("AUTH LOGIN "+b64(a), "334")
		p.send(b64("wrong") + "\r\n")
		return p.reply()
	}},
	{"SCRAM-SHA-256", func(p *peer, a string) string {
		return p.exchange(scramOnly, client(p.t.(*testing.T), a, "wrong", "").NewConversation())
	}},
	{"SCRAM-SHA-256 that was shown no PLUS", func(p *peer, a string) string {
		return p.exchange(scramOnly, client(p.t.(*testing.T), a, password, "").NewConversationAdvertisingChannelBinding())
	}},
	{"OAUTHBEARER", func(p *peer, a string) string {
		return p.bearer("OAUTHBEARER", "n,a="+a+",\x01auth=Bearer wrong\x01\x01")
	}},
	{"XOAUTH2", func(p *peer, a string) string {
		return p.bearer("XOAUTH2", "user="+a+"\x01auth=Bearer wrong\x01\x01")
	}},
	{"OAUTHBEARER for another", func(p *peer, _ string) string {
		return p.bearer("OAUTHBEARER", "n,a=other,\x01auth=Bearer "+rightToken+"\x01\x01")
	}},
}

// bearer presents a token and returns the last reply.
func (p *peer) bearer(mech, response string) string {
	p.send("AUTH " + mech + " " + b64(response) + "\r\n")
	got := p.reply()
	if strings.HasPrefix(got, "334") {
		p.send("\r\n")
		got = p.reply()
	}
	return got
}

// Each way to guess counts for the source, over connections; it is refused unread
// then, whatever it presents, and others are not.
func TestEveryMechanismCountsForItsSource(t *testing.T) {
	for _, m := range wrongLogins {
		t.Run(m.mech, func(t *testing.T) {
			now := time.Unix(1_700_000_000, 0)
			o := options()
			o.Logins = throttle.NewLogins(2, 1000, func() time.Time { return now })
			srv, _ := build(t, o)
			visit := visits(t, srv, true)
			greet := func(ip string) *peer {
				p := visit(ip)
				p.expect("220")
				p.do("EHLO t", "250")
				return p
			}
			for range 2 {
				if got := m.try(greet("192.0.2.1"), user); !strings.HasPrefix(got, "535 5.7.8") {
					t.Errorf("got %q", got)
				}
			}
			w := httptest.NewRecorder()
			srv.o.Metrics.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
			if !strings.Contains(w.Body.String(), `mail_auth_failures_total{door="smtp"} 2`+"\n") {
				t.Error("the metrics do not have both")
			}
			for _, again := range wrongLogins {
				if got := again.try(greet("192.0.2.1"), user); !strings.HasPrefix(got, "421 4.7.0 too many failed logins") {
					t.Errorf("then %s: %q", again.mech, got)
				}
			}
			greet("192.0.2.1").do(rightLogin, "421 4.7.0")
			greet("192.0.2.2").do(rightLogin, "235")
		})
	}
}

// Guesses at an account that is over its limit are answered late, from any source; the
// right credential at once.
func TestAnAccountOverItsLimitIsSlowForWrongCredentialsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.AuthDelay, o.AccountDelay = time.Second, 10*time.Second
		o.Logins = throttle.NewLogins(1000, 1, nil)
		srv, _ := build(t, o)
		took := func(line, want string) time.Duration {
			a, b := net.Pipe()
			c := newConn(srv, a, false)
			c.secure = true
			c.forget()
			ended := make(chan struct{})
			go func() { c.serve(); close(ended) }()
			p := &peer{t: t, c: b, r: bufio.NewReader(b)}
			p.expect("220")
			p.do("EHLO t", "250")
			start := time.Now()
			p.do(line, want)
			d := time.Since(start)
			b.Close()
			<-ended
			return d
		}
		for i, c := range []struct {
			line, want string
			late       time.Duration
		}{
			{wrongLogin, "535 5.7.8", time.Second},
			{wrongLogin, "421 4.7.0", 10 * time.Second},
			{rightLogin, "235", 0},
			{"AUTH PLAIN " + b64("\x00nobody\x00x"), "535 5.7.8", time.Second}, // another account, known or not
			{"AUTH PLAIN " + b64("\x00nobody\x00x"), "421 4.7.0", 10 * time.Second},
		} {
			if d := took(c.line, c.want); d != c.late {
				t.Errorf("login %d is answered after %s, want %s", i, d, c.late)
			}
		}
	})
}
