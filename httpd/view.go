package httpd

import (
	"cmp"
	"slices"
	"time"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/inbox"
	"github.com/multimail/multimail/mail"
)

// statusWord is the word of the API for where a mail stands.
func statusWord(m *mail.Mail, now time.Time) string {
	switch m.State {
	case mail.Held:
		if m.Direction == mail.Incoming {
			return api.StatusHeldInbound
		}
		return api.StatusHeld
	case mail.Quarantined:
		return api.StatusQuarantined
	case mail.Ready:
		if m.NotBefore.After(now) {
			return api.StatusScheduled
		}
		return api.StatusQueued
	case mail.Sending:
		return api.StatusQueued
	case mail.Failed:
		return api.StatusFailed
	}
	return m.State.String() // sent, rejected, cancelled, expired, received, erased
}

// addresses writes a list; an empty one is [], not null.
func addresses(list []mail.Address) []string {
	out := make([]string, 0, len(list))
	for _, a := range list {
		out = append(out, a.String())
	}
	return out
}

// hidden returns the author's recipients that no header shows.
func hidden(m *mail.Mail) []mail.Address {
	var out []mail.Address
	for _, r := range m.Envelope.Rcpts {
		if !r.Operators() && m.Hidden(r.Addr) {
			out = append(out, r.Addr)
		}
	}
	return out
}

// recipientsOf shows the envelope. The oversight copy is nothing of the agent's, and neither
// are the words of servers and their names, which strangers chose: it has our words for them.
func recipientsOf(m *mail.Mail, agent bool) []api.Recipient {
	out := make([]api.Recipient, 0, len(m.Envelope.Rcpts))
	for _, r := range m.Envelope.Rcpts {
		if r.Copy && agent {
			continue
		}
		v := api.Recipient{Address: r.Addr.String(), Hidden: !r.Operators() && m.Hidden(r.Addr),
			Copy: r.Copy, Auto: r.Auto, Notify: r.Notify, ORcpt: mail.Neutralise(r.ORcpt), Status: string(r.Standing)}
		if res := r.Result; res != nil && agent {
			said := res.Status()
			v.Code, v.Enhanced, v.Message, v.At = said.Code, said.Enhanced, said.Phrase, res.At
		} else if res != nil {
			v.Code, v.Enhanced, v.Message = res.Code, res.Enhanced, mail.Neutralise(res.Message)
			v.Remote, v.At = res.Remote, res.At
		}
		out = append(out, v)
	}
	return out
}

// decisionOf shows a decision; an agent does not learn who made it.
func decisionOf(d mail.Decision, who bool) api.Decision {
	v := api.Decision{Verdict: decidedWord(d.Approve), Reason: d.Reason, At: d.At,
		Kind: d.Kind, Digest: string(d.Digest)}
	if who {
		v.By = d.Principal
	}
	return v
}

func decidedWord(approve bool) string {
	if approve {
		return "approved"
	}
	return "rejected"
}

// lastDecision returns the decision that stands, nil while there is none.
func lastDecision(m *mail.Mail) *mail.Decision {
	if len(m.Decisions) == 0 {
		return nil
	}
	return &m.Decisions[len(m.Decisions)-1]
}

// deliveredAt is when the last recipient's server took the mail.
func deliveredAt(m *mail.Mail) (at time.Time) {
	for _, r := range m.Envelope.Rcpts {
		if r.Standing == mail.Delivered && !r.Copy && r.Result != nil && r.Result.At.After(at) {
			at = r.Result.At
		}
	}
	return at
}

// summaryOf shows a mail the mailbox sends.
func summaryOf(m *mail.Mail, now time.Time) api.Summary {
	bouncedAt, bounceType := bouncesOf(m)
	v := api.Summary{
		ID: string(m.ID), MailboxID: m.Mailbox.String(), ThreadID: string(m.ID),
		Direction: directionWord(m.Direction),
		From:      fromOf(m), To: addresses(m.Header.To), Subject: m.Header.Subject,
		Status: statusWord(m, now), ReceivedAt: m.SubmittedAt, HasAttachments: m.Header.Attachments > 0,
		DeliveredAt: deliveredAt(m), BouncedAt: bouncedAt, BounceType: bounceType,
	}
	if m.Direction == mail.Incoming {
		v.FromName = m.Header.FromName
		if m.Spam != nil { // of what it sends an agent does not learn how to pass the filter
			v.SpamVerdict, v.SpamScore = string(m.Spam.Verdict), m.Spam.Score
			if m.Spam.Label == gate.LabelClean {
				v.SpamVerdict = api.SpamClean
			}
		}
	}
	return v
}

// authenticationOf shows what the checks of a sender found.
func authenticationOf(a mail.Authentication) *api.Authentication {
	word := func(c mail.Check) string { return cmp.Or(c.Result, "none") }
	v := &api.Authentication{SPF: word(a.SPF), DKIM: "none", DMARC: word(a.DMARC), ARC: word(a.ARC),
		Identity: word(a.Identity)}
	for i, c := range a.DKIM {
		if i == 0 || c.Passed() {
			v.DKIM = word(c)
		}
	}
	return v
}

// bouncesOf says when a recipient of a mail last bounced, and how.
func bouncesOf(m *mail.Mail) (at time.Time, kind string) {
	at, hard := m.Bounces()
	switch {
	case at.IsZero():
	case hard:
		kind = "hard"
	default:
		kind = "soft"
	}
	return at, kind
}

// receivedOf shows a mail that the mailbox has received.
func receivedOf(i inbox.Item, now time.Time) api.Summary {
	v := summaryOf(i.Mail, now)
	v.Status, v.DeliveredAt = string(i.Status), time.Time{}
	if n := i.Mail.Notice; n != nil {
		v.About, v.Action = string(n.About), n.Action
	}
	return threaded(v, i)
}

// threaded adds what the inbox knows of a mail.
func threaded(v api.Summary, i inbox.Item) api.Summary {
	if i.Thread != "" {
		v.ThreadID = string(i.Thread)
	}
	v.JoinedBy, v.NewParticipant, v.NewParticipants = string(i.Joined), len(i.New) > 0, i.New
	return v
}

// itemOf shows a mail of a mailbox, of either direction.
func itemOf(box mail.Address, i inbox.Item, now time.Time) api.Summary {
	switch {
	case i.Mail == nil:
		return damagedSummary(box, i.ID)
	case i.Mail.Direction == mail.Incoming:
		return receivedOf(i, now)
	}
	return threaded(summaryOf(i.Mail, now), i)
}

// fromOf is who a mail is from, spelled as the mailbox is and not as the agent
// wrote it.
func fromOf(m *mail.Mail) string {
	if m.Header.From.Key() == m.Mailbox.Key() {
		return m.Mailbox.String()
	}
	return m.Header.From.String() // a notice
}

// directionWord is the word of the API for a direction.
func directionWord(d mail.Direction) string {
	if d == mail.Incoming {
		return "inbound"
	}
	return "outbound"
}

// pendingOf shows a mail to an approver, in the mode of its mailbox now.
func pendingOf(m *mail.Mail, mode string, now time.Time) api.Pending {
	return api.Pending{
		ID: string(m.ID), Rev: m.Rev, Digest: string(m.Digest), Subject: mail.Neutralise(m.Header.Subject),
		Mailbox: m.Mailbox.String(), MailboxID: m.Mailbox.String(), Direction: directionWord(m.Direction),
		Agent: m.Agent, AgentRef: m.AgentRef, Identity: identified(m.Identity), Door: m.Door, Mode: mode,
		From: fromOf(m), To: addresses(m.Header.To), Cc: addresses(m.Header.Cc), Bcc: addresses(hidden(m)),
		More: m.More, Size: m.Size, Attachments: m.Header.Attachments,
		SubmittedAt: m.SubmittedAt, ReceivedAt: m.SubmittedAt,
		ExpiresAt: m.ExpiresAt, SendAt: m.NotBefore, Replaces: string(m.Replaces),
		Status: statusWord(m, now), Recipients: firstRecipients(m), RecipientCount: len(m.Envelope.Rcpts),
		Arrived: arrivedOf(m), Spam: judgedOf(m),
	}
}

// identified shows what an agent's token said. Ids of an issuer are the words of
// somebody else.
func identified(i *mail.Identity) *api.Identified {
	if i == nil {
		return nil
	}
	return &api.Identified{Issuer: i.Issuer, Tenant: mail.Neutralise(i.Tenant), Agent: mail.Neutralise(i.Agent),
		Client: mail.Neutralise(i.Client), Blueprint: mail.Neutralise(i.Blueprint), Shape: i.Shape,
		Person: mail.Neutralise(i.Person.ID)}
}

// maxShownRecipients bounds the recipients of one mail in a list of mails.
const maxShownRecipients = 20

// firstRecipients shows the first recipients of the envelope, those that no
// header shows before all others.
func firstRecipients(m *mail.Mail) []api.Recipient {
	all := recipientsOf(m, false)
	slices.SortStableFunc(all, func(a, b api.Recipient) int {
		switch {
		case a.Hidden == b.Hidden:
			return 0
		case a.Hidden:
			return -1
		}
		return 1
	})
	return all[:min(len(all), maxShownRecipients)]
}

// mailOf shows a mail to its operator.
func mailOf(m *mail.Mail, now time.Time) api.Mail {
	v := api.Mail{
		ID: string(m.ID), Rev: m.Rev, Digest: string(m.Digest), State: m.State.String(), Status: statusWord(m, now),
		Mailbox: m.Mailbox.String(), Agent: m.Agent, AgentRef: m.AgentRef, Identity: identified(m.Identity),
		Author: m.Author, Door: m.Door,
		From: fromOf(m), Subject: mail.Neutralise(m.Header.Subject), MessageID: m.Header.MessageID,
		Size: m.Size, Basis: m.Basis.String(), Recipients: recipientsOf(m, false), Attempts: m.Attempts,
		SubmittedAt: m.SubmittedAt, ExpiresAt: m.ExpiresAt, SendAt: m.NotBefore, ReleasedAt: m.ReleasedAt,
		NextAttemptAt: m.NextAttempt, FinishedAt: m.FinishedAt,
	}
	if m.State != mail.Ready {
		v.NextAttemptAt = time.Time{}
	}
	if m.State != mail.Held {
		v.ExpiresAt = time.Time{}
	}
	for _, d := range m.Decisions {
		v.Decisions = append(v.Decisions, decisionOf(d, true))
	}
	if r := m.Release; r != nil {
		v.Release = &api.Release{Mode: r.Mode.String(), Basis: r.Basis.String(), By: r.By,
			At: r.At, Ref: r.Ref, Operator: r.Operator}
	}
	return v
}
