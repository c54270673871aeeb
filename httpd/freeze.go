package httpd

import (
	"context"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// freeze stops a scope. When it answers nothing in the scope leaves any more.
func (s *Server) freeze(ctx context.Context, c caller, in api.ScopeRequest) (out api.Stopped, _ error) {
	scope, err := registry.ParseFreezeScope(in.Scope)
	if err != nil {
		return out, err
	}
	report, err := s.o.Gate.Freeze(ctx, c.Principal, scope, in.Reason)
	return stoppedOf(report), err
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

func (s *Server) thaw(ctx context.Context, c caller, in api.ScopeRequest) (out api.Done, _ error) {
	scope, err := registry.ParseFreezeScope(in.Scope)
	if err != nil {
		return out, err
	}
	if err := s.o.Gate.Thaw(ctx, c.Principal, scope); err != nil {
		return out, err
	}
	return api.Done{Status: "thawed"}, nil
}

func (s *Server) freezes(ctx context.Context, _ caller, _ api.None) (api.Freezes, error) {
	var all []registry.Freeze
	err := s.o.Store.View(ctx, func(tx store.Tx) (err error) {
		all, err = s.o.Registry.Freezes(tx)
		return err
	})
	list := api.Freezes{Freezes: []api.Freeze{}}
	for _, f := range all {
		list.Freezes = append(list.Freezes, api.Freeze{
			Scope: f.Scope.String(), By: f.By, Reason: f.Reason, At: f.At,
		})
	}
	return list, err
}

// trusted is a clock that is never in doubt.
type trusted struct{}

func (trusted) Doubt() string { return "" }
func (trusted) Accept()       {}

func (s *Server) clockState() api.Clock {
	doubt := s.o.Clock.Doubt()
	return api.Clock{Trusted: doubt == "", Doubt: doubt, Now: s.o.Now().UTC()}
}

func (s *Server) clock(_ context.Context, _ caller, _ api.None) (api.Clock, error) {
	return s.clockState(), nil
}

// acceptClock trusts the clock as it is now. The entry stands before the clock
// runs on: what ends by it is explained.
func (s *Server) acceptClock(ctx context.Context, c caller, _ api.None) (out api.Clock, _ error) {
	doubt := s.o.Clock.Doubt()
	if doubt == "" {
		return s.clockState(), nil
	}
	err := s.o.Gate.Note(ctx, c.Principal, audit.Record{Kind: audit.ClockAccept,
		Facts: map[string]string{"doubt": doubt, "door": c.door}})
	if err != nil {
		return out, err
	}
	s.o.Clock.Accept()
	return s.clockState(), nil
}
