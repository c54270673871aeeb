package api

import (
	"reflect"
	"strings"
	"time"
)

// Schema is a JSON schema in what Swagger 2.0 and the clients of MCP both read:
// one type each, and no alternatives.
type Schema struct {
	Ref                  string             `json:"$ref,omitempty"`
	Type                 string             `json:"type,omitempty"`
	Format               string             `json:"format,omitempty"`
	Label                string             `json:"x-ms-summary,omitempty"`
	Description          string             `json:"description,omitempty"`
	Items                *Schema            `json:"items,omitempty"`
	Properties           map[string]*Schema `json:"properties,omitempty"`
	AdditionalProperties any                `json:"additionalProperties,omitempty"` // false or a *Schema
	Required             []string           `json:"required,omitempty"`
	Enum                 []string           `json:"enum,omitempty"`
	Example              any                `json:"example,omitempty"`
}

// schemas makes schemas. named returns what stands for a struct, nil for its
// own schema in place.
type schemas struct {
	named  func(reflect.Type) *Schema
	closed bool // no object takes members that are not named
	labels bool // members have titles for people
}

func (g schemas) of(t reflect.Type) *Schema {
	switch t.Kind() {
	case reflect.Pointer:
		return g.of(t.Elem())
	case reflect.String:
		return &Schema{Type: "string"}
	case reflect.Bool:
		return &Schema{Type: "boolean"}
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return &Schema{Type: "integer"}
	case reflect.Float64:
		return &Schema{Type: "number"}
	case reflect.Slice:
		return &Schema{Type: "array", Items: g.of(t.Elem())}
	case reflect.Map:
		return &Schema{Type: "object", AdditionalProperties: g.of(t.Elem())}
	}
	if t == reflect.TypeFor[time.Time]() {
		return &Schema{Type: "string", Format: "date-time"}
	}
	if g.named != nil {
		if s := g.named(t); s != nil {
			return s
		}
	}
	return g.object(t)
}

// object returns the schema of a struct.
func (g schemas) object(t reflect.Type) *Schema {
	s := &Schema{Type: "object", Properties: map[string]*Schema{}}
	if g.closed {
		s.AdditionalProperties = false
	}
	for _, f := range jsonFields(t) {
		p := g.of(f.typ)
		if p.Ref == "" { // nothing may stand beside a reference
			p.Description = f.doc
			if g.labels {
				p.Label, p.Enum = label(f.name), f.enum
			}
		}
		s.Properties[f.name] = p
		if f.required {
			s.Required = append(s.Required, f.name)
		}
	}
	return s
}

// jsonField is a member of a JSON object.
type jsonField struct {
	name, doc string
	typ       reflect.Type
	required  bool
	enum      []string
}

// jsonFields returns the members of a struct as encoding/json writes them. One
// whose doc is "-" is never written.
func jsonFields(t reflect.Type) (list []jsonField) {
	own := map[string]bool{}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		own[name] = !t.Field(i).Anonymous
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			for _, inner := range jsonFields(f.Type) {
				if !own[inner.name] {
					list = append(list, inner)
				}
			}
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" || f.Tag.Get("doc") == "-" {
			continue
		}
		list = append(list, jsonField{name, f.Tag.Get("doc"), f.Type, !strings.Contains(options, "omit"),
			enumOf(f.Tag)})
	}
	return list
}

// ToolInput returns the schema of the arguments of a tool. Some clients want
// properties even where there is none.
func (o *Operation) ToolInput() map[string]any {
	return o.inputOf("", "")
}

func (o *Operation) inputOf(prefix, doc string) map[string]any {
	properties, required := map[string]any{}, []string{}
	for _, m := range o.members {
		name, within := strings.CutPrefix(m.arg.name, prefix)
		if !within || name == "" {
			continue
		}
		if object, _, nested := strings.Cut(name, "."); nested {
			properties[object] = o.inputOf(prefix+object+".", o.Tool.Arguments[object])
			continue
		}
		s := schemas{closed: true}.of(m.typ)
		s.Description = o.Tool.describe(m)
		properties[name] = s
		if m.arg.required {
			required = append(required, name)
		}
	}
	s := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		s["required"] = required
	}
	if doc != "" {
		s["description"] = doc
	}
	return s
}

// ToolOutput returns the schema of the data that a tool answers.
func (o *Operation) ToolOutput() *Schema {
	t := o.out
	if o.Tool.Answer != nil {
		t = reflect.TypeOf(o.Tool.Answer)
	}
	s := schemas{}.object(t)
	if o.Tier.ByCode() { // or that it waits for a code
		for name, p := range (schemas{}).object(reflect.TypeFor[PendingApproval]()).Properties {
			if s.Properties[name] == nil {
				s.Properties[name] = p
			}
		}
		s.Required = nil
	}
	return s
}
