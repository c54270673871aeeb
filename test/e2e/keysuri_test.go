//go:build e2e

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// A client may publish its keys in place of leaving them with the operator: they are fetched
// where a document may be, and nowhere else.
func TestTheKeysOfAClientAreFetchedWhereTheyMayBe(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var set atomic.Value
	keys := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k"}}}
	set.Store(keys)
	forever := make(chan struct{})
	p := publish(t, map[string]http.HandlerFunc{
		"/keys":  func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, set.Load()) },
		"/moved": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/keys", http.StatusFound) },
		"/large": func(w http.ResponseWriter, _ *http.Request) {
			answerJSON(w, map[string]any{"keys": keys.Keys, "padding": strings.Repeat("x", 20<<10)})
		},
		"/slow": func(http.ResponseWriter, *http.Request) { <-forever },
	})
	defer close(forever) // before the server waits for its handlers
	h := start(t)
	port := p.URL[strings.LastIndexByte(p.URL, ':'):]
	for uri, good := range map[string]bool{p.URL + "/keys": true, p.URL + "/moved": false, p.URL + "/large": false,
		p.URL + "/slow": false, p.URL + "/missing": false, "https://10.0.0.1/keys": false,
		"https://169.254.169.254/keys": false, "https://127.0.0.2" + port + "/keys": false} {
		if r := h.cli("client", "add", "Cron", "--method", "private_key_jwt", "--jwks-uri", uri, "--agent",
			h.dev.Username, "--scope", "read", "--resource", h.dev.HTTP+"/mcp", "--json"); r.code == 0 {
			var c struct {
				ID string `json:"client_id"`
			}
			decode(t, r.out, &c)
			program := &program{daemon: h, id: c.ID, method: "private_key_jwt", key: key}
			status, token, _ := program.token(url.Values{"grant_type": {"client_credentials"}})
			if good != (status == 200) || !good && status != 401 {
				t.Errorf("%s: %d", uri, status)
			}
			if good {
				if m := h.mcp(token).call("list_mailboxes", nil); m.failed {
					t.Errorf("%+v", m)
				}
			}
		} else if good {
			t.Errorf("%s: %s", uri, r.err)
		}
	}
	if n := p.count("/keys"); n != 1 {
		t.Errorf("the keys were asked for %d times", n)
	}
}
