package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/multimail/multimail/internal/daemon"
)

// The versions of the protocol whose sessions and whose lone requests are measured.
const (
	sessionVersion = "2025-11-25"
	loneVersion    = "2026-07-28"
)

// caller makes one call and fails unless it is answered with what was asked for.
type caller struct {
	name  string
	call  func() error
	took  time.Duration
	calls int
}

func (c *caller) rate() float64 { return float64(c.calls) / c.took.Seconds() }

// job is a tool, with the request that does the same over REST.
type job struct {
	tool         string
	method, path string
	args         func() map[string]any // of the tool, and for POST the body of the request
}

// BenchmarkTool makes calls of tools and the same requests over REST, in turns. "http" is a
// tool over HTTP without a client's library, "sdk" the official one with a session, "stdio"
// the same through the bridge in a process of its own. REST is a plain client of Go. "bare" is
// "http" at a server of the official library that does nothing but answer: what the protocol
// costs before anything of ours runs.
func BenchmarkTool(b *testing.B) {
	o := openOffice(b, 500)
	bare := bareOffice(b)
	program, box := build(b), "/v1/mailboxes/"+o.info.Mailbox
	sent := 0
	for _, j := range []job{
		{"read_email", "GET", box + "/emails/" + o.thread, func() map[string]any {
			return map[string]any{"email_id": o.thread}
		}},
		{"check_inbox", "GET", box + "/emails?limit=20", func() map[string]any { return map[string]any{"limit": 20} }},
		{"send_email", "POST", "/v1/send", func() map[string]any {
			sent++ // no two mails are the same
			return map[string]any{"to": []string{"ada@dest.test"}, "subject": fmt.Sprint("Boat ", sent), "markdown": "Hello."}
		}},
	} {
		b.Run(j.tool, func(b *testing.B) {
			all := []*caller{
				{name: "rest", call: func() error { return o.rest(j) }},
				{name: "http", call: func() error { return o.lone(j) }},
				{name: "sdk", call: session(b, j, &mcp.StreamableClientTransport{Endpoint: o.info.HTTP + "/mcp",
					HTTPClient: &http.Client{Transport: withKey{o.info.AgentKey}}})},
				{name: "stdio", call: session(b, j, &mcp.CommandTransport{Command: o.bridge(program)})},
				{name: "bare", call: func() error { return bare.lone(j) }},
			}
			b.ResetTimer()
			for i := range rounds {
				n := b.N*(i+1)/rounds - b.N*i/rounds
				for _, c := range all {
					begun := time.Now()
					for range n {
						check(b, c.call())
						c.calls++
					}
					c.took += time.Since(begun)
				}
			}
			b.StopTimer()
			b.ReportMetric(0, "ns/op")
			for _, c := range all {
				b.ReportMetric(c.rate(), c.name+"/s")
				if c != all[0] {
					b.ReportMetric(c.rate()/all[0].rate(), c.name+"×rest")
				}
			}
		})
	}
}

func (o *office) rest(j job) error {
	body := ""
	if j.method == http.MethodPost {
		b, err := json.Marshal(j.args())
		if err != nil {
			return err
		}
		body = string(b)
	}
	r, err := http.NewRequest(j.method, o.info.HTTP+j.path, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	return o.expect(r, o.info.AgentKey, `"id"`)
}

// lone is a call without a session, by a client that reads nothing but the text.
func (o *office) lone(j job) error {
	args, err := json.Marshal(j.args())
	if err != nil {
		return err
	}
	r, err := o.message(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + j.tool + `","arguments":` +
		string(args) + `,"_meta":{"io.modelcontextprotocol/protocolVersion":"` + loneVersion + `",` +
		`"io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"},` +
		`"io.modelcontextprotocol/clientCapabilities":{}}}}`)
	if err != nil {
		return err
	}
	r.Header.Set("Mcp-Protocol-Version", loneVersion)
	r.Header.Set("Mcp-Method", "tools/call")
	r.Header.Set("Mcp-Name", j.tool)
	return o.expect(r, o.info.AgentKey, `"structuredContent"`)
}

// bareOffice serves every tool of the benchmark with a constant answer of two KiB.
func bareOffice(b *testing.B) *office {
	b.Helper()
	s := mcp.NewServer(&mcp.Implementation{Name: "bare", Version: "1"}, nil)
	data := json.RawMessage(`{"id":"` + strings.Repeat("x", 1000) + `"}`)
	for _, name := range []string{"read_email", "check_inbox", "send_email"} {
		s.AddTool(&mcp.Tool{Name: name, InputSchema: json.RawMessage(`{"type":"object"}`)},
			func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
				return &mcp.CallToolResult{StructuredContent: data,
					Content: []mcp.Content{&mcp.TextContent{Text: string(data)}}}, nil
			})
	}
	srv := httptest.NewServer(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s },
		&mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true}))
	b.Cleanup(srv.Close)
	return &office{info: daemon.DevInfo{HTTP: srv.URL}}
}

// message is a request with a message of MCP.
func (o *office) message(body string) (*http.Request, error) {
	r, err := http.NewRequest(http.MethodPost, o.info.HTTP+"/mcp", strings.NewReader(body))
	if err == nil {
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json, text/event-stream")
	}
	return r, err
}

// expect makes a request whose answer must hold a text.
func (o *office) expect(r *http.Request, key, part string) error {
	r.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode/100 != 2 || !strings.Contains(string(body), part)) {
		err = fmt.Errorf("%s %s: %.200s", r.URL, resp.Status, body)
	}
	return err
}

// session is a call of the official client, in a session that ends with b.
func session(b *testing.B, j job, t mcp.Transport) func() error {
	b.Helper()
	s, err := mcp.NewClient(&mcp.Implementation{Name: "bench", Version: "1"}, nil).Connect(context.Background(), t, nil)
	check(b, err)
	b.Cleanup(func() { s.Close() })
	return func() error {
		got, err := s.CallTool(context.Background(), &mcp.CallToolParams{Name: j.tool, Arguments: j.args()})
		if err == nil && (got.IsError || got.StructuredContent == nil) {
			err = fmt.Errorf("%s is refused: %+v", j.tool, got.Content)
		}
		return err
	}
}

// withKey sends a key with each request.
type withKey struct{ key string }

func (k withKey) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+k.key)
	return http.DefaultTransport.RoundTrip(r)
}

// build makes the program, for what only a process of its own shows.
func build(b *testing.B) string {
	b.Helper()
	program := filepath.Join(b.TempDir(), "multimail")
	if out, err := exec.Command("go", "build", "-o", program, "../../cmd/multimail").CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	return program
}

func (o *office) bridge(program string) *exec.Cmd {
	c := exec.Command(program, "mcp")
	c.Env = append(os.Environ(), "MULTIMAIL_URL="+o.info.HTTP, "MULTIMAIL_API_KEY="+o.info.AgentKey)
	return c
}

// BenchmarkIdleSessions opens 1,000 sessions of MCP of a hundred agents, and reports the
// memory that they take while nobody uses them.
func BenchmarkIdleSessions(b *testing.B) {
	o := openOffice(b, 500)
	const each = 10
	open := func() {
		hello := `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"` + sessionVersion +
			`","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}`
		for _, key := range o.keys {
			for range each {
				r, err := o.message(hello)
				check(b, err)
				id, err := o.begin(r, key)
				check(b, err)
				r, err = o.message(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
				check(b, err)
				r.Header.Set("Mcp-Session-Id", id)
				r.Header.Set("Mcp-Protocol-Version", sessionVersion)
				check(b, o.expect(r, key, ""))
			}
		}
		http.DefaultClient.CloseIdleConnections()
	}
	runtime.GC() // what a pool keeps goes at the second collection
	before := inUse()
	open()
	runtime.GC()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(inUse()-before)/(1<<20), "MiB")
	b.ReportMetric(float64(len(o.keys)*each), "sessions")
}

// begin makes the first request of a session and returns its id.
func (o *office) begin(r *http.Request, key string) (id string, err error) {
	r.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return "", err
	}
	if id = resp.Header.Get("Mcp-Session-Id"); id == "" {
		err = fmt.Errorf("no session: %s", resp.Status)
	}
	return id, err
}
