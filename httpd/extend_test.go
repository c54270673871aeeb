package httpd

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/mcpbridge"
)

// What a new operation takes: its types, its entry, its handler, its renderer.
type (
	greetRequest struct {
		api.MailboxRef
		Times int    `query:"times" json:"-" doc:"how often" min:"1" max:"3" default:"1"`
		Name  string `query:"name" json:"-" doc:"whom to greet" tool:",required"`
	}
	greeting struct {
		Text string `json:"text" doc:"the greeting"`
		Door string `json:"door" doc:"how the request came in"`
	}
)

func addGreeting(t *api.Table) api.Op[greetRequest, greeting] {
	return api.Add[greetRequest, greeting](t, api.Operation{
		Name: "greet", Method: "GET", Path: "/v1/mailboxes/{id}/greeting", Scopes: []string{api.ScopeRead},
		Summary: "a greeting of the mailbox",
		Tool:    &api.Tool{Title: "Greet", Description: "Greet somebody.", ReadOnly: true}})
}

func greet(_ context.Context, c caller, in greetRequest) (greeting, error) {
	box, err := c.reaches(in.Mailbox)
	if err != nil {
		return greeting{}, err
	}
	return greeting{strings.Repeat("Hello "+in.Name+". ", in.Times) + box.String(), c.door}, nil
}

func renderGreeting(_ greetRequest, out greeting) *mcpbridge.Answer {
	return &mcpbridge.Answer{Data: out, Foreign: []mcpbridge.Foreign{{What: "GREETING", Text: out.Text}}}
}

// One entry, one handler and one renderer make an operation: everything else
// follows from the table.
func TestAnOperationThatIsAddedToTheTableIsEverywhere(t *testing.T) {
	h := newFixture(t)
	h.unlimited()
	table := api.Operations.Clone()
	op := addGreeting(table)
	for _, s := range []*Server{h.s, h.dev} {
		if err := s.mount(table, append(s.bindings(), bind(op, greet))); err != nil {
			t.Fatal(err)
		}
	}
	bridge, err := mcpbridge.New(table, append(mcpbridge.Tools(), mcpbridge.Render(op, renderGreeting)), "1")
	if err != nil {
		t.Fatal(err)
	}
	h.s.o.MCP = func(dial func(string) api.Caller) http.Handler { return bridge.Handler(dial, 1<<20) }

	const target = "/v1/mailboxes/" + bot + "/greeting?name=Ada"
	if r := h.want(200, "reader", "GET", target, ""); r.body != `{"text":"Hello Ada. bot@a.example","door":"http"}`+"\n" {
		t.Errorf("the route answers %s", r.body)
	}
	for _, bad := range []string{"&times=4", "&times=x", "&name=Eve", "&more=1"} {
		h.want(400, "reader", "GET", target+bad, "")
	}
	h.want(403, "admin", "GET", target, "")
	h.checkScopes(table)

	srv := httptest.NewServer(h.s.Handler())
	defer srv.Close()
	in := greetRequest{MailboxRef: api.MailboxRef{Mailbox: bot}, Times: 2, Name: "Ada"}
	got, err := api.Call(t.Context(), api.New(srv.URL, h.keys["reader"]), op, in)
	if err != nil || got.Text != "Hello Ada. Hello Ada. bot@a.example" || got.Door != "http" {
		t.Errorf("the client gets %+v, %v", got, err)
	}
	doc := h.want(200, "nobody", "GET", "/swagger.json", "").body
	for _, want := range []string{`"/mailboxes/{id}/greeting"`, `"operationId": "greet"`, `"text": {`,
		`"maximum": 3`} {
		if !strings.Contains(doc, want) {
			t.Errorf("swagger.json has no %s", want)
		}
	}
	if page := string(table.Reference()); !strings.Contains(page, "### greet\n") ||
		!strings.Contains(page, "| `text` | text | the greeting |") {
		t.Error("docs/api.md has nothing of it")
	}
	checkGreetTool(t, srv.URL+"/mcp", h.keys["reader"])
}

// checkGreetTool calls the tool as a client does.
func checkGreetTool(t *testing.T, url, key string) {
	t.Helper()
	c, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(),
		&mcp.StreamableClientTransport{Endpoint: url, HTTPClient: &http.Client{Transport: keyed(key)},
			DisableStandaloneSSE: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r, err := c.CallTool(t.Context(), &mcp.CallToolParams{Name: "greet", Arguments: json.RawMessage(`{"name":"Ada"}`)})
	if err != nil || r.IsError || len(r.Content) != 3 {
		t.Fatalf("%+v, %v", r, err)
	}
	data, err := json.Marshal(r.StructuredContent)
	if err != nil || string(data) != `{"door":"mcp","text":"Hello Ada. bot@a.example"}` {
		t.Errorf("the tool answers %s, %v", data, err)
	}
	for _, bad := range []string{`{}`, `{"name":"Ada","times":4}`, `{"Name":"Ada"}`} {
		if r, err := c.CallTool(t.Context(), &mcp.CallToolParams{Name: "greet",
			Arguments: json.RawMessage(bad)}); err != nil || !r.IsError {
			t.Errorf("the tool takes %s: %v", bad, err)
		}
	}
}

// keyed is a transport with an API key.
type keyed string

func (k keyed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(k))
	return http.DefaultTransport.RoundTrip(r)
}

func TestATableWithoutAHandlerOrARendererIsRefused(t *testing.T) {
	h := newFixture(t)
	table := api.Operations.Clone()
	op := addGreeting(table)
	for name, err := range map[string]error{
		"no handler":   h.s.mount(table, h.s.bindings()),
		"no operation": h.s.mount(api.Operations, append(h.s.bindings(), bind(op, greet))),
		"two handlers": h.s.mount(table, append(h.s.bindings(), bind(op, greet), bind(op, greet))),
	} {
		if err == nil {
			t.Errorf("%s: the server starts", name)
		}
	}
	_, none := mcpbridge.New(table, mcpbridge.Tools(), "1")
	_, more := mcpbridge.New(api.Operations, append(mcpbridge.Tools(), mcpbridge.Render(op, renderGreeting)), "1")
	if none == nil || more == nil {
		t.Errorf("the bridge starts: %v, %v", none, more)
	}
}
