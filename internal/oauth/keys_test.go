package oauth

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/internal/config"
	"github.com/multimail/multimail/internal/mailtest"
)

const oneIssuer = `
[smtp]
tls_cert_file = 'c'
tls_key_file = 'k'
[[issuer]]
name = 'id'
issuer = 'https://id.example'
audiences = ['multimail']
algorithms = ['RS256', 'ES256']
keys_survive = '6h'
scopes.send = ['mail.send']
`

// inTime runs fn in a bubble of synctest, with a verifier of one issuer. The
// claims of fresh are good at that time.
func inTime(t *testing.T, conf string, fn func(t *testing.T, v *Verifier, is *mailtest.Issuer, log *lockedLog)) {
	is := mailtest.NewIssuer(t)
	synctest.Test(t, func(t *testing.T) {
		var log lockedLog
		o := options(t, conf, time.Now)
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
		v, err := newVerifier(o, is)
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		synctest.Wait()
		fn(t, v, is, &log)
		v.Close()
		synctest.Wait()
	})
}

func fresh(t *testing.T, is *mailtest.Issuer, kid string) string {
	return is.Token(t, kid, with(generic(), "iat", time.Now().Unix(), "exp", time.Now().Add(24*time.Hour).Unix(),
		"jti", rand.Text()))
}

const byURL = oneIssuer + "jwks_url = 'https://keys.example/keys'\n"

func wantAccepted(t *testing.T, v *Verifier, token string) {
	t.Helper()
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Errorf("not accepted: %v", err)
	}
}

func wantCheck(t *testing.T, v *Verifier, token, check string) {
	t.Helper()
	if r, err := refused(t.Context(), v, token); r == nil || r.Check != check {
		t.Errorf("got %v (%v), want check %s", r, err, check)
	}
}

func wantUnavailable(t *testing.T, v *Verifier, token string) {
	t.Helper()
	if r, err := refused(t.Context(), v, token); r != nil || !isUnavailable(err) {
		t.Errorf("got %v (%v), want unavailable", r, err)
	}
}

// Every token of a stranger names the key that it wants us to look for.
func TestAFloodOfUnknownKeyIDsCausesFewFetches(t *testing.T) {
	inTime(t, byURL, func(t *testing.T, v *Verifier, is *mailtest.Issuer, _ *lockedLog) {
		good := fresh(t, is, "rsa")
		before, began := is.Fetches(), time.Now()
		for i := range 1000 {
			token := is.Sign(t, "rsa", map[string]any{"kid": fmt.Sprint("unknown", i)}, generic())
			wantCheck(t, v, token, "key")
			wantAccepted(t, v, good)
			time.Sleep(60 * time.Millisecond)
		}
		took := time.Since(began)
		if got := v.origins["https://id.example"].keys.version(); got != 1 {
			t.Errorf("accepted tokens are forgotten: %d key sets", got)
		}
		if n, most := is.Fetches()-before, int(took/unknownEvery)+1; n == 0 || n > most {
			t.Errorf("%d fetches in %s, want 1 to %d", n, took, most)
		}
		is.AddKey(t, "new") // in the middle of the flood
		time.Sleep(unknownEvery)
		wantAccepted(t, v, fresh(t, is, "new"))
	})
}

func TestLoginsThatWaitForANewKeyShareOneFetch(t *testing.T) {
	inTime(t, byURL, func(t *testing.T, v *Verifier, is *mailtest.Issuer, _ *lockedLog) {
		is.AddKey(t, "new")
		is.Answer(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(time.Second)
			w.Write(is.JWKS())
		})
		before := is.Fetches()
		var group sync.WaitGroup
		for range 100 {
			group.Go(func() { wantAccepted(t, v, fresh(t, is, "new")) })
		}
		group.Wait()
		if n := is.Fetches() - before; n != 1 {
			t.Errorf("%d fetches", n)
		}
	})
}

func TestAKeyThatTheIssuerTakesAwayIsForgotten(t *testing.T) {
	inTime(t, byURL, func(t *testing.T, v *Verifier, is *mailtest.Issuer, _ *lockedLog) {
		is.AddKey(t, "new")
		old := fresh(t, is, "rsa")
		wantAccepted(t, v, old)
		rsaKey := is.Key("rsa")
		is.Put("rsa", nil)
		wantAccepted(t, v, old) // its answer is an hour old at most
		time.Sleep(refreshEvery + time.Minute)
		wantCheck(t, v, old, "key")
		wantAccepted(t, v, fresh(t, is, "new"))
		is.Put("rsa", rsaKey)
	})
}

func TestKeysSurviveAnOutageForTheConfiguredTime(t *testing.T) {
	inTime(t, byURL, func(t *testing.T, v *Verifier, is *mailtest.Issuer, log *lockedLog) {
		is.Fail(true)
		time.Sleep(5 * time.Hour)
		wantAccepted(t, v, fresh(t, is, "rsa"))
		if !strings.Contains(log.String(), "keys of an issuer not fetched") {
			t.Errorf("the log says %q", log.String())
		}
		cachedToken := fresh(t, is, "rsa")
		wantAccepted(t, v, cachedToken)
		time.Sleep(time.Hour)
		wantUnavailable(t, v, fresh(t, is, "rsa"))
		wantUnavailable(t, v, cachedToken)
		is.Fail(false)
		time.Sleep(unknownEvery)
		wantAccepted(t, v, fresh(t, is, "rsa"))
	})
}

func TestAnIssuerThatIsDownAtTheStartIsAskedAgain(t *testing.T) {
	is := mailtest.NewIssuer(t)
	is.Fail(true)
	synctest.Test(t, func(t *testing.T) {
		v, err := newVerifier(options(t, byURL, time.Now), is)
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		wantUnavailable(t, v, fresh(t, is, "rsa"))
		is.Fail(false)
		time.Sleep(unknownEvery)
		wantAccepted(t, v, fresh(t, is, "rsa"))
		v.Close()
		synctest.Wait()
	})
}

// Whatever an issuer answers by mistake, or somebody in its place, the keys stay.
func TestABadAnswerLeavesTheKeysAsTheyWere(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	weak := mailtest.NewIssuer(t)
	weak.Put("rsa", small)
	answers := map[string]func(w http.ResponseWriter, r *http.Request){
		"nothing":    func(w http.ResponseWriter, _ *http.Request) {},
		"no JSON":    func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>")) },
		"no keys":    func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"keys":[]}`)) },
		"an error":   func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"error":"x"}`)) },
		"500":        func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"a redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "http://127.0.0.1:1/", 302) },
		"a symmetric key": func(w http.ResponseWriter, _ *http.Request) {
			w.Write([]byte(`{"keys":[{"kty":"oct","kid":"rsa","k":"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}]}`))
		},
		"a weak key": func(w http.ResponseWriter, _ *http.Request) { w.Write(weak.JWKS()) },
		"an endless answer": func(w http.ResponseWriter, _ *http.Request) {
			w.Write(bytes.Repeat([]byte(" "), maxDocument+2))
		},
		"too many keys": func(w http.ResponseWriter, _ *http.Request) {
			key := `{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},`
			fmt.Fprintf(w, `{"keys":[%s]}`, strings.TrimSuffix(strings.Repeat(key, maxKeys+1), ","))
		},
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			inTime(t, byURL, func(t *testing.T, v *Verifier, is *mailtest.Issuer, log *lockedLog) {
				is.Answer(answer)
				before := is.Fetches()
				time.Sleep(refreshEvery + time.Second)
				synctest.Wait()
				if is.Fetches() != before+1 || !strings.Contains(log.String(), "not fetched") {
					t.Errorf("%d fetches; the log says %q", is.Fetches()-before, log.String())
				}
				wantAccepted(t, v, fresh(t, is, "rsa"))
			})
		})
	}
}

func TestADiscoveredKeySetBelongsToTheIssuer(t *testing.T) {
	const conf = oneIssuer + "discovery_url = 'https://id.example/.well-known/openid-configuration'\n"
	for _, c := range []struct{ name, document, want string }{
		{"a good one", `{"issuer":"https://id.example","jwks_uri":"https://keys.example/keys"}`, ""},
		{"another issuer", `{"issuer":"https://evil.example","jwks_uri":"https://keys.example/keys"}`, "is of the issuer"},
		{"a slash more", `{"issuer":"https://id.example/","jwks_uri":"https://keys.example/keys"}`, "is of the issuer"},
		{"no key set", `{"issuer":"https://id.example"}`, "jwks_uri"},
		{"keys over http", `{"issuer":"https://id.example","jwks_uri":"http://keys.example/keys"}`, "must begin with"},
		{"keys on loopback", `{"issuer":"https://id.example","jwks_uri":"http://127.0.0.1/keys"}`, "must begin with"},
		{"keys in a file", `{"issuer":"https://id.example","jwks_uri":"file:///etc/passwd"}`, "jwks_uri"},
		{"no document", `<html>`, "cannot be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			is := mailtest.NewIssuer(t)
			is.Answer(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Host == "id.example" {
					w.Write([]byte(c.document))
					return
				}
				w.Write(is.JWKS())
			})
			synctest.Test(t, func(t *testing.T) {
				var log lockedLog
				o := options(t, conf, time.Now)
				o.Log = slog.New(slog.NewTextHandler(&log, nil))
				v, err := newVerifier(o, is)
				if err != nil {
					t.Fatal(err)
				}
				defer v.Close()
				synctest.Wait()
				if c.want == "" {
					wantAccepted(t, v, fresh(t, is, "rsa"))
				} else if wantUnavailable(t, v, fresh(t, is, "rsa")); !strings.Contains(log.String(), c.want) {
					t.Errorf("the log says %q, want %q", log.String(), c.want)
				}
				v.Close()
				synctest.Wait()
			})
		})
	}
}

// Without keys of its own Entra is asked for those of each tenant.
func TestEntrasKeysAreFoundByTenant(t *testing.T) {
	is := mailtest.NewIssuer(t)
	var mu sync.Mutex
	asked := map[string]int{}
	is.Answer(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked[r.URL.String()]++
		tenant := strings.Split(r.URL.Path, "/")[1]
		if strings.HasSuffix(r.URL.Path, "openid-configuration") {
			fmt.Fprintf(w, `{"issuer":"https://login.microsoftonline.com/%s/v2.0","jwks_uri":%q}`, tenant,
				"https://login.microsoftonline.com/"+tenant+"/discovery/v2.0/keys")
			return
		}
		w.Write(is.JWKS())
	})
	conf := strings.Replace(issuers, "jwks_url = 'https://keys.example/keys'\n", "", 1)
	o := options(t, conf, func() time.Time { return now })
	o.Issuers = o.Issuers[:1]
	v, err := newVerifier(o, is)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	wantAccepted(t, v, is.Token(t, "rsa", facts.Autonomous()))
	wantAccepted(t, v, is.Token(t, "rsa", v1(facts.Autonomous())))
	if err := v.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	const at = "https://login.microsoftonline.com/"
	for _, tenant := range []string{tenantA, tenantB} {
		if asked[at+tenant+"/v2.0/.well-known/openid-configuration"] != 1 || asked[at+tenant+"/discovery/v2.0/keys"] != 1 {
			t.Errorf("asked for %v", asked)
		}
	}
	if len(asked) != 4 {
		t.Errorf("asked for %v", asked)
	}
}

func TestKeysOfAFileAreReadAtTheStart(t *testing.T) {
	is := mailtest.NewIssuer(t)
	conf := oneIssuer + "jwks_file = '" + keyFile(t, is) + "'\n"
	is.Fail(true)
	synctest.Test(t, func(t *testing.T) {
		v, err := newVerifier(options(t, conf, time.Now), is)
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		wantAccepted(t, v, fresh(t, is, "rsa"))
		time.Sleep(1000 * time.Hour)
		wantAccepted(t, v, fresh(t, is, "rsa"))
		wantCheck(t, v, is.Sign(t, "rsa", map[string]any{"kid": "other"}, generic()), "key")
	})
	if is.Fetches() != 0 {
		t.Errorf("%d fetches", is.Fetches())
	}
	for name, path := range map[string]string{"no file": "/nonexistent", "no key set": "keys_test.go"} {
		c := config.Issuer{Name: "id", Issuer: "https://id.example", JWKSFile: path}
		o := options(t, conf, time.Now)
		o.Issuers = []config.Issuer{c}
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), "keys of issuer id") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
