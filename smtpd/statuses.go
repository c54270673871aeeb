package smtpd

import "github.com/emersion/go-smtp"

var _ smtp.StatusCollector = (*statuses)(nil)

// statuses collects what a session says of each recipient of a message. LMTP replies
// once for every RCPT that was accepted, in their order, also where two name the same
// mailbox (RFC 2033, 4.2).
type statuses struct {
	rcpts []string
	said  []error
}

func newStatuses(rcpts []string) *statuses {
	return &statuses{rcpts, make([]error, len(rcpts))}
}

// SetStatus implements smtp.StatusCollector.
func (s *statuses) SetStatus(rcpt string, err error) {
	if err == nil {
		err = refusal(250, smtp.EnhancedCode{2, 0, 0}, "Ok")
	}
	for i, r := range s.rcpts {
		if s.said[i] == nil && r == rcpt {
			s.said[i] = err
			return
		}
	}
}

// reply returns the replies. Of a recipient of whom nothing was said err is.
func (s *statuses) reply(err error) reply {
	if err == nil {
		err = errNoReply
	}
	all := make([]reply, len(s.rcpts))
	for i, said := range s.said {
		if said == nil {
			said = err
		}
		all[i] = fromError(said)
		all[i].close = false // the recipients after it have replies of their own
	}
	first := all[0]
	first.more = all[1:] // not nil, also where there is no other
	return first
}
