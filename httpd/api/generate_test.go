package api

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

//go:generate go test -run TestWhatIsWrittenFromTheTableIsUpToDate -update

var update = flag.Bool("update", false, "write swagger.json and docs/api.md")

func TestWhatIsWrittenFromTheTableIsUpToDate(t *testing.T) {
	doc, err := Operations.Swagger()
	if err != nil {
		t.Fatal(err)
	}
	for path, got := range map[string][]byte{"swagger.json": doc, "../../docs/api.md": Operations.Reference()} {
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the table gives (go generate ./httpd/api writes it):\n%s", path,
				cmp.Diff(string(want), string(got)))
		}
	}
}

// Some readers of Swagger take neither alternatives nor types that hold
// themselves.
func TestSwaggerHasWhatEveryReaderTakes(t *testing.T) {
	b, err := Operations.Swagger()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Swagger             string
		SecurityDefinitions map[string]struct{ Type, In, Name string }
		Paths               map[string]map[string]struct {
			OperationID string `json:"operationId"`
			Summary     string
			Parameters  []struct {
				Name, In, Type string
				Required       bool
				Schema         map[string]any
			}
			Responses map[string]struct{ Description string }
		}
		Definitions map[string]any
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"oneOf", "anyOf", "allOf", "null"} {
		if strings.Contains(string(b), `"`+word+`"`) {
			t.Errorf("the document has %s", word)
		}
	}
	if doc.Swagger != "2.0" || doc.SecurityDefinitions["bearer"].Name != "Authorization" ||
		doc.SecurityDefinitions["apiKey"].In != "header" {
		t.Errorf("version %s, %v", doc.Swagger, doc.SecurityDefinitions)
	}
	found := 0
	for path, methods := range doc.Paths {
		for method, op := range methods {
			found++
			if op.OperationID == "" || op.Summary == "" || op.Responses["default"].Description == "" || len(op.Responses) < 2 {
				t.Errorf("%s %s: %+v", method, path, op)
			}
			for _, p := range op.Parameters {
				if (p.In == "path") != strings.Contains(path, "{"+p.Name+"}") || (p.In == "body") != (p.Schema != nil) ||
					p.In == "path" && !p.Required {
					t.Errorf("%s %s: %+v", method, path, p)
				}
			}
		}
	}
	for _, op := range Operations.Operations() {
		if op.Variant != "" {
			found++
		}
	}
	if found != len(Operations.Operations()) {
		t.Errorf("%d operations of %d", found, len(Operations.Operations()))
	}
	for name := range doc.Definitions {
		follow(t, doc.Definitions, name, nil)
	}
}

// follow walks the references of a definition.
func follow(t *testing.T, all map[string]any, name string, way []string) {
	t.Helper()
	for _, before := range way {
		if before == name {
			t.Fatalf("%s leads back to itself: %v", name, way)
		}
	}
	if all[name] == nil {
		t.Fatalf("%v leads to %s, which is not there", way, name)
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				follow(t, all, strings.TrimPrefix(ref, "#/definitions/"), append(way, name))
			}
			for _, inner := range v {
				walk(inner)
			}
		case []any:
			for _, inner := range v {
				walk(inner)
			}
		}
	}
	walk(all[name])
}
