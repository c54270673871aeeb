package hook

import (
	"slices"
	"strings"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/mail"
)

// Event is what subscribers can listen for.
type Event string

// The events.
const (
	MessageReceived   Event = "message.received"   // a mailbox has it
	MessageSent       Event = "message.sent"       // nobody is pending, and a server took it for somebody
	MessageDelivered  Event = "message.delivered"  // a server took it for these recipients
	MessageBounced    Event = "message.bounced"    // these recipients do not get it
	MessageComplained Event = "message.complained" // a recipient takes it for abuse
	MessageRejected   Event = "message.rejected"   // an approver said no to what an agent sent
	OversightPending  Event = "oversight.pending"  // it waits for a decision
	OversightApproved Event = "oversight.approved"
	OversightRejected Event = "oversight.rejected"
	OversightExpired  Event = "oversight.expired" // nobody decided in time
	PolicyChanged     Event = "policy.changed"    // what agents may do has become more or less
)

// Events lists them.
var Events = [...]Event{MessageReceived, MessageSent, MessageDelivered, MessageBounced, MessageComplained,
	MessageRejected, OversightPending, OversightApproved, OversightRejected, OversightExpired, PolicyChanged}

// EventNames lists them as texts.
func EventNames() (out []string) {
	for _, e := range Events {
		out = append(out, string(e))
	}
	return out
}

// Rights are what an owner may see.
type Rights struct {
	Read    bool // mail that a mailbox shows
	Oversee bool // mail that waits for a decision, and what became of it
	Policy  bool // what agents may do
	Covers  func(mail.Address) bool
	All     bool // every mailbox
}

// hears reports whether such rights are enough for events of a kind at all.
func (r Rights) hears(e Event) bool {
	switch {
	case e == OversightPending:
		return r.Oversee
	case e == PolicyChanged:
		return r.Policy && r.All
	case strings.HasPrefix(string(e), "oversight."):
		return r.Oversee || r.Read
	}
	return r.Read
}

// sees reports whether an event about a mail may be told to an owner with such rights, as
// both stand now. What a mailbox does not show is for those alone who oversee it.
func (r Rights) sees(e Event, m *mail.Mail) bool {
	if !r.hears(e) || !r.Covers(m.Mailbox) || m.State == mail.Erased {
		return false
	}
	if strings.HasPrefix(string(e), "oversight.") && r.Oversee {
		return true
	}
	return m.Visible() && (m.Direction == mail.Outgoing || e == MessageReceived)
}

// policy are the kinds of entries that say that agents may do more or less.
var policy = []audit.Kind{audit.ModeTighten, audit.ModeLoosen, audit.AllowAdd, audit.AllowRemove, audit.Freeze,
	audit.Thaw, audit.AgentDisable, audit.AgentEnable, audit.OperatorSet, audit.MailboxAdd, audit.MailboxSet,
	audit.MailboxGrant, audit.MailboxDelete}

// eventsOf returns the events of one entry.
func eventsOf(r audit.Record) (out []Event) {
	from, to := r.Facts["from"], r.Facts["to"]
	incoming := r.Facts["direction"] == mail.Incoming.String()
	switch r.Kind {
	case audit.MailSubmit, audit.MailReceive, audit.MailHold:
		if to == mail.Held.String() && from != to {
			out = append(out, OversightPending)
		}
	case audit.MailApprove:
		out = append(out, OversightApproved)
	case audit.MailReject:
		out = append(out, OversightRejected)
		if !incoming {
			out = append(out, MessageRejected)
		}
	case audit.MailExpire:
		out = append(out, OversightExpired)
	case audit.MailRetry, audit.MailSent, audit.MailFailed:
		out = append(out, settled(r)...)
	case audit.MailBounce:
		out = append(out, MessageBounced)
	case audit.SuppressAdd:
		if r.Facts["reason"] == "complaint" {
			out = append(out, MessageComplained)
		}
	}
	if incoming && r.Kind.Transition() && to == mail.Received.String() && from != to {
		out = append(out, MessageReceived)
	}
	if slices.Contains(policy, r.Kind) {
		out = append(out, PolicyChanged)
	}
	return out
}

// settled returns the events of the end of an attempt.
func settled(r audit.Record) (out []Event) {
	if len(recipients(r, mail.Delivered)) > 0 {
		out = append(out, MessageDelivered)
	}
	if len(recipients(r, mail.Bounced)) > 0 || r.Kind == audit.MailFailed {
		out = append(out, MessageBounced)
	}
	if r.Kind == audit.MailSent {
		out = append(out, MessageSent)
	}
	return out
}

// recipients are those of whom an entry says that they now have a standing. The gate writes
// "address standing …", as long as it is not erased.
func recipients(r audit.Record, s mail.Standing) (out []string) {
	for name, v := range r.Private {
		words := strings.Fields(v)
		if strings.HasPrefix(name, "rcpt") && len(words) > 1 && words[1] == string(s) {
			out = append(out, words[0])
		}
	}
	slices.Sort(out)
	return out
}
