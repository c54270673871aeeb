package smtpd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/mail"
)

func allocated() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.TotalAlloc)
}

func TestNoLimitIsEverZero(t *testing.T) {
	o := reflect.ValueOf(options().withFixed())
	n := 0
	for i := range o.NumField() {
		if k := o.Field(i).Kind(); k == reflect.Int || k == reflect.Int64 {
			n++
			if o.Field(i).Int() <= 0 {
				t.Errorf("%s is %d", o.Type().Field(i).Name, o.Field(i).Int())
			}
		}
	}
	if n < 9 {
		t.Errorf("found %d limits only", n)
	}
}

func TestASettingThatIsLeftOutIsAnError(t *testing.T) {
	for _, name := range []string{"Hostname", "TLSConfig", "MaxSize", "MaxRecipients", "MaxConnections", "MaxPerSource",
		"MaxCommands", "Logins", "Messages"} {
		o := options()
		reflect.ValueOf(&o).Elem().FieldByName(name).SetZero()
		if _, err := New(&fakeGate{}, fakeAuth{}, o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestSTARTTLSDropsTheStateBeforeIt(t *testing.T) {
	srv, g := build(t, options())
	p := dial(t, srv, false)
	p.expect("220")
	if got := p.do("EHLO t", "250"); strings.Contains(got, "AUTH") || !strings.Contains(got, "STARTTLS") {
		t.Errorf("in plain text: %q", got)
	}
	p.do("STARTTLS", "220")
	c := tls.Client(p.c, &tls.Config{InsecureSkipVerify: true})
	p = newPeer(t, c)
	p.do("MAIL FROM:<agent@example.test>", "503")
	const offered = "AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 OAUTHBEARER XOAUTH2 PLAIN LOGIN"
	if got := p.do("EHLO t", "250"); !strings.Contains(got, offered) || strings.Contains(got, "STARTTLS") {
		t.Errorf("under TLS: %q", got)
	}
	p.do("AUTH PLAIN AGRlbW8Ac2VjcmV0", "235")
	p.do("MAIL FROM:<agent@example.test>", "250")
	p.do("RCPT TO:<a@dest.test>", "250")
	p.do("DATA", "354")
	p.send("a: b\r\n\r\nc\r\n.\r\n")
	p.expect("250-")
	if s := g.stored(); len(s) != 1 || !s[0].TLS || s[0].Door != "smtp" || string(s[0].Raw) != "a: b\r\n\r\nc\r\n" {
		t.Errorf("%+v", s)
	}
}

func TestTheReplyIsTheAnswerOfTheGate(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		id   mail.State
		want string
	}{
		{"held", nil, mail.Held, "250-2.0.0 X held for approval\r\n250 2.0.0 Ok: queued as X\r\n"},
		{"released", nil, mail.Ready, "250 2.0.0 Ok: queued as X\r\n"},
		{"refused", mail.ErrForbidden.Errorf("no\r\n250 Ok"), 0, "550 5.7.1 no? 250 Ok\r\n"},
		{"full", mail.ReasonDiskFull.Errorf("full"), 0, "452 4.3.1 full\r\n"},
		{"our fault", errors.New("secret path /x"), 0, "451 4.3.0 internal error, try again later (ref "},
		{"of no kind", &mail.Error{Public: "secret path /x"}, 0, "451 4.3.0 internal error, try again later (ref "},
		{"a kind alone", fmt.Errorf("secret: %w", mail.ErrStale), 0, "451 4.3.0 internal error, try again later (ref "},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv, g := build(t, options())
			g.submit = func(gate.Submission) (gate.Receipt, error) {
				return gate.Receipt{Mail: &mail.Mail{ID: "X", State: c.id}}, c.err
			}
			p := dial(t, srv, true).login()
			p.do("MAIL FROM:<agent@example.test>", "250")
			p.do("RCPT TO:<a@dest.test>", "250")
			p.do("DATA", "354")
			p.send("a: b\r\n\r\n.\r\n")
			if got := p.reply(); !strings.HasPrefix(got, c.want) || strings.Contains(got, "secret") {
				t.Errorf("%q, want %q", got, c.want)
			}
			p.do("MAIL FROM:<agent@example.test>", "250")
		})
	}
}

func TestWhenCredentialsCannotBeCheckedTheReplyIsTemporary(t *testing.T) {
	srv, err := New(&fakeGate{}, fakeAuth{down: true}, options())
	if err != nil {
		t.Fatal(err)
	}
	p := dial(t, srv, true)
	p.expect("220")
	p.do("EHLO t", "250")
	p.do("AUTH PLAIN AGRlbW8Ac2VjcmV0", "454 4.7.0")
}

// A token of three kilobytes fits into an AUTH line and into no other.
func TestAuthLinesMayBeLong(t *testing.T) {
	srv, _ := build(t, options())
	p := dial(t, srv, true)
	p.expect("220")
	p.do("EHLO t", "250")
	p.do("AUTH PLAIN "+strings.Repeat("QUFB", 1024), "501")
	p.do("NOOP "+strings.Repeat("x", 3000), "500 5.5.2")
	p.do("AUTH PLAIN "+strings.Repeat("QUFB", 4096), "500 5.5.6")
	p.do("NOOP", "250")
}

func TestAPanicEndsOneSession(t *testing.T) {
	srv, g := build(t, options())
	g.submit = func(gate.Submission) (gate.Receipt, error) { panic("boom") }
	p := dial(t, srv, true).login()
	other := connect(t, p.c.RemoteAddr().String(), true).login()
	p.do("MAIL FROM:<agent@example.test>", "250")
	p.do("RCPT TO:<a@dest.test>", "250")
	p.do("DATA", "354")
	p.send("a: b\r\n\r\n.\r\n")
	p.expect("421 4.3.0")
	p.expect("")
	other.do("NOOP", "250")
}

func TestTooManyConnectionsAreRefused(t *testing.T) {
	o := options()
	o.MaxConnections, o.MaxPerSource = 1, 9
	srv, _ := build(t, o)
	p := dial(t, srv, true).login()
	connect(t, p.c.RemoteAddr().String(), true).expect("421 4.3.2")
	p.do("NOOP", "250")
}

// A hundred broken logins of one client do not keep another one out.
func TestABadClientDoesNotAffectAnother(t *testing.T) {
	srv, _ := build(t, options())
	good := dial(t, srv, true)
	good.expect("220")
	for range 34 {
		bad := connect(t, good.c.RemoteAddr().String(), true)
		bad.expect("220")
		bad.do("EHLO t", "250")
		for range 3 {
			bad.send("AUTH PLAIN AGRlbW8Ad3Jvbmc=\r\n")
			if strings.HasPrefix(bad.reply(), "421") {
				break // over the limit of the account, of which good has the password
			}
		}
	}
	good.do("EHLO t", "250")
	good.do("AUTH PLAIN AGRlbW8Ac2VjcmV0", "235")
}

func TestShutdownLetsAMessageFinish(t *testing.T) {
	srv, g := build(t, options())
	busy := dial(t, srv, true).login()
	idle := connect(t, busy.c.RemoteAddr().String(), true).login()
	busy.do("MAIL FROM:<agent@example.test>", "250")
	busy.do("RCPT TO:<a@dest.test>", "250")
	entered, release := make(chan struct{}), make(chan struct{})
	g.submit = func(gate.Submission) (gate.Receipt, error) {
		close(entered)
		<-release
		return gate.Receipt{Mail: &mail.Mail{ID: "X"}}, nil
	}
	busy.do("DATA", "354")
	busy.send("a: b\r\n\r\n.\r\n")
	<-entered
	done := make(chan error, 1)
	go func() { done <- srv.Shutdown(context.Background()) }()
	idle.expect("421 4.3.2")
	close(release)
	busy.expect("250 2.0.0 Ok: queued as X")
	busy.expect("421 4.3.2")
	if err := <-done; err != nil {
		t.Error(err)
	}
	if c, err := net.Dial("tcp", busy.c.RemoteAddr().String()); err == nil {
		c.Close()
		t.Error("still listening")
	}
}
