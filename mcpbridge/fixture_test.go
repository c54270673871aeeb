package mcpbridge

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/multimail/multimail/httpd/api"
)

// box is the mailbox of most keys here.
const box = "bot@a.example"

var (
	agent = api.Identity{Kind: "agent", Name: "bot", Scopes: []string{"read", "send"}, Mailboxes: []string{box},
		Possible: []string{"read", "send"}, Credential: "key:AGENT"}
	approver = api.Identity{Kind: "approver", Name: "ann", Scopes: []string{"oversight", "oversight_read"},
		Possible: []string{"oversight", "oversight_read"}, Credential: "key:APPROVER"}
)

// reply is what the API answers to one request.
type reply struct {
	status int
	body   string
	after  string // Retry-After
}

// fakeAPI knows some keys and some answers. Any other request is a fault of the
// test or of the bridge.
type fakeAPI struct {
	t   *testing.T
	url string

	mu      sync.Mutex
	keys    map[string]api.Identity
	answers map[string]reply // by "METHOD /path?query"
	seen    []string         // "KEY METHOD /path?query BODY", whoami excepted
}

func newAPI(t *testing.T) *fakeAPI {
	t.Helper()
	f := &fakeAPI{t: t, keys: map[string]api.Identity{"mm_agent": agent, "mm_approver": approver},
		answers: map[string]reply{}}
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	f.url = srv.URL
	return f
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		f.t.Error(err)
	}
	key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	request := r.Method + " " + r.RequestURI
	w.Header().Set("Content-Type", "application/json")
	answer, known := f.answers[request]
	who, valid := f.keys[key]
	switch {
	case !valid:
		answer = reply{status: 401, body: `{"error":"no such credential"}`}
	case request == "GET /v1/whoami" && !known:
		answer = reply{status: 200, body: encode(f.t, who)}
	case !known && strings.HasPrefix(request, "GET /v1/mailboxes/") && strings.Count(request, "/") == 3:
		w.WriteHeader(404) // whether the mailbox is configured: see setup_test.go
		return
	case !known:
		f.t.Errorf("the API has no answer for %s %s", request, body)
		answer = reply{status: 500, body: `{"error":"?"}`}
	}
	if request != "GET /v1/whoami" {
		f.seen = append(f.seen, strings.TrimSpace(key+" "+request+" "+string(body)))
	}
	if answer.after != "" {
		w.Header().Set("Retry-After", answer.after)
	}
	w.WriteHeader(answer.status)
	if _, err := io.WriteString(w, answer.body); err != nil {
		f.t.Error(err)
	}
}

// on sets the answer to a request.
func (f *fakeAPI) on(request string, status int, body string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[request] = reply{status: status, body: body}
}

// asked returns the requests since the last call.
func (f *fakeAPI) asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := f.seen
	f.seen = nil
	return seen
}

// client is an MCP client of a bridge in memory.
type client struct {
	t *testing.T
	s *mcp.ClientSession
}

// connect returns a client of the bridge for a credential.
func (f *fakeAPI) connect(who api.Identity, mailbox string) *client {
	t := f.t
	t.Helper()
	f.mu.Lock()
	f.keys["mm_test"] = who
	f.mu.Unlock()
	of, err := open(t.Context(), api.New(f.url, "mm_test"), mailbox)
	if err != nil {
		t.Fatal(err)
	}
	here, there := mcp.NewInMemoryTransports()
	// The context outlives the test's: the server goes when its client has gone.
	ctx := context.WithValue(context.Background(), sessionKey{}, of)
	if _, err := newBridge(t).server(of).Connect(ctx, there, nil); err != nil {
		t.Fatal(err)
	}
	return dial(t, here)
}

// newBridge returns a bridge with every tool.
func newBridge(t *testing.T) *Bridge {
	t.Helper()
	b, err := New(api.Operations, Tools(), "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// dial connects a client.
func dial(t *testing.T, transport mcp.Transport) *client {
	t.Helper()
	s, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(context.Background(),
		transport, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return &client{t, s}
}

// tools returns the tools that the client sees.
func (c *client) tools() (list []*mcp.Tool) {
	c.t.Helper()
	for tool, err := range c.s.Tools(c.t.Context(), nil) {
		if err != nil {
			c.t.Fatal(err)
		}
		list = append(list, tool)
	}
	return list
}

// names returns the names of the tools that the client sees.
func (c *client) names() string {
	c.t.Helper()
	var names []string
	for _, tool := range c.tools() {
		names = append(names, tool.Name)
	}
	return strings.Join(names, " ")
}

// said is what a tool answered.
type said struct {
	blocks []string // of text
	data   string   // JSON of the structured content
	failed bool
}

func (s said) all() string { return strings.Join(s.blocks, "\n") }

// call calls a tool with arguments in JSON.
func (c *client) call(tool, args string) said {
	c.t.Helper()
	r, err := c.s.CallTool(c.t.Context(), &mcp.CallToolParams{Name: tool, Arguments: json.RawMessage(args)})
	if err != nil {
		c.t.Fatalf("%s %s: %v", tool, args, err)
	}
	s := said{data: encode(c.t, r.StructuredContent), failed: r.IsError}
	for _, b := range r.Content {
		if _, link := b.(*mcp.ResourceLink); link {
			continue
		}
		text, ok := b.(*mcp.TextContent)
		if !ok {
			c.t.Fatalf("%s answers %T", tool, b)
		}
		s.blocks = append(s.blocks, text.Text)
	}
	return s
}

func encode(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
