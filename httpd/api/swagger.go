package api

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// The parts of a Swagger 2.0 document that this API needs.
type (
	swagger struct {
		Swagger     string                           `json:"swagger"`
		Info        map[string]string                `json:"info"`
		BasePath    string                           `json:"basePath"`
		Consumes    []string                         `json:"consumes"`
		Produces    []string                         `json:"produces"`
		Schemes     []string                         `json:"schemes"`
		SecurityDef map[string]map[string]string     `json:"securityDefinitions"`
		Security    []map[string][]string            `json:"security"`
		Paths       map[string]map[string]*swaggerOp `json:"paths"`
		Definitions map[string]*Schema               `json:"definitions"`
	}
	swaggerOp struct {
		OperationID string                     `json:"operationId"`
		Summary     string                     `json:"summary"`
		Description string                     `json:"description,omitempty"`
		Consumes    []string                   `json:"consumes,omitempty"`
		Produces    []string                   `json:"produces,omitempty"`
		Security    *[]map[string][]string     `json:"security,omitempty"`
		Parameters  []swaggerParameter         `json:"parameters,omitempty"`
		Responses   map[string]swaggerResponse `json:"responses"`
		Scopes      []string                   `json:"x-scopes,omitempty"`
	}
	swaggerParameter struct {
		Name        string   `json:"name"`
		In          place    `json:"in"`
		Description string   `json:"description,omitempty"`
		Required    bool     `json:"required,omitempty"`
		Type        string   `json:"type,omitempty"`
		Format      string   `json:"format,omitempty"`
		Enum        []string `json:"enum,omitempty"`
		Default     any      `json:"default,omitempty"`
		Minimum     *int     `json:"minimum,omitempty"`
		Maximum     *int     `json:"maximum,omitempty"`
		Schema      *Schema  `json:"schema,omitempty"`
	}
	swaggerResponse struct {
		Description string  `json:"description"`
		Schema      *Schema `json:"schema,omitempty"`
	}
)

// Swagger returns the table as a Swagger 2.0 document. It has no alternatives
// and no reference that leads back to itself, which some readers cannot take.
func (t *Table) Swagger() ([]byte, error) {
	d := swagger{
		Swagger: "2.0",
		Info: map[string]string{"title": "MultiMail", "version": "1",
			"description": "E-mail for AI agents under their operator's oversight."},
		BasePath: "/", Consumes: []string{"application/json"}, Produces: []string{"application/json"},
		Schemes: []string{"https", "http"},
		SecurityDef: map[string]map[string]string{
			"bearer": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "Bearer and the API key"},
			"apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "the API key"},
		},
		Security:    []map[string][]string{{"bearer": {}}, {"apiKey": {}}},
		Paths:       map[string]map[string]*swaggerOp{},
		Definitions: map[string]*Schema{},
	}
	g := definitions(d.Definitions)
	for _, op := range t.list {
		if op.Variant == "" {
			method := strings.ToLower(op.Method)
			if d.Paths[op.Path] == nil {
				d.Paths[op.Path] = map[string]*swaggerOp{}
			}
			d.Paths[op.Path][method] = op.swagger(g)
		}
	}
	for _, op := range t.list {
		if op.Variant == "" {
			continue
		}
		plain := d.Paths[op.Path][strings.ToLower(op.Method)]
		if plain == nil {
			return nil, fmt.Errorf("api: %s is a variant of nothing", op.Name)
		}
		plain.addVariant(op)
	}
	b, err := json.MarshalIndent(d, "", "  ")
	return append(b, '\n'), err
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
	s := &swaggerOp{OperationID: o.Name, Summary: sentence(o.Summary), Description: o.needs(),
		Responses: map[string]swaggerResponse{}, Scopes: o.Scopes}
	if o.Public {
		s.Security = &[]map[string][]string{}
	}
	answer := &Schema{Type: "file"}
	if o.Kind == JSON {
		answer = g.of(o.out)
	} else {
		s.Produces = []string{o.Media}
	}
	for _, status := range append([]int{o.Status}, o.Also...) {
		s.Responses[strconv.Itoa(status)] = swaggerResponse{"The answer.", answer}
	}
	s.Responses["default"] = swaggerResponse{"An error.", g.of(reflect.TypeFor[Error]())}
	for _, m := range o.members {
		if m.place != inBody && m.place != inTool {
			s.Parameters = append(s.Parameters, m.parameter())
		}
	}
	if o.Mail != "" {
		s.Consumes = []string{"application/json", "message/rfc822"}
	}
	if o.HasBody() {
		s.Parameters = append(s.Parameters, swaggerParameter{Name: "body", In: inBody, Required: true, Schema: g.of(o.in)})
	}
	return s
}

// needs says which credential an operation asks for.
func (o *Operation) needs() string {
	switch {
	case o.Public:
		return "Needs no credential."
	case len(o.Scopes) == 0:
		return "Needs any credential."
	case len(o.Scopes) == 1:
		return "Needs the scope " + o.Scopes[0] + "."
	}
	return "Needs one of the scopes " + strings.Join(o.Scopes, ", ") + "."
}

func (m member) parameter() swaggerParameter {
	p := swaggerParameter{Name: m.name, In: m.place, Description: sentence(m.doc), Required: m.required,
		Type: "string", Enum: m.enum}
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
		Description: "With " + o.Variant + "=1: " + o.Summary + " (" + o.Media + ")."})
	if s.Produces == nil {
		s.Produces = []string{"application/json"}
	}
	s.Produces = append(s.Produces, o.Media)
}

// sentence makes a sentence of a phrase.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}
