//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// maxProxied bounds a request that passes through a proxy of the tests, in octets.
const maxProxied = 64 << 20

// door returns the address of a proxy that adds the key, for programs that cannot. The Host
// header passes as it came: who is asked for is ours to judge.
func (h *daemon) door(key string) string {
	h.t.Helper()
	target, err := url.Parse(h.dev.HTTP)
	if err != nil {
		h.t.Fatal(err)
	}
	transport := &http.Transport{}
	h.t.Cleanup(transport.CloseIdleConnections)
	proxy := &httputil.ReverseProxy{Transport: transport, FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
		r.Out.Header.Set("Authorization", "Bearer "+key)
	}}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A body that is streamed is closed by the server here as soon as an answer begins. A
		// transport that asks it for its end only then breaks its connection, and the answer with it.
		b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxProxied))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if r.Body = http.NoBody; len(b) > 0 {
			r.Body = io.NopCloser(bytes.NewReader(b))
		}
		proxy.ServeHTTP(w, r)
	}))
	h.t.Cleanup(srv.Close)
	return srv.URL
}

// Scenarios of the official conformance suite that need no tools of its own,
// and those checks of them that do all the same and fail for want of these. One
// more fails: the library answers prompts/list, emptily, though we declare none.
var scenarios = map[string]map[string][]string{
	"2025-11-25": {
		"server-initialize": nil, "server-session-lifecycle": nil, "ping": nil, "tools-list": nil,
		"dns-rebinding-protection": nil,
	},
	"2026-07-28": {
		"tools-list": nil, "dns-rebinding-protection": nil, "caching": nil, "http-header-validation": nil,
		"server-stateless": {
			"sep-2575-http-server-no-independent-requests-on-stream", "sep-2575-missing-capability-http-400",
			"sep-2575-server-declares-prompts-in-discover", "sep-2575-server-no-log-without-loglevel",
			"sep-2575-server-rejects-undeclared-capability",
		},
	},
}

func TestMCPConformsInBothEras(t *testing.T) {
	h := start(t)
	door := h.door(h.dev.AgentKey)
	for _, version := range slices.Sorted(maps.Keys(scenarios)) {
		for _, name := range slices.Sorted(maps.Keys(scenarios[version])) {
			want := scenarios[version][name]
			t.Run(version+" "+name, func(t *testing.T) {
				r := peer(t, "conformance", "server", "--url", door+"/mcp", "--scenario", name, "--spec-version", version,
					"--verbose")
				if got := failures(t, r.out); !slices.Equal(got, want) || (r.code == 0) != (len(want) == 0) {
					t.Errorf("exit %d, failed checks %v, want %v\n%s%s", r.code, got, want, r.out, r.err)
				}
			})
		}
	}
}

// failures returns the checks that failed. That there are checks at all is
// checked too.
func failures(t *testing.T, out string) (failed []string) {
	t.Helper()
	var checks []struct{ ID, Status string }
	_, list, found := strings.Cut(out, "\n[")
	if err := json.NewDecoder(strings.NewReader("[" + list)).Decode(&checks); !found || err != nil || len(checks) == 0 {
		t.Fatalf("no checks in %s (%v)", out, err)
	}
	for _, c := range checks {
		if c.Status == "FAILURE" {
			failed = append(failed, c.ID)
		}
	}
	slices.Sort(failed)
	return slices.Compact(failed)
}
