package httpd

import (
	"context"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/httpd/api"
)

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
	err := s.o.Gate.Note(ctx, c.Principal, audit.Record{Kind: audit.ClockAccept, Facts: map[string]string{"doubt": doubt, "door": c.door}})
	if err != nil {
		return out, err
	}
	s.o.Clock.Accept()
	return s.clockState(), nil
}
