package inbox

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Joined says by what a mail came into its thread.
type Joined string

// The ways into a thread.
const (
	JoinedNew        Joined = "new"         // it is the first of its thread
	JoinedReferences Joined = "references"  // References names a mail of the thread
	JoinedInReplyTo  Joined = "in_reply_to" // In-Reply-To does
	JoinedSubject    Joined = "subject"     // it is an answer by its subject alone
	JoinedNotice     Joined = "notice"      // it is a notice about a mail of the thread
)

// SubjectWindow is how old the newest mail of a thread may be for the subject alone to
// bring an answer into it.
const SubjectWindow = 30 * 24 * time.Hour

// join says which thread a mail belongs to. A thread has the id of the mail that began
// it. Threads are never joined to one another, so what a stranger sends can move no mail
// that is there.
func (b *Inbox) join(tx store.Tx, m *mail.Mail) (mail.ID, Joined, error) {
	if n := m.Notice; n != nil {
		r, ok, err := get(tx, m.Mailbox, n.About)
		if err != nil || ok {
			return r.Thread, JoinedNotice, err
		}
		return m.ID, JoinedNew, nil
	}
	refs := m.Header.References
	refs = refs[max(0, len(refs)-mail.MaxReferences):]
	for _, id := range slices.Backward(refs) { // the last is the nearest
		if t, err := threadOf(tx, m.Mailbox, id); err != nil || t != "" {
			return t, JoinedReferences, err
		}
	}
	if t, err := threadOf(tx, m.Mailbox, m.Header.InReplyTo); err != nil || t != "" {
		return t, JoinedInReplyTo, err
	}
	if t, err := threadBySubject(tx, m); err != nil || t != "" {
		return t, JoinedSubject, err
	}
	return m.ID, JoinedNew, nil
}

// hashID is the form of a Message-ID in a key: whatever it holds and however long it
// is. A mail without one has none.
func hashID(messageID string) string {
	if messageID == "" {
		return ""
	}
	return hash(messageID)
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:16])
}

// Ranks of those that bear the same Message-ID. The mailbox's own mail comes first:
// nobody takes over its id by being faster.
const (
	rankOwn   = "0"
	rankOther = "1"
)

func (r record) idKey(box mail.Address) string {
	rank := rankOther
	if r.Kind == sent {
		rank = rankOwn
	}
	return in(idPrefix, box) + r.MessageID + rank
}

// threadOf returns the thread of the first mail with a Message-ID, "" if there is none.
func threadOf(tx store.Tx, box mail.Address, messageID string) (mail.ID, error) {
	if messageID == "" {
		return "", nil
	}
	return first(tx, store.Prefix(in(idPrefix, box)+hashID(messageID)))
}

// first returns the value of the first key of a range as an id.
func first(tx store.Tx, r store.Range) (id mail.ID, err error) {
	err = space.Scan(tx, r, func(_ string, v []byte) error {
		id = mail.ID(v)
		return store.Stop
	})
	if err != nil {
		return "", fmt.Errorf("inbox: threads: %w", err)
	}
	return id, nil
}

// subjectsOf returns under which hashes a later answer may find the thread by its
// subject: one for each address that is known to take part, because the mailbox wrote
// to it or because DMARC vouches for what it wrote.
func subjectsOf(m *mail.Mail) (out []string) {
	base, _ := BaseSubject(m.Header.Subject)
	if base == "" || m.Notice != nil {
		return nil
	}
	if m.Direction == mail.Incoming {
		if authentic(m) {
			out = append(out, subjectHash(base, m.Header.From))
		}
		return out
	}
	for _, r := range m.Envelope.Rcpts {
		h := subjectHash(base, r.Addr)
		if !r.Copy && len(out) < maxPeople && !slices.Contains(out, h) {
			out = append(out, h)
		}
	}
	return out
}

func subjectHash(base string, a mail.Address) string { return hash(a.Key() + "\x00" + base) }

// authentic reports whether DMARC vouches for the author of a mail from the world.
func authentic(m *mail.Mail) bool {
	return m.Arrival != nil && m.Arrival.Auth.DMARC.Passed() && !m.Header.From.IsZero()
}

// threadBySubject returns the thread that a mail answers by its subject alone, "" if
// there is none: it must say that it is an answer, DMARC must vouch for its author,
// whose mail with that subject, or to whom one, is not older than SubjectWindow.
func threadBySubject(tx store.Tx, m *mail.Mail) (mail.ID, error) {
	base, answer := BaseSubject(m.Header.Subject)
	if m.Direction != mail.Incoming || !answer || base == "" || !authentic(m) {
		return "", nil
	}
	prefix := in(subjectPrefix, m.Mailbox) + subjectHash(base, m.Header.From)
	r := store.Prefix(prefix)
	r.From = prefix + string(mail.FirstID(m.ID.Time().Add(-SubjectWindow)))
	r.Reverse = true
	return first(tx, r)
}
