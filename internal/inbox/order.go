package inbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Place is a place in the order in which a mailbox got its mail. A mail stands where its
// id says, unless the mailbox had a newer one when it was filed: then it stands behind
// everything that was there, in a place of its own that has the form of an id. So who
// knows one place finds whatever came later behind it, each mail once.
type Place struct {
	At   mail.ID
	Item *Item // nil: nothing is shown here; what stood here has gone, or stands elsewhere
}

// nextPlace gives a place to a mail that is filed now.
func nextPlace(tx store.Tx, box mail.Address, id mail.ID) (mail.ID, error) {
	last, err := lastPlace(tx, box)
	if err != nil {
		return "", err
	}
	at := id
	if at <= last {
		at = mail.IDAfter(last, tx.Now())
	}
	if err := space.Put(tx, lastPrefix+box.Key(), []byte(at)); err != nil {
		return "", fmt.Errorf("inbox: order: %w", err)
	}
	return at, nil
}

// lastPlace returns the last place that was given, "" if there is none. Where nobody has
// kept it yet, everything stands where its id says.
func lastPlace(tx store.Tx, box mail.Address) (mail.ID, error) {
	b, err := space.Get(tx, lastPrefix+box.Key())
	if err == nil {
		return mail.ID(b), nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return "", fmt.Errorf("inbox: order: %w", err)
	}
	ids, err := newest(tx, in(mailPrefix, box), "", 1)
	if err != nil || len(ids) == 0 {
		return "", err
	}
	return ids[0], nil
}

// PlaceOf returns where a mail stands that its mailbox shows or has shown, by its id. Any
// other id, and a place, is a place itself.
func (b *Inbox) PlaceOf(tx store.Tx, box mail.Address, id mail.ID) (mail.ID, error) {
	r, ok, err := get(tx, box, id)
	if err != nil || !ok {
		return id, err
	}
	return r.place(id), nil
}

func (r record) place(id mail.ID) mail.ID {
	if r.Late != "" {
		return r.Late
	}
	return id
}

// Between lists up to limit places behind one and before another, "" for no bound: the
// first of them, or with newest the last, in the order that is asked for. Fewer than limit
// are the end. It reads as much as it returns.
func (b *Inbox) Between(
	tx store.Tx, box mail.Address, after, before mail.ID, newest bool, limit int,
) (out []Place, err error) {
	ids, err := span(tx, in(mailPrefix, box), after, before, newest, limit, func(id string, v []byte) (mail.ID, error) {
		var r record
		err := json.Unmarshal(v, &r)
		if r.Away || r.Late != "" {
			return "", err
		}
		return mail.ID(id), err
	})
	if err != nil {
		return nil, err
	}
	late, err := span(tx, in(latePrefix, box), after, before, newest, limit, func(_ string, v []byte) (mail.ID, error) {
		return mail.ID(v), nil
	})
	if err != nil {
		return nil, err
	}
	all := append(ids, late...)
	slices.SortStableFunc(all, func(a, b spot) int {
		if newest {
			a, b = b, a
		}
		return strings.Compare(string(a.at), string(b.at))
	})
	for _, s := range all[:min(len(all), limit)] {
		p := Place{At: s.at}
		if s.id != "" {
			i, shown, err := b.item(tx, box, s.id)
			if err != nil {
				return nil, err
			}
			if shown {
				p.Item = &i
			}
		}
		out = append(out, p)
	}
	return out, nil
}

// spot is a place and the id of the mail there, "" for none.
type spot struct{ at, id mail.ID }

// span reads up to limit keys of a range of places.
func span(
	tx store.Tx, prefix string, after, before mail.ID, newest bool, limit int,
	id func(key string, value []byte) (mail.ID, error),
) (out []spot, err error) {
	r := store.Prefix(prefix)
	r.Reverse = newest
	if after != "" {
		r.From = prefix + string(after) + "\x00"
	}
	if before != "" {
		r.To = prefix + string(before)
	}
	if r.From >= r.To {
		return nil, nil
	}
	err = space.Scan(tx, r, func(key string, v []byte) error {
		if len(out) >= limit {
			return store.Stop
		}
		s := spot{at: mail.ID(key[len(prefix):])}
		var err error
		s.id, err = id(string(s.at), v)
		out = append(out, s)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("inbox: order: %w", err)
	}
	return out, nil
}
