//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// toolResult is what a tool answered, in the octets of the protocol.
type toolResult struct {
	Content []struct {
		Type, Text string
	} `json:"content"`
	Structured json.RawMessage `json:"structuredContent"`
	IsError    bool            `json:"isError"`
	Thrown     string          `json:"thrown"` // the client refuses the answer
}

// all returns the text of every block.
func (r toolResult) all() string {
	var b strings.Builder
	for _, c := range r.Content {
		b.WriteString(c.Text + "\n")
	}
	return b.String()
}

// toolClient is an official client with one key.
type toolClient interface {
	tools() []*mcp.Tool
	call(name string, args map[string]any) toolResult
}

// goClient is that of the Go SDK, which does not look at the schema of an answer.
type goClient struct {
	t       *testing.T
	s       *mcp.ClientSession
	list    []*mcp.Tool
	schemas map[string]*jsonschema.Resolved
}

// overGo connects to the daemon at a URL, over stdio through the bridge or over HTTP.
func overGo(t *testing.T, at, key string, stdio bool) toolClient {
	t.Helper()
	var transport mcp.Transport = &mcp.StreamableClientTransport{Endpoint: at + "/mcp", DisableStandaloneSSE: true,
		HTTPClient: &http.Client{Transport: &keyed{key: key}}}
	if stdio {
		cmd := exec.Command(binary, "mcp")
		cmd.Env = append(os.Environ(), "MULTIMAIL_URL="+at, "MULTIMAIL_API_KEY="+key)
		transport = &mcp.CommandTransport{Command: cmd}
	}
	s, err := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1"}, nil).Connect(context.Background(),
		transport, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	l, err := s.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &goClient{t, s, l.Tools, map[string]*jsonschema.Resolved{}}
	for _, tool := range l.Tools {
		var schema jsonschema.Schema
		decode(t, encode(t, tool.OutputSchema), &schema)
		if c.schemas[tool.Name], err = schema.Resolve(nil); err != nil {
			t.Fatalf("%s: %v", tool.Name, err)
		}
	}
	return c
}

func (c *goClient) tools() []*mcp.Tool { return c.list }

func (c *goClient) call(name string, args map[string]any) (r toolResult) {
	c.t.Helper()
	got, err := c.s.CallTool(c.t.Context(), &mcp.CallToolParams{Name: name, Arguments: args})
	if err != nil {
		return toolResult{Thrown: err.Error()}
	}
	decode(c.t, encode(c.t, got), &r)
	if got.IsError {
		return r
	}
	if err := c.schemas[name].Validate(got.StructuredContent); err != nil {
		r.Thrown = err.Error()
	}
	return r
}

// nodeClient is that of the TypeScript SDK, in a process of its own.
type nodeClient struct {
	t    *testing.T
	list []*mcp.Tool
	in   io.Writer
	out  *bufio.Reader
	log  *lockedBuffer
}

func overNode(t *testing.T, at, key string, stdio bool) toolClient {
	t.Helper()
	cmd := exec.Command(filepath.Join(peers, "node_modules", ".bin", "node"), filepath.Join(peers, "mcp-tools.mjs"))
	cmd.Env = append(os.Environ(), "URL="+at, "KEY="+key)
	if stdio {
		cmd.Env = append(cmd.Env, "BINARY="+binary)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c := &nodeClient{t: t, in: in, out: bufio.NewReader(out), log: &lockedBuffer{}}
	cmd.Stderr = c.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	var l mcp.ListToolsResult
	c.read(&l)
	c.list = l.Tools
	return c
}

func (c *nodeClient) read(v any) {
	c.t.Helper()
	line, err := c.out.ReadString('\n')
	if err != nil {
		c.t.Fatalf("the client ended: %v\n%s", err, c.log)
	}
	decode(c.t, line, v)
}

func (c *nodeClient) tools() []*mcp.Tool { return c.list }

func (c *nodeClient) call(name string, args map[string]any) (r toolResult) {
	c.t.Helper()
	if _, err := io.WriteString(c.in, encode(c.t, map[string]any{"tool": name, "args": args})+"\n"); err != nil {
		c.t.Fatalf("the client ended: %v\n%s", err, c.log)
	}
	c.read(&r)
	return r
}

// watchtower passes requests on to the daemon and tells of each that begins to wait for
// mail, whether a bridge or a client of the daemon's own bridge asks.
func watchtower(t *testing.T, at string, waits chan<- struct{}) string {
	t.Helper()
	target, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
	}}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if strings.HasSuffix(r.URL.Path, "/wait") || bytes.Contains(body, []byte(`"wait_for_email"`)) {
			waits <- struct{}{}
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}
