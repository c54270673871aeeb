package httpd

import (
	"strings"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/mail"
)

// arrivedOf shows an approver how a mail came from the world; nil for any other.
func arrivedOf(m *mail.Mail) *api.Arrived {
	a := m.Arrival
	if a == nil {
		return nil
	}
	return &api.Arrived{Sender: m.Envelope.From.String(), FromName: m.Header.FromName, Client: a.Remote,
		Helo: mail.NeutralLine(a.Helo), Hop: a.Hop, Authentication: authenticationOf(a.Auth)}
}

// judgedOf shows an approver what a filter makes of a mail; nil where none was asked.
func judgedOf(m *mail.Mail) *api.Judged {
	s := m.Spam
	if s == nil {
		return nil
	}
	v := &api.Judged{Verdict: string(s.Verdict), Score: s.Score, Filter: s.Filter, Label: s.Label}
	for _, why := range s.Reasons {
		v.Reasons = append(v.Reasons, mail.NeutralLine(why))
	}
	return v
}

// warnSpam warns of what a filter says against a mail of either direction.
func warnSpam(m *mail.Mail, w *message.Warnings) {
	if s := m.Spam; s != nil && s.Verdict != mail.SpamClean {
		w.Add(message.WarnSpam, "", "%s, score %.1f: %s", s.Verdict, s.Score, strings.Join(s.Reasons, "; "))
	}
}

// warnIncoming warns of what must be known before a mail is let in. Who else got it, and
// what its Date says, is nothing that could go wrong here.
func warnIncoming(m *mail.Mail, w *message.Warnings) {
	if m.Arrival == nil {
		return
	}
	if auth := m.Arrival.Auth; !auth.DMARC.Passed() {
		v := authenticationOf(auth)
		w.Add(message.WarnUnproven, "", "anybody may have sent this in the name of %s: DMARC %s, DKIM %s, SPF %s",
			orNobody(m.Header.From), v.DMARC, v.DKIM, v.SPF)
	}
	for _, text := range m.Arrival.Warnings {
		w.Add(message.WarnUnreadable, "", "%s", text)
	}
}

func orNobody(a mail.Address) string {
	if a.IsZero() {
		return "a From that cannot be read"
	}
	return a.String()
}
