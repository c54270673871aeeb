package httpd

import (
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"

	"github.com/multimail/multimail/internal/authserver"
)

// serveMCP hands a request to the handler of MCP. Its body stays in memory until
// the answer, so it counts in the budget of messages as every other does.
func (s *Server) serveMCP(mcp http.Handler, w http.ResponseWriter, r *http.Request) {
	r = r.WithContext(context.WithValue(r.Context(), originKey{}, origin{r.RemoteAddr, r.TLS != nil}))
	body := &mcpBody{ReadCloser: r.Body, s: s, w: w, r: r}
	in := r.WithContext(r.Context())
	in.Body = body
	defer func() { body.held.hold.Release() }()
	if s.o.OAuth != nil {
		w = &challenged{w, s}
	}
	mcp.ServeHTTP(w, in)
}

// challenged says to a client of MCP where it gets a token.
type challenged struct {
	http.ResponseWriter
	s *Server
}

// Unwrap lets an http.ResponseController reach the writer.
func (c *challenged) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// scopeIn finds the scopes that the handler asks for.
var scopeIn = regexp.MustCompile(`scope="([a-z_ ]+)"`)

// WriteHeader completes the challenge of a 401, and of a 403 for want of a scope.
func (c *challenged) WriteHeader(status int) {
	h := c.Header()
	asked := h.Get("WWW-Authenticate")
	switch {
	case status == http.StatusUnauthorized:
		code := ""
		if strings.Contains(asked, "invalid_token") {
			code = "invalid_token"
		}
		h.Set("WWW-Authenticate", c.s.challenge(authserver.ResourceMCP, code, firstScopes))
	case status == http.StatusForbidden && scopeIn.MatchString(asked):
		scopes := strings.Fields(scopeIn.FindStringSubmatch(asked)[1])
		h.Set("WWW-Authenticate", c.s.challenge(authserver.ResourceMCP, "insufficient_scope", scopes))
	}
	c.ResponseWriter.WriteHeader(status)
}

// mcpBody is a body that counts in the budget from its first octet on: the
// handler reads none before it knows the key. Past the budget it answers itself,
// since the handler takes a failed read for a client that is gone.
type mcpBody struct {
	io.ReadCloser
	s     *Server
	w     http.ResponseWriter
	r     *http.Request
	begin sync.Once
	held  held
	err   error // the budget was passed
}

func (b *mcpBody) Read(p []byte) (int, error) {
	b.begin.Do(func() {
		b.held = held{r: b.ReadCloser, hold: b.s.o.Messages.Hold(b.owner())}
		if !b.held.hold.Reach(min(b.r.ContentLength, b.s.draftBody())) {
			b.refuse()
		}
	})
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.held.Read(p)
	if errors.Is(err, errInFlight) {
		b.refuse()
	}
	return n, err
}

func (b *mcpBody) refuse() {
	b.err = errInFlight
	b.s.fail(b.w, b.r, errInFlight)
}

// owner is who sends the body, by a key or a token, "" if that is not known. The handler
// refuses a credential that is not good, and notes it.
func (b *mcpBody) owner() (id string) {
	secret, err := presented(b.r.Header)
	if err != nil || secret == "" {
		return ""
	}
	resource := ""
	if b.s.o.OAuth != nil {
		resource = b.s.o.OAuth.Origin + authserver.ResourceMCP
	}
	p, err := b.s.o.Auth.Peek(b.r.Context(), secret, resource)
	if err != nil {
		return ""
	}
	return p.ID()
}
