package httpd

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// pending lists held mail of both directions that the credential reaches, or
// quarantined mail, oldest first.
func (s *Server) pending(ctx context.Context, c caller, in api.PendingQuery) (out api.PendingList, _ error) {
	cursor, err := queryID("cursor", in.Cursor)
	if err != nil {
		return out, err
	}
	state := mail.Held
	if in.Spam {
		state = mail.Quarantined
	}
	fetch := func(after mail.ID, n int) ([]queue.Listed, error) {
		return s.o.Queue.InState(ctx, state, after, n)
	}
	waits, err := s.domainWaits(ctx)
	if err != nil {
		return out, err
	}
	list := newPage[api.Pending](in.Limit)
	next, err := gather(s, list, cursor, fetch, func(l queue.Listed) (mail.ID, *api.Pending, error) {
		switch {
		case l.Mail == nil && len(c.Mailboxes) > 0, l.Mail != nil && !c.Covers(l.Mail.Mailbox):
			return l.ID, nil, nil
		case l.Mail == nil:
			v := damagedPending(l.ID)
			return l.ID, &v, nil
		}
		v := pendingOf(l.Mail, s.modeShown(ctx, l.Mail.Mailbox), s.o.Now())
		v.WaitsFor = waits(l.Mail)
		return l.ID, &v, ctx.Err()
	}, damagedPending)
	return api.PendingList{Emails: list.items, Cursor: next}, err
}

// damagedPending stands in a list for what cannot be shown.
func damagedPending(id mail.ID) api.Pending {
	return api.Pending{ID: string(id), Damaged: true, To: []string{}, Cc: []string{}, Bcc: []string{}}
}

// modeShown is the mode of a mailbox, "" where its record cannot be read: that
// is for the log, and no reason to hide the mail.
func (s *Server) modeShown(ctx context.Context, box mail.Address) string {
	mode, err := s.modeOf(ctx, box)
	if err != nil {
		s.o.Log.Error("mode", "mailbox", box.String(), "err", err)
		return ""
	}
	return mode.String()
}

func (s *Server) modeOf(ctx context.Context, box mail.Address) (mode mail.Mode, err error) {
	err = s.o.Store.View(ctx, func(tx store.Tx) error {
		m, err := s.o.Registry.Keeper(tx, box)
		mode = m.Mode
		return err
	})
	return mode, err
}

// review shows one mail, whatever its state, from the stored bytes alone: what
// an agent says about its mail is never shown as a fact (invariant 3).
func (s *Server) review(ctx context.Context, c caller, in api.MailRef) (out api.Review, _ error) {
	m, err := s.mailFor(ctx, c, in.ID)
	if err != nil {
		return out, err
	}
	if err := s.noteRead(ctx, c, m.ID, "review"); err != nil {
		return out, err
	}
	seen, err := s.reviewed(ctx, c, m)
	if err != nil {
		return out, err
	}
	warn := warningsOf(m, seen)
	s.warnRepeats(ctx, m, warn)
	thread, err := s.threadBefore(ctx, c, m, warn)
	if err != nil {
		return out, err
	}
	s.countCuts(seen)
	waits, err := s.domainWaits(ctx)
	if err != nil {
		return out, err
	}
	p := pendingOf(m, s.modeShown(ctx, m.Mailbox), s.o.Now())
	p.WaitsFor = waits(m)
	out = reviewOf(m, seen, p, warn)
	out.Thread = thread
	return out, nil
}

// rawReview writes the canonical bytes.
func (s *Server) rawReview(
	ctx context.Context, c caller, in api.MailRef, w http.ResponseWriter, _ *http.Request,
) error {
	m, err := s.mailFor(ctx, c, in.ID)
	if err != nil {
		return err
	}
	raw, err := s.o.Queue.Raw(ctx, m.ID)
	if err != nil {
		return err
	}
	if err := s.noteRead(ctx, c, m.ID, "raw"); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "message/rfc822")
	h.Set("Content-Disposition", `attachment; filename="`+string(m.ID)+`.eml"`)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", fmt.Sprint(len(raw)))
	w.WriteHeader(http.StatusOK)
	w.Write(raw)
	return nil
}

// decide carries out a decision. Nothing but this POST decides: no link, no GET.
func (s *Server) decide(ctx context.Context, c caller, in api.DecideRequest) (out api.Decided, _ error) {
	action := in.Action
	switch {
	case action == "":
		action = in.Decision
	case in.Decision != "" && in.Decision != action:
		return out, invalid("action and decision differ; give one")
	}
	if action != "approve" && action != "reject" {
		return out, invalid("action must be approve or reject")
	}
	decision := gate.Decision{Approve: action == "approve", Reason: in.Reason}
	var err error
	switch {
	case in.Digest != "":
		decision.Digest, err = mail.ParseDigest(in.Digest)
	case decision.Approve: // invariant 4
		err = &refusal{status: http.StatusBadRequest, text: "digest is needed to approve: it names what you have seen",
			hint: "GET /v1/oversight/pending/ID shows the mail and its digest"}
	}
	if err != nil {
		return out, err
	}
	id, err := mail.ParseID(in.EmailID)
	if err != nil {
		return out, errors.Join(missing("mail"), err)
	}
	if _, err := s.covered(ctx, c, id); err != nil {
		return out, err
	}
	m, err := s.o.Gate.Decide(ctx, c.Principal, id, decision)
	if err != nil {
		return out, err
	}
	return api.Decided{ID: string(m.ID), Status: decidedWord(decision.Approve), State: m.State.String()}, nil
}
