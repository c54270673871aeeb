package httpd

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/throttle"
)

var inBraces = regexp.MustCompile(`\{[^}]*\}`)

// scopes returns what a credential of the fixture holds.
func (h *fixture) scopes(as string) []string {
	h.t.Helper()
	return into[api.Identity](h, h.want(200, as, "GET", "/v1/whoami", "")).Scopes
}

// checkScopes asks for every operation with every kind of credential, over HTTP
// and in-process: who holds none of its scopes is refused, and nobody else is.
func (h *fixture) checkScopes(table *api.Table) {
	h.t.Helper()
	held, asking := map[string][]string{}, everyone[1:]
	if h.keys["auditor"] != "" {
		asking = slices.Concat(asking, narrow)
	}
	for _, as := range asking {
		held[as] = h.scopes(as)
	}
	for _, op := range table.Operations() {
		path, body := inBraces.ReplaceAllString(op.Path, "nothing"), ""
		if op.HasBody() {
			body = "{}"
		}
		if op.Variant != "" {
			path += "?" + op.Variant + "=1"
		}
		if r := h.do("nobody", op.Method, path, body); (r.status == 401) == op.Public {
			h.t.Errorf("%s without a credential: %d %s", op, r.status, r.body)
		}
		for _, as := range asking {
			allowed := op.Public || op.Allows(func(scope string) bool { return slices.Contains(held[as], scope) }) ||
				op.Tier.ByCode() && slices.Contains(held[as], api.ScopeSend)
			if allowed && op.Name == api.DeleteAccount.Name { // nobody could be asked any more
				continue
			}
			r := h.do(as, op.Method, path, body)
			if refused := r.status == 403 && strings.Contains(r.body, "a credential with the scope"); refused == allowed {
				h.t.Errorf("%s as %s with %v: %d %s", op, as, held[as], r.status, r.body)
			}
			if op.Public || op.Kind != api.JSON || h.keys[as] == "" {
				continue
			}
			_, err := h.s.InProcess("mcp")(h.keys[as]).Do(h.t.Context(), op, h.empty(op))
			var e *api.Error
			if refused := errors.As(err, &e) && strings.Contains(e.Message, "a credential with the scope"); refused == allowed {
				h.t.Errorf("%s in-process as %s with %v: %v", op, as, held[as], err)
			}
		}
	}
}

// empty is a request of an operation for what is not there.
func (h *fixture) empty(op *api.Operation) any {
	h.t.Helper()
	in, err := op.Decode(api.Request{Path: func(string) string { return "nothing" }, Body: []byte("{}")})
	if err != nil {
		h.t.Fatal(err)
	}
	return in
}

func TestEveryOperationIsForTheScopesThatTheTableNames(t *testing.T) {
	h := newFixture(t)
	h.unlimited()
	h.addNarrow()
	h.checkScopes(api.Operations)
}

// No credential has both, so an operation that either suffices for is no way
// around the gate.
func TestNoKindOfCredentialBothSendsAndDecides(t *testing.T) {
	h := newFixture(t)
	for _, as := range everyone[1:] {
		if s := h.scopes(as); slices.Contains(s, api.ScopeSend) && slices.Contains(s, api.ScopeOversight) {
			t.Errorf("%s holds %v", as, s)
		}
	}
}

// unlimited lifts the limit of requests.
func (h *fixture) unlimited() {
	h.s.rate, h.dev.rate = throttle.NewRate(1_000_000, h.clock.Now), throttle.NewRate(1_000_000, h.clock.Now)
}
