package httpd

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/throttle"
)

// request is one authenticated request on its way to a handler.
type request struct {
	*http.Request
	w     http.ResponseWriter // for limits and streams; answers are returned
	p     registry.Principal  // zero on public routes
	door  string              // "http", or what calls in-process
	route *Route
	query url.Values
	hold  *throttle.Hold // of what its body takes; nil on public routes
}

// answer is what a handler returns. A zero status: it has written already.
type answer struct {
	status int
	body   any
}

func ok(body any) (answer, error) { return answer{http.StatusOK, body}, nil }

// done answers what has nothing to say but that it is so.
func done(status string) (answer, error) { return ok(map[string]string{"status": status}) }

// mux puts the table into force.
func (s *Server) mux() http.Handler {
	mux := http.NewServeMux()
	for _, route := range Routes() {
		mux.Handle(route.Method+" "+route.Path, s.serve(route))
	}
	return jsonErrors(mux)
}

// serve makes the handler of one route: who asks, may they, what comes out.
func (s *Server) serve(route Route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, hr *http.Request) {
		r := &request{Request: hr, w: w, door: "http", route: &route}
		if door, ok := hr.Context().Value(doorKey{}).(string); ok {
			r.door = door
		}
		a, err := s.handle(r)
		switch {
		case err != nil:
			s.fail(w, hr, err)
		case a.status != 0:
			writeJSON(w, a.status, a.body)
		}
	})
}

func (s *Server) handle(r *request) (answer, error) {
	var err error
	if r.query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
		return answer{}, invalid("the query is malformed")
	}
	if r.Method == http.MethodGet && r.ContentLength != 0 {
		// The server notices that a client is gone once it has read its body.
		return answer{}, invalid("a GET request takes no body")
	}
	if !r.route.Public {
		if r.p, err = s.authenticate(r.Request); err != nil {
			return answer{}, err
		}
	}
	if r.route.Order == "" {
		return s.carry(r)
	}
	var a answer
	attempt := gate.Attempt{Op: r.route.Order, Door: r.door, Refused: refused}
	err = s.o.Gate.Guard(r.Context(), r.p, attempt, func(ctx context.Context) error {
		r.Request = r.WithContext(ctx)
		a, err = s.carry(r)
		return err
	})
	return a, err
}

// carry does what an authenticated request asks for, if it may.
func (s *Server) carry(r *request) (answer, error) {
	if !r.route.Public {
		if err := s.permit(r); err != nil {
			return answer{}, err
		}
		if err := r.checkQuery(r.route.Query); err != nil {
			return answer{}, err
		}
	}
	r.hold = s.o.Messages.Hold(r.p.ID())
	defer r.hold.Release()
	return r.route.handle(s, r)
}

// refused reads an error as the refusal of an order: whatever the client was
// told that is not our own fault.
func refused(err error) (code string, ok bool) {
	if err == nil {
		return "", false
	}
	status, _ := translate(err)
	return strconv.Itoa(status), status < 500
}

// permit asks for one of the route's scopes. Rights over a single mailbox or
// record are the business of the rooms that keep them.
func (s *Server) permit(r *request) error {
	var need []string
	for _, scope := range r.route.Scopes {
		if r.p.Has(scope) {
			return nil
		}
		need = append(need, string(scope))
	}
	if len(need) == 0 {
		return nil
	}
	words := strings.Join(need, " or ")
	s.overreach(r, words)
	return refuse(http.StatusForbidden, "this needs a credential with the scope %s", words)
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
		var said buffer
		h.ServeHTTP(&said, r)
		if allow := said.Header().Get("Allow"); allow != "" {
			w.Header().Set("Allow", allow)
			writeJSON(w, http.StatusMethodNotAllowed,
				api.Error{Message: "method not allowed", Hint: "allowed: " + allow})
			return
		}
		writeJSON(w, http.StatusNotFound, api.Error{Message: "no such endpoint"})
	})
}

// buffer is a ResponseWriter that keeps what is written.
type buffer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (b *buffer) Header() http.Header {
	if b.header == nil {
		b.header = http.Header{}
	}
	return b.header
}

func (b *buffer) WriteHeader(status int) {
	if b.status == 0 {
		b.status = status
	}
}

func (b *buffer) Write(p []byte) (int, error) {
	b.WriteHeader(http.StatusOK)
	return b.body.Write(p)
}
