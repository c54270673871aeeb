package httpd

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/throttle"
	"github.com/multimail/multimail/mail"
)

// smallBody is the most octets of any body but a draft's.
const smallBody = 64 << 10

// draftBody is the most octets of a draft's body: a mail of the largest size in
// base64, and some more for the rest.
func (s *Server) draftBody() int64 { return s.o.MaxSize*4/3 + 2<<20 }

// decode reads a request into a value of the operation's request type. The
// limits hold while its body is read, not after.
func (s *Server) decode(
	op *api.Operation, w http.ResponseWriter, r *http.Request, query url.Values, hold *throttle.Hold,
) (any, error) {
	limit := int64(smallBody)
	if op.Submits || op.Mail != "" {
		limit = s.draftBody()
	}
	var body []byte
	var err error
	isMail := op.Mail != "" && mediaType(r.Header) == "message/rfc822"
	if op.HasBody() {
		if !isMail {
			err = mustBeJSON(r.Header)
		}
		if err == nil {
			body, err = readBody(w, r, limit, hold)
		}
	} else if op.Method != http.MethodGet {
		err = mustBeEmpty(w, r, hold)
	}
	if err != nil {
		return nil, err
	}
	in, err := op.Decode(api.Request{Path: r.PathValue, Query: query, Header: r.Header, Body: body, Mail: isMail})
	return in, faultOf(err)
}

// faultOf is the refusal of a request that cannot be read.
func faultOf(err error) error {
	if err == nil {
		return nil
	}
	return invalid("%s", err.Error())
}

// mediaType returns the type of a body, "" where it cannot be read.
func mediaType(h http.Header) string {
	typ, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return typ
}

func mustBeJSON(h http.Header) error {
	typ, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	charset, given := params["charset"]
	if err != nil || typ != "application/json" || given && !strings.EqualFold(charset, "utf-8") {
		return refuse(http.StatusUnsupportedMediaType, "the body must be JSON: Content-Type: application/json")
	}
	return nil
}

// mustBeEmpty refuses a body where none belongs; {} counts as none.
func mustBeEmpty(w http.ResponseWriter, r *http.Request, hold *throttle.Hold) error {
	body, err := readBody(w, r, smallBody, hold)
	if err != nil {
		return err
	}
	if b := bytes.TrimSpace(body); len(b) > 0 && string(b) != "{}" {
		return refuse(http.StatusBadRequest, "this request takes no body")
	}
	return nil
}

// readBody reads the body within the budget that all messages share.
func readBody(w http.ResponseWriter, r *http.Request, limit int64, hold *throttle.Hold) ([]byte, error) {
	if !hold.Reach(min(r.ContentLength, limit)) {
		return nil, errInFlight
	}
	body, err := io.ReadAll(&held{r: http.MaxBytesReader(w, r.Body, limit), hold: hold})
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

// queryID returns a mail id of the query, "" if it has none.
func queryID(name, text string) (mail.ID, error) {
	if text == "" {
		return "", nil
	}
	id, err := mail.ParseID(text)
	if err != nil {
		return "", invalid("%s is not an id of this server", name)
	}
	return id, nil
}

// pathID returns the mail id in the path. What is not an id names nothing.
func pathID(text string) (mail.ID, error) {
	id, err := mail.ParseID(text)
	if err != nil {
		return "", missing("mail")
	}
	return id, nil
}
