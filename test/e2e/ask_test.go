//go:build e2e

package e2e

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// asked is what one call of a tool without arguments led to.
type asked struct {
	Form   *struct{ Required []string }
	Result toolResult
}

// answers are what a person gives to the forms of the calls, in this order.
type answers []mcp.ElicitResult

// asker calls a tool, over stdio or HTTP, once for each answer.
type asker func(t *testing.T, at, key string, stdio bool, tool string, list answers) []asked

func askGo(era string) asker {
	return func(t *testing.T, at, key string, stdio bool, tool string, list answers) (out []asked) {
		t.Helper()
		var now asked
		var answer mcp.ElicitResult
		c := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1"}, &mcp.ClientOptions{
			ElicitationHandler: func(_ context.Context, q *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
				decode(t, encode(t, q.Params.RequestedSchema), &now.Form)
				return &answer, nil
			}})
		var transport mcp.Transport = &mcp.StreamableClientTransport{Endpoint: at + "/mcp",
			HTTPClient: &http.Client{Transport: &keyed{key: key}}}
		if stdio {
			cmd := exec.Command(binary, "mcp")
			cmd.Env = append(os.Environ(), "MULTIMAIL_URL="+at, "MULTIMAIL_API_KEY="+key)
			transport = &mcp.CommandTransport{Command: cmd}
		}
		s, err := c.Connect(context.Background(), transport, &mcp.ClientSessionOptions{ProtocolVersion: era})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		for _, answer = range list {
			now = asked{}
			got, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: map[string]any{}})
			if err != nil {
				now.Result.Thrown = err.Error()
			} else {
				decode(t, encode(t, got), &now.Result)
			}
			out = append(out, now)
		}
		return out
	}
}

func askNode(mode string) asker {
	return func(t *testing.T, at, key string, stdio bool, tool string, list answers) (out []asked) {
		t.Helper()
		env := []string{"URL=" + at, "KEY=" + key, "MODE=" + mode, "TOOL=" + tool, "ANSWERS=" + encode(t, list)}
		if stdio {
			env = append(env, "BINARY="+binary)
		}
		decode(t, must(t, node(t, "ask.mjs", env...)), &out)
		return out
	}
}

func TestAPersonCompletesAMailOverEveryTransportInBothEras(t *testing.T) {
	h := start(t)
	for name, ask := range map[string]asker{"go-sdk " + eras[0]: askGo(eras[0]), "go-sdk " + eras[1]: askGo(eras[1]),
		"typescript legacy": askNode("legacy"), "typescript auto": askNode("auto")} {
		for _, stdio := range []bool{false, true} {
			name := name + map[bool]string{true: " over stdio", false: " over HTTP"}[stdio]
			t.Run(name, func(t *testing.T) { h.in(t).completed(name, ask, stdio) })
		}
	}
}

func (h *daemon) completed(name string, ask asker, stdio bool) {
	t := h.t
	accept := func(more map[string]any) mcp.ElicitResult {
		content := map[string]any{"to": "to@dest.test, other@dest.test", "subject": name, "markdown": "Hello."}
		for field, value := range more {
			content[field] = value
		}
		return mcp.ElicitResult{Action: "accept", Content: content}
	}
	before := len(h.pending())
	bad := []string{"a decline", "a cancel", "CR LF in the subject", "no address", "a wrong type", "too long", "more"}
	got := ask(t, h.dev.HTTP, h.dev.AgentKey, stdio, "send_email", answers{
		{Action: "decline"}, {Action: "cancel"}, accept(map[string]any{"subject": "Hi\r\nBcc: x@evil.test"}),
		accept(map[string]any{"to": "nobody"}), accept(map[string]any{"markdown": 7}),
		accept(map[string]any{"markdown": strings.Repeat("x", 8100)}),
		accept(map[string]any{"approval_code": "123456"}), accept(nil)})
	for i, why := range bad {
		if r := got[i].Result; r.Thrown == "" && !r.IsError {
			t.Errorf("%s: %+v", why, got[i])
		}
	}
	for i, a := range got {
		if a.Form == nil || !slices.Equal(a.Form.Required, []string{"to", "subject", "markdown"}) {
			t.Errorf("the form of call %d: %+v %+v", i, a.Form, a.Result)
		}
	}
	if r := got[len(bad)].Result; r.IsError || r.Thrown != "" || !strings.Contains(r.all(), "pending_send_approval") {
		t.Fatalf("a good answer: %+v", r)
	}
	m := h.only(name)
	if n := len(h.pending()); n != before+1 || !slices.Equal(m.To, []string{"to@dest.test", "other@dest.test"}) {
		t.Errorf("%d mails more are held: %+v", n-before, m)
	}
}
