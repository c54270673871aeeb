package httpd

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/multimail/multimail/httpd/api"
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

// parse is api.Parse with the refusal of this door.
func parse(body []byte, v any) error {
	if err := api.Parse(body, v); err != nil {
		return invalid("%s", err.Error())
	}
	return nil
}
