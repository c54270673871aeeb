package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// bindArguments makes the struct type that the arguments of a tool are read
// into, and ties its members to those of the request.
func (o *Operation) bindArguments() {
	fields, bounds := argumentFields(o.members, "")
	o.arguments, o.bounds = reflect.StructOf(fields), bounds
}

// bound ties a member of the arguments to one of the request.
type bound struct {
	from []int
	to   member
}

// argumentFields returns the fields whose argument begins with prefix. A dot in
// a name makes an object.
func argumentFields(all []member, prefix string) (fields []reflect.StructField, bounds []bound) {
	done := map[string]bool{}
	for _, m := range all {
		name, within := strings.CutPrefix(m.arg.name, prefix)
		if !within || name == "" {
			continue
		}
		i, field := len(fields), reflect.StructField{Name: fmt.Sprintf("F%d", len(fields)), Type: m.typ}
		object, _, nested := strings.Cut(name, ".")
		if nested && done[object] {
			continue
		}
		if nested {
			inner, innerBounds := argumentFields(all, prefix+object+".")
			name, field.Type, done[object] = object, reflect.StructOf(inner), true
			for _, b := range innerBounds {
				bounds = append(bounds, bound{append([]int{i}, b.from...), b.to})
			}
		} else {
			if m.arg.required && m.typ.Kind() != reflect.Slice {
				field.Type = reflect.PointerTo(m.typ) // nil: it was not given
			}
			bounds = append(bounds, bound{[]int{i}, m})
		}
		field.Tag = reflect.StructTag(`json:"` + name + `"`)
		fields = append(fields, field)
	}
	return fields, bounds
}

// ofArguments makes what is said of a body be said of arguments.
var ofArguments = strings.NewReplacer("the body has", "the arguments have", "the body is", "the arguments are",
	"the body goes", "the arguments go", "the body ends", "the arguments end", "the body", "the arguments")

// DecodeArguments reads the arguments of a tool into a value of the request
// type, as strictly as a body is read: no unknown member, none given twice,
// every value of its very type. An optional argument that is null counts as
// left out, as does an argument object that is missing. fill returns what stands
// for an optional member of the path that is left out. An error is a [Fault] or
// one of fill.
func (o *Operation) DecodeArguments(raw []byte, fill func(argument string) (string, error)) (any, error) {
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || string(raw) == "null" {
		raw = []byte("{}")
	}
	args, in := reflect.New(o.arguments), reflect.New(o.in).Elem()
	if err := parse(raw, args.Interface(), lenient); err != nil {
		return nil, Fault(ofArguments.Replace(err.Error()))
	}
	for _, b := range o.bounds {
		from, to := args.Elem().FieldByIndex(b.from), in.FieldByIndex(b.to.index)
		if b.to.arg.required && from.IsZero() {
			return nil, faultf("the argument "+b.to.arg.name, "is missing")
		}
		if from.Kind() == reflect.Pointer && to.Kind() != reflect.Pointer {
			from = from.Elem()
		}
		to.Set(from)
		if err := b.to.arg.complete(b.to, to); err != nil {
			return nil, err
		}
		if b.to.place == inPath && !b.to.arg.required && to.IsZero() {
			text, err := fill(b.to.arg.name)
			if err != nil {
				return nil, err
			}
			to.SetString(text)
		}
	}
	return in.Interface(), nil
}

// MissingArguments returns the names of the arguments that a call leaves out and cannot be carried
// out without: required ones, and those for which [Operation.DecodeArguments] asks fill. It
// returns none for arguments that cannot be read.
func (o *Operation) MissingArguments(raw []byte) (missing []string) {
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || string(raw) == "null" {
		raw = []byte("{}")
	}
	args := reflect.New(o.arguments)
	if parse(raw, args.Interface(), lenient) != nil {
		return nil
	}
	for _, b := range o.bounds {
		needed := b.to.arg.required || b.to.place == inPath && b.to.arg.def == ""
		if needed && args.Elem().FieldByIndex(b.from).IsZero() {
			missing = append(missing, b.to.arg.name)
		}
	}
	return missing
}

// complete gives an argument that was left out its default, and refuses one out
// of its bounds.
func (a argument) complete(m member, v reflect.Value) error {
	if v.IsZero() {
		if a.def == "" {
			return nil
		}
		m.min, m.max = a.min, a.max
		return m.read(v, a.def)
	}
	_, name, nested := strings.Cut(a.name, ".")
	if !nested {
		name = a.name
	}
	if why := outside(name, reflect.Indirect(v), a.min, a.max, m.enum); why != "" {
		return Fault(why)
	}
	return nil
}

// expectList is expect for arguments. Models write a list of texts in three
// forms: a list, one text alone, and a list in JSON inside a text.
func expectList(dec *jsontext.Decoder, v any) error {
	list, isList := v.(*[]string)
	if !isList || dec.PeekKind() != jsontext.KindString {
		return expect(dec, v)
	}
	at, _ := position(dec)
	token, err := dec.ReadToken()
	if err != nil {
		return err
	}
	text := token.String()
	if inner := strings.TrimSpace(text); strings.HasPrefix(inner, "[") && json.Valid([]byte(inner)) {
		var holder struct {
			List []string `json:"list"`
		}
		if err := parse([]byte(`{"list":`+inner+`}`), &holder, strict); err != nil {
			return Fault(at + strings.TrimPrefix(err.Error(), "list"))
		}
		*list = holder.List
		return nil
	}
	*list = []string{text}
	return nil
}
