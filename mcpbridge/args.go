package mcpbridge

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/multimail/multimail/httpd/api"
)

// list is an argument of several texts. Models write it in three forms: a list,
// one text alone, and a list in JSON inside a text.
type list []string

// parseArgs reads the arguments of a call as strictly as the API reads a body:
// no unknown member, none given twice, every value of its very type. An
// optional argument that is null counts as left out, as does an argument object
// that is missing. required names what must be there.
func parseArgs[In any](raw json.RawMessage, required []string) (in In, err error) {
	if len(bytes.TrimSpace(raw)) == 0 || string(bytes.TrimSpace(raw)) == "null" {
		raw = json.RawMessage("{}")
	}
	text, given := normalise(raw, reflect.TypeFor[In]())
	if err := api.Parse(text, &in); err != nil {
		return in, fmt.Errorf("%s", strings.NewReplacer("the body has", "the arguments have", "the body is", "the arguments are",
			"the body goes", "the arguments go", "the body ends", "the arguments end", "the body", "the arguments").Replace(err.Error()))
	}
	for _, name := range required {
		if !slices.Contains(given, name) {
			return in, fmt.Errorf("the argument %s is missing", name)
		}
	}
	return in, nil
}

// normalise writes every list argument as a list and returns the names of the
// members that are not null. What is not an object with well-formed members is
// returned as it is, for the strict parser to refuse.
func normalise(raw json.RawMessage, t reflect.Type) (text []byte, given []string) {
	lists := listNames(t)
	dec := json.NewDecoder(bytes.NewReader(raw))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return raw, nil
	}
	out := []byte{'{'}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return raw, nil
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return raw, nil
		}
		if slices.Contains(lists, fmt.Sprint(name)) {
			value = asList(value)
		}
		if string(value) != "null" {
			given = append(given, fmt.Sprint(name))
		}
		key, err := json.Marshal(name)
		if err != nil {
			return raw, nil
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, key...), ':'), value...)
	}
	if _, err := dec.Token(); err != nil || len(bytes.TrimSpace(raw[dec.InputOffset():])) > 0 {
		return raw, nil
	}
	return append(out, '}'), given
}

// listNames returns the JSON names of the members of type list.
func listNames(t reflect.Type) (names []string) {
	for i := range t.NumField() {
		if f := t.Field(i); f.Type == reflect.TypeFor[list]() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			names = append(names, name)
		}
	}
	return names
}

// asList turns a JSON text into a JSON list: the list that it holds, or itself
// as the only element. Anything else stays, for the strict parser to refuse.
func asList(value json.RawMessage) json.RawMessage {
	var text string
	if value[0] != '"' || json.Unmarshal(value, &text) != nil {
		return value
	}
	if inner := strings.TrimSpace(text); strings.HasPrefix(inner, "[") && json.Valid([]byte(inner)) {
		return json.RawMessage(inner)
	}
	return append(append(json.RawMessage{'['}, value...), ']')
}
