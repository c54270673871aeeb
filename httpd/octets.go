package httpd

import (
	"context"
	"errors"

	"github.com/multimail/multimail/mail"
)

// errUnseen: there is no such mail for who asks, whatever there was.
var errUnseen = missing("mail")

// octets hands the bytes of a mail to read once it is the turn of the request, and then
// asks whether the mailbox still shows the mail: it may have been reported or erased since
// the request found it, or while it waited for its turn. What was read of such a mail is
// not handed out; the error is errUnseen.
func (s *Server) octets(ctx context.Context, c caller, id mail.ID, read func(raw []byte) error) error {
	err := s.work(ctx, c, func() error {
		raw, err := s.o.Queue.Raw(ctx, id)
		if errors.Is(err, mail.ErrNotFound) {
			return errUnseen
		}
		if err != nil {
			return err
		}
		return read(raw)
	})
	m, now := s.o.Queue.Mail(ctx, id)
	if errors.Is(now, mail.ErrNotFound) || now == nil && !m.Visible() {
		return errUnseen
	}
	return errors.Join(err, now)
}
