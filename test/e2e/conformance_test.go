//go:build e2e

package e2e

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
)

// keyedProxy adds a key to every request: neither the suite nor a stranger's settings have a
// place for one. It is reached on loopback alone.
func keyedProxy(t *testing.T, target, key string) string {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host // what it asks for is checked by the server
		r.Out.Header.Set("Authorization", "Bearer "+key)
	}}
	srv := httptest.NewServer(http.HandlerFunc(proxy.ServeHTTP))
	t.Cleanup(srv.Close)
	return srv.URL
}

// bin is a program of the peers, which run under the Node beside them.
func bin(t *testing.T, env []string, name string, args ...string) result {
	t.Helper()
	return command(t, "", env, filepath.Join(peers, "node_modules", ".bin", "node"),
		append([]string{filepath.Join(peers, "node_modules", ".bin", name)}, args...)...)
}

func TestTheInspectorFindsNoFaultWithTheTools(t *testing.T) {
	h := start(t)
	at := keyedProxy(t, h.dev.HTTP, h.dev.AgentKey) + "/mcp"
	for door, args := range map[string][]string{
		"HTTP": {"--cli", at, "--transport", "http", "--method", "tools/list", "--strict"},
		"stdio": {"--cli", "-e", "MULTIMAIL_URL=" + h.dev.HTTP, "-e", "MULTIMAIL_API_KEY=" + h.dev.AgentKey,
			binary, "mcp", "--method", "tools/list", "--strict"},
	} {
		r := bin(t, nil, "mcp-inspector", args...)
		if r.code != 0 || !strings.Contains(r.out, `"send_email"`) {
			t.Errorf("%s: %d %s\n%s", door, r.code, r.out, r.err)
		}
	}
}
