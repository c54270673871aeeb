package smtpd

import (
	"errors"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"
)

// FuzzBearer reads any response of the two mechanisms with a token: what is accepted
// has a name and a token that can be written again and read as the same.
func FuzzBearer(f *testing.F) {
	for _, c := range responses {
		f.Add(c.response)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if user, token, err := readOAuthBearer([]byte(s)); err == nil {
			name := ""
			if user != "" {
				name = "a=" + strings.NewReplacer("=", "=3D", ",", "=2C").Replace(user)
			}
			again := "n," + name + ",\x01"
			if token != "" {
				again += "auth=Bearer " + token + "\x01"
			}
			u, tok, err := readOAuthBearer([]byte(again + "\x01"))
			if err != nil || u != user || tok != token || strings.ContainsAny(token, "\x00\x01\r\n") {
				t.Errorf("%q, %q is read again as %q, %q, %v", user, token, u, tok, err)
			}
		} else if !errors.Is(err, errExchange) {
			t.Errorf("%q: %v", s, err)
		}
		user, token, err := readXOAuth2([]byte(s))
		if err == nil && strings.ContainsAny(user+token, "\x00\x01\r\n") || err != nil && !errors.Is(err, errExchange) {
			t.Errorf("%q: %q, %q, %v", s, user, token, err)
		}
	})
}

// FuzzSCRAM lets a client send any two messages: nobody comes in without a proof, and
// an error is a refusal or a malformed exchange.
func FuzzSCRAM(f *testing.F) {
	for _, c := range [][2]string{
		{"n,,n=demo,r=abc", "c=biws,r=abc,p=eA=="}, {"n,a=demo,n=demo,r=abc", "c=biws,r=abcd,p="},
		{"y,,n=demo,r=", ",,"}, {"p=tls-exporter,,n=demo,r=abc", "c=,r=,p="},
		{"n,,n=d=2Cemo,r=,x=y", "c=biws,r=abc,x=y,p=eA=="},
	} {
		f.Add(c[0], c[1], false)
		f.Add(c[0], c[1], true)
	}
	srv, err := New(&fakeGate{}, newFakeAuth(), options())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, first, final string, plus bool) {
		c := newConn(srv, newTape("", 1), false)
		c.secure = true
		c.forget()
		s := c.sess.(*session)
		mech := scramOnly
		if plus {
			mech = scramPlus
		}
		server, err := s.mechanism(mech)
		if err != nil {
			t.Fatal(err)
		}
		for _, message := range []string{first, final, ""} {
			answer, done, err := server.Next([]byte(message))
			var e *smtp.SMTPError
			if err != nil && !errors.Is(err, errExchange) && !errors.As(err, &e) {
				t.Errorf("%q: %v", message, err)
			}
			if err != nil && !done || len(answer) > 2*maxScram || s.authed {
				t.Errorf("%q, %q: answer %q, done %v, in: %v", first, final, answer, done, s.authed)
			}
			if done {
				return
			}
		}
		t.Errorf("%q, %q: the exchange does not end", first, final)
	})
}
