package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Fault is what is wrong with a JSON text, in words for its author that hold
// nothing of our types.
type Fault string

func (f Fault) Error() string { return string(f) }

func faultf(at, format string, args ...any) error {
	if at == "" {
		at = "the body"
	}
	return Fault(at + " " + fmt.Sprintf(format, args...))
}

// maxElements bounds every array of a request, before its elements are read:
// the largest that any request needs has a hundred.
const maxElements = 1000

// Parse reads strict JSON into v, a pointer to a struct: UTF-8, one value, every
// name known and spelt to the letter and given once, every value of its very
// type. A member that is null counts as left out. Two readers of one request
// must not see two requests. The error is a [Fault].
func Parse(text []byte, v any) error { return parse(text, v, strict) }

// Options of the decoder. Half of a surrogate pair in an escape is U+FFFD;
// octets that are no UTF-8 are refused before.
var (
	strict  = decoding(expect)
	lenient = decoding(expectList)
)

func decoding(before func(*jsontext.Decoder, any) error) json.Options {
	return json.JoinOptions(json.RejectUnknownMembers(true), jsontext.AllowInvalidUTF8(true),
		json.WithUnmarshalers(json.UnmarshalFromFunc(before)))
}

func parse(text []byte, v any, o json.Options) error {
	if !utf8.Valid(text) {
		return Fault("the body is not UTF-8")
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(text), o)
	if err := json.UnmarshalDecode(dec, v); err != nil {
		return malformed(err)
	}
	if _, err := dec.ReadToken(); err != io.EOF {
		return Fault("the body goes on after its JSON value")
	}
	return nil
}

// expect runs before each value of a text is read into v. It refuses one of
// another type there, so that nothing is entered that is deeper than our types.
func expect(dec *jsontext.Decoder, v any) error {
	at, n := position(dec)
	if n >= maxElements {
		return faultf(at[:strings.LastIndexByte(at, '[')], "has more than %d elements", maxElements)
	}
	t := reflect.TypeOf(v).Elem()
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	must, want := "a number", jsontext.KindNumber
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		must, want = "an object", jsontext.KindBeginObject
	case reflect.Slice:
		must, want = "an array", jsontext.KindBeginArray
	case reflect.String:
		must, want = "a string", jsontext.KindString
	case reflect.Bool:
		must, want = "true or false", jsontext.KindTrue
	}
	switch kind := dec.PeekKind(); kind {
	case want, jsontext.KindInvalid: // what is no JSON is the decoder's to refuse
		return errors.ErrUnsupported
	case jsontext.KindNull: // counts as left out, but not as an element
		if at != "" && n < 0 {
			return errors.ErrUnsupported
		}
	case jsontext.KindFalse:
		if want == jsontext.KindTrue {
			return errors.ErrUnsupported
		}
	}
	return faultf(at, "must be %s", must)
}

// position names the value that dec reads next, "" for the outermost; n is its
// index in an array, or -1.
func position(dec *jsontext.Decoder) (at string, n int64) {
	kind, n := dec.StackIndex(dec.StackDepth())
	p := dec.StackPointer()
	if kind != jsontext.KindBeginArray {
		return words(p), -1
	}
	if n > 0 {
		p = p.Parent() // it names the element before
	}
	return fmt.Sprintf("%s[%d]", words(p), n), n
}

// words writes a pointer to one of our members as its author would.
func words(p jsontext.Pointer) string {
	var b strings.Builder
	for token := range p.Tokens() {
		switch _, err := strconv.Atoi(token); {
		case err == nil:
			b.WriteString("[" + token + "]")
		case b.Len() > 0:
			b.WriteString("." + token)
		default:
			b.WriteString(token)
		}
	}
	return b.String()
}

// malformed words an error of the decoder.
func malformed(err error) error {
	var fault Fault
	var syntax *jsontext.SyntacticError
	var semantic *json.SemanticError
	switch {
	case errors.As(err, &fault):
		return fault
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Fault("the body ends before its JSON value does")
	case errors.As(err, &syntax) && errors.Is(err, jsontext.ErrDuplicateName):
		return faultf(words(syntax.JSONPointer.Parent()), "has the member %.60q twice", syntax.JSONPointer.LastToken())
	case errors.As(err, &syntax):
		return Fault(fmt.Sprintf("the body is not JSON, at octet %d", syntax.ByteOffset+1))
	case errors.As(err, &semantic) && errors.Is(err, json.ErrUnknownName):
		parent, name := semantic.JSONPointer.Parent(), semantic.JSONPointer.LastToken()
		return faultf(words(parent), "has a member that is not known here: %.60q", name)
	case errors.As(err, &semantic) && semantic.JSONPointer != "":
		return faultf(words(semantic.JSONPointer), "does not fit")
	}
	return Fault("the body is not JSON")
}
