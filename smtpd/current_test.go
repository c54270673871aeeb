package smtpd

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"maps"
	"math/big"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/systemtest"
)

// oneToken verifies one token, until it expires.
type oneToken struct{ registry.Token }

func (v oneToken) Verify(_ context.Context, token string) (registry.Token, error) {
	if token != rightToken {
		return registry.Token{}, registry.ErrCredentials
	}
	return v.Token, nil
}

// office is a door before a real gate and a real registry, where the agent bot has every
// kind of credential for an hour.
type office struct {
	*systemtest.Example
	addr     string
	password string
	cert     tls.Certificate
	pin      registry.Certificate
	binding  registry.Binding
}

func newOffice(t *testing.T) *office {
	h := &office{Example: systemtest.NewExample(t)}
	until := h.Clock.Now().Add(time.Hour)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: until.Add(-2 * time.Hour), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	h.cert = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	pin := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	h.Update(func(tx store.Tx) (err error) {
		if h.password, err = h.Registry.ResetPassword(tx, h.Operator, "bot"); err != nil {
			return err
		}
		h.pin, err = h.Registry.AddCertificate(tx, h.Operator,
			registry.CertificateRequest{Agent: "bot", Pin: hex.EncodeToString(pin[:])})
		if err != nil {
			return err
		}
		h.binding, err = h.Registry.Bind(tx, h.Operator, registry.BindingRequest{Kind: registry.KindAgent,
			Owner: "bot", Issuer: "corp", Object: "o1"})
		return err
	})
	tokens := oneToken{registry.Token{Issuer: "corp", Shape: registry.ShapeAutonomous, Object: "o1",
		Scopes: registry.KindAgent.Scopes(), Expires: until}}
	o := asking()
	o.TLSConfig.Time = h.Clock.Now // or a certificate of that time would not be resumed
	srv, err := New(h.Gate, registry.NewAuthenticator(h.DB, h.Registry, tokens), o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() { _ = srv.Serve(l, true) }()
	h.addr = l.Addr().String()
	return h
}

// login presents a credential of a kind and returns the reply.
func (h *office) login(t *testing.T, kind string) (*peer, string) {
	p, _ := again(t, h.addr, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{h.cert}})
	switch kind {
	case "password":
		p.send("AUTH PLAIN " + b64("\x00bot\x00"+h.password) + "\r\n")
	case "SCRAM":
		return p, p.exchange(scramOnly, client(t, "bot", h.password, "").NewConversation())
	case "certificate":
		p.send("AUTH EXTERNAL =\r\n")
	case "token":
		return p, p.bearer("OAUTHBEARER", "n,a="+h.Box.String()+",\x01auth=Bearer "+rightToken+"\x01\x01")
	}
	return p, p.reply()
}

func (h *office) disable() {
	h.Update(func(tx store.Tx) error { return h.Registry.DisableAgent(tx, h.Operator, "bot") })
}

// Whatever a session began with, and however that ends: the next MAIL, or the message
// under way, is answered 421, the connection closes, and nothing is stored.
func TestASessionEndsWithItsCredentialOfAnyKind(t *testing.T) {
	reset := func(h *office) {
		h.Update(func(tx store.Tx) error { _, err := h.Registry.ResetPassword(tx, h.Operator, "bot"); return err })
	}
	disable := (*office).disable
	hour := func(h *office) { h.Clock.Forward(time.Hour + time.Second) }
	for _, c := range []struct {
		name, kind string
		end        func(*office)
	}{
		{"a password is reset", "password", reset},
		{"the agent is disabled", "password", disable},
		{"a password that SCRAM proved is reset", "SCRAM", reset},
		{"the agent is disabled after SCRAM", "SCRAM", disable},
		{"a certificate is revoked", "certificate", func(h *office) {
			h.Update(func(tx store.Tx) error { return h.Registry.RevokeCertificate(tx, h.Operator, h.pin.ID) })
		}},
		{"a certificate is out of date", "certificate", hour},
		{"the agent is disabled after EXTERNAL", "certificate", disable},
		{"a binding ends", "token", func(h *office) {
			h.Update(func(tx store.Tx) error { return h.Registry.Unbind(tx, h.Operator, h.binding.ID) })
		}},
		{"a token expires", "token", hour},
		{"the agent is disabled after a token", "token", disable},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newOffice(t)
			from := "MAIL FROM:<" + h.Box.String() + ">"
			open := func() *peer {
				p, got := h.login(t, c.kind)
				if got != "235 2.7.0 welcome\r\n" {
					t.Fatalf("the login: %q", got)
				}
				p.do(from, "250")
				return p
			}
			idle, busy := open(), open()
			idle.do("RSET", "250")
			busy.do("RCPT TO:<ada@dest.test>", "250")
			busy.do("DATA", "354")
			c.end(h)
			idle.do(from, "421 4.7.0 this login is over")
			idle.expect("")
			busy.send(systemtest.Text + ".\r\n")
			busy.expect("421 4.7.0 this login is over")
			busy.expect("")
			counts, err := h.Queue.Counts(t.Context())
			if err != nil || len(counts) == 0 || slices.Max(slices.Collect(maps.Values(counts))) != 0 {
				t.Errorf("stored: %v, %v", counts, err)
			}
			if _, got := h.login(t, c.kind); got != "535 5.7.8 authentication credentials invalid\r\n" {
				t.Errorf("the next login: %q", got)
			}
		})
	}
}

// What ended in another way ends nothing: each credential lives by itself.
func TestASessionOutlivesOtherCredentials(t *testing.T) {
	h := newOffice(t)
	p, got := h.login(t, "certificate")
	if got != "235 2.7.0 welcome\r\n" {
		t.Fatal(got)
	}
	h.Update(func(tx store.Tx) error {
		if _, err := h.Registry.ResetPassword(tx, h.Operator, "bot"); err != nil {
			return err
		}
		return h.Registry.Unbind(tx, h.Operator, h.binding.ID)
	})
	p.do("MAIL FROM:<"+h.Box.String()+">", "250")
}

// A resumed connection brings the certificate of the first one without a proof of its
// own: the record and the date are read again.
func TestAResumedConnectionIsJudgedAgain(t *testing.T) {
	for name, end := range map[string]func(*office){
		"revoked": func(h *office) {
			h.Update(func(tx store.Tx) error { return h.Registry.RevokeCertificate(tx, h.Operator, h.pin.ID) })
		},
		"out of date":        func(h *office) { h.Clock.Forward(time.Hour + time.Second) },
		"disabled":           func(h *office) { h.disable() },
		"in force as before": nil,
	} {
		t.Run(name, func(t *testing.T) {
			h := newOffice(t)
			conf := &tls.Config{InsecureSkipVerify: true, ServerName: "localhost", Certificates: []tls.Certificate{h.cert},
				ClientSessionCache: tls.NewLRUClientSessionCache(1)}
			p, _ := again(t, h.addr, conf)
			p.do("AUTH EXTERNAL =", "235")
			p.do("QUIT", "221")
			want := "235"
			if end != nil {
				end(h)
				want = "535 5.7.8"
			}
			p, state := again(t, h.addr, conf)
			if resumed := name != "out of date"; state.DidResume != resumed {
				t.Errorf("resumed: %v", state.DidResume)
			}
			p.do("AUTH EXTERNAL =", want)
		})
	}
}
