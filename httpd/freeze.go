package httpd

import (
	"net/http"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// freeze stops a scope. When it answers nothing in the scope leaves any more.
func (s *Server) freeze(r *request) (answer, error) {
	var n api.ScopeRequest
	if err := decode(r, &n, smallBody); err != nil {
		return answer{}, err
	}
	scope, err := registry.ParseFreezeScope(n.Scope)
	if err != nil {
		return answer{}, err
	}
	report, err := s.o.Gate.Freeze(r.Context(), r.p, scope, n.Reason)
	return answer{http.StatusOK, stoppedOf(report)}, err
}

func stoppedOf(f gate.FreezeReport) api.Stopped {
	ids := func(list []mail.ID) []string {
		out := make([]string, 0, len(list))
		for _, id := range list {
			out = append(out, string(id))
		}
		return out
	}
	return api.Stopped{Stopped: ids(f.Stopped), Past: ids(f.Past)}
}

func (s *Server) thaw(r *request) (answer, error) {
	var n api.ScopeRequest
	if err := decode(r, &n, smallBody); err != nil {
		return answer{}, err
	}
	scope, err := registry.ParseFreezeScope(n.Scope)
	if err != nil {
		return answer{}, err
	}
	if err := s.o.Gate.Thaw(r.Context(), r.p, scope); err != nil {
		return answer{}, err
	}
	return done("thawed")
}

func (s *Server) freezes(r *request) (answer, error) {
	var all []registry.Freeze
	err := s.o.Store.View(r.Context(), func(tx store.Tx) (err error) {
		all, err = s.o.Registry.Freezes(tx)
		return err
	})
	list := api.Freezes{Freezes: []api.Freeze{}}
	for _, f := range all {
		list.Freezes = append(list.Freezes, api.Freeze{
			Scope: f.Scope.String(), By: f.By, Reason: f.Reason, At: f.At,
		})
	}
	return answer{http.StatusOK, list}, err
}
