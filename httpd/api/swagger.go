package api

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The parts of a Swagger 2.0 document that this API needs.
type (
	swagger struct {
		Swagger     string                           `json:"swagger"`
		Info        map[string]string                `json:"info"`
		Host        string                           `json:"host,omitempty"`
		BasePath    string                           `json:"basePath"`
		Schemes     []string                         `json:"schemes"`
		Consumes    []string                         `json:"consumes"`
		Produces    []string                         `json:"produces"`
		SecurityDef map[string]map[string]string     `json:"securityDefinitions"`
		Security    []map[string][]string            `json:"security"`
		Paths       map[string]map[string]*swaggerOp `json:"paths"`
		Definitions map[string]*Schema               `json:"definitions,omitempty"`
	}
	swaggerOp struct {
		OperationID string                     `json:"operationId"`
		Summary     string                     `json:"summary"`
		Description string                     `json:"description,omitempty"`
		Tags        []string                   `json:"tags,omitempty"`
		Consumes    []string                   `json:"consumes,omitempty"`
		Produces    []string                   `json:"produces,omitempty"`
		Security    *[]map[string][]string     `json:"security,omitempty"`
		Parameters  []swaggerParameter         `json:"parameters,omitempty"`
		Responses   map[string]swaggerResponse `json:"responses"`
		Scopes      []string                   `json:"x-scopes,omitempty"`
		Visibility  string                     `json:"x-ms-visibility,omitempty"`
		Protocol    string                     `json:"x-ms-agentic-protocol,omitempty"`
	}
	swaggerParameter struct {
		Name        string   `json:"name"`
		In          place    `json:"in"`
		Label       string   `json:"x-ms-summary,omitempty"`
		Description string   `json:"description,omitempty"`
		Required    bool     `json:"required,omitempty"`
		Type        string   `json:"type,omitempty"`
		Format      string   `json:"format,omitempty"`
		Enum        []string `json:"enum,omitempty"`
		Default     any      `json:"default,omitempty"`
		Minimum     *int     `json:"minimum,omitempty"`
		Maximum     *int     `json:"maximum,omitempty"`
		Encoding    string   `json:"x-ms-url-encoding,omitempty"`
		Schema      *Schema  `json:"schema,omitempty"`
	}
	swaggerResponse struct {
		Description string         `json:"description"`
		Schema      *Schema        `json:"schema,omitempty"`
		Examples    map[string]any `json:"examples,omitempty"`
	}
)

// swaggerBase is the path below which the operations of a Swagger document stand: a
// document has one.
const swaggerBase = "/v1"

// connector names the operations that a connector for agents offers to who builds with it.
// The others are marked internal, so that none is offered which decides or administrates.
var connector = []string{"send_any", "send_email", "check_inbox", "read_email", "reply_email", "cancel_message",
	"get_thread", "list_mailboxes", "list_pending", "whoami", "get_usage"}

// newSwagger returns a document without operations for a server that is addressed by
// origin, such as https://mail.example.com; "" leaves out where that is.
func newSwagger(origin, base, description string) swagger {
	scheme, host, known := strings.Cut(origin, "://")
	if !known {
		scheme, host = "https", ""
	}
	return swagger{
		Swagger: "2.0", Info: map[string]string{"title": "MultiMail", "version": "1", "description": description},
		Host: host, BasePath: base, Schemes: []string{scheme},
		Consumes: []string{"application/json"}, Produces: []string{"application/json"},
		// One definition alone: importers of connectors take no choice. X-API-Key is accepted, too.
		SecurityDef: map[string]map[string]string{"apiKey": {"type": "apiKey", "in": "header", "name": "Authorization",
			"description": "The API key, with or without the word Bearer before it."}},
		Security: []map[string][]string{{"apiKey": {}}},
		Paths:    map[string]map[string]*swaggerOp{},
	}
}

// Swagger returns the operations below /v1 as a Swagger 2.0 document for a server that is
// addressed by origin ("": it does not say where). What a request holds stands in place
// and only answers refer to definitions; it has no alternatives and no reference that
// leads back to itself. Importers of connectors cannot take those.
func (t *Table) Swagger(origin string) ([]byte, error) {
	d := newSwagger(origin, swaggerBase, "E-mail for AI agents under their operator's oversight.")
	d.Definitions = map[string]*Schema{}
	g := definitions(d.Definitions)
	for _, op := range t.list {
		path, below := op.swaggerPath()
		if op.Variant != "" || !below {
			continue
		}
		if d.Paths[path] == nil {
			d.Paths[path] = map[string]*swaggerOp{}
		}
		d.Paths[path][strings.ToLower(op.Method)] = op.swagger(g)
	}
	for _, op := range t.list {
		path, below := op.swaggerPath()
		if op.Variant == "" || !below {
			continue
		}
		plain := d.Paths[path][strings.ToLower(op.Method)]
		if plain == nil {
			return nil, fmt.Errorf("api: %s is a variant of nothing", op.Name)
		}
		plain.addVariant(op)
	}
	b, err := json.MarshalIndent(d, "", "  ")
	return append(b, '\n'), err
}

// SwaggerMCP returns the Swagger 2.0 document by which Copilot Studio connects to /mcp.
func SwaggerMCP(origin string) ([]byte, error) {
	d := newSwagger(origin, "/", mcpDescription)
	d.Paths["/mcp"] = map[string]*swaggerOp{"post": {
		OperationID: "InvokeMultiMail", Summary: "MultiMail", Description: mcpDescription,
		Protocol: "mcp-streamable-1.0", Responses: map[string]swaggerResponse{"200": {Description: "The answer."}},
	}}
	b, err := json.MarshalIndent(d, "", "  ")
	return append(b, '\n'), err
}

// mcpDescription is what an orchestrator chooses this server by.
const mcpDescription = "Sends, reads and answers e-mail from the agent's own mailbox, under its operator's " +
	"oversight: mail may wait for a human's approval, and its outcome can be asked for."

// swaggerPath returns the path of an operation below that of a document.
func (o *Operation) swaggerPath() (path string, below bool) {
	path, below = strings.CutPrefix(o.Path, swaggerBase)
	return path, below && strings.HasPrefix(path, "/")
}

// definitions returns what makes schemas that refer to each other by the names
// of their types, and keeps them in list.
func definitions(list map[string]*Schema) (g schemas) {
	g.named = func(t reflect.Type) *Schema {
		if list[t.Name()] == nil {
			list[t.Name()] = &Schema{} // a type that holds itself would be found by the test of cycles
			list[t.Name()] = g.object(t)
		}
		return &Schema{Ref: "#/definitions/" + t.Name()}
	}
	return g
}

func (o *Operation) swagger(g schemas) *swaggerOp {
	path, _ := o.swaggerPath()
	s := &swaggerOp{OperationID: o.Name, Summary: label(o.Name), Description: sentence(o.Summary) + " " + o.needs(),
		Tags: []string{strings.Split(path, "/")[1]}, Responses: map[string]swaggerResponse{}, Scopes: o.Scopes}
	if !slices.Contains(connector, o.Name) {
		s.Visibility = "internal"
	}
	if o.Public {
		s.Security = &[]map[string][]string{}
	}
	answer, examples := &Schema{Type: "string", Format: "binary"}, map[string]any(nil)
	if o.Kind == JSON {
		answer, examples = g.of(o.out), map[string]any{"application/json": exampleOf("", o.out)}
	} else {
		s.Produces = []string{o.Media}
	}
	for _, status := range append([]int{o.Status}, o.Also...) {
		s.Responses[strconv.Itoa(status)] = swaggerResponse{"The answer.", answer, examples}
	}
	if o.Tier.ByCode() {
		pending := reflect.TypeFor[PendingApproval]()
		s.Responses["202"] = swaggerResponse{"Nothing is done yet: the operator got a code by mail.", g.of(pending),
			map[string]any{"application/json": exampleOf("", pending)}}
	}
	failure := reflect.TypeFor[Error]()
	s.Responses["default"] = swaggerResponse{"An error.", g.of(failure),
		map[string]any{"application/json": exampleOf("", failure)}}
	for _, m := range o.members {
		if m.place != inBody && m.place != inTool {
			s.Parameters = append(s.Parameters, m.parameter())
		}
	}
	if o.Mail != "" {
		s.Consumes = []string{"application/json", "message/rfc822"}
	}
	if o.HasBody() {
		body := schemas{labels: true}.of(o.in)
		body.Example = exampleOf("", o.in)
		s.Parameters = append(s.Parameters, swaggerParameter{Name: "body", In: inBody, Required: true, Schema: body,
			Label: "Body"})
	}
	return s
}

// label makes a title of a name: send_email is Send email.
func label(name string) string {
	words := strings.ReplaceAll(strings.ReplaceAll(name, "_", " "), "-", " ")
	if words == "" {
		return ""
	}
	return strings.ToUpper(words[:1]) + words[1:]
}

// needs says which credential an operation asks for.
func (o *Operation) needs() string {
	switch {
	case o.Public:
		return "Needs no credential."
	case len(o.Scopes) == 0:
		return "Needs any credential."
	case len(o.Scopes) == 1:
		return "Needs the scope " + o.Scopes[0] + o.orCode() + "."
	}
	return "Needs one of the scopes " + strings.Join(o.Scopes, ", ") + o.orCode() + "."
}

func (o *Operation) orCode() string {
	if o.Tier == TierCode {
		return ", or send and a code of the operator"
	}
	return ""
}

func (m member) parameter() swaggerParameter {
	p := swaggerParameter{Name: m.name, In: m.place, Label: label(m.name), Description: sentence(m.doc),
		Required: m.required, Type: "string", Enum: m.enum}
	if m.place == inPath {
		p.Encoding = "single"
	}
	number := func(text string) *int {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil
		}
		return &n
	}
	switch {
	case m.typ == reflect.TypeFor[time.Time]():
		p.Format = "date-time"
	case m.typ.Kind() == reflect.Bool:
		p.Enum = []string{"1"}
	case m.typ.Kind() == reflect.Int:
		p.Type, p.Minimum, p.Maximum = "integer", number(m.min), number(m.max)
		if n := number(m.def); n != nil {
			p.Default = *n
		}
	}
	return p
}

// addVariant adds an operation that shares the method and the path of s: Swagger
// distinguishes operations by nothing else.
func (s *swaggerOp) addVariant(o *Operation) {
	s.Parameters = append(s.Parameters, swaggerParameter{Name: o.Variant, In: inQuery, Type: "string", Enum: []string{"1"},
		Label: label(o.Variant), Description: "With " + o.Variant + "=1: " + o.Summary + " (" + o.Media + ")."})
	if s.Produces == nil {
		s.Produces = []string{"application/json"}
	}
	if o.Media != "" && !slices.Contains(s.Produces, o.Media) {
		s.Produces = append(s.Produces, o.Media)
	}
}

// sentence makes a sentence of a phrase.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}
