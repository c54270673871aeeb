//go:build e2e

package e2e

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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

// eras are the versions of the protocol that the conformance suite is run in: the last one with
// sessions, and the first one without.
var eras = []string{"2025-11-25", "2026-07-28"}

func TestMCPConformsInBothEras(t *testing.T) {
	h := start(t)
	door := h.door(h.dev.AgentKey)
	for _, era := range eras {
		t.Run(era, func(t *testing.T) { conforms(t, door+"/mcp", era, era+".yml") })
	}
}

// The rest of the scenarios call tools and read resources of the suite's own example. They run
// against the door of MCP with the SDK's example server behind it.
func TestMCPConformsInBothErasWithTheFixturesOfTheSuite(t *testing.T) {
	h := &daemon{t: t}
	h.dev.HTTP = fixtures(t)
	door := h.door("fixtures")
	for _, era := range eras {
		t.Run(era, func(t *testing.T) { conforms(t, door+"/mcp", era, "fixtures-"+era+".yml") })
	}
}

// conforms runs the whole official conformance suite in one era, and compares what has not
// succeeded with a list: what succeeds and is listed fails the test as what fails and is not.
func conforms(t *testing.T, url, era, list string) {
	dir := t.TempDir()
	r := peer(t, "conformance", "server", "--url", url, "--suite", "all", "--spec-version", era, "-o", dir)
	got := map[string]map[string]string{}
	results, err := filepath.Glob(filepath.Join(dir, "server-*", "checks.json"))
	if err != nil || len(results) < 30 {
		t.Fatalf("results of %d scenarios (%v)\n%s%s", len(results), err, r.out, r.err)
	}
	for _, path := range results {
		name := scenarioName.FindStringSubmatch(filepath.Base(filepath.Dir(path)))
		if name == nil || got[name[1]] != nil {
			t.Fatalf("a result is called %s", path)
		}
		got[name[1]] = unsuccessful(t, path)
	}
	want := notApplicable(t, list)
	for scenario := range want {
		if got[scenario] == nil {
			t.Errorf("%s lists %s, which the suite does not run", list, scenario)
		}
	}
	for _, scenario := range slices.Sorted(maps.Keys(got)) {
		t.Run(scenario, func(t *testing.T) {
			checks := slices.Sorted(maps.Keys(got[scenario]))
			if !slices.Equal(checks, want[scenario]) {
				t.Errorf("no success: %v, %s lists %v", got[scenario], list, want[scenario])
			}
		})
	}
}

// scenarioName finds the scenario in the name of the directory of its result.
var scenarioName = regexp.MustCompile(`^server-(.+)-\d{4}-\d{2}-\d{2}T[\d-]+Z$`)

// unsuccessful reads the checks of a scenario and returns those that did not succeed, with
// what the suite says of them. That there are checks at all is checked too.
func unsuccessful(t *testing.T, path string) map[string]string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var checks []struct{ ID, Status, ErrorMessage string }
	if decode(t, string(b), &checks); len(checks) == 0 {
		t.Fatalf("%s holds no checks", path)
	}
	failed := map[string]string{}
	for _, c := range checks {
		if c.Status != "SUCCESS" && c.Status != "INFO" {
			failed[c.ID] = c.Status + " " + c.ErrorMessage
		}
	}
	return failed
}

// notApplicable reads a list of checks, by scenario.
func notApplicable(t *testing.T, name string) map[string][]string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "conformance", name))
	if err != nil {
		t.Fatal(err)
	}
	list := map[string][]string{}
	for line := range strings.Lines(string(b)) {
		entry, ok := strings.CutPrefix(strings.TrimSpace(line), "- ")
		if !ok {
			continue
		}
		scenario, check, ok := strings.Cut(entry, ":")
		if !ok {
			t.Fatalf("%s: %s names no check", name, entry)
		}
		list[scenario] = append(list[scenario], check)
		slices.Sort(list[scenario])
	}
	return list
}

// fixtures starts the fixtures of the suite behind the door of MCP, and returns their address.
// The SDK's example server has them: its source becomes a file of the tests of mcpbridge, which
// have the door, for one build that writes nothing into the repository.
func fixtures(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	example := strings.TrimSpace(must(t, command(t, "", nil, "go", "list", "-m", "-f", "{{.Dir}}",
		"github.com/modelcontextprotocol/go-sdk"))) + "/conformance/everything-server/main.go"
	b, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	source := strings.Replace(string(b), "\npackage main\n", "\npackage mcpbridge\n", 1)
	source = strings.Replace(source, "\nfunc main() {", "\nfunc exampleMain() {", 1) + addFixtures
	bridge := filepath.Join(root, "mcpbridge")
	overlay := write(t, "overlay.json", encode(t, map[string]any{"Replace": map[string]string{
		filepath.Join(bridge, "suite_example_test.go"): write(t, "example.go", source)}}))
	bin := filepath.Join(dir, "fixtures")
	must(t, command(t, "", nil, "go", "test", "-c", "-tags", "fixtures", "-overlay", overlay, "-o", bin, bridge))

	said := &lockedBuffer{}
	c := exec.Command(bin, "-test.run", "^TestServeTheFixturesOfTheSuite$", "-test.timeout", "10m")
	c.Stdout, c.Stderr = said, said
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // it ends with its input
		if err := c.Wait(); err != nil || t.Failed() {
			t.Logf("the fixtures said (%v):\n%s", err, said)
		}
	})
	at := regexp.MustCompile(`serving (http://\S+)\n`)
	(&daemon{t: t}).until("the fixtures", func() bool { return at.MatchString(said.String()) })
	return at.FindStringSubmatch(said.String())[1]
}

// addFixtures gives the fixtures of the example to the server of the test that serves them.
const addFixtures = `
func init() {
	addFixtures = func(ctx context.Context, s *mcp.Server) {
		registerTools(s)
		registerResources(s)
		registerPrompts(s)
		go watchedResourceUpdater(ctx, s)
	}
}
`
