package inbox

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Bounds of what a thread knows of people.
const (
	// maxPeople is how many addresses of one mail count: its author first, then those it
	// is addressed to, in their order.
	maxPeople = 50
	// MaxParticipants is how many people a thread is shown with.
	MaxParticipants = 100
)

// peopleOf returns whom a mail names, each address once. A notice is our own word and
// names nobody; the oversight address gets a copy and takes no part.
func peopleOf(m *mail.Mail) (out []mail.Address) {
	if m.Notice != nil {
		return nil
	}
	seen := map[string]bool{}
	add := func(a mail.Address) {
		if !a.IsZero() && !seen[a.Key()] && len(out) < maxPeople {
			seen[a.Key()] = true
			out = append(out, a)
		}
	}
	add(m.Header.From)
	for _, list := range [][]mail.Address{m.Header.To, m.Header.Cc} {
		for _, a := range list {
			add(a)
		}
	}
	if m.Direction == mail.Outgoing {
		for _, r := range m.Envelope.Rcpts {
			if !r.Copy {
				add(r.Addr)
			}
		}
	}
	return out
}

func personKey(box mail.Address, thread mail.ID, address string) string {
	return threadKey(peoplePrefix, box, thread) + strings.ToLower(address)
}

// newPeople returns those whom no mail of the thread names yet, without the mailbox.
func newPeople(tx store.Tx, box mail.Address, thread mail.ID, people []mail.Address) (out []string, err error) {
	for _, a := range people {
		if a.Key() == box.Key() {
			continue
		}
		_, err := space.Get(tx, personKey(box, thread, a.String()))
		switch {
		case errors.Is(err, store.ErrNotFound):
			out = append(out, a.String())
		case err != nil:
			return nil, fmt.Errorf("inbox: people of %s: %w", thread, err)
		}
	}
	return out, nil
}

// addPerson changes how many mails of a thread name an address. The value is the number
// and the address as it was spelled first.
func addPerson(tx store.Tx, box mail.Address, thread mail.ID, address string, d int) error {
	key, n := personKey(box, thread, address), 0
	b, err := space.Get(tx, key)
	if err == nil {
		head, spelled, _ := strings.Cut(string(b), " ")
		n, err = strconv.Atoi(head)
		address = spelled
	} else if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("inbox: people of %s: %w", thread, err)
	}
	if n += d; n <= 0 {
		return space.Delete(tx, key)
	}
	return space.Put(tx, key, []byte(strconv.Itoa(n)+" "+address))
}

// participants returns the first people of a thread by address, and whether there are
// more.
func participants(tx store.Tx, box mail.Address, thread mail.ID) (out []string, more bool, err error) {
	err = space.Scan(tx, store.Prefix(threadKey(peoplePrefix, box, thread)), func(_ string, b []byte) error {
		if more = len(out) == MaxParticipants; more {
			return store.Stop
		}
		_, address, _ := strings.Cut(string(b), " ")
		out = append(out, address)
		return nil
	})
	return out, more, err
}
