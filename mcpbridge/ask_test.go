package mcpbridge

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/multimail/multimail/httpd/api"
)

// bothEras are the last version of MCP with sessions, and the first one without.
var bothEras = []string{"2025-11-25", modernVersion}

// recorded is an API without mail that notes what it was asked for.
type recorded struct {
	who  api.Identity
	mu   sync.Mutex
	seen []any
}

func (r *recorded) Do(_ context.Context, op *api.Operation, in any) (any, error) {
	if op == api.Whoami.Operation {
		return r.who, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, in)
	return nil, &api.Error{Status: http.StatusNotFound, Message: "no such mail"}
}

// person answers the forms of a client.
type person func(ctx context.Context, form map[string]any) (*mcp.ElicitResult, error)

func accept(content map[string]any) person {
	return func(context.Context, map[string]any) (*mcp.ElicitResult, error) {
		return &mcp.ElicitResult{Action: "accept", Content: content}, nil
	}
}

// meet returns a client of one era for an API, with a person at it; nil is nobody.
func (b *Bridge) meet(t *testing.T, c api.Caller, era string, p person) *mcp.ClientSession {
	t.Helper()
	of, err := open(t.Context(), c, "")
	if err != nil {
		t.Fatal(err)
	}
	here, there := mcp.NewInMemoryTransports()
	if _, err := b.server(of).Connect(context.WithValue(context.Background(), sessionKey{}, of), there, nil); err != nil {
		t.Fatal(err)
	}
	o := &mcp.ClientOptions{}
	if p != nil {
		o.ElicitationHandler = func(ctx context.Context, q *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			form := map[string]any{}
			if err := json.Unmarshal([]byte(encode(t, q.Params.RequestedSchema)), &form); err != nil {
				t.Error(err)
			}
			return p(ctx, form)
		}
	}
	s, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, o).Connect(t.Context(), here,
		&mcp.ClientSessionOptions{ProtocolVersion: era})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// callTool calls a tool and returns its words, and whether they are an error.
func callTool(t *testing.T, s *mcp.ClientSession, tool string, args any) (string, bool) {
	t.Helper()
	r, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: args})
	if err != nil {
		return err.Error(), true
	}
	return r.Content[0].(*mcp.TextContent).Text, r.IsError
}

var everyone = api.Identity{Kind: "admin", Name: "all", Credential: "key:ALL", Mailboxes: []string{box, "b@a.example"},
	Scopes: []string{"read", "send", "oversight", "oversight_read", "admin", "audit_read", "tighten"}}

// placeholder returns a value that a schema takes, as far as its type goes.
func placeholder(of any) any {
	p := of.(map[string]any)
	switch enum, _ := p["enum"].([]any); {
	case len(enum) > 0:
		return enum[0]
	case p["type"] == "array":
		return []any{placeholder(p["items"])}
	case p["type"] == "object":
		return map[string]any{}
	case p["type"] == "integer":
		return 1
	case p["type"] == "boolean":
		return true
	}
	return "x"
}

// parameters returns those of a tool, with their schemas.
func parameters(t *testing.T, tool *Tool) map[string]any {
	t.Helper()
	var schema struct{ Properties map[string]any }
	if err := json.Unmarshal([]byte(encode(t, tool.op.ToolInput())), &schema); err != nil {
		t.Fatal(err)
	}
	return schema.Properties
}

// What a person is asked for is written down here a second time. Every tool is called without
// each of its arguments in turn, and without any, by a client that would ask for all of them.
func TestNothingElseIsAskedForByAnyTool(t *testing.T) {
	want := map[string][]string{
		"send_email":  {"mailbox_id", "markdown", "subject", "to"},
		"reply_email": {"mailbox_id", "markdown"},
		"check_inbox": {"mailbox_id"}, "read_email": {"mailbox_id"}, "get_thread": {"mailbox_id"},
		"download_attachment": {"mailbox_id"}, "wait_for_email": {"mailbox_id"},
	}
	for _, era := range bothEras {
		b, r := newBridge(t), &recorded{who: everyone}
		asked := map[string]map[string]bool{}
		calling := ""
		s := b.meet(t, r, era, func(_ context.Context, form map[string]any) (*mcp.ElicitResult, error) {
			if asked[calling] == nil {
				asked[calling] = map[string]bool{}
			}
			for name := range form["properties"].(map[string]any) {
				asked[calling][name] = true
			}
			return &mcp.ElicitResult{Action: "decline"}, nil
		})
		for _, tool := range b.tools {
			all := map[string]any{}
			for name, p := range parameters(t, &tool) {
				all[name] = placeholder(p)
			}
			calling = tool.op.Name
			callTool(t, s, calling, map[string]any{})
			for left := range all {
				some := maps.Clone(all)
				delete(some, left)
				callTool(t, s, calling, some)
			}
		}
		for name, scopes := range asked {
			if got := slices.Sorted(maps.Keys(scopes)); !slices.Equal(got, want[name]) {
				t.Errorf("%s: %s asks for %v, want %v", era, name, got, want[name])
			}
		}
		if len(asked) != len(want) {
			t.Errorf("%s: %d tools ask, want %d", era, len(asked), len(want))
		}
	}
	for name, list := range askable {
		tool := newBridge(t).tool(name)
		for _, scope := range tool.op.ToolScopes() {
			if scope != "read" && scope != "send" {
				t.Errorf("%s is a tool of the scope %s", name, scope)
			}
		}
		for _, p := range list {
			if _, ok := questions[p]; !ok || parameters(t, tool)[p] == nil {
				t.Errorf("%s has no question for %s", name, p)
			}
		}
	}
}

var twoBoxes = api.Identity{Kind: "agent", Name: "bot", Credential: "key:AGENT", Scopes: []string{"read", "send"},
	Mailboxes: []string{box, "b@a.example"}}

func TestAPersonCompletesACall(t *testing.T) {
	for _, era := range bothEras {
		for _, c := range []struct {
			name, tool, args string
			who              api.Identity
			answer           map[string]any
			want             any
		}{
			{"a mail", "send_email", `{"subject":null,"cc":["c@d.example"]}`, twoBoxes,
				map[string]any{"mailbox_id": "b@a.example", "to": "x@d.example, y@d.example", "subject": "Hi", "markdown": "m"},
				api.SendRequest{Mailbox: "b@a.example", Draft: api.Draft{
					To: []string{"x@d.example", "y@d.example"}, Cc: []string{"c@d.example"}, Subject: "Hi", Markdown: "m"}}},
			{"what the API will refuse", "send_email", `{"to":["x@d.example"],"markdown":"m"}`, agent,
				map[string]any{"subject": "Hi\r\nBcc: z@d.example"},
				api.SendRequest{Mailbox: box, Draft: api.Draft{
					To: []string{"x@d.example"}, Subject: "Hi\r\nBcc: z@d.example", Markdown: "m"}}},
		} {
			r := &recorded{who: c.who}
			s := newBridge(t).meet(t, r, era, accept(c.answer))
			if _, failed := callTool(t, s, c.tool, json.RawMessage(c.args)); !failed {
				t.Errorf("%s, %s: the API has refused it", era, c.name)
			}
			if len(r.seen) != 1 || !reflect.DeepEqual(r.seen[0], c.want) {
				t.Errorf("%s, %s: the API was asked %+v", era, c.name, r.seen)
			}
		}
	}
}

func TestAnAnswerThatIsNotGoodDoesNothing(t *testing.T) {
	long := strings.Repeat("x", maxReply+1)
	for _, era := range bothEras {
		for name, p := range map[string]person{
			"a wrong type":               accept(map[string]any{"mailbox_id": box, "markdown": 7.0}),
			"a list":                     accept(map[string]any{"mailbox_id": box, "markdown": []any{"m"}}),
			"too long":                   accept(map[string]any{"mailbox_id": box, "markdown": long}),
			"nothing":                    accept(map[string]any{"mailbox_id": box, "markdown": ""}),
			"a part":                     accept(map[string]any{"markdown": "m"}),
			"more":                       accept(map[string]any{"mailbox_id": box, "markdown": "m", "cc": "z@d.example"}),
			"a code":                     accept(map[string]any{"mailbox_id": box, "markdown": "m", "approval_code": "1"}),
			"a mailbox of somebody else": accept(map[string]any{"mailbox_id": "c@a.example", "markdown": "m"}),
			"no content":                 accept(nil),
			"the person declines": func(context.Context, map[string]any) (*mcp.ElicitResult, error) {
				return &mcp.ElicitResult{Action: "decline", Content: map[string]any{"mailbox_id": box, "markdown": "m"}}, nil
			},
			"the person cancels": func(context.Context, map[string]any) (*mcp.ElicitResult, error) {
				return &mcp.ElicitResult{Action: "cancel"}, nil
			},
		} {
			r := &recorded{who: twoBoxes}
			s := newBridge(t).meet(t, r, era, p)
			says, failed := callTool(t, s, "reply_email", map[string]any{"email_id": "01M"})
			if !failed || len(r.seen) != 0 {
				t.Errorf("%s, %s: %.200s; the API was asked %v", era, name, says, r.seen)
			}
			if era != modernVersion {
				continue
			}
			// A client need not check what a person says, as that of the SDK does.
			answer, _ := p(t.Context(), nil)
			got, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: "reply_email",
				Arguments:      map[string]any{"email_id": "01M"},
				InputResponses: mcp.InputResponseMap{questionID: answer}})
			if err != nil || !got.IsError || len(r.seen) != 0 {
				t.Fatalf("%s, unchecked: %v %+v; the API was asked %v", name, err, got, r.seen)
			}
			says = got.Content[0].(*mcp.TextContent).Text
			if !strings.Contains(says, "the person ") || strings.Contains(says, long) {
				t.Errorf("%s, unchecked: %.200s", name, says)
			}
		}
	}
}

func TestWhoeverShowsNoFormsIsToldWhatIsMissing(t *testing.T) {
	for _, era := range bothEras {
		r := &recorded{who: twoBoxes}
		s := newBridge(t).meet(t, r, era, nil)
		if says, failed := callTool(t, s, "check_inbox", nil); !failed || !strings.Contains(says, "several mailboxes") {
			t.Errorf("%s: %s", era, says)
		}
	}
	for _, c := range []struct {
		of   *mcp.ElicitationCapabilities
		want bool
	}{
		{nil, false},
		{&mcp.ElicitationCapabilities{URL: &mcp.URLElicitationCapabilities{}}, false},
		{&mcp.ElicitationCapabilities{}, true},
		{&mcp.ElicitationCapabilities{Form: &mcp.FormElicitationCapabilities{}}, true},
	} {
		if got := takesForms(&mcp.ClientCapabilities{Elicitation: c.of}); got != c.want {
			t.Errorf("%+v: %t", c.of, got)
		}
	}
	if takesForms(nil) {
		t.Error("a client that says nothing takes forms")
	}
}

func TestAQuestionWaitsForABoundedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, r := newBridge(t), &recorded{who: twoBoxes}
		slow := func(ctx context.Context, _ map[string]any) (*mcp.ElicitResult, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		s := b.meet(t, r, bothEras[0], slow)
		begun := time.Now()
		var calls sync.WaitGroup
		for range maxQuestions {
			calls.Go(func() {
				if says, failed := callTool(t, s, "check_inbox", nil); !failed || !strings.Contains(says, "nobody answered") {
					t.Error(says)
				}
			})
		}
		synctest.Wait()
		if says, failed := callTool(t, s, "check_inbox", nil); !failed || !strings.Contains(says, "nobody answered") ||
			!time.Now().Equal(begun) {
			t.Errorf("past the bound: %s", says)
		}
		calls.Wait()
		if took := time.Since(begun); took != questionTime || len(r.seen) != 0 || b.questions.sum != 0 {
			t.Errorf("%s; the API was asked %v, %d questions are open", took, r.seen, b.questions.sum)
		}
		_ = s.Close()
	})
}
