package httpd

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAKeyIsTakenFromItsHeaders(t *testing.T) {
	h := newFixture(t)
	key, reader := h.keys["sender"], h.keys["reader"]
	for _, c := range []struct {
		name    string
		headers [][2]string
		want    int
	}{
		{"bearer", [][2]string{{"Authorization", "Bearer " + key}}, 200},
		{"the scheme's letters have no case", [][2]string{{"Authorization", "bEARER " + key}}, 200},
		{"bare", [][2]string{{"Authorization", key}}, 200},
		{"x-api-key", [][2]string{{"X-API-Key", key}}, 200},
		{"the same key in both headers", [][2]string{{"Authorization", "Bearer " + key}, {"X-API-Key", key}}, 200},
		{"none", nil, 401},
		{"two keys in two headers", [][2]string{{"Authorization", "Bearer " + key}, {"X-API-Key", reader}}, 401},
		{"two keys in one header twice", [][2]string{{"Authorization", "Bearer " + key},
			{"Authorization", "Bearer " + reader}}, 401},
		{"empty", [][2]string{{"Authorization", ""}}, 401},
		{"bearer of nothing", [][2]string{{"Authorization", "Bearer "}}, 401},
		{"another scheme", [][2]string{{"Authorization", "Basic " + key}}, 401},
		{"another secret for the id", [][2]string{{"Authorization", "Bearer " + key[:len(key)-1] + "~"}}, 401},
		{"dots", [][2]string{{"Authorization", "Bearer " + strings.Repeat(".", 1<<20)}}, 401},
		{"a key in the query is none", nil, 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			target := "/v1/mailboxes"
			if strings.Contains(c.name, "query") {
				target += "?api_key=" + key
			}
			r := httptest.NewRequest("GET", target, nil)
			for _, kv := range c.headers {
				r.Header.Add(kv[0], kv[1])
			}
			got := h.serve("", r)
			if got.status != c.want {
				t.Errorf("got %d %s, want %d", got.status, got.body, c.want)
			}
			challenge := got.header.Get("WWW-Authenticate")
			if c.want == 401 && !strings.HasPrefix(challenge, `Bearer realm="multimail"`) {
				t.Errorf("WWW-Authenticate: %q", challenge)
			}
		})
	}
}

func TestABadKeyIsRecordedButCannotFillTheLog(t *testing.T) {
	h := newFixture(t)
	h.keys["forged"] = h.keys["sender"][:len(h.keys["sender"])-1] + "~"
	before := len(h.entries())
	for range 100 {
		r := h.request("forged", "GET", "/v1/mailboxes", "")
		r.RemoteAddr = "127.0.0.1:1" // no limit per source
		if got := h.serve("forged", r); got.status != 401 {
			t.Fatalf("got %d %s", got.status, got.body)
		}
	}
	n := len(h.entries()) - before
	if n == 0 || n > 30 {
		t.Errorf("%d entries for 100 tries", n)
	}
	if e := h.entries()[0]; e.Kind != "auth.fail" || e.Private["ip"] != "127.0.0.1" {
		t.Errorf("got %+v", e)
	}
}

func TestAKeyOnTheSocketIsItsOwnPrincipal(t *testing.T) {
	h := newFixture(t)
	r := h.request("sender", "GET", "/v1/agents", "")
	if got := h.serve("socket", r); got.status != http.StatusForbidden {
		t.Errorf("an agent's key on the socket: got %d %s", got.status, got.body)
	}
	p, err := h.s.authenticate(h.request("sender", "GET", "/", "").WithContext(
		context.WithValue(context.Background(), peerKey{}, peer{uid: 1234})))
	if err != nil || p.UID != 1234 || p.Name != "bot" {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestAPeerThatIsNotKnownMayNothing(t *testing.T) {
	h := newFixture(t)
	for _, as := range []string{"nobody", "admin"} {
		r := h.request(as, "GET", "/v1/mailboxes", "")
		r = r.WithContext(context.WithValue(r.Context(), peerKey{}, peer{uid: -1, err: refuse(http.StatusForbidden, "no")}))
		w := httptest.NewRecorder()
		h.s.SocketHandler().ServeHTTP(w, r)
		if w.Code != http.StatusForbidden {
			t.Errorf("%s: got %d %s", as, w.Code, w.Body)
		}
	}
}

func TestTheSocketHandlerWithoutAPeerWantsAKey(t *testing.T) {
	h := newFixture(t)
	w := httptest.NewRecorder()
	h.s.SocketHandler().ServeHTTP(w, httptest.NewRequest("GET", "/v1/mailboxes", nil))
	if w.Code != http.StatusUnauthorized {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestNothingIsServedFromAStoreThatFails(t *testing.T) {
	h := newFixture(t)
	if err := h.DB.Close(); err != nil {
		t.Fatal(err)
	}
	r := h.do("sender", "GET", "/v1/mailboxes", "")
	if r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") == "" {
		t.Errorf("got %d %s", r.status, r.body)
	}
}
