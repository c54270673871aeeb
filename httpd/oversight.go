package httpd

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// pending lists held mail that the credential reaches, oldest first.
func (s *Server) pending(r *request) (answer, error) {
	limit, cursor, err := r.page()
	if err != nil {
		return answer{}, err
	}
	fetch := func(after mail.ID, n int) ([]queue.Listed, error) {
		return s.o.Queue.InState(r.Context(), mail.Held, after, n)
	}
	list := newPage[api.Pending](limit)
	next, err := gather(s, list, cursor, fetch, func(l queue.Listed) (mail.ID, *api.Pending, error) {
		switch {
		case l.Mail == nil && len(r.p.Mailboxes) > 0, l.Mail != nil && !r.p.Covers(l.Mail.Mailbox):
			return l.ID, nil, nil
		case l.Mail == nil:
			v := damagedPending(l.ID)
			return l.ID, &v, nil
		}
		v := pendingOf(l.Mail, s.modeShown(r, l.Mail.Mailbox), s.o.Now())
		return l.ID, &v, r.Context().Err()
	}, damagedPending)
	return answer{http.StatusOK, api.PendingList{Emails: list.items, Cursor: next}}, err
}

// damagedPending stands in a list for what cannot be shown.
func damagedPending(id mail.ID) api.Pending {
	return api.Pending{ID: string(id), Damaged: true, To: []string{}, Cc: []string{}, Bcc: []string{}}
}

// modeShown is the mode of a mailbox, "" where its record cannot be read: that
// is for the log, and no reason to hide the mail.
func (s *Server) modeShown(r *request, box mail.Address) string {
	mode, err := s.modeOf(r, box)
	if err != nil {
		s.o.Log.Error("mode", "mailbox", box.String(), "err", err)
		return ""
	}
	return mode.String()
}

func (s *Server) modeOf(r *request, box mail.Address) (mode mail.Mode, err error) {
	err = s.o.Store.View(r.Context(), func(tx store.Tx) error {
		m, err := s.o.Registry.Mailbox(tx, box)
		mode = m.Mode
		return err
	})
	return mode, err
}

// review shows one mail, whatever its state, from the stored bytes alone: what
// an agent says about its mail is never shown as a fact (LAW 3).
func (s *Server) review(r *request) (answer, error) {
	m, err := s.mailFor(r)
	if err != nil {
		return answer{}, err
	}
	if r.one("raw") != "" {
		return s.rawReview(r, m)
	}
	if err := s.noteRead(r, m.ID, "review"); err != nil {
		return answer{}, err
	}
	seen, err := s.reviewed(r.Context(), m)
	if err != nil {
		return answer{}, err
	}
	warn := warningsOf(m, seen)
	s.warnRepeats(r.Context(), m, warn)
	s.countCuts(seen)
	return ok(reviewOf(m, seen, pendingOf(m, s.modeShown(r, m.Mailbox), s.o.Now()), warn))
}

// rawReview writes the canonical bytes.
func (s *Server) rawReview(r *request, m *mail.Mail) (answer, error) {
	if r.one("raw") != "1" {
		return answer{}, invalid("raw must be 1")
	}
	raw, err := s.o.Queue.Raw(r.Context(), m.ID)
	if err != nil {
		return answer{}, err
	}
	if err := s.noteRead(r, m.ID, "raw"); err != nil {
		return answer{}, err
	}
	h := r.w.Header()
	h.Set("Content-Type", "message/rfc822")
	h.Set("Content-Disposition", `attachment; filename="`+string(m.ID)+`.eml"`)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", fmt.Sprint(len(raw)))
	r.w.WriteHeader(http.StatusOK)
	r.w.Write(raw)
	return answer{}, nil
}

// decide carries out a verdict. Nothing but this POST decides: no link, no GET.
func (s *Server) decide(r *request) (answer, error) {
	var v api.Verdict
	if err := decode(r, &v, smallBody); err != nil {
		return answer{}, err
	}
	action := v.Action
	switch {
	case action == "":
		action = v.Decision
	case v.Decision != "" && v.Decision != action:
		return answer{}, invalid("action and decision differ; give one")
	}
	if action != "approve" && action != "reject" {
		return answer{}, invalid("action must be approve or reject")
	}
	verdict := gate.Verdict{Approve: action == "approve", Reason: v.Reason}
	var err error
	switch {
	case v.Digest != "":
		verdict.Digest, err = mail.ParseDigest(v.Digest)
	case verdict.Approve: // LAW 4
		err = &refusal{status: http.StatusBadRequest, text: "digest is needed to approve: it names what you have seen",
			hint: "GET /v1/oversight/pending/ID shows the mail and its digest"}
	}
	if err != nil {
		return answer{}, err
	}
	id, err := mail.ParseID(v.EmailID)
	if err != nil {
		return answer{}, errors.Join(missing("mail"), err)
	}
	if _, err := s.covered(r, id); err != nil {
		return answer{}, err
	}
	m, err := s.o.Gate.Decide(r.Context(), r.p, id, verdict)
	if err != nil {
		return answer{}, err
	}
	return ok(api.Decided{ID: string(m.ID), Status: verdictWord(verdict.Approve), State: m.State.String()})
}
