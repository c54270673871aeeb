package authserver_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/multimail/multimail/internal/authserver"
)

const keysURI = "https://client.test/keys"

// published is a client whose keys are at a URL.
type published struct {
	*signer
	body  string // what is there
	err   error
	asked int
	n     int // assertions made
}

// newPublished returns one with the key of a signer.
func newPublished(t *testing.T) *published {
	p := &published{}
	h := newHouse(t, func(o *authserver.Options) {
		o.Fetch = func(_ context.Context, url string) ([]byte, error) {
			if p.asked++; url != keysURI {
				t.Errorf("%s is asked", url)
			}
			return []byte(p.body), p.err
		}
	})
	p.signer = &signer{house: h}
	p.rotate()
	p.client, _ = h.add(authserver.NewClient{Method: authserver.MethodSigned, KeysURI: keysURI, Agent: "bot",
		Scopes: scopes("read send")})
	return p
}

// rotate has the client sign with another key, and publishes that alone.
func (p *published) rotate() {
	p.n++
	p.kid = fmt.Sprintf("k%d", p.n)
	p.key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	set, _ := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p.key.Public(), KeyID: p.kid}}})
	p.body = string(set)
}

// ask asks for a token with a new assertion.
func (p *published) ask() (authserver.Tokens, error) {
	p.n++
	return p.server.Token(p.Context(), p.request(fmt.Sprintf("jti-%d", p.n), nil))
}

func TestAClientSignsWithTheKeysThatItPublishes(t *testing.T) {
	p := newPublished(t)
	got, err := p.ask()
	if err != nil {
		t.Fatal(err)
	}
	if who, err := p.who(got.Access); err != nil || who.ID() != "agent:bot" {
		t.Errorf("%+v %v", who, err)
	}
	if _, err := p.ask(); err != nil || p.asked != 1 {
		t.Errorf("%v after %d requests for the keys", err, p.asked)
	}
	old := *p.signer
	p.rotate()
	_, err = p.ask()
	p.refused(err, authserver.InvalidClient) // its keys were looked at just now
	p.clock.Forward(31 * time.Second)
	if _, err := p.ask(); err != nil || p.asked != 2 {
		t.Errorf("a new key: %v after %d requests", err, p.asked)
	}
	_, err = p.server.Token(t.Context(), old.request("old", nil))
	p.refused(err, authserver.InvalidClient) // the key of before is no longer published
	for range 100 {
		_, err := p.server.Token(t.Context(), old.request("again", nil))
		p.refused(err, authserver.InvalidClient)
	}
	if p.asked != 2 {
		t.Errorf("assertions with unknown keys make %d requests", p.asked-2)
	}
	p.clock.Forward(6 * time.Minute)
	if _, err := p.ask(); err != nil || p.asked != 3 {
		t.Errorf("later: %v after %d requests", err, p.asked)
	}
}

func TestKeysThatAClientDoesNotPublishAsItShouldAreNone(t *testing.T) {
	for name, change := range map[string]func(*published){
		"too large": func(p *published) { p.body += strings.Repeat(" ", 20<<10) },
		"not there": func(p *published) { p.err = errors.New("does not answer over HTTPS at a public address") },
		"late":      func(p *published) { p.err = context.DeadlineExceeded },
		"no JSON":   func(p *published) { p.body = "x" },
		"no keys":   func(p *published) { p.body = `{"keys":[]}` },
		"a private key beside it": func(p *published) {
			other, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			set, _ := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p.key.Public(), KeyID: p.kid},
				{Key: other, KeyID: "other"}}})
			p.body = string(set)
		},
		"a key to encrypt": func(p *published) { p.body = strings.Replace(p.body, `"kid"`, `"use":"enc","kid"`, 1) },
		"a shared secret": func(p *published) {
			p.body = `{"keys":[{"kty":"oct","kid":"` + p.kid + `","k":"c2VjcmV0"}]}`
		},
		"another's key": func(p *published) { was := *p.signer; p.rotate(); p.signer.key, p.kid = was.key, was.kid },
		"21 keys": func(p *published) {
			one := strings.TrimSuffix(strings.TrimPrefix(p.body, `{"keys":[`), `]}`)
			p.body = `{"keys":[` + one + strings.Repeat(","+strings.Replace(one, p.kid, "other", 1), 20) + `]}`
		},
		"the same kid twice": func(p *published) {
			one := strings.TrimSuffix(strings.TrimPrefix(p.body, `{"keys":[`), `]}`)
			p.body = `{"keys":[` + one + "," + one + `]}`
		},
	} {
		p := newPublished(t)
		change(p)
		_, err := p.ask()
		e := authserver.AsError(err)
		if e == nil || e.Code != authserver.InvalidClient || strings.Contains(e.Description, "public address") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheAddressOfKeysIsOneOfADocument(t *testing.T) {
	h := newHouse(t, nil)
	for _, uri := range []string{"http://client.test/keys", "https://client.test", "https://localhost/keys",
		"https://client.test:8443/keys", "https://u@client.test/keys", "https://client.test/keys?x", "file:///etc/passwd"} {
		m := authserver.Metadata{Redirects: []string{callback}, Method: authserver.MethodSigned, KeysURI: uri}
		_, err := h.server.Register(t.Context(), m, "203.0.113.1")
		h.refused(err, authserver.InvalidMetadata)
	}
}

// A client of keys at a URL is refused where nothing is fetched at all.
func TestNoKeysAreFetchedWhereNoClientPublishesAnything(t *testing.T) {
	h := newHouse(t, nil) // without Fetch
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	c, _ := h.add(authserver.NewClient{Method: authserver.MethodSigned, KeysURI: keysURI, Agent: "bot",
		Scopes: scopes("read")})
	s := &signer{h, c, key, "k1"}
	_, err := h.server.Token(t.Context(), s.request("1", nil))
	h.refused(err, authserver.InvalidClient)
}
