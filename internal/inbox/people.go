package inbox

import (
	"errors"
	"fmt"
	"slices"
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

// names reports whether a mail names an address.
func (r record) names(address string) bool {
	return slices.ContainsFunc(r.People, func(a string) bool { return strings.EqualFold(a, address) })
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

// moveNew keeps in mind who brought whom into a thread when a mail leaves it or comes back:
// of those whom the mail brought in, the next one that names them does from then on, or does
// no longer. It looks at the next maxNaming mails, so that a thread of any length costs the
// same.
func moveNew(tx store.Tx, box mail.Address, id mail.ID, r record, away bool) error {
	brought := r.New
	if r.Joined == JoinedNew { // the first of its thread brought all of them
		brought = r.People
	}
	left := slices.DeleteFunc(slices.Clone(brought), func(a string) bool { return strings.EqualFold(a, box.String()) })
	if len(left) == 0 {
		return nil
	}
	prefix := threadKey(threadPrefix, box, r.Thread)
	later := store.Prefix(prefix)
	later.From = prefix + string(id) + "\x00"
	var ids []mail.ID
	err := space.Scan(tx, later, func(key string, _ []byte) error {
		if len(ids) == maxNaming {
			return store.Stop
		}
		ids = append(ids, mail.ID(key[len(prefix):]))
		return nil
	})
	for _, next := range ids {
		if err != nil || len(left) == 0 {
			break
		}
		left, err = markNew(tx, box, next, left, away)
	}
	if err != nil {
		return fmt.Errorf("inbox: people of %s: %w", r.Thread, err)
	}
	return nil
}

// markNew says of a mail whether it brings those of a list in whom it names, and returns the
// others.
func markNew(tx store.Tx, box mail.Address, id mail.ID, list []string, is bool) ([]string, error) {
	r, ok, err := get(tx, box, id)
	if err != nil || !ok {
		return list, err
	}
	var rest, changed []string
	for _, a := range list {
		at := slices.IndexFunc(r.New, func(b string) bool { return strings.EqualFold(a, b) })
		switch {
		case !r.names(a):
			rest = append(rest, a)
		case is && at < 0:
			r.New, changed = append(r.New, a), append(changed, a)
		case !is && at >= 0:
			r.New, changed = slices.Delete(r.New, at, at+1), append(changed, a)
		}
	}
	if len(changed) == 0 {
		return rest, nil
	}
	return rest, put(tx, box, id, r)
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
