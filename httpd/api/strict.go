package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"unicode/utf8"
)

// Fault is what is wrong with a JSON text, in words for its author that hold
// nothing of our types.
type Fault string

func (f Fault) Error() string { return string(f) }

// Parse reads strict JSON into v, a pointer to a struct: UTF-8, one value, every
// name known and spelt to the letter and given once, every value of its very
// type. A member that is null counts as left out. encoding/json alone folds the
// case of names, even K (Kelvin) to k, and lets the last of two equal names win,
// so two readers of one request could see two requests. The error is a [Fault].
func Parse(text []byte, v any) error {
	if !utf8.Valid(text) {
		return Fault("the body is not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := checkValue(dec, reflect.TypeOf(v).Elem(), ""); err != nil {
		return malformed(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return Fault("the body goes on after its JSON value")
	}
	dec = json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return malformed(err)
	}
	return nil
}

// malformed words an error of the decoder.
func malformed(err error) error {
	var fault Fault
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &fault):
		return fault
	case errors.As(err, &syntax):
		return Fault(fmt.Sprintf("the body is not JSON, at octet %d", syntax.Offset))
	case errors.As(err, &typ):
		return Fault(typ.Field + " does not fit")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Fault("the body ends before its JSON value does")
	}
	return Fault("the body is not JSON")
}

func faultf(at, format string, args ...any) error {
	if at == "" {
		at = "the body"
	}
	return Fault(at + " " + fmt.Sprintf(format, args...))
}

// checkValue walks the next value of dec along type t. Nothing deeper than t
// is ever entered, so a stranger's nesting costs nothing.
func checkValue(dec *json.Decoder, t reflect.Type, at string) error {
	tok, err := dec.Token()
	if err != nil {
		return err
	}
	optional := t.Kind() == reflect.Pointer
	if optional {
		t = t.Elem()
	}
	if tok == nil && at != "" && !strings.HasSuffix(at, "]") {
		return nil // null counts as left out, but not as an element
	}
	switch t.Kind() {
	case reflect.Struct:
		if tok == json.Delim('{') {
			return checkObject(dec, t, at)
		}
		return faultf(at, "must be an object")
	case reflect.Slice:
		if tok == json.Delim('[') {
			return checkArray(dec, t.Elem(), at)
		}
		return faultf(at, "must be an array")
	case reflect.String:
		if _, ok := tok.(string); ok {
			return nil
		}
		return faultf(at, "must be a string")
	case reflect.Bool:
		if _, ok := tok.(bool); ok {
			return nil
		}
		return faultf(at, "must be true or false")
	}
	if _, ok := tok.(json.Number); ok {
		return nil
	}
	return faultf(at, "must be a number")
}

func checkObject(dec *json.Decoder, t reflect.Type, at string) error {
	fields, seen := fieldsOf(t), map[string]bool{}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return err
		}
		name, _ := tok.(string) // the decoder gives no other kind of name
		field, known := fields[name]
		switch {
		case !known:
			return faultf(at, "has a member that is not known here: %.60q", name)
		case seen[name]:
			return faultf(at, "has the member %q twice", name)
		}
		seen[name] = true
		inner := name
		if at != "" {
			inner = at + "." + name
		}
		if err := checkValue(dec, field, inner); err != nil {
			return err
		}
	}
	_, err := dec.Token()
	return err
}

// maxElements bounds every array of a request, before its elements are read:
// the largest that any request needs has a hundred.
const maxElements = 1000

func checkArray(dec *json.Decoder, elem reflect.Type, at string) error {
	for i := 0; dec.More(); i++ {
		if i == maxElements {
			return faultf(at, "has more than %d elements", maxElements)
		}
		if err := checkValue(dec, elem, fmt.Sprintf("%s[%d]", at, i)); err != nil {
			return err
		}
	}
	_, err := dec.Token()
	return err
}

// fieldsOf returns the JSON names of a struct and their types.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.IsExported() && name != "" && name != "-" {
			out[name] = f.Type
		}
	}
	return out
}
