package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// HasBody reports whether a request holds a body.
func (o *Operation) HasBody() bool {
	return slices.ContainsFunc(o.members, func(m member) bool { return m.place == inBody })
}

// Target returns the path and query of a request, a value of the request type.
// Members that are zero are left out of the query.
func (o *Operation) Target(in any) string {
	v, path, query := reflect.ValueOf(in), o.Path, url.Values{}
	if o.Variant != "" {
		query.Set(o.Variant, "1")
	}
	for _, m := range o.members {
		switch m.place {
		case inPath:
			path = strings.Replace(path, "{"+m.name+"}", url.PathEscape(written(v.FieldByIndex(m.index))), 1)
		case inQuery:
			if text := written(v.FieldByIndex(m.index)); text != "" {
				query.Set(m.name, text)
			}
		}
	}
	if len(query) == 0 {
		return path
	}
	return path + "?" + query.Encode()
}

// newRequest writes a request for the server at base.
func (o *Operation) newRequest(ctx context.Context, base string, in any) (*http.Request, error) {
	var body io.Reader
	if o.HasBody() {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, o.Method, base+o.Target(in), body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, m := range o.members {
		if m.place != inHeader {
			continue
		}
		if text := written(reflect.ValueOf(in).FieldByIndex(m.index)); text != "" {
			req.Header.Set(m.name, text)
		}
	}
	return req, nil
}

// written returns a member as text, "" where it is zero.
func written(v reflect.Value) string {
	switch t, isTime := v.Interface().(time.Time); {
	case v.IsZero():
		return ""
	case isTime:
		return t.UTC().Format(time.RFC3339)
	case v.Kind() == reflect.Int:
		return strconv.FormatInt(v.Int(), 10)
	case v.Kind() == reflect.Bool:
		return "1"
	}
	return v.String()
}

// Request is a request as HTTP carries it.
type Request struct {
	Path   func(name string) string
	Query  url.Values
	Header http.Header
	Body   []byte // of an operation that has one
	Mail   bool   // Body is the member that the operation names as its Mail, not JSON
}

// Decode reads a request into a value of the request type. The error is a
// [Fault].
func (o *Operation) Decode(r Request) (in any, err error) {
	p := reflect.New(o.in)
	if err := o.checkQuery(r.Query); err != nil && !o.Public {
		return nil, err
	}
	if o.HasBody() && !r.Mail {
		if err := Parse(r.Body, p.Interface()); err != nil {
			return nil, err
		}
	}
	for _, m := range o.members {
		v := p.Elem().FieldByIndex(m.index)
		switch m.place {
		case inPath:
			v.SetString(r.Path(m.name))
		case inQuery:
			err = m.read(v, r.Query.Get(m.name))
		case inHeader:
			err = m.readHeader(v, r.Header)
		case inBody:
			if r.Mail && m.name == o.Mail {
				v.SetString(base64.StdEncoding.EncodeToString(r.Body))
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return p.Elem().Interface(), nil
}

// checkQuery refuses what could be read in two ways or not at all.
func (o *Operation) checkQuery(query url.Values) error {
	for name, values := range query {
		known := o.Variant != "" && name == o.Variant ||
			slices.ContainsFunc(o.members, func(m member) bool { return m.place == inQuery && m.name == name })
		switch {
		case len(values) > 1:
			return faultf("the query", "has %.60q twice", name)
		case !known:
			return faultf("the query", "has a name that is not known here: %.60q", name)
		case name == o.Variant && values[0] != "1":
			return faultf(name, "must be 1")
		}
	}
	return nil
}

// Complete returns a request that did not come as text as Decode would: what
// the query leaves out has its default, and every value is in its bounds.
func (o *Operation) Complete(in any) (any, error) {
	p := reflect.New(o.in)
	p.Elem().Set(reflect.ValueOf(in))
	for _, m := range o.members {
		if m.place != inQuery {
			continue
		}
		v := p.Elem().FieldByIndex(m.index)
		if err := m.read(v, written(v)); err != nil {
			return nil, err
		}
	}
	return p.Elem().Interface(), nil
}

// read reads the text of a query into v; "" counts as left out.
func (m member) read(v reflect.Value, text string) error {
	if text == "" {
		text = m.def
	}
	if text == "" {
		return nil
	}
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return faultf(m.name, "must be a time like 2026-01-31T08:00:00Z")
		}
		v.Set(reflect.ValueOf(t))
	case v.Kind() == reflect.Bool:
		if text != "1" && text != "true" && text != "false" {
			return faultf(m.name, "must be true or false")
		}
		v.SetBool(text != "false")
	case v.Kind() == reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return faultf(m.name, "must be a whole number from %s to %s", m.min, m.max)
		}
		v.SetInt(int64(n))
	default:
		v.SetString(text)
	}
	if why := outside(m.name, v, m.min, m.max, m.enum); why != "" {
		return Fault(why)
	}
	return nil
}

// readHeader reads a header that may be there once, bare or in quotes.
func (m member) readHeader(v reflect.Value, h http.Header) error {
	values := h.Values(m.name)
	if len(values) == 0 {
		return nil
	}
	text := values[0]
	if n := len(text); n > 1 && text[0] == '"' && text[n-1] == '"' {
		text = text[1 : n-1]
	}
	if len(values) > 1 || text == "" {
		return faultf(m.name, "must stand once and not be empty")
	}
	v.SetString(text)
	return nil
}

// Waiting reports whether a request waits for something to happen.
func (o *Operation) Waiting(in any) bool {
	for _, m := range o.members {
		if o.Waits != "" && m.place == inQuery && m.name == o.Waits {
			return !reflect.ValueOf(in).FieldByIndex(m.index).IsZero()
		}
	}
	return false
}
