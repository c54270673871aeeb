//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// publisher is a web server of documents that say what a client is, at an address of loopback
// that dev mode lets it have.
type publisher struct {
	*httptest.Server
	mu    sync.Mutex
	asked map[string]int
}

// publish starts one whose certificate every daemon trusts that starts after it. Each path has a
// handler, which writes what it likes.
func publish(t *testing.T, paths map[string]http.HandlerFunc) *publisher {
	t.Helper()
	p := &publisher{asked: map[string]int{}}
	p.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.asked[r.URL.Path]++
		p.mu.Unlock()
		if h, ok := paths[r.URL.Path]; ok {
			h(w, r)
			return
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(p.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw}
	if err := os.WriteFile(ca, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", ca)
	return p
}

func (p *publisher) count(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[path]
}

// described is the document of a client; change makes it another one.
func described(change func(map[string]any)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		m := map[string]any{"client_id": "https://" + r.Host + r.URL.Path, "client_name": "A client with a document",
			"redirect_uris": []string{back}, "token_endpoint_auth_method": "none", "response_types": []string{"code"},
			"grant_types": []string{"authorization_code", "refresh_token"}, "logo_uri": "https://" + r.Host + "/logo"}
		if change != nil {
			change(m)
		}
		answerJSON(w, m)
	}
}

// shortLived is a way to the server on which every access token lasts for a second, so that its
// client refreshes.
type shortLived struct{ refreshed atomic.Int32 }

func (s *shortLived) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Path, "/oauth/token") {
		return http.DefaultTransport.RoundTrip(r)
	}
	form, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if q, _ := url.ParseQuery(string(form)); q.Get("grant_type") == "refresh_token" {
		s.refreshed.Add(1)
	}
	r.Body = io.NopCloser(bytes.NewReader(form))
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	var m map[string]any
	err = json.NewDecoder(resp.Body).Decode(&m)
	resp.Body.Close()
	m["expires_in"] = 1
	b, _ := json.Marshal(m)
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
	return resp, err
}

// The official client of Go, whose id is a URL: from a 401 over metadata, document, PKCE and
// consent to a token, a call, a refresh, and a call that needs one scope more.
func TestAGoClientWithADocumentSignsInRefreshesAndStepsUp(t *testing.T) {
	p := publish(t, map[string]http.HandlerFunc{"/client.json": described(nil)})
	h := start(t)
	left := "send" // what the person leaves out
	way := &shortLived{}
	c := &signedClient{t: t, id: p.URL + "/client.json", http: &http.Client{Transport: way},
		ask: func(start string) consented {
			got := consent(t, start, "as the agent "+h.dev.Username, "KEY="+h.dev.AdminKey, "WITHOUT="+left)
			for _, part := range []string{"A client with a document", "127.0.0.1", h.dev.Mailbox} {
				if !strings.Contains(got.Shown, part) {
					t.Errorf("the page does not show %q:\n%s", part, got.Shown)
				}
			}
			left = ""
			return got
		}}
	ctx, stop := context.WithTimeout(t.Context(), 3*time.Minute)
	defer stop()
	session, err := c.connect(ctx, h.dev.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	agent := &mcpClient{t: t, s: session}
	for range 2 {
		got, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "list_mailboxes", Arguments: map[string]any{}})
		if err != nil || got.IsError {
			t.Fatalf("%+v %v", got, err)
		}
	}
	if way.refreshed.Load() < 2 {
		t.Errorf("the client refreshed %d times", way.refreshed.Load())
	}
	if len(c.asked) != 1 {
		t.Fatalf("a person was asked %d times before more is needed", len(c.asked))
	}
	agent.held("From a client with a document", nil)
	if m := h.only("From a client with a document"); m.Agent != h.dev.Username || m.Door != "mcp" {
		t.Errorf("pending shows %+v", m)
	}
	if len(c.asked) != 2 {
		t.Fatalf("a person was asked %d times", len(c.asked))
	}
	for _, q := range c.asked {
		scope := strings.Fields(q.Get("scope"))
		slices.Sort(scope)
		if q.Get("client_id") != c.id || q.Get("resource") != h.dev.HTTP+"/mcp" ||
			q.Get("code_challenge_method") != "S256" || !slices.Equal(scope, []string{"read", "send"}) {
			t.Errorf("the client asked for %v", q)
		}
	}
	if n := p.count("/client.json"); n != 1 || p.count("/logo") != 0 {
		t.Errorf("the document was fetched %d times, the logo %d times", n, p.count("/logo"))
	}
	if list := h.must("client", "list"); strings.Contains(list, p.URL) {
		t.Errorf("a client with a document is kept:\n%s", list)
	}
}

// The official TypeScript clients, 1.x and 2.x, with a document in place of a registration.
func TestTheTypeScriptClientsWithADocumentSignInRefreshAndStepUp(t *testing.T) {
	p := publish(t, map[string]http.HandlerFunc{"/client.json": described(nil)})
	h := start(t)
	var clients []typeScript
	decode(t, must(t, node(t, "oauth.mjs", "MCP_URL="+h.dev.HTTP+"/mcp", "KEY="+h.dev.AdminKey,
		"OFFER=as the agent "+h.dev.Username, "CLIENT_URL="+p.URL+"/client.json")), &clients)
	h.wentThrough(clients)
	for _, c := range clients {
		if c.Asked["client_id"] != p.URL+"/client.json" {
			t.Errorf("%s is %s", c.Name, c.Asked["client_id"])
		}
	}
}

// badDocuments are what the server of a client may answer that is no document of it. The last
// ends with forever.
func badDocuments(forever <-chan struct{}) map[string]http.HandlerFunc {
	with := func(name string, value any) http.HandlerFunc {
		return described(func(m map[string]any) { m[name] = value })
	}
	typed := func(typ string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			rec := httptest.NewRecorder()
			described(nil)(rec, r)
			w.Header().Set("Content-Type", typ)
			_, _ = w.Write(rec.Body.Bytes())
		}
	}
	return map[string]http.HandlerFunc{
		"/other":      with("client_id", "https://client.test/client.json"),
		"/none":       with("client_id", nil),
		"/large":      with("padding", strings.Repeat("x", 5<<10)),
		"/host":       with("redirect_uris", []string{"https://evil.test/callback"}),
		"/secret":     with("token_endpoint_auth_method", "client_secret_basic"),
		"/page":       typed("text/html"),
		"/text":       typed("text/plain"),
		"/moved":      func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/good", http.StatusFound) },
		"/list":       func(w http.ResponseWriter, r *http.Request) { answerJSON(w, []string{r.Host}) },
		"/a/../other": described(nil),
		"/slow":       func(http.ResponseWriter, *http.Request) { <-forever },
	}
}

// asks makes the authorization request of a client.
func (h *daemon) asks(id string) (status int, page, location string) {
	q := url.Values{"client_id": {id}, "response_type": {"code"}, "redirect_uri": {back}, "scope": {"read"},
		"code_challenge_method": {"S256"}, "code_challenge": {strings.Repeat("A", 43)}}
	once := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := once.Get(h.dev.HTTP + "/oauth/authorize?" + q.Encode())
	if err != nil {
		h.t.Error(err)
		return 0, "", ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Error(err)
	}
	return resp.StatusCode, string(b), resp.Header.Get("Location")
}

func TestADocumentThatIsNotOfTheClientOrIsOutOfReachIsRefused(t *testing.T) {
	forever := make(chan struct{})
	paths := badDocuments(forever)
	paths["/good"] = described(nil)
	p := publish(t, paths)
	defer close(forever) // before the server waits for its handlers
	h := start(t)
	if status, page, _ := h.asks(p.URL + "/good"); status != http.StatusOK ||
		!strings.Contains(page, "A client with a document") {
		t.Fatalf("a good document: %d %s", status, page)
	}
	port := p.URL[strings.LastIndexByte(p.URL, ':'):]
	ids := []string{"https://127.0.0.2" + port + "/good", "https://10.0.0.1/good",
		"https://169.254.169.254/latest/meta-data", "https://[::ffff:127.0.0.1]" + port + "/good",
		"https://2130706433" + port + "/good", "http://127.0.0.1" + port + "/good", p.URL + "/good?x", p.URL + "/",
		p.URL + "/missing"}
	for path := range paths {
		if path != "/good" {
			ids = append(ids, p.URL+path)
		}
	}
	var wg sync.WaitGroup
	for _, id := range ids {
		wg.Go(func() { // one of them takes ten seconds
			status, page, location := h.asks(id)
			if status != http.StatusBadRequest && status != http.StatusUnauthorized || location != "" ||
				strings.Contains(page, "Sign in") {
				t.Errorf("%s: %d %q\n%s", id, status, location, page)
			}
			for _, word := range []string{"dial", "connection", "x509", "timeout", "lookup"} {
				if strings.Contains(page, word) {
					t.Errorf("%s: the page says %q", id, word)
				}
			}
		})
	}
	wg.Wait()
	if n := p.count("/good"); n != 1 {
		t.Errorf("/good was asked for %d times", n)
	}
}
