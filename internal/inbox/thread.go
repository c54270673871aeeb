package inbox

import (
	"errors"
	"fmt"
	"time"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Thread is a conversation of one mailbox.
type Thread struct {
	ID           mail.ID
	Count        int      // mails
	Participants []string // by address, the first MaxParticipants
	More         bool     // there are more participants
	LastActivity time.Time
	// Unanswered: the newest mail that a person wrote has no later one of the mailbox that
	// was sent or still may be.
	Unanswered bool
}

func threadKey(prefix string, box mail.Address, thread mail.ID) string {
	return in(prefix, box) + string(thread) + "\x00"
}

// Thread returns a thread of a mailbox; mail.ErrNotFound if the mailbox shows no mail
// of it.
func (b *Inbox) Thread(tx store.Tx, box mail.Address, id mail.ID) (Thread, error) {
	t := Thread{ID: id}
	last, err := newest(tx, threadKey(threadPrefix, box, id), "", 1)
	if err == nil && len(last) == 0 {
		err = fmt.Errorf("inbox: thread %s: %w", id, mail.ErrNotFound)
	}
	if err == nil {
		t.LastActivity = last[0].Time()
		t.Count, err = count(tx, in(countPrefix, box)+string(id))
	}
	if err == nil {
		t.Participants, t.More, err = participants(tx, box, id)
	}
	if err == nil {
		t.Unanswered, err = b.unanswered(tx, box, id)
	}
	return t, err
}

// InThread returns the mail of a thread, newest first, older than before.
func (b *Inbox) InThread(
	tx store.Tx, box mail.Address, thread, before mail.ID, limit int,
) ([]Item, error) {
	ids, err := newest(tx, threadKey(threadPrefix, box, thread), before, limit)
	if err != nil {
		return nil, err
	}
	return b.items(tx, box, ids)
}

// How much one question after an answer reads.
const (
	maxWalk  = 1000 // keys of the thread
	maxTries = 100  // records of mail that the mailbox sent
)

// unanswered walks from the newest mail of a person to the end of the thread. Where the
// end is too far, nothing that was found counts as an answer.
func (b *Inbox) unanswered(tx store.Tx, box mail.Address, thread mail.ID) (bool, error) {
	asked, err := newest(tx, threadKey(askedPrefix, box, thread), "", 1)
	if err != nil || len(asked) == 0 {
		return false, err
	}
	prefix := threadKey(threadPrefix, box, thread)
	r := store.Prefix(prefix)
	r.From = prefix + string(asked[0]) + "\x00"
	var tries []mail.ID
	walked := 0
	err = space.Scan(tx, r, func(key string, v []byte) error {
		if walked++; walked > maxWalk || len(tries) == maxTries {
			return store.Stop
		}
		if kind(v) == sent {
			tries = append(tries, mail.ID(key[len(prefix):]))
		}
		return nil
	})
	for _, id := range tries {
		if err != nil {
			break
		}
		m, lerr := b.ledger.Load(tx, id)
		switch {
		case errors.Is(lerr, mail.ErrNotFound): // nothing that answers
		case lerr != nil:
			err = lerr
		case m.State == mail.Sent || !m.State.Final():
			return false, nil
		}
	}
	return true, err
}
