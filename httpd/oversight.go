package httpd

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// pending lists held mail that the credential reaches, oldest first.
func (s *Server) pending(r *request) (answer, error) {
	limit, cursor, err := r.page()
	if err != nil {
		return answer{}, err
	}
	list := api.PendingList{Emails: []api.Pending{}}
	fetch := func(after mail.ID, n int) ([]*mail.Mail, error) {
		return s.o.Queue.InState(r.Context(), mail.Held, after, n)
	}
	list.Cursor, err = gather(cursor, limit, fetch, func(m *mail.Mail) (mail.ID, bool, error) {
		if !r.p.Covers(m.Mailbox) {
			return m.ID, false, nil
		}
		mode, err := s.modeOf(r, m.Mailbox)
		if err == nil {
			list.Emails = append(list.Emails, pendingOf(m, mode, s.o.Now()))
		}
		return m.ID, true, err
	})
	return answer{http.StatusOK, list}, err
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
	raw, err := s.o.Queue.Raw(r.Context(), m.ID)
	if err != nil {
		return answer{}, err
	}
	if r.one("raw") != "" {
		return s.rawReview(r, m, raw)
	}
	if err := s.noteRead(r, m.ID, "review"); err != nil {
		return answer{}, err
	}
	mode, err := s.modeOf(r, m.Mailbox)
	if err != nil {
		return answer{}, err
	}
	seen := mail.NewReview(raw)
	warn := warningsOf(m, seen)
	s.warnRepeats(r.Context(), m, warn)
	s.countCuts(seen)
	return ok(reviewOf(m, seen, pendingOf(m, mode, s.o.Now()), warn))
}

// rawReview writes the canonical bytes.
func (s *Server) rawReview(r *request, m *mail.Mail, raw []byte) (answer, error) {
	if r.one("raw") != "1" {
		return answer{}, invalid("raw must be 1")
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
		err = &refusal{http.StatusBadRequest, "digest is needed to approve: it names what you have seen",
			"GET /v1/oversight/pending/ID shows the mail and its digest"}
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
