package inbox

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// kind is what a mail is within its thread.
type kind string

const (
	sent      kind = "sent"      // the mailbox sends it
	person    kind = "person"    // a person wrote it, as far as its header says
	automatic kind = "automatic" // a program did, or nobody may answer: see mail.Mail.NoAnswer
)

func kindOf(m *mail.Mail) kind {
	switch {
	case m.Direction == mail.Outgoing:
		return sent
	case m.NoAnswer() != "":
		return automatic
	}
	return person
}

// File puts a mail that its mailbox now shows into its thread and its lists. What it
// reads and writes depends on the mail alone, never on how much there is already. A
// mail that is filed stays as it is; one that was taken out comes back to its thread.
func (b *Inbox) File(tx store.Tx, m *mail.Mail) error {
	if !m.Visible() {
		return fmt.Errorf("inbox: file %s: it is %s", m.ID, m.State)
	}
	r, known, err := get(tx, m.Mailbox, m.ID)
	if err != nil || known && !r.Away {
		return err
	}
	thread, joined := r.Thread, r.Joined
	if !known {
		if thread, joined, err = b.join(tx, m); err != nil {
			return err
		}
	}
	people := peopleOf(m)
	r = record{Thread: thread, Joined: joined, Kind: kindOf(m), MessageID: hashID(m.Header.MessageID),
		Subjects: subjectsOf(m), New: r.New, Gone: r.Gone}
	for _, a := range people {
		r.People = append(r.People, a.String())
	}
	if !known && joined != JoinedNew {
		if r.New, err = newPeople(tx, m.Mailbox, thread, people); err != nil {
			return err
		}
	}
	at, err := nextPlace(tx, m.Mailbox, m.ID)
	if err != nil {
		return err
	}
	if at != m.ID {
		r.Late = at
	}
	if m.Direction == mail.Incoming {
		r.Status = Unread
	}
	if err := fileRecord(tx, m.Mailbox, m.ID, r); err != nil || !known {
		return err
	}
	return moveNew(tx, m.Mailbox, m.ID, r, false) // it is back: nobody after it brings them in
}

// fileRecord writes a record and every key that it names.
func fileRecord(tx store.Tx, box mail.Address, id mail.ID, r record) error {
	if err := put(tx, box, id, r); err != nil {
		return err
	}
	for key, value := range r.keys(box, id) {
		if err := space.Put(tx, key, []byte(value)); err != nil {
			return fmt.Errorf("inbox: file %s: %w", id, err)
		}
	}
	for _, a := range r.People {
		if err := addPerson(tx, box, r.Thread, a, 1); err != nil {
			return err
		}
	}
	return addCount(tx, in(countPrefix, box)+string(r.Thread), 1)
}

// keys are the keys that belong to one mail alone, and their values.
func (r record) keys(box mail.Address, id mail.ID) map[string]string {
	out := map[string]string{threadKey(threadPrefix, box, r.Thread) + string(id): string(r.Kind)}
	if r.MessageID != "" {
		out[r.idKey(box)+string(id)] = string(r.Thread)
	}
	for _, s := range r.Subjects {
		out[in(subjectPrefix, box)+s+string(id)] = string(r.Thread)
	}
	if r.Kind == person {
		out[threadKey(askedPrefix, box, r.Thread)+string(id)] = ""
	}
	if r.Late != "" {
		out[in(latePrefix, box)+string(r.Late)] = string(id)
	}
	if r.Status != "" {
		out[listKey(box, r.Status)+string(id)] = ""
	}
	if r.Trash != "" {
		out[trashPrefix+r.Trash+"/"+box.Key()+"\x00"+string(id)] = ""
	}
	return out
}

// Unfile takes a mail out of every list and thread: its mailbox shows it no longer. Of
// an erased mail nothing remains; of any other what its reader made of it, for when it
// comes back.
func (b *Inbox) Unfile(tx store.Tx, m *mail.Mail) error {
	box := m.Mailbox
	r, known, err := get(tx, box, m.ID)
	if err != nil || !known {
		return err
	}
	if !r.Away {
		if err := unfileRecord(tx, box, m.ID, r); err != nil {
			return err
		}
		if err := moveNew(tx, box, m.ID, r, true); err != nil {
			return err
		}
	}
	if m.State == mail.Erased {
		if err := clearTags(tx, box, m.ID); err != nil {
			return err
		}
		return space.Delete(tx, in(mailPrefix, box)+string(m.ID))
	}
	return put(tx, box, m.ID, record{Thread: r.Thread, Joined: r.Joined, New: r.New, Late: r.Late, Gone: r.Gone + 1,
		Away: true})
}

// unfileRecord undoes fileRecord, but for the record itself.
func unfileRecord(tx store.Tx, box mail.Address, id mail.ID, r record) error {
	for key := range r.keys(box, id) {
		if err := space.Delete(tx, key); err != nil {
			return fmt.Errorf("inbox: take out %s: %w", id, err)
		}
	}
	for _, a := range r.People {
		if err := addPerson(tx, box, r.Thread, a, -1); err != nil {
			return err
		}
	}
	return addCount(tx, in(countPrefix, box)+string(r.Thread), -1)
}

// addCount changes a counter, which goes when it is back at zero.
func addCount(tx store.Tx, key string, d int) error {
	n, err := count(tx, key)
	if err != nil {
		return err
	}
	if n += d; n <= 0 {
		return space.Delete(tx, key)
	}
	return space.Put(tx, key, []byte(strconv.Itoa(n)))
}

// count reads a counter; 0 where there is none.
func count(tx store.Tx, key string) (n int, err error) {
	b, err := space.Get(tx, key)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	if err == nil {
		head, _, _ := strings.Cut(string(b), " ")
		n, err = strconv.Atoi(head)
	}
	if err != nil {
		return 0, fmt.Errorf("inbox: count: %w", err)
	}
	return n, nil
}
