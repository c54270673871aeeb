package api

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// place is where a member of a request stands.
type place string

const (
	inPath   place = "path"
	inQuery  place = "query"
	inHeader place = "header"
	inBody   place = "body"
	inTool   place = "" // an argument of the tool alone
)

// member is one member of a request. The tags of its field say all about it:
//
//	path, query, header or json   its name, and where it stands
//	doc                           what it is
//	min, max, default             bounds of a number
//	enum                          its values with commas between them, or the name of a list of enums
//	tool                          "-", or its name as an argument of the tool, and options:
//	                              required, optional, max=N, default=N; a dot makes an object
type member struct {
	name     string
	place    place
	index    []int
	typ      reflect.Type
	required bool
	doc      string
	min, max string
	def      string
	enum     []string
	arg      argument
}

// argument is a member as a tool has it; name is empty where it has none.
type argument struct {
	name          string
	required      bool
	min, max, def string
}

// enums are lists of values.
var enums = map[string][]string{
	"status": {StatusUnread, StatusRead, StatusArchived, StatusDeleted, StatusHeld, StatusHeldInbound, StatusScheduled,
		StatusQueued, StatusSent, StatusFailed, StatusRejected, StatusCancelled, StatusExpired, StatusFlagged},
	"mode":   {"read_only", "gated_all", "gated_send", "monitored", "autonomous"},
	"timing": {"gate_first", "schedule_first"},
	"state":  {"held", "ready", "sending", "sent", "failed", "rejected", "cancelled", "expired"},
}

// members returns the members of a request type in their order.
func members(t reflect.Type) (list []member) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			for _, m := range members(f.Type) {
				m.index = append(slices.Clone(f.Index), m.index...)
				list = append(list, m)
			}
			continue
		}
		list = append(list, memberOf(f))
	}
	return list
}

func memberOf(f reflect.StructField) member {
	m := member{index: f.Index, typ: f.Type, doc: f.Tag.Get("doc"), min: f.Tag.Get("min"), max: f.Tag.Get("max"),
		def: f.Tag.Get("default")}
	m.enum = enumOf(f.Tag)
	for _, p := range []place{inPath, inQuery, inHeader} {
		if name := f.Tag.Get(string(p)); name != "" {
			m.name, m.place, m.required = name, p, p == inPath
		}
	}
	name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name != "" && name != "-" {
		m.name, m.place, m.required = name, inBody, !strings.Contains(options, "omit")
	}
	m.arg = argumentOf(f.Tag, m)
	return m
}

// enumOf returns the values that a member may have, nil for any.
func enumOf(tag reflect.StructTag) []string {
	enum := tag.Get("enum")
	switch {
	case enums[enum] != nil:
		return enums[enum]
	case enum != "":
		return strings.Split(enum, ",")
	}
	return nil
}

func argumentOf(tag reflect.StructTag, m member) argument {
	parts := strings.Split(tag.Get("tool"), ",")
	a := argument{name: m.name, required: m.required, min: m.min, max: m.max}
	switch {
	case parts[0] == "-", m.place == inHeader && parts[0] == "":
		return argument{}
	case parts[0] != "":
		a.name = parts[0]
	}
	for _, option := range parts[1:] {
		switch name, value, _ := strings.Cut(option, "="); name {
		case "required", "optional":
			a.required = name == "required"
		case "max":
			a.max = value
		case "default":
			a.def = value
		}
	}
	return a
}

// checkMembers finds the faults that tags can have.
func (o *Operation) checkMembers() error {
	paths, waits := o.pathNames(), o.Waits == ""
	seen, args := map[string]bool{}, map[string]bool{}
	for _, m := range o.members {
		key := string(m.place) + " " + m.name
		switch {
		case m.place == inTool && (m.arg.name == "" || o.Tool == nil):
			return fmt.Errorf("a member of the request has no place")
		case seen[key] && m.place != inTool:
			return fmt.Errorf("%s stands twice", key)
		case m.place == inPath && !slices.Contains(paths, m.name):
			return fmt.Errorf("the path has no {%s}", m.name)
		case m.place == inBody && (o.Method == "GET" || o.Method == "DELETE"):
			return fmt.Errorf("a %s request has no body, and so no %s", o.Method, m.name)
		case o.Tool != nil && m.arg.name != "" && (args[m.arg.name] || o.Tool.describe(m) == ""):
			return fmt.Errorf("the argument %s stands twice or is not described", m.arg.name)
		case m.place != inBody && !scalar(m.typ):
			return fmt.Errorf("%s cannot be a %s", m.name, m.typ)
		}
		seen[key], args[m.arg.name] = true, true
		waits = waits || m.place == inQuery && m.name == o.Waits
		if m.place == inPath {
			paths = slices.DeleteFunc(slices.Clone(paths), func(name string) bool { return name == m.name })
		}
	}
	if o.Mail != "" && !seen[string(inBody)+" "+o.Mail] {
		return fmt.Errorf("the body has no %s", o.Mail)
	}
	if len(paths) > 0 || !waits {
		return fmt.Errorf("the request type lacks %s %s", strings.Join(paths, " "), o.Waits)
	}
	return nil
}

func scalar(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Int, reflect.Bool:
		return true
	}
	return t == reflect.TypeFor[time.Time]()
}

// outside says what is wrong with a value that the tags bound, or "".
func outside(name string, v reflect.Value, min, max string, enum []string) string {
	switch {
	case v.Kind() == reflect.Int && (min != "" || max != ""):
		low, _ := strconv.Atoi(min) // tags are checked by a test
		high, _ := strconv.Atoi(max)
		if n := int(v.Int()); n < low || n > high {
			return fmt.Sprintf("%s must be a whole number from %d to %d", name, low, high)
		}
	case v.Kind() == reflect.String && len(enum) > 0 && v.String() != "" && !slices.Contains(enum, v.String()):
		return name + " must be " + either(enum)
	}
	return ""
}

// either lists the values of which one is meant.
func either(values []string) string {
	last := len(values) - 1
	if last < 1 {
		return strings.Join(values, "")
	}
	return strings.Join(values[:last], ", ") + " or " + values[last]
}

// describe says what an argument is, in a few words: a model reads all of them.
func (t *Tool) describe(m member) string {
	switch doc := t.Arguments[m.arg.name]; {
	case doc != "":
		return doc
	case m.place == inPath && !m.arg.required:
		return "not needed when there is only one"
	case m.def != "":
		return fmt.Sprintf("%s to %s, %s if left out", m.arg.min, m.arg.max, m.def)
	case len(m.enum) > 0 && m.doc != either(m.enum):
		return m.doc + ": " + either(m.enum)
	}
	return m.doc
}
