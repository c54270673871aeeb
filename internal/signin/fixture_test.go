package signin

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// world is a server with its authorization server, a person with a browser, and a clock.
type world struct {
	t   *testing.T
	srv *httptest.Server
	now time.Time

	mu       sync.Mutex
	count    int             // of tokens
	good     map[string]bool // refresh tokens that are good
	asked    []url.Values    // forms of the token endpoint
	metadata map[string]any  // in place of members of the metadata
	refusal  int             // status of the token endpoint; 0: it answers
	code     string          // error of a refusal
	answer   url.Values      // in place of parameters of the answer to the browser
	shown    int             // how often a person was asked
	// registered counts clients; probed are the authorization requests that no person has made, and
	// are refused while the server has forgotten the client.
	registered int
	probed     []url.Values
	forgotten  bool
	said       []string // what the browser showed in the end
	browsers   sync.WaitGroup
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, now: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC), good: map[string]bool{},
		metadata: map[string]any{}, answer: url.Values{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/whoami", w.resource)
	mux.HandleFunc("GET /.well-known/oauth-protected-resource/v1", func(rw http.ResponseWriter, _ *http.Request) {
		reply(rw, 200, map[string]any{"resource": w.srv.URL + "/v1", "authorization_servers": []string{w.srv.URL}})
	})
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", func(rw http.ResponseWriter, _ *http.Request) {
		m := map[string]any{"issuer": w.srv.URL, "authorization_endpoint": w.srv.URL + "/authorize",
			"token_endpoint": w.srv.URL + "/token", "registration_endpoint": w.srv.URL + "/register",
			"code_challenge_methods_supported": []string{"S256"}, "response_types_supported": []string{"code"},
			"authorization_response_iss_parameter_supported": true}
		for name, v := range w.metadata {
			m[name] = v
		}
		reply(rw, 200, m)
	})
	mux.HandleFunc("POST /register", func(rw http.ResponseWriter, r *http.Request) {
		var m map[string]any
		_ = json.NewDecoder(r.Body).Decode(&m)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.registered++
		m["client_id"] = fmt.Sprintf("client-%d", w.registered)
		reply(rw, 201, m)
	})
	mux.HandleFunc("GET /authorize", func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.probed = append(w.probed, r.URL.Query())
		if w.forgotten {
			rw.WriteHeader(http.StatusBadRequest)
		}
	})
	mux.HandleFunc("POST /token", w.token)
	w.srv = httptest.NewServer(mux)
	t.Cleanup(w.srv.Close)
	return w
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (w *world) resource(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.Header.Get("Authorization") != fmt.Sprintf("Bearer access-%d", w.count) {
		rw.Header().Set("WWW-Authenticate", `Bearer scope="read send", resource_metadata="`+w.srv.URL+
			`/.well-known/oauth-protected-resource/v1"`)
		rw.WriteHeader(http.StatusUnauthorized)
		return
	}
	io.WriteString(rw, "agent")
}

func (w *world) token(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = r.ParseForm()
	if id, _, ok := r.BasicAuth(); ok {
		r.PostForm.Set("client_id", id)
	}
	w.asked = append(w.asked, r.PostForm)
	if w.refusal != 0 {
		reply(rw, w.refusal, map[string]string{"error": w.code})
		return
	}
	if old := r.PostForm.Get("refresh_token"); r.PostForm.Get("grant_type") == "refresh_token" && !w.good[old] {
		reply(rw, 400, map[string]string{"error": "invalid_grant"})
		return
	}
	clear(w.good)
	w.count++
	w.good[fmt.Sprintf("refresh-%d", w.count)] = true
	reply(rw, 200, map[string]any{"access_token": fmt.Sprintf("access-%d", w.count), "token_type": "Bearer",
		"refresh_token": fmt.Sprintf("refresh-%d", w.count), "expires_in": 300})
}

// person opens the page, allows everything, and is sent back.
func (w *world) person(page string) {
	w.mu.Lock()
	w.shown++
	w.mu.Unlock()
	u, err := url.Parse(page)
	if err != nil {
		w.t.Error(err)
		return
	}
	q := u.Query()
	back := url.Values{"code": {"the code"}, "state": {q.Get("state")}, "iss": {w.srv.URL}}
	for name, values := range w.answer {
		back[name] = values
		if values[0] == "" {
			delete(back, name)
		}
	}
	w.open(q.Get("redirect_uri") + "?" + back.Encode())
}

// open asks for an address as the browser does.
func (w *world) open(address string) (status int) {
	resp, err := http.Get(address)
	if err != nil {
		w.t.Error(err)
		return 0
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, string(b))
	return resp.StatusCode
}

// keeper returns one with a file; show is the person, nil for one who allows everything.
func (w *world) keeper(file string, show func(string)) *Keeper {
	w.t.Helper()
	if show == nil {
		show = func(page string) { w.browsers.Go(func() { w.person(page) }) }
	}
	k, err := New(Options{Base: w.srv.URL, File: file, Show: show, Now: func() time.Time { return w.now }})
	if err != nil {
		w.t.Fatal(err)
	}
	return k
}

func (w *world) file() string { return filepath.Join(w.t.TempDir(), "multimail", "token.json") }
