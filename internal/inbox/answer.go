package inbox

import (
	"fmt"
	"slices"
	"strings"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Bounds of what one question about an answer reads.
const (
	maxBearers = 20  // mails that bear the same Message-ID
	maxNaming  = 200 // mails of a thread, or of the inbox, that are asked whom they name
)

// bearers returns the mail that a mailbox shows with a Message-ID: its own first, then by
// age, the first twenty of each. Its own cannot push out what came in: an agent chooses the
// Message-IDs of what it sends over SMTP.
func (b *Inbox) bearers(tx store.Tx, box mail.Address, messageID string) ([]Item, error) {
	if messageID == "" {
		return nil, nil
	}
	var ids []mail.ID
	for _, rank := range []string{rankOwn, rankOther} {
		prefix := in(idPrefix, box) + hashID(messageID) + rank
		n := 0
		err := space.Scan(tx, store.Prefix(prefix), func(key string, _ []byte) error {
			if n++; n > maxBearers {
				return store.Stop
			}
			ids = append(ids, mail.ID(key[len(prefix):]))
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("inbox: bearers of a Message-ID: %w", err)
		}
	}
	items, err := b.items(tx, box, ids)
	return slices.DeleteFunc(items, func(i Item) bool { return i.Mail == nil }), err
}

// Answered returns the mail that a mail of a mailbox answers, by Message-ID: all that
// In-Reply-To names, and the last of References that the mailbox shows. It is empty where
// the mailbox shows none of them. before, unless it is "", leaves out that mail and newer ones.
func (b *Inbox) Answered(tx store.Tx, m *mail.Mail, before mail.ID) (out [][]Item, _ error) {
	seen := map[string]bool{}
	add := func(messageID string) (found bool, _ error) {
		if seen[messageID] {
			return true, nil
		}
		list, err := b.bearers(tx, m.Mailbox, messageID)
		list = slices.DeleteFunc(list, func(i Item) bool { return before != "" && i.ID >= before })
		if err != nil || len(list) == 0 {
			return false, err
		}
		out, seen[messageID] = append(out, list), true
		return true, nil
	}
	for _, id := range append([]string{m.Header.InReplyTo}, m.Header.AlsoInReplyTo...) {
		if _, err := add(id); err != nil {
			return nil, err
		}
	}
	for _, id := range slices.Backward(m.Header.References) {
		if found, err := add(id); err != nil || found {
			return out, err
		}
	}
	return out, nil
}

// NoAnswer says why no program may send a mail, because of what it answers (see
// mail.Mail.NoAnswer); "" if one may. Each mail that it answers counts. A mail that says it
// is an answer, by a field or its subject, and names nothing that the mailbox shows, answers
// the newest mail of each of its recipients. What is no answer by any of these is a new
// mail, which everybody may be sent.
func (b *Inbox) NoAnswer(tx store.Tx, m *mail.Mail) (why string, err error) {
	groups, err := b.Answered(tx, m, "")
	if err != nil {
		return "", err
	}
	for _, list := range groups {
		if why := noAnswer(list); why != "" {
			return "the mail that this one answers is not to be answered: " + why + "; write to a person in a mail of its " +
				"own, if somebody must be told", nil
		}
	}
	_, answer := BaseSubject(m.Header.Subject)
	if len(groups) > 0 || m.Header.InReplyTo == "" && len(m.Header.References) == 0 && !answer {
		return "", nil
	}
	last, err := b.lastOf(tx, m)
	for _, i := range last {
		if why := i.Mail.NoAnswer(); why != "" && err == nil {
			return "this mail says that it is an answer, but names no mail of this mailbox, and the newest one of a " +
				"recipient is not to be answered: " + why + "; name the mail that it answers, or give it another subject", nil
		}
	}
	return "", err
}

// noAnswer says why no program may answer the mail with one Message-ID. A message that came
// twice, such as by a list and directly, may be answered if one of its mails may. The
// mailbox's own may be followed up, unless it took the Message-ID of a mail that was there.
func noAnswer(list []Item) (why string) {
	var oldest mail.ID
	for _, i := range list {
		if i.Mail.Direction != mail.Incoming {
			continue
		}
		reason := i.Mail.NoAnswer()
		if reason == "" {
			return ""
		}
		if oldest == "" {
			oldest, why = i.ID, reason
		}
	}
	for _, i := range list {
		if i.Mail.Direction == mail.Outgoing && i.ID < oldest {
			return ""
		}
	}
	return why
}

// lastOf returns the newest mail of each recipient of a mail, by From or Reply-To, among the
// newest two hundred that the mailbox has received, of the time in which a subject joins.
func (b *Inbox) lastOf(tx store.Tx, m *mail.Mail) (out []Item, _ error) {
	left := map[string]bool{}
	for _, r := range m.Envelope.Rcpts {
		left[r.Addr.Key()] = true
	}
	var ids []mail.ID
	for _, s := range Statuses {
		page, err := newest(tx, listKey(m.Mailbox, s), "", maxNaming)
		if err != nil {
			return nil, err
		}
		ids = append(ids, page...)
	}
	slices.SortFunc(ids, func(a, b mail.ID) int { return strings.Compare(string(b), string(a)) })
	since := mail.FirstID(m.ID.Time().Add(-SubjectWindow))
	for _, id := range ids[:min(len(ids), maxNaming)] {
		if len(left) == 0 || id < since {
			break
		}
		i, shown, err := b.item(tx, m.Mailbox, id)
		if err != nil {
			return nil, err
		}
		if !shown || i.Mail == nil {
			continue
		}
		for _, a := range append([]mail.Address{i.Mail.Header.From}, i.Mail.Header.ReplyTo...) {
			if left[a.Key()] {
				delete(left, a.Key())
				out = append(out, i)
			}
		}
	}
	return out, nil
}

// Unnamed returns those of a list of addresses to which the mailbox has sent no mail of a
// thread older than before. What strangers write names nobody: one could bring an address
// in to which another's mail then has answers sent. It asks the newest 200 of them.
func (b *Inbox) Unnamed(
	tx store.Tx, box mail.Address, thread, before mail.ID, list []mail.Address,
) ([]mail.Address, error) {
	left := slices.Clone(list)
	ids, err := newest(tx, threadKey(threadPrefix, box, thread), before, maxNaming)
	if err != nil {
		return nil, err
	}
	items, err := b.items(tx, box, ids)
	for _, i := range items {
		if i.Mail == nil || i.Mail.Direction != mail.Outgoing || i.Mail.State != mail.Sent {
			continue
		}
		left = slices.DeleteFunc(left, func(a mail.Address) bool {
			return slices.ContainsFunc(i.Mail.Envelope.Rcpts, func(r mail.Rcpt) bool { return r.Addr.Key() == a.Key() })
		})
	}
	return left, err
}

// Foresee says where a mail would stand that its mailbox does not show: in which thread, and
// whom it would bring into it.
func (b *Inbox) Foresee(tx store.Tx, m *mail.Mail) (Item, error) {
	r, known, err := get(tx, m.Mailbox, m.ID)
	if err != nil || known {
		return r.item(m.ID, m), err
	}
	if r.Thread, r.Joined, err = b.join(tx, m); err == nil && r.Joined != JoinedNew {
		r.New, err = newPeople(tx, m.Mailbox, r.Thread, peopleOf(m))
	}
	return r.item(m.ID, m), err
}
