package smtpd

import (
	"encoding/base64"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

const (
	oauthChallenge   = "334 eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0="
	xoauth2Challenge = "334 eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIn0="
)

const (
	goodAuth = "auth=Bearer " + rightToken + "\x01"
	refused  = "334"
	badForm  = "501 5.5.2 malformed"
)

var responses = []struct{ name, mech, response, want string }{
	{"the example of RFC 7628", "OAUTHBEARER",
		"n,a=agent@example.test,\x01host=x.test\x01port=587\x01" + goodAuth + "\x01", "235"},
	{"no name", "OAUTHBEARER", "n,,\x01" + goodAuth + "\x01", "235"},
	{"the flag of a client that could bind", "OAUTHBEARER", "y,,\x01" + goodAuth + "\x01", "235"},
	{"the name of the agent", "OAUTHBEARER", "n,a=demo,\x01" + goodAuth + "\x01", "235"},
	{"a scheme in lower case", "OAUTHBEARER", "n,,\x01auth=bearer " + rightToken + "\x01\x01", "235"},
	{"unknown keys", "OAUTHBEARER", "n,,\x01qop=auth\x01mthd=POST\x01" + goodAuth + "path=/x=y\x01\x01", "235"},
	{"another agent's name", "OAUTHBEARER", "n,a=other,\x01" + goodAuth + "\x01", refused},
	{"another agent's address", "OAUTHBEARER", "n,a=ceo@example.test,\x01" + goodAuth + "\x01", refused},
	{"a name with an encoded comma", "OAUTHBEARER", "n,a=de=2Cmo=3D,\x01" + goodAuth + "\x01", refused},
	{"a wrong token", "OAUTHBEARER", "n,,\x01auth=Bearer wrong\x01\x01", refused},
	{"the token of an approver", "OAUTHBEARER", "n,,\x01auth=Bearer " + annsToken + "\x01\x01", refused},
	{"an empty token", "OAUTHBEARER", "n,,\x01auth=Bearer \x01\x01", refused},
	{"no token: a question", "OAUTHBEARER", "n,,\x01\x01", refused},
	{"a token that is too long", "OAUTHBEARER",
		"n,,\x01auth=Bearer " + strings.Repeat("x", maxToken+1) + "\x01\x01", refused},
	{"an issuer that does not answer", "OAUTHBEARER", "n,,\x01auth=Bearer " + downToken + "\x01\x01", "454 4.7.0"},
	{"a channel binding", "OAUTHBEARER", "p=tls-exporter,,\x01" + goodAuth + "\x01", badForm},
	{"a bad escape", "OAUTHBEARER", "n,a=demo=2c,\x01" + goodAuth + "\x01", badForm},
	{"an escape that is cut off", "OAUTHBEARER", "n,a=demo=,\x01" + goodAuth + "\x01", badForm},
	{"an empty name", "OAUTHBEARER", "n,a=,\x01" + goodAuth + "\x01", badForm},
	{"a field too many", "OAUTHBEARER", "n,a=demo,x,\x01" + goodAuth + "\x01", badForm},
	{"something before the pairs", "OAUTHBEARER", "n,,x\x01" + goodAuth + "\x01", badForm},
	{"no end", "OAUTHBEARER", "n,,\x01" + goodAuth, badForm},
	{"one end", "OAUTHBEARER", "n,,\x01auth=Bearer " + rightToken + "\x01", badForm},
	{"something behind the end", "OAUTHBEARER", "n,,\x01" + goodAuth + "\x01x", badForm},
	{"two tokens", "OAUTHBEARER", "n,,\x01" + goodAuth + goodAuth + "\x01", badForm},
	{"another scheme", "OAUTHBEARER", "n,,\x01auth=Basic ZGVtbzp4\x01\x01", badForm},
	{"a pair without a value", "OAUTHBEARER", "n,,\x01host\x01" + goodAuth + "\x01", badForm},
	{"a pair without a key", "OAUTHBEARER", "n,,\x01=x\x01" + goodAuth + "\x01", badForm},
	{"a NUL in a name", "OAUTHBEARER", "n,a=demo\x00,\x01" + goodAuth + "\x01", badForm},
	{"a line end in the token", "OAUTHBEARER", "n,,\x01auth=Bearer a\r\nb\x01\x01", badForm},
	{"nothing", "OAUTHBEARER", "", badForm},
	{"the other mechanism's form", "OAUTHBEARER", "user=demo\x01" + goodAuth + "\x01", badForm},

	{"an address", "XOAUTH2", "user=agent@example.test\x01" + goodAuth + "\x01", "235"},
	{"the name of the agent", "XOAUTH2", "user=demo\x01" + goodAuth + "\x01", "235"},
	{"another agent's name", "XOAUTH2", "user=other\x01" + goodAuth + "\x01", refused},
	{"a wrong token", "XOAUTH2", "user=demo\x01auth=Bearer wrong\x01\x01", refused},
	{"no token", "XOAUTH2", "user=demo\x01\x01", refused},
	{"an issuer that does not answer", "XOAUTH2", "user=demo\x01auth=Bearer " + downToken + "\x01\x01", "454 4.7.0"},
	{"no end", "XOAUTH2", "user=demo\x01" + goodAuth, badForm},
	{"no user", "XOAUTH2", goodAuth + "\x01", badForm},
	{"a key that is no word", "XOAUTH2", "user=demo\x01x-y=1\x01" + goodAuth + "\x01", badForm},
	{"two users", "XOAUTH2", "user=demo\x01user=other\x01" + goodAuth + "\x01", badForm},
	{"the other mechanism's form", "XOAUTH2", "n,a=demo,\x01" + goodAuth + "\x01", badForm},
	{"nothing", "XOAUTH2", "", badForm},
}

// A response that follows its mechanism ends in a login, or in the challenge that
// says why not; any other is malformed, and no refused credential.
func TestBearerTokensInEveryForm(t *testing.T) {
	for _, c := range responses {
		t.Run(c.mech+" "+c.name, func(t *testing.T) {
			auth := newFakeAuth()
			srv, err := New(&fakeGate{}, auth, options())
			if err != nil {
				t.Fatal(err)
			}
			p := dial(t, srv, true)
			p.expect("220")
			p.do("EHLO t", "250")
			initial := b64(c.response)
			if initial == "" {
				initial = "="
			}
			got := p.do("AUTH "+c.mech+" "+initial, c.want)
			if c.want == refused {
				want := map[string]string{"OAUTHBEARER": oauthChallenge, "XOAUTH2": xoauth2Challenge}[c.mech]
				if got != want+"\r\n" {
					t.Errorf("the challenge is %q", got)
				}
				p.do("AQ==", "535 5.7.8 authentication credentials invalid\r\n")
			}
			if n := len(*auth.refused); (c.want == refused) != (n == 1) {
				t.Errorf("%d refused logins are recorded", n)
			}
			if slices.ContainsFunc(*auth.tokens, func(s string) bool { return s == "" || len(s) > maxToken }) {
				t.Error("a verifier was given a token of no or too great length")
			}
			if c.want == "235" {
				p.do("MAIL FROM:<"+mailbox+">", "250")
			} else {
				p.do("MAIL FROM:<"+mailbox+">", "530 5.7.0 authentication required")
			}
		})
	}
}

// After the challenge anything ends the exchange, an empty response too; a cancelled
// one is over as well, and none of them is a login.
func TestARefusedTokenIsAnsweredOnceMore(t *testing.T) {
	for then, want := range map[string]string{
		"AQ==": "535 5.7.8", "": "535 5.7.8", "=": "535 5.7.8", b64("x"): "535 5.7.8", "*": "501 5.7.0", "!": "501 5.5.2",
	} {
		srv, _ := build(t, options())
		p := dial(t, srv, true)
		p.expect("220")
		p.do("EHLO t", "250")
		p.do("AUTH OAUTHBEARER", "334 \r\n")
		p.do(b64("n,,\x01auth=Bearer wrong\x01\x01"), oauthChallenge)
		p.do(then, want)
		p.do("MAIL FROM:<"+mailbox+">", "530")
		p.do("AUTH OAUTHBEARER "+b64("n,,\x01auth=Bearer "+rightToken+"\x01\x01"), "235")
	}
}

// Cancelling after the challenge does not make a guess cheaper.
func TestARefusedTokenCountsThoughItsExchangeIsCancelled(t *testing.T) {
	srv, _ := build(t, options())
	p := dial(t, srv, true)
	p.expect("220")
	p.do("EHLO t", "250")
	for _, then := range []struct{ line, want string }{
		{"*", "501 5.7.0 cancelled"}, {"!", "501 5.5.2"}, {"*", "421 4.7.0 too many refused credentials"},
	} {
		p.do("AUTH OAUTHBEARER "+b64("n,,\x01auth=Bearer wrong\x01\x01"), oauthChallenge)
		p.do(then.line, then.want)
	}
	p.expect("")
}

func TestTokensAreOfferedWhereAnIssuerIsConfigured(t *testing.T) {
	auth := newFakeAuth()
	auth.noTokens = true
	srv, err := New(&fakeGate{}, auth, options())
	if err != nil {
		t.Fatal(err)
	}
	p := dial(t, srv, true)
	p.expect("220")
	if got := p.do("EHLO t", "250"); strings.Contains(got, "OAUTH") || !strings.Contains(got, "SCRAM") {
		t.Errorf("offered: %q", got)
	}
	p.do("AUTH OAUTHBEARER", "504 5.5.4")
	p.do("AUTH XOAUTH2", "504 5.5.4")
}

// A token of the longest kind that is looked at fits; a line without end is refused
// before anything is decoded.
func TestALineOfAUTHIsAsLongAsATokenNeeds(t *testing.T) {
	auth := newFakeAuth()
	srv, err := New(&fakeGate{}, auth, options())
	if err != nil {
		t.Fatal(err)
	}
	p := dial(t, srv, true)
	p.expect("220")
	p.do("EHLO t", "250")
	token := strings.Repeat("x", maxToken)
	p.do("AUTH OAUTHBEARER "+b64("n,a="+mailbox+",\x01auth=Bearer "+token+"\x01\x01"), oauthChallenge)
	p.do("AQ==", "535")
	if len(*auth.tokens) != 1 || (*auth.tokens)[0] != token {
		t.Error("the verifier did not get the token")
	}
	p.do("AUTH OAUTHBEARER "+strings.Repeat("A", maxAuthLine), "500 5.5.6")
	p.do("AUTH OAUTHBEARER", "334")
	p.do(strings.Repeat("A", 1<<19), "500 5.5.6")
	p.do("AUTH OAUTHBEARER", "334")
	p.send(strings.Repeat("A", maxEndless+bufferSize))
	p.expect("500 5.5.2 this line has no end")
	p.expect("")
	w := httptest.NewRecorder()
	srv.o.Metrics.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if !strings.Contains(w.Body.String(), `mail_limit_reached_total{limit="smtp_auth_line"} 2`+"\n") {
		t.Error("the lines are not counted")
	}
	if len(*auth.tokens) != 1 {
		t.Errorf("%d tokens were looked at", len(*auth.tokens))
	}
}

// Wrong tokens are limited as wrong passwords are.
func TestGuessedTokensCount(t *testing.T) {
	srv, _ := build(t, options())
	visit := visits(t, srv, true)
	for i := range 11 {
		p := visit("192.0.2.1")
		p.expect("220")
		p.do("EHLO t", "250")
		if i == 10 {
			p.do("AUTH XOAUTH2 "+b64("user=demo\x01auth=Bearer "+rightToken+"\x01\x01"), "421 4.7.0 too many failed logins")
			p.expect("")
			return
		}
		p.do("AUTH XOAUTH2 "+b64("user=u"+strings.Repeat("x", i)+"\x01auth=Bearer wrong\x01\x01"), xoauth2Challenge)
		p.do("", "535")
	}
}

func TestTheChallengeSaysWhichScopeToAskFor(t *testing.T) {
	o := options()
	o.TokenScope = "mail:\"send\""
	srv, _ := build(t, o)
	for mech, c := range map[string]struct{ response, want string }{
		"OAUTHBEARER": {"n,,\x01auth=Bearer wrong\x01\x01", `{"status":"invalid_token","scope":"mail:\"send\""}`},
		"XOAUTH2": {"user=demo\x01auth=Bearer wrong\x01\x01",
			`{"status":"401","schemes":"bearer","scope":"mail:\"send\""}`},
	} {
		p := dial(t, srv, true)
		p.expect("220")
		p.do("EHLO t", "250")
		p.do("AUTH "+mech+" "+b64(c.response), "334 "+b64(c.want)+"\r\n")
		p.do("AQ==", "535")
	}
}
