//go:build e2e

package e2e

import (
	"path/filepath"
	"strings"
	"testing"
)

// Two validators that know nothing of each other take both documents, as they are served.
func TestTwoValidatorsTakeTheDocuments(t *testing.T) {
	h := start(t)
	const check = "import json,sys; from swagger_spec_validator.validator20 import validate_spec; " +
		"validate_spec(json.load(open(sys.argv[1])))"
	validators := map[string]func(file string) result{
		"swagger-parser": func(file string) result { return nodeWith(t, "swagger.mjs", file) },
		"swagger-spec-validator": func(file string) result {
			return command(t, "", nil, "/usr/bin/python3", "-c", check, file)
		},
	}
	for _, path := range []string{"/swagger.json", "/swagger-mcp.json"} {
		_, doc := h.http("GET", path, "")
		if !strings.Contains(doc, `"host": "`+strings.TrimPrefix(h.dev.HTTP, "http://")+`"`) {
			t.Errorf("%s does not say where the server is", path)
		}
		for name, validate := range validators {
			must(t, validate(write(t, "document.json", doc)))
			bad := strings.Replace(doc, `"operationId"`, `"responses": 1, "operationid"`, 1)
			if validate(write(t, "document.json", strings.Replace(bad, `"2.0"`, `"2.1"`, 1))).code == 0 {
				t.Errorf("%s takes anything", name)
			}
		}
	}
}

// nodeWith runs a script of the peers with arguments.
func nodeWith(t *testing.T, script string, args ...string) result {
	t.Helper()
	return command(t, "", nil, filepath.Join(peers, "node_modules", ".bin", "node"),
		append([]string{filepath.Join(peers, script)}, args...)...)
}

// Clients that are made of the served document, and know nothing else, send, list and read.
func TestClientsMadeOfTheDocumentWork(t *testing.T) {
	h := start(t)
	said := must(t, command(t, "", nil, "/usr/bin/python3", "testdata/swagger.py", h.dev.HTTP+"/swagger.json",
		h.dev.AgentKey, h.dev.Mailbox))
	if !strings.HasSuffix(said, " By its document pending_send_approval\n") {
		t.Errorf("python: %s", said)
	}
	said = must(t, node(t, "typescript.mjs", "DOCUMENT="+h.dev.HTTP+"/swagger.json", "KEY="+h.dev.AgentKey,
		"MAILBOX="+h.dev.Mailbox, "OUTPUT="+t.TempDir()))
	if said != "202 By its client pending_send_approval\n" {
		t.Errorf("typescript: %s", said)
	}
	for _, subject := range []string{"By its document", "By its client"} {
		h.approveAndCapture(h.only(subject), 1)
	}
}
