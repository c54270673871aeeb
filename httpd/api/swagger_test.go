package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

type document struct {
	Swagger, Host, BasePath string
	Schemes                 []string
	SecurityDefinitions     map[string]struct{ Type, In, Name string }
	Paths                   map[string]map[string]documentOp
	Definitions             map[string]any
}

type documentOp struct {
	OperationID string `json:"operationId"`
	Summary     string
	Description string
	Tags        []string
	Parameters  []struct {
		Name, In, Type string
		Description    string
		Label          string `json:"x-ms-summary"`
		Encoding       string `json:"x-ms-url-encoding"`
		Required       bool
		Schema         map[string]any
	}
	Responses  map[string]struct{ Description string }
	Visibility string `json:"x-ms-visibility"`
	Protocol   string `json:"x-ms-agentic-protocol"`
}

func read(t *testing.T, text []byte) (d document) {
	t.Helper()
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func served(t *testing.T) (document, []byte) {
	t.Helper()
	b, err := Operations.Swagger("https://mail.example.com")
	if err != nil {
		t.Fatal(err)
	}
	return read(t, b), b
}

func TestTheDocumentSaysWhereTheServerIs(t *testing.T) {
	d, _ := served(t)
	if d.Swagger != "2.0" || d.Host != "mail.example.com" || d.BasePath != "/v1" || fmt.Sprint(d.Schemes) != "[https]" {
		t.Errorf("%s, %s, %s, %v", d.Swagger, d.Host, d.BasePath, d.Schemes)
	}
	b, err := Operations.Swagger("")
	if err != nil || strings.Contains(string(b), `"host"`) || fmt.Sprint(read(t, b).Schemes) != "[https]" {
		t.Errorf("without an origin: %v, %v", read(t, b).Schemes, err)
	}
	if b, _ = Operations.Swagger("http://127.0.0.1:8080"); read(t, b).Host != "127.0.0.1:8080" ||
		fmt.Sprint(read(t, b).Schemes) != "[http]" {
		t.Errorf("in dev mode: %v", read(t, b).Schemes)
	}
}

// One document has every operation below its base path, and says of each what a reader needs.
func TestTheDocumentDescribesEveryOperation(t *testing.T) {
	d, _ := served(t)
	found := 0
	for path, methods := range d.Paths {
		for method, op := range methods {
			found++
			where := method + " " + path
			if op.OperationID == "" || op.Summary == "" || strings.HasSuffix(op.Summary, ".") || len(op.Summary) > 80 ||
				op.Description == "" || len(op.Tags) != 1 || op.Responses["default"].Description == "" || len(op.Responses) < 2 {
				t.Errorf("%s: %+v", where, op)
			}
			for _, p := range op.Parameters {
				if (p.In == "path") != strings.Contains(path, "{"+p.Name+"}") || (p.In == "body") != (p.Schema != nil) ||
					(p.In == "path") != (p.Encoding == "single") || p.In == "path" && !p.Required || p.Label == "" {
					t.Errorf("%s: %+v", where, p)
				}
			}
		}
	}
	want := 0
	for _, op := range Operations.Operations() {
		if op.Variant == "" && strings.HasPrefix(op.Path, "/v1/") {
			want++
		}
	}
	if found != want || found < 50 {
		t.Errorf("%d operations of %d", found, want)
	}
	send := d.Paths["/send"]["post"]
	if answers := slices.Sorted(maps.Keys(send.Responses)); fmt.Sprint(answers) != "[200 202 default]" {
		t.Errorf("POST /send answers %v", answers)
	}
}

// A maker of a connector is offered what an agent may do with its own mail, and nothing
// that decides, loosens or administrates.
func TestAConnectorOffersNothingThatDecides(t *testing.T) {
	d, _ := served(t)
	var shown []string
	for _, methods := range d.Paths {
		for _, op := range methods {
			if op.Visibility == "" {
				shown = append(shown, op.OperationID)
			} else if op.Visibility != "internal" {
				t.Errorf("%s is %s", op.OperationID, op.Visibility)
			}
		}
	}
	slices.Sort(shown)
	if want := slices.Sorted(slices.Values(connector)); !slices.Equal(shown, want) {
		t.Errorf("shown: %v, listed: %v", shown, want)
	}
	for _, op := range Operations.Operations() {
		offered := slices.Contains(connector, op.Name)
		if offered && (op.Audit != "" || len(op.Scopes) > 0 &&
			!op.Allows(func(s string) bool { return s == ScopeRead || s == ScopeSend || s == ScopeOversightRead })) {
			t.Errorf("%s is offered: %v", op.Name, op.Scopes)
		}
	}
}

// The rules of connectors of Copilot Studio: one type each, no alternatives, no bounds
// that exclude, no reference in what goes in, one security definition, less than 1 MB.
func TestTheDocumentKeepsTheRulesOfConnectors(t *testing.T) {
	d, b := served(t)
	if faults := connectorFaults(b); len(faults) > 0 {
		t.Error(strings.Join(faults, "\n"))
	}
	if len(d.SecurityDefinitions) != 1 || d.SecurityDefinitions["apiKey"].Type != "apiKey" ||
		d.SecurityDefinitions["apiKey"].In != "header" || d.SecurityDefinitions["apiKey"].Name != "Authorization" {
		t.Errorf("%+v", d.SecurityDefinitions)
	}
	for name := range d.Definitions {
		follow(t, d.Definitions, name, nil)
	}
}

func TestTheCheckOfConnectorsSeesAnOffence(t *testing.T) {
	for name, doc := range map[string]string{
		"a type array":        `{"definitions":{"A":{"type":["string","null"]}}}`,
		"an alternative":      `{"definitions":{"A":{"anyOf":[]}}}`,
		"an excluded minimum": `{"definitions":{"A":{"type":"integer","exclusiveMinimum":0}}}`,
		"a reference in":      `{"paths":{"/a":{"post":{"parameters":[{"schema":{"$ref":"#/definitions/A"}}]}}}}`,
		"a deep reference in": `{"paths":{"/a":{"post":{"parameters":[{"schema":{"items":{"$ref":"#/a"}}}]}}}}`,
		"a nullable":          `{"definitions":{"A":{"x-nullable":true}}}`,
		"the type file":       `{"definitions":{"A":{"type":"file"}}}`,
		"its size":            `{"a":"` + strings.Repeat("x", maxDocument) + `"}`,
		"a name with a point": `{"paths":{"/a":{"post":{"operationId":"a.b"}}}}`,
		"a name used twice":   `{"paths":{"/a":{"post":{"operationId":"a"}, "get":{"operationId":"a"}}}}`,
	} {
		if len(connectorFaults([]byte(doc))) == 0 {
			t.Errorf("%s goes unseen", name)
		}
	}
}

// maxDocument is what an importer takes, octets.
const maxDocument = 1 << 20

func connectorFaults(doc []byte) (faults []string) {
	if len(doc) >= maxDocument {
		faults = append(faults, "the document has 1 MB")
	}
	var all any
	if err := json.Unmarshal(doc, &all); err != nil {
		return append(faults, err.Error())
	}
	names := map[string]bool{}
	var walk func(at string, input bool, v any)
	walk = func(at string, input bool, v any) {
		switch v := v.(type) {
		case []any:
			for i, inner := range v {
				walk(fmt.Sprintf("%s/%d", at, i), input, inner)
			}
		case map[string]any:
			for key, inner := range v {
				here := at + "/" + key
				if fault := connectorFault(key, inner, input, names); fault != "" && !strings.HasSuffix(at, "/properties") {
					faults = append(faults, here+": "+fault)
				}
				if key != "example" && key != "examples" {
					walk(here, input || key == "parameters", inner)
				}
			}
		}
	}
	walk("", false, all)
	return faults
}

// connectorFault says what is wrong with one member of a document.
func connectorFault(key string, value any, input bool, names map[string]bool) string {
	switch key {
	case "type":
		if list, ok := value.([]any); ok {
			return fmt.Sprintf("a list of types: %v", list)
		}
		if value == "file" || value == "null" {
			return fmt.Sprintf("the type %v", value)
		}
	case "oneOf", "anyOf", "allOf", "not", "exclusiveMinimum", "exclusiveMaximum", "x-nullable", "nullable", "const":
		return "not to be used"
	case "$ref":
		if input {
			return "a reference in a request"
		}
	case "operationId":
		name, _ := value.(string)
		if names[name] || strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz_0123456789") != "" {
			return "used twice, or with other characters than letters, digits and _"
		}
		names[name] = true
	}
	return ""
}

// An example that is not what its schema says misleads whoever copies it.
func TestEveryExampleIsWhatItsSchemaSays(t *testing.T) {
	_, b := served(t)
	var d struct {
		Paths map[string]map[string]struct {
			Parameters []struct{ Schema *Schema }
			Responses  map[string]struct {
				Schema   *Schema
				Examples map[string]any
			}
		}
		Definitions map[string]*Schema
	}
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for path, methods := range d.Paths {
		for method, op := range methods {
			for _, p := range op.Parameters {
				if p.Schema != nil {
					seen++
					fits(t, method+" "+path+" body", d.Definitions, p.Schema, p.Schema.Example)
				}
			}
			for status, r := range op.Responses {
				if example, ok := r.Examples["application/json"]; ok {
					seen++
					fits(t, method+" "+path+" "+status, d.Definitions, r.Schema, example)
				}
			}
		}
	}
	if seen < 100 {
		t.Errorf("%d examples only", seen)
	}
}

// fits reports where a value is not what a schema says.
func fits(t *testing.T, at string, definitions map[string]*Schema, s *Schema, v any) {
	t.Helper()
	if name, ok := strings.CutPrefix(s.Ref, "#/definitions/"); ok {
		s = definitions[name]
	}
	kind := map[bool]string{true: s.Type}[v != nil]
	switch v := v.(type) {
	case map[string]any:
		kind = "object"
		for _, name := range s.Required {
			if _, ok := v[name]; !ok {
				t.Errorf("%s: no %s", at, name)
			}
		}
		for name, inner := range v {
			if p := s.Properties[name]; p != nil {
				fits(t, at+"."+name, definitions, p, inner)
			} else if s.AdditionalProperties == nil {
				t.Errorf("%s: %s is not in the schema", at, name)
			}
		}
	case []any:
		kind = "array"
		for _, inner := range v {
			fits(t, at+"[]", definitions, s.Items, inner)
		}
	case string:
		kind = "string"
		if len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
			t.Errorf("%s: %s is none of %v", at, v, s.Enum)
		}
	case bool:
		kind = "boolean"
	case float64:
		kind = map[bool]string{true: "integer", false: "number"}[s.Type == "integer"]
	}
	if kind != s.Type {
		t.Errorf("%s: the example has %s, the schema %s", at, kind, s.Type)
	}
}

func TestTheDocumentOfMCPHasOneOperation(t *testing.T) {
	b, err := SwaggerMCP("https://mail.example.com")
	if err != nil {
		t.Fatal(err)
	}
	if faults := connectorFaults(b); len(faults) > 0 {
		t.Error(strings.Join(faults, "\n"))
	}
	d := read(t, b)
	op := d.Paths["/mcp"]["post"]
	if len(d.Paths) != 1 || len(d.Paths["/mcp"]) != 1 || d.BasePath != "/" || d.Host != "mail.example.com" ||
		fmt.Sprint(d.Schemes) != "[https]" || op.Protocol != "mcp-streamable-1.0" || op.OperationID == "" ||
		d.SecurityDefinitions["apiKey"].Name != "Authorization" {
		t.Errorf("%s", b)
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
