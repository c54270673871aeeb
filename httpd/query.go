package httpd

import (
	"slices"
	"strconv"
	"time"

	"github.com/multimail/multimail/mail"
)

// one returns the query's value of name. Names given twice and names that the
// endpoint does not know were refused before.
func (r *request) one(name string) string { return r.query.Get(name) }

// checkQuery refuses what could be read in two ways or not at all.
func (r *request) checkQuery(known []string) error {
	for name, values := range r.query {
		if len(values) > 1 {
			return invalid("the query has %.60q twice", name)
		}
		if !slices.Contains(known, name) {
			return invalid("the query has a name that is not known here: %.60q", name)
		}
	}
	return nil
}

// number returns a whole number of the query between two bounds, or def.
func (r *request) number(name string, def, low, high int) (int, error) {
	s := r.one(name)
	if s == "" {
		return def, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high {
		return 0, invalid("%s must be a whole number from %d to %d", name, low, high)
	}
	return n, nil
}

// id returns a mail id of the query, "" if it has none.
func (r *request) id(name string) (mail.ID, error) {
	s := r.one(name)
	if s == "" {
		return "", nil
	}
	id, err := mail.ParseID(s)
	if err != nil {
		return "", invalid("%s is not an id of ours", name)
	}
	return id, nil
}

// when returns a time of the query, or def.
func (r *request) when(name string, def time.Time) (time.Time, error) {
	s := r.one(name)
	if s == "" {
		return def, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, invalid("%s must be a time like 2026-01-31T08:00:00Z", name)
	}
	return t, nil
}

// page returns the limit and the cursor of a list of mails.
func (r *request) page() (limit int, cursor mail.ID, err error) {
	if limit, err = r.number("limit", 20, 1, maxPage); err != nil {
		return 0, "", err
	}
	cursor, err = r.id("cursor")
	return limit, cursor, err
}

// pathID returns the mail id in the path. What is not an id names nothing.
func (r *request) pathID(name string) (mail.ID, error) {
	id, err := mail.ParseID(r.PathValue(name))
	if err != nil {
		return "", missing("mail")
	}
	return id, nil
}

// mailbox returns the address in the path if the principal's credential
// reaches it.
func (r *request) mailbox() (mail.Address, error) {
	a, err := mail.ParseAddress(r.PathValue("id"))
	if err != nil || !r.p.Covers(a) {
		return mail.Address{}, missing("mailbox")
	}
	return a, nil
}
