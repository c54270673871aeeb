package httpd

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/authserver"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// retryAfter is how long a client should wait when the fault is ours, seconds.
const retryAfter = 10

// refusal is an answer of this door's own: what is wrong with a request before
// any other package has seen it.
type refusal struct {
	status int
	text   string
	hint   string
	limit  mail.Limit    // that was reached, "" for none
	after  time.Duration // when to try again; 0: the usual time, or none
	scope  bool          // the credential lacks a scope
	scopes []string      // with which it would not be refused, those of the credential included
}

func (e *refusal) Error() string { return e.text }

// code is the word of a refusal; its status says which, and whether it is for want of a scope.
func (e *refusal) code() string {
	if e.scope {
		return string(mail.ReasonScope)
	}
	return statusCode[e.status]
}

func refuse(status int, format string, args ...any) error {
	return &refusal{status: status, text: fmt.Sprintf(format, args...)}
}

// limited is a refusal because of a limit that is lower again later.
func limited(l mail.Limit, status int, format string, args ...any) error {
	return &refusal{status: status, text: fmt.Sprintf(format, args...), limit: l}
}

// invalid is a refusal for what a request says.
func invalid(format string, args ...any) error {
	return refuse(http.StatusBadRequest, format, args...)
}

// over is invalid for what has more than a limit allows.
func over(l mail.Limit, format string, args ...any) error {
	return &refusal{status: http.StatusBadRequest, text: fmt.Sprintf(format, args...), limit: l}
}

// missing is a refusal for what is not there, or not for this principal: it
// does not learn which.
func missing(what string) error { return refuse(http.StatusNotFound, "no such %s", what) }

// bodyError says why a body could not be read.
func bodyError(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return &refusal{status: http.StatusRequestEntityTooLarge, limit: mail.LimitBodySize,
			text: fmt.Sprintf("the body is larger than %d octets", large.Limit)}
	}
	if errors.Is(err, errInFlight) {
		return errInFlight
	}
	return refuse(http.StatusBadRequest, "the body could not be read")
}

// warmUpHint goes with a mail that is refused because its sending domain is new.
const warmUpHint = "a day ends at midnight UTC; a mail that is scheduled counts on the day on which it leaves"

// translate is the one place where an error becomes a status and words.
func translate(err error) (int, api.Error) {
	var own *refusal
	var e *mail.Error
	var kind mail.Kind
	switch {
	case errors.As(err, &own):
		return own.status, api.Error{Message: own.text, Code: own.code(), Hint: own.hint}
	case errors.As(err, &e) && e.Kind != mail.ErrInternal:
		body := api.Error{Message: e.Public, Code: e.Word()}
		if w := new(gate.WarmUp); errors.As(err, &w) {
			body.Stage, body.Sent, body.Limit, body.Hint = w.Stage, &w.Sent, w.Limit, warmUpHint
		}
		return statusOf(e), body
	case errors.As(err, &kind) && kindText[kind] != "":
		return kindStatus[kind], api.Error{Message: kindText[kind], Code: kind.String()}
	case errors.Is(err, store.ErrNotFound):
		return http.StatusNotFound, api.Error{Message: "not found", Code: mail.ErrNotFound.String()}
	case errors.Is(err, store.ErrAborted), errors.Is(err, store.ErrUnknown), errors.Is(err, store.ErrClosed),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable, api.Error{Message: "cannot do that now; try again later",
			Code: mail.ErrUnavailable.String()}
	}
	return http.StatusInternalServerError, api.Error{Message: "internal error", Code: mail.ErrInternal.String(),
		Ref: rand.Text()[:10]}
}

// fail answers with an error. Its cause goes to the log alone.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, body, after := s.explain(r.Method, r.Pattern, err)
	h := w.Header()
	if after > 0 {
		h.Set("Retry-After", strconv.Itoa(after))
	}
	switch status {
	case http.StatusUnauthorized:
		code := ""
		if errors.Is(err, registry.ErrCredentials) { // one was presented (RFC 6750, section 3.1)
			code = "invalid_token"
		}
		h.Set("WWW-Authenticate", s.challenge(authserver.ResourceREST, code, firstScopes))
		leave(w, r)
	case http.StatusForbidden:
		if own := new(refusal); errors.As(err, &own) && len(own.scopes) > 0 {
			h.Set("WWW-Authenticate", s.challenge(authserver.ResourceREST, "insufficient_scope", own.scopes))
		}
	case http.StatusTooManyRequests:
		leave(w, r)
	}
	writeJSON(w, status, body)
}

// explain returns what a client is told of an error, and in how many seconds it
// may try again, if that is known. The cause goes to the log alone, and a limit
// that was reached into the metrics.
func (s *Server) explain(method, route string, err error) (status int, body api.Error, after int) {
	status, body = translate(err)
	if errors.Is(err, errInFlight) { // the gate counts what it refuses itself
		s.o.Metrics.Limits.WithLabelValues(string(mail.LimitInFlight)).Inc()
	}
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		after = retryAfter
	}
	if w := new(gate.WarmUp); errors.As(err, &w) {
		after = seconds(w.Wait)
	}
	own := new(refusal)
	if errors.As(err, &own) {
		if own.after > 0 {
			after = seconds(own.after)
		}
		if own.limit != "" {
			s.o.Metrics.Limits.WithLabelValues(string(own.limit)).Inc()
		}
	}
	// A freeze and a budget that is used up are refusals as intended, and agents cause them.
	intended := errors.Is(err, mail.ErrFrozen) || errors.Is(err, mail.ErrRateLimited) || own.limit != ""
	if status >= 500 && !intended && !errors.Is(err, context.Canceled) {
		s.o.Log.Error("http", "code", status, "method", method, "route", route, "ref", body.Ref, "err", err)
	}
	return status, body, after
}

// seconds rounds up, for Retry-After.
func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// leave answers an unknown peer without waiting for the rest of the request: the
// server would read on before it sends the answer, for as long as any body may take.
func leave(w http.ResponseWriter, r *http.Request) {
	if r.Body == nil || r.Body == http.NoBody {
		return
	}
	w.Header().Set("Connection", "close")
	// Where there is no connection, as in-process, there is nothing to end.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(unknownIdle))
}
