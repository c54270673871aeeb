package httpd

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// spam lists received mail that is taken for unwanted. Whoever may only read sees what
// its mailboxes show; quarantined mail is there for approvers alone.
func (s *Server) spam(ctx context.Context, c caller, in api.SpamQuery) (out api.SpamMails, _ error) {
	cursor, err := queryID("cursor", in.Cursor)
	if err != nil {
		return out, err
	}
	fetch, err := s.spamPages(ctx, c, in.Status)
	if err != nil {
		return out, err
	}
	list := newPage[api.SpamMail](in.Limit)
	next, err := gather(s, list, cursor, fetch, func(l queue.Listed) (mail.ID, *api.SpamMail, error) {
		m := l.Mail
		if m == nil || !c.Covers(m.Mailbox) || m.State == mail.Received && !gate.Suspect(m) {
			return l.ID, nil, nil
		}
		v := s.spamMail(m)
		return l.ID, &v, ctx.Err()
	}, func(id mail.ID) api.SpamMail { return api.SpamMail{Summary: damagedSummary(mail.Address{}, id)} })
	return api.SpamMails{Emails: list.items, Cursor: next}, err
}

// reviews reports whether a caller sees mail that waits for a decision.
func (c caller) reviews() bool {
	return c.Has(registry.ScopeOversight) || c.Has(registry.ScopeOversightRead)
}

// maxSpamBoxes is how many mailboxes one list of spam goes through.
const maxSpamBoxes = 1000

// spamPages returns what fetches the mail that a list of spam chooses from, newest first.
func (s *Server) spamPages(ctx context.Context, c caller, status string) (
	func(before mail.ID, n int) ([]queue.Listed, error), error,
) {
	boxes, err := s.reach(ctx, c)
	if err != nil {
		return nil, err
	}
	if len(boxes) > maxSpamBoxes {
		return nil, invalid("the credential reaches more than %d mailboxes; use one that reaches fewer", maxSpamBoxes)
	}
	return func(before mail.ID, n int) (out []queue.Listed, err error) {
		if status != api.StatusQuarantined {
			for _, box := range boxes {
				some, err := s.o.Queue.ByMailbox(ctx, box, mail.Incoming, before, n)
				if err != nil {
					return nil, err
				}
				out = append(out, some...)
			}
		}
		if status != api.StatusFlagged && c.reviews() {
			some, err := s.o.Queue.Quarantined(ctx, before, n)
			if err != nil {
				return nil, err
			}
			out = append(out, some...)
		}
		slices.SortFunc(out, func(a, b queue.Listed) int { return strings.Compare(string(b.ID), string(a.ID)) })
		return out[:min(len(out), n)], nil
	}, nil
}

// spamMail shows one mail of the list.
func (s *Server) spamMail(m *mail.Mail) api.SpamMail {
	v := api.SpamMail{Summary: summaryOf(m, s.o.Now()), Digest: string(m.Digest)}
	if m.Spam != nil {
		v.Reasons, v.Label = m.Spam.Reasons, m.Spam.Label
	}
	if m.State == mail.Received {
		v.Status = api.StatusFlagged
	}
	return v
}

// reportSpam takes a received mail out of its mailbox.
func (s *Server) reportSpam(ctx context.Context, c caller, in api.SpamReport) (out api.SpamStatus, _ error) {
	m, err := s.mailFor(ctx, c, in.ID)
	if err == nil && (m.Direction != mail.Incoming || !m.Visible()) {
		err = missing("mail")
	}
	if err == nil {
		m, err = s.o.Gate.ReportSpam(ctx, c.Principal, m.ID)
	}
	if err != nil {
		return out, err
	}
	return spamStatus(m, s), nil
}

// clearSpam calls a mail clean: a decision like any other. A quarantined one is let into
// its mailbox.
func (s *Server) clearSpam(ctx context.Context, c caller, in api.SpamRelease) (out api.SpamStatus, _ error) {
	digest, err := mail.ParseDigest(in.Digest)
	if err != nil {
		return out, err
	}
	m, err := s.mailFor(ctx, c, in.ID)
	if err == nil {
		m, err = s.o.Gate.ClearSpam(ctx, c.Principal, m.ID, gate.Decision{Digest: digest, Reason: in.Reason})
	}
	if err != nil {
		return out, err
	}
	out = spamStatus(m, s)
	err = s.o.Store.View(ctx, func(tx store.Tx) error {
		item, err := s.o.Inbox.Item(tx, m.Mailbox, m.ID)
		if err == nil {
			out.Status = string(item.Status)
		}
		return err
	})
	if errors.Is(err, mail.ErrNotFound) { // it has gone since
		err = nil
	}
	return out, err
}

func spamStatus(m *mail.Mail, s *Server) api.SpamStatus {
	v := api.SpamStatus{ID: string(m.ID), Status: statusWord(m, s.o.Now())}
	if m.Spam != nil {
		v.UserLabel = m.Spam.Label
	}
	return v
}
