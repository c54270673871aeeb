package smtpd

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"net"
	"strings"
	"testing"

	"github.com/xdg-go/scram"
)

// under connects by TLS of a version and returns the state of the connection too.
func under(t *testing.T, srv *Server, conf *tls.Config) (*peer, *tls.ConnectionState) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() { _ = srv.Serve(l, true) }()
	return again(t, l.Addr().String(), conf)
}

// again connects to a server that listens.
func again(t *testing.T, addr string, conf *tls.Config) (*peer, *tls.ConnectionState) {
	t.Helper()
	c, err := tls.Dial("tcp", addr, conf)
	if err != nil {
		t.Fatal(err)
	}
	state := c.ConnectionState()
	p := newPeer(t, c)
	p.r = bufio.NewReader(c)
	p.expect("220")
	p.do("EHLO t", "250")
	return p, &state
}

// exchange runs an exchange of SCRAM, and returns the last reply. A client that
// does not trust the server ends it.
func (p *peer) exchange(mech string, conv *scram.ClientConversation) string {
	p.t.Helper()
	p.do("AUTH "+mech, "334 \r\n")
	challenge := ""
	for {
		response, err := conv.Step(challenge)
		if err != nil {
			p.send("*\r\n")
			p.expect("501")
			return err.Error()
		}
		p.send(b64(response) + "\r\n")
		got := p.reply()
		if !strings.HasPrefix(got, "334 ") {
			return got
		}
		b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(got[4:]))
		if err != nil {
			p.t.Fatal(err)
		}
		challenge = string(b)
	}
}

// client is the client of the library.
func client(t *testing.T, user, password, as string) *scram.Client {
	t.Helper()
	c, err := scram.SHA256.NewClient(user, password, as)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSCRAMProvesBothSides(t *testing.T) {
	srv, _ := build(t, options())
	for _, c := range []struct{ name, mech, user, password, as, want string }{
		{"without a binding", scramOnly, user, password, "", "235"},
		{"with the same name to act as", scramOnly, user, password, user, "235"},
		{"with a binding", scramPlus, user, password, "", "235"},
		{"a wrong password", scramOnly, user, "wrong", "", "535 5.7.8 authentication credentials invalid"},
		{"a wrong password with a binding", scramPlus, user, "wrong", "", "535 5.7.8 authentication credentials invalid"},
		{"an unknown user", scramOnly, "nobody", password, "", "535 5.7.8 authentication credentials invalid"},
		{"another name to act as", scramOnly, user, password, "other", "535 5.7.8 authentication credentials invalid"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, state := under(t, srv, &tls.Config{InsecureSkipVerify: true})
			cl := client(t, c.user, c.password, c.as)
			conv := cl.NewConversation()
			if c.mech == scramPlus {
				b, err := scram.NewTLSExporterBinding(state)
				if err != nil {
					t.Fatal(err)
				}
				conv = cl.NewConversationWithChannelBinding(b)
			}
			got := p.exchange(c.mech, conv)
			if !strings.HasPrefix(got, c.want) {
				t.Errorf("got %q", got)
			}
			if ok := c.want == "235"; ok != conv.Valid() {
				t.Errorf("the server proved itself: %v", conv.Valid())
			}
			if c.want == "235" {
				p.do("MAIL FROM:<"+mailbox+">", "250")
			} else {
				p.do("MAIL FROM:<"+mailbox+">", "530")
			}
		})
	}
}

// Somebody between client and server, who ends TLS on both sides, is found by the
// binding; and so is the list of mechanisms without PLUS that he would show.
func TestSCRAMFindsWhoStandsBetween(t *testing.T) {
	foreign := scram.ChannelBinding{Type: scram.ChannelBindingTLSExporter, Data: make([]byte, 32)}
	for _, c := range []struct {
		name, mech string
		conv       func(*scram.Client) *scram.ClientConversation
		want       string
	}{
		{"a binding of another connection", scramPlus,
			func(c *scram.Client) *scram.ClientConversation { return c.NewConversationWithChannelBinding(foreign) },
			"535 5.7.8 the login belongs to another TLS connection"},
		{"a client that was shown no PLUS", scramOnly,
			(*scram.Client).NewConversationAdvertisingChannelBinding, "535 5.7.8 the login belongs to another TLS connection"},
		{"no binding where one is due", scramPlus,
			(*scram.Client).NewConversation, "535 5.7.8 the login belongs to another TLS connection"},
		{"a binding where none is due", scramOnly,
			func(c *scram.Client) *scram.ClientConversation { return c.NewConversationWithChannelBinding(foreign) },
			"501 5.5.2"},
		{"a binding that is not offered", scramPlus, func(c *scram.Client) *scram.ClientConversation {
			return c.NewConversationWithChannelBinding(scram.NewTLSUniqueBinding([]byte("x")))
		}, "535 5.7.8 the login belongs to another TLS connection"},
	} {
		t.Run(c.name, func(t *testing.T) {
			auth := newFakeAuth()
			srv, err := New(&fakeGate{}, auth, options())
			if err != nil {
				t.Fatal(err)
			}
			p, _ := under(t, srv, &tls.Config{InsecureSkipVerify: true})
			if got := p.exchange(c.mech, c.conv(client(t, user, password, ""))); !strings.HasPrefix(got, c.want) {
				t.Errorf("got %q", got)
			}
			if n, want := len(*auth.refused), len(c.want); (n == 1) != (want > 10) {
				t.Errorf("%d refused logins are recorded", n)
			}
			p.do("MAIL FROM:<"+mailbox+">", "530")
		})
	}
}

// Before TLS 1.3 nothing safe can be bound to: PLUS is not offered, and a client
// that could bind is not suspicious.
func TestPLUSNeedsTLS13(t *testing.T) {
	srv, _ := build(t, options())
	p, _ := under(t, srv, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
	if got := p.do("EHLO t", "250"); strings.Contains(got, "PLUS") || !strings.Contains(got, "AUTH SCRAM-SHA-256 ") {
		t.Errorf("offered: %q", got)
	}
	p.do("AUTH "+scramPlus, "504 5.5.4")
	conv := client(t, user, password, "").NewConversationAdvertisingChannelBinding()
	if got := p.exchange(scramOnly, conv); !strings.HasPrefix(got, "235") {
		t.Errorf("got %q", got)
	}
}

// A user who is not here gets the same kind of salt every time, and is refused no
// earlier than one who is.
func TestSCRAMOfAnUnknownUserLooksLikeAnyOther(t *testing.T) {
	srv, _ := build(t, options())
	first := func(name string) string {
		p, _ := under(t, srv, &tls.Config{InsecureSkipVerify: true})
		got := p.do("AUTH "+scramOnly+" "+b64("n,,n="+name+",r=abc"), "334")
		b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(got[4:]))
		if err != nil {
			t.Fatal(err)
		}
		fields := strings.Split(string(b), ",")
		if len(fields) != 3 || !strings.HasPrefix(fields[0], "r=abc") || len(fields[1]) != len("s=")+24 {
			t.Fatalf("got %q", b)
		}
		return fields[1] + fields[2]
	}
	known, unknown := first(user), first("nobody")
	if known == unknown || unknown != first("nobody") || known != first(user) {
		t.Error("a salt is not of its name, or not always the same")
	}
	if k, u := strings.SplitAfter(known, "i="), strings.SplitAfter(unknown, "i="); k[1] != u[1] {
		t.Errorf("iterations: %s and %s", k[1], u[1])
	}
}

// What is no message of SCRAM is malformed, and no refused credential. A client that
// gives up after the proof is not in.
func TestMalformedAndAbandonedSCRAM(t *testing.T) {
	auth := newFakeAuth()
	o := options()
	o.MaxErrors = 1000
	srv, err := New(&fakeGate{}, auth, o)
	if err != nil {
		t.Fatal(err)
	}
	p, _ := under(t, srv, &tls.Config{InsecureSkipVerify: true})
	for _, m := range []string{
		"x", "n,,n=demo", "n,,r=abc,n=demo", "q,,n=demo,r=abc", "n,x,n=demo,r=abc", "n,,m=1,n=demo,r=abc",
		"n,,n=de=2cmo,r=abc", "p=tls-exporter,,n=demo,r=abc", "p,,n=demo,r=abc",
		"n,,n=demo,r=" + strings.Repeat("x", maxScram),
	} {
		p.do("AUTH "+scramOnly+" "+b64(m), "501 5.5.2 malformed response")
	}
	for _, m := range []string{
		"x", "c=biws,r=abc", "c=!,r=abc,p=eA==", "c=biws,r=other,p=" + b64(strings.Repeat("x", 32)),
	} {
		p.do("AUTH "+scramOnly+" "+b64("n,,n=demo,r=abc"), "334")
		p.do(b64(m), "501 5.5.2 malformed response")
	}
	p.do("AUTH "+scramOnly+" =", "501 5.5.2")
	p.do("AUTH "+scramOnly+" "+b64("n,,n=demo,r=abc"), "334")
	p.do("*", "501 5.7.0 cancelled")
	if len(*auth.refused) != 0 {
		t.Errorf("recorded as refused: %q", *auth.refused)
	}
	conv := client(t, user, password, "").NewConversation()
	p.do("AUTH "+scramOnly, "334")
	one, _ := conv.Step("")
	got := p.do(b64(one), "334")
	b, _ := base64.StdEncoding.DecodeString(strings.TrimSpace(got[4:]))
	two, err := conv.Step(string(b))
	if err != nil {
		t.Fatal(err)
	}
	p.do(b64(two), "334")
	p.do("*", "501 5.7.0 cancelled")
	p.do("MAIL FROM:<"+mailbox+">", "530")
	p.do(rightLogin, "235")
}
