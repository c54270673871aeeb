package mcpbridge

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/multimail/multimail/httpd/api"
)

// serve mounts the handler before the fake API.
func (f *fakeAPI) serve() string {
	f.t.Helper()
	srv := httptest.NewServer(newBridge(f.t).Handler(f.client, 25<<20))
	f.t.Cleanup(srv.Close)
	return srv.URL
}

// client calls the fake API with a key.
func (f *fakeAPI) client(key string) api.Caller { return api.New(f.url, key) }

const listTools = `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}`

// post makes one request as an MCP client would, with these headers besides.
func post(t *testing.T, url, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest("POST", url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

func TestTheHandlerTakesAKeyInEveryFormThatTheAPITakes(t *testing.T) {
	url := newAPI(t).serve()
	for _, c := range []struct {
		name    string
		headers []string
		status  int
		auth    string
	}{
		{"a bearer", []string{"Authorization", "Bearer mm_agent"}, 200, ""},
		{"the scheme in any case", []string{"Authorization", "bearer mm_agent"}, 200, ""},
		{"the bare key", []string{"Authorization", "mm_agent"}, 200, ""},
		{"the other header", []string{"X-API-Key", "mm_agent"}, 200, ""},
		{"the same key twice", []string{"X-API-Key", "mm_agent", "Authorization", "Bearer mm_agent"}, 200, ""},
		{"two keys", []string{"X-API-Key", "mm_agent", "Authorization", "Bearer mm_approver"}, 401, "Bearer"},
		{"no key", nil, 401, "Bearer"},
		{"an empty key", []string{"X-API-Key", ""}, 401, "Bearer"},
		{"another scheme", []string{"Authorization", "Basic eDp5"}, 401, "Bearer"},
		{"a wrong key", []string{"Authorization", "Bearer mm_wrong"}, 401, `Bearer error="invalid_token"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, body := post(t, url, listTools, c.headers...)
			if resp.StatusCode != c.status || resp.Header.Get("WWW-Authenticate") != c.auth {
				t.Errorf("got %d %q %s", resp.StatusCode, resp.Header.Get("WWW-Authenticate"), body)
			}
			if resp.Header.Get("Content-Type") != "application/json" || c.status == 401 &&
				!strings.HasPrefix(body, `{"error":"`) {
				t.Errorf("%q: %s", resp.Header.Get("Content-Type"), body)
			}
		})
	}
}

func TestARefusalOfTheAPIReachesTheClientAsOne(t *testing.T) {
	for _, c := range []struct {
		answer reply
		status int
		after  string
	}{
		{reply{403, `{"error":"disabled"}`, ""}, 403, ""},
		{reply{429, `{"error":"too many"}`, "7"}, 429, "7"},
		{reply{503, `{"error":"closing"}`, "10"}, 503, "10"},
		{reply{500, `{"error":"internal error"}`, ""}, 503, ""},
		{reply{200, `<html>`, ""}, 503, ""},
	} {
		f := newAPI(t)
		f.answers["GET /v1/whoami"] = c.answer
		resp, body := post(t, f.serve(), listTools, "Authorization", "Bearer mm_agent")
		if resp.StatusCode != c.status || resp.Header.Get("Retry-After") != c.after ||
			!strings.HasPrefix(body, `{"error":"`) {
			t.Errorf("%v: got %d %q %s", c.answer, resp.StatusCode, resp.Header.Get("Retry-After"), body)
		}
	}
}

// keyed carries a key that the test can change.
type keyed struct{ key string }

func (k *keyed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+k.key)
	return http.DefaultTransport.RoundTrip(r)
}

func TestAClientOverHTTPSeesOnlyTheToolsOfItsKey(t *testing.T) {
	f := newAPI(t)
	url := f.serve()
	if got := f.over(url, "mm_agent", nil).names(); !strings.Contains(got, "send_email") {
		t.Errorf("an agent sees %s", got)
	}
	c := f.over(url, "mm_approver", nil)
	if got := c.names(); got != "add_allowlist_entry configure_mailbox create_api_key decide_email delete_mailbox "+
		"list_allowlist list_api_keys list_pending list_spam manage_spam_status remove_allowlist_entry "+
		"remove_suppression revoke_api_key update_account update_mailbox" {
		t.Errorf("an approver sees %s", got)
	}
	_, err := c.s.CallTool(t.Context(), &mcp.CallToolParams{Name: "send_email",
		Arguments: map[string]any{"to": []string{"a@b.example"}, "subject": "s", "markdown": "m"}})
	if err == nil || len(f.asked()) != 0 {
		t.Errorf("the tool of an agent is there: %v", err)
	}
}

// over connects a client over HTTP that keeps a session.
func (f *fakeAPI) over(url, key string, o *mcp.ClientOptions) *client {
	f.t.Helper()
	s, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, o).Connect(f.t.Context(),
		&mcp.StreamableClientTransport{Endpoint: url, HTTPClient: &http.Client{Transport: &keyed{key}}}, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = s.Close() })
	return &client{f.t, s}
}

func TestABodyThatIsTooLargeIsRefused(t *testing.T) {
	f := newAPI(t)
	resp, body := post(t, f.serve(), `{"jsonrpc":"2.0","id":1,"method":"`+
		strings.Repeat("x", int(maxBody(25<<20)))+`"}`, "Authorization", "Bearer mm_agent")
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
}

// The lists of tools are made once for each set of scopes, and what a request
// does with them is done with its own key.
func TestKeysOfTheSameScopesShareTheirToolsAndNothingElse(t *testing.T) {
	f := newAPI(t)
	second := agent
	second.Name, second.Mailboxes = "second", []string{"second@a.example"}
	f.keys["mm_second"] = second
	f.on("GET "+mails, 200, `{"emails":[]}`)
	f.on("GET /v1/mailboxes/second@a.example/emails", 200, `{"emails":[]}`)
	b := newBridge(t)
	srv := httptest.NewServer(b.Handler(f.client, 25<<20))
	t.Cleanup(srv.Close)
	const each = 20
	var all sync.WaitGroup
	for _, key := range []string{"mm_agent", "mm_second"} {
		for range each {
			all.Go(func() {
				resp, body := post(t, srv.URL, `{"jsonrpc":"2.0","id":1,"method":"tools/call",`+
					`"params":{"name":"check_inbox","arguments":{}}}`,
					"Authorization", "Bearer "+key)
				if resp.StatusCode != 200 || !strings.Contains(body, `"structuredContent"`) {
					t.Errorf("%s: %d %s", key, resp.StatusCode, body)
				}
			})
		}
	}
	all.Wait()
	count := map[string]int{}
	for _, request := range f.asked() {
		count[request]++
	}
	want := map[string]int{"mm_agent GET " + mails: each, "mm_second GET /v1/mailboxes/second@a.example/emails": each}
	if !maps.Equal(count, want) {
		t.Errorf("asked %v, want %v", count, want)
	}
	of := func(who api.Identity) *mcp.Server { return b.server(&session{who: who}) }
	if of(agent) != of(second) || of(agent) == of(approver) || len(b.servers) != 2 {
		t.Errorf("%d servers", len(b.servers))
	}
	for range of(agent).Sessions() {
		t.Error("a session is kept of requests that belong to none")
	}
}
