package httpd

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/multimail/multimail/httpd/api"
)

// documents are what this server describes itself with.
type documents struct {
	swagger, swaggerMCP []byte
	docs                []byte
	docsRules           string // Content-Security-Policy of docs
}

func makeDocuments(table *api.Table, origin string) (d documents, err error) {
	if d.swagger, err = table.Swagger(origin); err != nil {
		return d, err
	}
	if d.swaggerMCP, err = api.SwaggerMCP(origin); err != nil {
		return d, err
	}
	d.docs, d.docsRules, err = renderDocument(d.swagger)
	return d, err
}

// apiDocument serves the table of operations. A client asks whether it has
// changed each time: an upgrade of the server changes it.
func (s *Server) apiDocument(_ context.Context, _ caller, _ api.None, w http.ResponseWriter, r *http.Request) error {
	d, err := s.documents()
	if err != nil {
		return err
	}
	return publish(w, r, d.swagger, "application/json", 0)
}

// mcpDocument serves the document that names /mcp alone: one document has one base path.
func (s *Server) mcpDocument(_ context.Context, _ caller, _ api.None, w http.ResponseWriter, r *http.Request) error {
	d, err := s.documents()
	if err != nil {
		return err
	}
	return publish(w, r, d.swaggerMCP, "application/json", 0)
}

// docsPage serves the table of operations for people.
func (s *Server) docsPage(_ context.Context, _ caller, _ api.None, w http.ResponseWriter, r *http.Request) error {
	d, err := s.documents()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Security-Policy", d.docsRules)
	return publish(w, r, d.docs, "text/html; charset=utf-8", 0)
}

// docsFiles are the parts of the page of the API. It has no script.
//
//go:embed page/docs.html page/docs.css
var docsFiles embed.FS

// docsRules allows the style of the page alone.
const docsRules = "default-src 'none'; style-src '{{style}}'; base-uri 'none'; form-action 'none'; " +
	"frame-ancestors 'none'"

// What the page shows of a Swagger document.
type (
	shownDocument struct {
		Info        struct{ Title, Description string }
		Host        string
		BasePath    string
		Schemes     []string
		Paths       map[string]map[string]shownOperation
		Definitions map[string]shownSchema
		Groups      []shownGroup `json:"-"`
		Style       template.CSS `json:"-"`
	}
	shownGroup struct {
		Name       string
		Operations []shownOperation
	}
	shownOperation struct {
		OperationID, Summary, Description string
		Tags                              []string
		Parameters                        []shownParameter
		Responses                         map[string]shownResponse
		Method, Path                      string `json:"-"`
	}
	shownParameter struct {
		Name, In, Type, Description string
		Required                    bool
		Enum                        []string
		Schema                      *shownSchema
	}
	shownResponse struct {
		Description string
		Schema      shownSchema
		Examples    map[string]json.RawMessage
	}
	shownSchema struct {
		Ref                       string `json:"$ref"`
		Type, Format, Description string
		Enum                      []string
		Items                     *shownSchema
		Properties                map[string]shownSchema
		Required                  []string
		Example                   json.RawMessage
	}
)

// renderDocument makes a page of a Swagger document, and its Content-Security-Policy.
func renderDocument(swagger []byte) (page []byte, rules string, err error) {
	var d shownDocument
	if err = json.Unmarshal(swagger, &d); err != nil {
		return nil, "", err
	}
	style, err := docsFiles.ReadFile("page/docs.css")
	if err != nil {
		return nil, "", err
	}
	groups := map[string][]shownOperation{}
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(d.Paths[path])) {
			op := d.Paths[path][method]
			op.Method, op.Path = strings.ToUpper(method), d.BasePath+path
			groups[op.Tags[0]] = append(groups[op.Tags[0]], op)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		d.Groups = append(d.Groups, shownGroup{name, groups[name]})
	}
	d.Style = template.CSS(style)
	t, err := template.New("docs.html").Funcs(template.FuncMap{"pretty": pretty}).ParseFS(docsFiles, "page/docs.html")
	if err != nil {
		return nil, "", err
	}
	var b bytes.Buffer
	if err = t.Execute(&b, d); err != nil {
		return nil, "", err
	}
	return b.Bytes(), strings.Replace(docsRules, "{{style}}", hashOf(string(style)), 1), nil
}

// pretty writes JSON in lines.
func pretty(raw json.RawMessage) (string, error) {
	var b bytes.Buffer
	err := json.Indent(&b, raw, "", "  ")
	return b.String(), err
}

// Definition is the name of the definition that a schema refers to, "" for none.
func (s shownSchema) Definition() string { return strings.TrimPrefix(s.Ref, "#/definitions/") }

// Needs reports whether an object must have a member.
func (s shownSchema) Needs(member string) bool { return slices.Contains(s.Required, member) }
