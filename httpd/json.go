package httpd

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/throttle"
	"github.com/multimail/multimail/mail"
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
	body, err := r.read(limit)
	if err != nil {
		return err
	}
	return parse(body, v)
}

// read reads the body within the budget that all messages share.
func (r *request) read(limit int64) ([]byte, error) {
	if !r.hold.Reach(min(r.ContentLength, limit)) {
		return nil, errInFlight
	}
	body, err := io.ReadAll(&held{r: http.MaxBytesReader(r.w, r.Body, limit), hold: r.hold})
	if err != nil {
		return nil, bodyError(err)
	}
	return body, nil
}

// held reads a body whose octets count in a budget.
type held struct {
	r    io.Reader
	hold *throttle.Hold
	n    int64
}

func (h *held) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	if h.n += int64(n); !h.hold.Reach(h.n) {
		return n, errInFlight
	}
	return n, err
}

var errInFlight = mail.ReasonBusy.Errorf("too many messages at the same time, try again later").Over(mail.LimitInFlight)

func utf8Charset(params map[string]string) bool {
	c, ok := params["charset"]
	return !ok || strings.EqualFold(c, "utf-8")
}

// empty refuses a body where none belongs; {} counts as none.
func empty(r *request) error {
	body, err := r.read(smallBody)
	if err != nil {
		return err
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
