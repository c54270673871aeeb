package httpd

import (
	"context"
	"encoding/base64"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/mail"
)

// suppressions lists the addresses that the mailboxes of the caller may not send to.
func (s *Server) suppressions(ctx context.Context, c caller, in api.SuppressionQuery) (out api.Suppressions, _ error) {
	cursor, err := base64.RawURLEncoding.DecodeString(in.Cursor)
	if err != nil {
		return out, invalid("cursor is not one of this server")
	}
	page, next, err := s.o.Gate.Suppressed(ctx, c.Principal, string(cursor), in.Limit)
	if err != nil {
		return out, err
	}
	out.Suppressions = []api.Suppression{}
	for _, e := range page {
		out.Suppressions = append(out.Suppressions, api.Suppression{ID: string(e.ID), EmailAddress: e.Address.String(),
			Reason: string(e.Reason), MailboxID: e.Mailbox.String(), CreatedAt: e.CreatedAt, About: string(e.About),
			Code: e.Code})
	}
	out.Cursor = base64.RawURLEncoding.EncodeToString([]byte(next))
	return out, nil
}

// unsuppress takes an address off the lists of the mailboxes of the caller.
func (s *Server) unsuppress(ctx context.Context, c caller, in api.SuppressionRef) (out api.Done, _ error) {
	a, err := mail.ParseAddress(in.Address)
	if err != nil {
		return out, err
	}
	if err := s.o.Gate.Unsuppress(ctx, c.Principal, a); err != nil {
		return out, err
	}
	return api.Done{Status: "removed"}, nil
}
