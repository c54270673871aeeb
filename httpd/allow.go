package httpd

import (
	"net/http"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
)

func (s *Server) allowlist(r *request) (answer, error) {
	box, err := r.mailbox()
	if err != nil {
		return answer{}, err
	}
	var entries []registry.AllowEntry
	err = s.o.Store.View(r.Context(), func(tx store.Tx) (err error) {
		entries, err = s.o.Registry.Allowlist(tx, box)
		return err
	})
	list := api.Allowlist{Entries: []api.AllowEntry{}}
	for _, e := range entries {
		list.Entries = append(list.Entries, api.AllowEntry(e))
	}
	return answer{http.StatusOK, list}, err
}

func (s *Server) allowAdd(r *request) (answer, error) {
	box, err := r.mailbox()
	if err != nil {
		return answer{}, err
	}
	var n api.NewAllowEntry
	if err := decode(r, &n, smallBody); err != nil {
		return answer{}, err
	}
	e, err := s.o.Gate.AllowAdd(r.Context(), r.p, box, n.Pattern, n.Note)
	return answer{http.StatusCreated, api.AllowEntry(e)}, err
}

func (s *Server) allowRemove(r *request) (answer, error) {
	box, err := r.mailbox()
	if err != nil {
		return answer{}, err
	}
	if err := empty(r); err != nil {
		return answer{}, err
	}
	if err := s.o.Gate.AllowRemove(r.Context(), r.p, box, r.PathValue("entry")); err != nil {
		return answer{}, err
	}
	return done("removed")
}
