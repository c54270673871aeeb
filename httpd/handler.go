package httpd

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/throttle"
	"github.com/multimail/multimail/mail"
)

// caller is who asks for an operation, and from where.
type caller struct {
	registry.Principal        // zero for a public operation
	door               string // "http", or what calls in-process
	tls                bool   // nobody on the way could read along
	heavy              bool   // the operation may take a turn; see work
}

// serve makes the handler of the operations that share a method and a path.
func (s *Server) serve(variants []binding) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := s.answer(variants, w, r)
		if p := (*parked)(nil); errors.As(err, &p) {
			err = s.resume(p, w, r)
		}
		if err != nil {
			s.fail(w, r, err)
		}
	})
}

// resume answers a request that a handler has parked.
func (s *Server) resume(p *parked, w http.ResponseWriter, r *http.Request) error {
	out, err := s.sit(r.Context(), p)
	if err == nil {
		writeJSON(w, statusFor(p.op, out), out)
	}
	return err
}

// answer carries out the operation that a request asks for. On an error nothing
// has been written yet; parked is one.
func (s *Server) answer(variants []binding, w http.ResponseWriter, r *http.Request) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return invalid("the query is malformed")
	}
	if r.Method == http.MethodGet && r.ContentLength != 0 {
		// The server notices that a client is gone once it has read its body.
		return invalid("a GET request takes no body")
	}
	b, c := variantOf(variants, query), caller{door: "http", tls: r.TLS != nil}
	c.heavy = b.op.Heavy
	if !b.op.Public {
		if c.Principal, err = s.authenticate(r); err != nil {
			return err
		}
	}
	read := func(hold *throttle.Hold) (any, error) { return s.decode(b.op, w, r, query, hold) }
	var out any
	pending, err := s.perform(r.Context(), b.op, c, read, func(ctx context.Context, c caller, in any) (err error) {
		if b.write != nil {
			return b.write(ctx, c, in, w, r.WithContext(ctx))
		}
		out, err = b.call(ctx, c, in)
		return err
	})
	if err == nil && pending != nil {
		writeJSON(w, http.StatusAccepted, pending)
		return nil
	}
	if err == nil && b.call != nil { // a slow reader holds nothing that others wait for
		writeJSON(w, statusFor(b.op, out), out)
	}
	return err
}

// variantOf chooses among the operations of one route by the query.
func variantOf(variants []binding, query url.Values) binding {
	plain := variants[0]
	for _, b := range variants {
		switch {
		case b.op.Variant == "":
			plain = b
		case query.Get(b.op.Variant) != "":
			return b
		}
	}
	return plain
}

func statusFor(op *api.Operation, out any) int {
	if o, ok := out.(api.Outcome); ok {
		if status := o.HTTPStatus(); status != 0 {
			return status
		}
	}
	return op.Status
}

// perform carries out an operation for an authenticated caller, whatever way it
// came in: the audit entry of a refusal, the scope check and the limits stand
// here and nowhere else. read makes the request, do answers it. What waits for a code of
// the operator has not been done.
func (s *Server) perform(
	ctx context.Context, op *api.Operation, c caller, read func(*throttle.Hold) (any, error), do task,
) (pending *api.PendingApproval, err error) {
	if op.Audit == "" {
		return s.admit(ctx, op, c, read, do)
	}
	guarded := gate.Restricted{Op: op.Audit, Door: c.door, Refused: refused}
	err = s.o.Gate.Guard(ctx, c.Principal, guarded, func(ctx context.Context) (err error) {
		pending, err = s.admit(ctx, op, c, read, do)
		return err
	})
	return pending, err
}

func (s *Server) admit(
	ctx context.Context, op *api.Operation, c caller, read func(*throttle.Hold) (any, error), do task,
) (*api.PendingApproval, error) {
	denied := s.permit(ctx, op, c)
	if denied != nil && !c.mayAsk(op) {
		return nil, denied
	}
	hold := s.o.Messages.Hold(c.ID())
	defer hold.Release()
	in, err := read(hold)
	if err != nil {
		if op.Submits {
			s.noteDraft(ctx, c, err)
		}
		return nil, err
	}
	if c.mayAsk(op) {
		return s.withCode(ctx, op, c, in, denied, do)
	}
	if !op.Waiting(in) {
		return nil, do(ctx, c, in)
	}
	leave, err := s.waiters.enter(c.Principal)
	if err != nil {
		return nil, err
	}
	var p *parked
	defer func() {
		if p == nil {
			leave()
		}
	}()
	err = do(ctx, c, in)
	if errors.As(err, &p) {
		p.op, p.leave = op, leave
	}
	return nil, err
}

// refused reads an error as the refusal of an operation: whatever the client
// was answered that is not the fault of the server.
func refused(err error) (code string, ok bool) {
	if err == nil {
		return "", false
	}
	status, _ := translate(err)
	return strconv.Itoa(status), status < 500
}

// permit asks for one of the scopes of an operation. Rights over a single
// mailbox or record are the business of the packages that keep them.
func (s *Server) permit(ctx context.Context, op *api.Operation, c caller) error {
	if op.Public || op.Allows(func(scope string) bool { return c.Has(registry.Scope(scope)) }) {
		return nil
	}
	need := strings.Join(op.Reach(), " or ")
	// Who only reads leaves no entry, and a guarded operation leaves its own.
	if op.Method != http.MethodGet && op.Audit == "" {
		s.o.Gate.NoteRefusal(ctx, c.Principal, audit.Record{Kind: audit.AuthFail,
			Facts: map[string]string{"door": c.door, "need": need, "route": op.Route()}})
	}
	return &refusal{status: http.StatusForbidden, text: "this needs a credential with the scope " + need, scope: true,
		scopes: stepUp(c.Principal, op)}
}

// stepUp returns the scopes with which a principal of this kind could call an operation, those
// that it has included: a client asks for all of them at once. None when no scope would do.
func stepUp(p registry.Principal, op *api.Operation) (out []string) {
	kind := p.Possible()
	reach := op.Reach()
	i := slices.IndexFunc(reach, func(s string) bool { return slices.Contains(kind, registry.Scope(s)) })
	if i < 0 {
		return nil
	}
	for _, s := range p.Scopes {
		out = append(out, string(s))
	}
	return append(out, reach[i])
}

// reaches returns the address of a mailbox if the caller's credential reaches it.
func (c caller) reaches(mailbox string) (mail.Address, error) {
	a, err := mail.ParseAddress(mailbox)
	if err != nil || !c.Covers(a) {
		return mail.Address{}, missing("mailbox")
	}
	return a, nil
}

// jsonErrors gives the mux's own answers (no such path, wrong method) the form
// that every error has.
func jsonErrors(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		header := headerOnly{}
		h.ServeHTTP(header, r)
		if allow := header.Header().Get("Allow"); allow != "" {
			w.Header().Set("Allow", allow)
			writeJSON(w, http.StatusMethodNotAllowed,
				api.Error{Message: "method not allowed", Code: statusCode[http.StatusMethodNotAllowed], Hint: "allowed: " + allow})
			return
		}
		writeJSON(w, http.StatusNotFound, api.Error{Message: "no such endpoint", Code: mail.ErrNotFound.String()})
	})
}

// headerOnly is a ResponseWriter that keeps the header.
type headerOnly http.Header

func (h headerOnly) Header() http.Header         { return http.Header(h) }
func (h headerOnly) WriteHeader(int)             {}
func (h headerOnly) Write(p []byte) (int, error) { return len(p), nil }

// writeJSON writes an answer. An answer is private to who asked for it.
func writeJSON(w http.ResponseWriter, status int, body any) {
	b, err := json.Marshal(body)
	if err != nil { // our types always marshal; a client that gets this is owed an answer still
		status, b = http.StatusInternalServerError, []byte(`{"error":"internal error","code":"internal"}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store")
	}
	w.WriteHeader(status)
	w.Write(append(b, '\n'))
}
