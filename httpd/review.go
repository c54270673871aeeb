package httpd

import (
	"context"
	"maps"
	"strings"
	"time"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/mail"
)

// reviewOf shows a mail in full: what its bytes say, what its envelope asks
// for, and what must be said before a decision.
func reviewOf(m *mail.Mail, seen *message.Review, p api.Pending, warn *message.Warnings) api.Review {
	v := api.Review{
		Pending: p, State: m.State.String(),
		Header: api.ReviewHead{From: seen.From, Sender: seen.Sender, To: seen.To, Cc: seen.Cc,
			ReplyTo: seen.ReplyTo, ReceiptTo: seen.Receipt},
		Segments: []api.Segment{}, Differ: seen.Differ,
		Links: []api.Link{}, Parts: []api.Part{}, Fields: []api.Field{}, Warnings: []api.Warning{},
		Options: api.Options{Body: m.Envelope.Body, Ret: m.Envelope.Ret, EnvID: mail.Neutralise(m.Envelope.EnvID),
			SendAt: m.NotBefore, HoldFor: m.HoldFor.String(), HoldEnds: m.ExpiresAt},
	}
	v.Subject, v.Recipients = seen.Subject, recipientsOf(m, false)
	for _, x := range seen.Segments {
		v.Segments = append(v.Segments,
			api.Segment{Kind: string(x.Kind), Part: x.Part, Depth: x.Depth, Note: x.Note, Text: x.Text})
	}
	for _, x := range seen.Links {
		v.Links = append(v.Links, api.Link(x))
	}
	for _, x := range seen.Parts {
		v.Parts = append(v.Parts, api.Part(x))
	}
	for _, x := range seen.Fields {
		v.Fields = append(v.Fields, api.Field(x))
	}
	for _, x := range append(warn.List(), seen.Warnings...) {
		v.Warnings = append(v.Warnings, api.Warning{Code: string(x.Code), Part: x.Part, Text: x.Text})
	}
	for _, d := range m.Decisions {
		v.Decisions = append(v.Decisions, decisionOf(d, true))
	}
	return v
}

// countCuts counts a review that could not show everything.
func (s *Server) countCuts(seen *message.Review) {
	for _, w := range seen.Warnings {
		if w.Code == message.WarnCut {
			s.o.Metrics.Limits.WithLabelValues(string(mail.LimitReviewList)).Inc()
			return
		}
	}
}

// maxDateSkew is how far a Date may be from the submission.
const maxDateSkew = 24 * time.Hour

// warningsOf compares a mail's bytes with its envelope and its mailbox.
func warningsOf(m *mail.Mail, seen *message.Review) *message.Warnings {
	w := &message.Warnings{}
	warnSpam(m, w)
	if m.Direction == mail.Incoming {
		warnIncoming(m, w)
		return w
	}
	for _, item := range append(append([]string{}, seen.From...), seen.Sender...) {
		if strings.Contains(strings.ToLower(item), m.Mailbox.Key()) && !strings.Contains(item, m.Mailbox.String()) {
			w.Add(message.WarnSpelling, "", "the mailbox is %s; the mail spells it %s", m.Mailbox, item)
		}
	}
	gets := map[string]bool{}
	for _, r := range m.Envelope.Rcpts {
		gets[r.Addr.Key()] = true
		if !r.Operators() && m.Hidden(r.Addr) {
			w.Add(message.WarnBlind, "", "%s gets it, and To and Cc do not say so", r.Addr)
		}
		if len(r.Notify) > 0 {
			w.Add(message.WarnDelivery, "", "NOTIFY=%s for %s", strings.Join(r.Notify, ","), r.Addr)
		}
		if r.ORcpt != "" {
			w.Add(message.WarnDelivery, "", "ORCPT=%s for %s", r.ORcpt, r.Addr)
		}
	}
	for _, list := range [][]mail.Address{m.Header.To, m.Header.Cc} {
		for _, a := range list {
			if !gets[a.Key()] {
				w.Add(message.WarnNoRcpt, "", "%s stands in To or Cc and does not get it", a)
			}
		}
	}
	if m.Envelope.Ret != "" {
		w.Add(message.WarnDelivery, "", "RET=%s", m.Envelope.Ret)
	}
	if m.Envelope.EnvID != "" {
		w.Add(message.WarnDelivery, "", "ENVID=%s", m.Envelope.EnvID)
	}
	if !m.NotBefore.IsZero() {
		w.Add(message.WarnScheduled, "", "it is sent at %s", m.NotBefore.UTC().Format(time.RFC3339))
	}
	if skew := seen.Date.Sub(m.SubmittedAt).Abs(); !seen.Date.IsZero() && skew > maxDateSkew {
		w.Add(message.WarnDate, "", "Date says %s; it was submitted at %s",
			seen.Date.UTC().Format(time.RFC3339), m.SubmittedAt.UTC().Format(time.RFC3339))
	}
	return w
}

// How far back a mail is compared with earlier ones of its mailbox.
const (
	repeatMails = 50
	repeatSpan  = 7 * 24 * time.Hour
)

// warnRepeats warns when an earlier mail of the mailbox went to the same
// recipients and said the same.
func (s *Server) warnRepeats(ctx context.Context, m *mail.Mail, w *message.Warnings) {
	if m.TextHash == "" {
		return
	}
	earlier, err := s.o.Queue.ByMailbox(ctx, m.Mailbox, mail.Outgoing, m.ID, repeatMails)
	if err != nil {
		s.o.Log.Error("earlier mail cannot be read", "id", string(m.ID), "err", err)
		w.Add(message.WarnRepeat, "", "it is not known: earlier mail of the mailbox cannot be read")
		return
	}
	to := recipientKeys(m)
	for _, l := range earlier {
		e := l.Mail
		if e == nil { // damaged
			continue
		}
		if e.TextHash == m.TextHash && m.SubmittedAt.Sub(e.SubmittedAt) <= repeatSpan && maps.Equal(to, recipientKeys(e)) {
			w.Add(message.WarnRepeat, "", "same recipients and text as %s, %s, submitted %s",
				e.ID, e.State, e.SubmittedAt.UTC().Format(time.RFC3339))
		}
	}
}

// recipientKeys is the set of the recipients that the author named.
func recipientKeys(m *mail.Mail) map[string]bool {
	keys := map[string]bool{}
	for _, r := range m.Envelope.Rcpts {
		if !r.Operators() {
			keys[r.Addr.Key()] = true
		}
	}
	return keys
}
