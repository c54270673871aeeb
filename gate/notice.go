package gate

import (
	"fmt"
	"slices"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// A notice is incoming mail for the mailbox of the mail it is about, put in the
// transaction that it reports on: there is no end without its notice. It never
// goes onto the net, so it can neither loop nor hit a bystander, and there is
// none about incoming mail.

// notify puts the notice of an end that is not the next hop's doing.
func (g *Gate) notify(tx store.Tx, m *mail.Mail) error {
	n := message.Notice{About: m}
	switch m.State {
	case mail.Rejected:
		n.Action = "rejected"
		if len(m.Decisions) > 0 {
			n.Reason = m.Decisions[len(m.Decisions)-1].Reason
		}
	case mail.Expired:
		n.Action, n.Reason = "expired", "nobody decided in time"
	default:
		return nil
	}
	for _, r := range m.Envelope.Rcpts {
		if r.Standing == mail.Pending && !slices.Contains(r.Notify, "NEVER") {
			n.Rcpts = append(n.Rcpts, r)
		}
	}
	return g.putNotice(tx, n)
}

// report puts the notices that the results of an attempt ask for: one for the
// recipients that failed just now, one for those whose success the author
// wanted to hear of (RFC 3461, 4.1).
func (g *Gate) report(tx store.Tx, m *mail.Mail, before []mail.Rcpt) error {
	failed := message.Notice{About: m, Action: "failed"}
	relayed := message.Notice{About: m, Action: "relayed"}
	for i, r := range m.Envelope.Rcpts {
		switch {
		case i < len(before) && before[i].Standing == r.Standing:
		case r.Standing == mail.Bounced && (len(r.Notify) == 0 || slices.Contains(r.Notify, "FAILURE")):
			failed.Rcpts = append(failed.Rcpts, r)
		case r.Standing == mail.Delivered && slices.Contains(r.Notify, "SUCCESS"):
			relayed.Rcpts = append(relayed.Rcpts, r)
		}
	}
	if err := g.putNotice(tx, failed); err != nil {
		return err
	}
	return g.putNotice(tx, relayed)
}

// putNotice puts a notice; without recipients there is nothing to say. A notice
// that cannot be read back never could be: it is dropped, with an entry, because
// what happened to the mail must be recorded all the same. After any other error
// the caller's transaction is repeated.
func (g *Gate) putNotice(tx store.Tx, n message.Notice) error {
	m := n.About
	if len(n.Rcpts) == 0 || m.Direction == mail.Incoming {
		return nil
	}
	n.Now, n.ID = tx.Now(), mail.NewID(tx.Now())
	raw := g.render(n)
	if read, err := message.ParseNotice(raw); err != nil || read.About != m.ID || read.Action != n.Action {
		g.o.Log.Error("notice dropped", "mail", m.ID, "action", n.Action, "err", err)
		_, err = g.log.Append(tx, audit.Record{Kind: audit.NoticeDrop, Mail: string(m.ID), Rev: m.Rev,
			Digest: string(m.Digest), Actor: audit.System, Facts: map[string]string{"action": n.Action}})
		return err
	}
	in := &mail.Mail{
		ID: n.ID, Direction: mail.Incoming, Notice: &mail.Notice{About: m.ID, Action: n.Action},
		Mailbox: m.Mailbox, Agent: m.Agent, Author: mail.System, SubmittedAt: n.Now.UTC(), Size: int64(len(raw)),
		Envelope: mail.Envelope{Rcpts: []mail.Rcpt{{Addr: m.Mailbox, Standing: mail.Delivered}}},
		Header: mail.Header{From: n.From(), To: []mail.Address{m.Mailbox}, Subject: n.Subject(),
			MessageID: n.MessageID()},
	}
	in.Digest = mail.DigestOf(in.Envelope, raw)
	if err := g.receive(tx, in, store.Inline(queue.RawKey(in.ID), raw)); err != nil {
		return fmt.Errorf("gate: notice about %s: %w", m.ID, err)
	}
	return nil
}
