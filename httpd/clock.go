package httpd

import (
	"net/http"

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

func (s *Server) clock(*request) (answer, error) { return ok(s.clockState()) }

// acceptClock trusts the clock as it is now. The entry stands before the clock
// runs on: what ends by it is explained.
func (s *Server) acceptClock(r *request) (answer, error) {
	if err := empty(r); err != nil {
		return answer{}, err
	}
	doubt := s.o.Clock.Doubt()
	if doubt == "" {
		return answer{http.StatusOK, s.clockState()}, nil
	}
	err := s.o.Gate.Note(r.Context(), r.p, audit.Record{Kind: audit.ClockAccept, Facts: map[string]string{"doubt": doubt, "door": r.door}})
	if err != nil {
		return answer{}, err
	}
	s.o.Clock.Accept()
	return ok(s.clockState())
}
