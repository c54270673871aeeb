package httpd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"
	"unicode/utf8"
)

// smallBody is the most octets of any body but a draft's.
const smallBody = 64 << 10

// draftBody is the most octets of a draft's body: a mail of the largest size in
// base64, and room for the rest.
func (s *Server) draftBody() int64 { return s.o.MaxSize*4/3 + 2<<20 }

// decode reads the request's JSON into v, a pointer to a struct of package api.
// The limit holds while reading, not after.
func decode(r *request, v any, limit int64) error {
	typ, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || typ != "application/json" || !utf8Charset(params) {
		return refuse(http.StatusUnsupportedMediaType, "the body must be JSON: Content-Type: application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(r.w, r.Body, limit))
	if err != nil {
		return bodyError(err)
	}
	return parse(body, v)
}

func utf8Charset(params map[string]string) bool {
	c, ok := params["charset"]
	return !ok || strings.EqualFold(c, "utf-8")
}

// empty refuses a body where none belongs; {} counts as none.
func empty(r *request) error {
	body, err := io.ReadAll(http.MaxBytesReader(r.w, r.Body, smallBody))
	if err != nil {
		return bodyError(err)
	}
	if b := bytes.TrimSpace(body); len(b) > 0 && string(b) != "{}" {
		return refuse(http.StatusBadRequest, "this request takes no body")
	}
	return nil
}

// parse reads strict JSON: UTF-8, one value, every name known and spelt to the
// letter and given once, every value of its very type. encoding/json alone
// folds the case of names, even K (Kelvin) to k, and lets the last of two
// equal names win, so two readers of one request could see two requests.
func parse(body []byte, v any) error {
	if !utf8.Valid(body) {
		return refuse(http.StatusBadRequest, "the body is not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if err := checkValue(dec, reflect.TypeOf(v).Elem(), ""); err != nil {
		return malformed(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return refuse(http.StatusBadRequest, "the body goes on after its JSON value")
	}
	dec = json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return malformed(err)
	}
	return nil
}

// jsonError is a fault of the body that is told to the client.
type jsonError string

func (e jsonError) Error() string { return string(e) }

func faultf(at, format string, args ...any) error {
	if at == "" {
		at = "the body"
	}
	return jsonError(at + " " + fmt.Sprintf(format, args...))
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

func checkArray(dec *json.Decoder, elem reflect.Type, at string) error {
	for i := 0; dec.More(); i++ {
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
