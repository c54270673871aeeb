package search

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/multimail/multimail/mail"
)

// Bounds of one search.
const (
	// queryTime is how long a query may take once it is its turn, and may wait for those
	// before it.
	queryTime = time.Second
	// spend is the time after which a search looks no further: it says where the next one
	// goes on.
	spend = 10 * time.Millisecond
	// growth is how many times as much a search looks at as just before, at most.
	growth = 16
)

// Errors of a search that is not made.
var (
	errBuilding = mail.ErrUnavailable.Errorf("the search index is being built; try again later, or leave query out")
	errSlow     = mail.ErrUnavailable.Errorf("this search takes too long; look for rarer words, or for fewer days")
	errBusy     = mail.ErrUnavailable.Errorf("too many searches at the same time; try again later")
)

// Search returns the ids of the mail of a mailbox that a query finds, newest first,
// older than before; an empty before means from the newest. A search that has taken its
// time stops early: then rest is where the next one goes on, as its before, and ids may be
// fewer than limit, or none. rest names no mail, and no mail that is found later is newer.
// The errors are those of package mail: ErrInvalid for a query that says nothing, or too
// much, and ErrUnavailable while there is no index, or the search takes too long.
func (x *Index) Search(
	ctx context.Context, box mail.Address, text string, before mail.ID, limit int,
) (ids []mail.ID, rest mail.ID, err error) {
	q, err := parse(text)
	if err != nil {
		return nil, "", err
	}
	wait, cancel := context.WithTimeout(ctx, x.patience)
	defer cancel()
	l := lookup{box: box, query: q, limit: limit}
	err = x.use(wait, func(f *file) (err error) {
		if !x.ready.Load() {
			return errBuilding
		}
		if err = f.intact(); err == nil {
			err = x.limited(ctx, f, &l, before)
		}
		return err
	})
	switch {
	case l.slow && len(l.ids) == 0 && l.rest == "":
		return nil, "", errSlow
	case err == nil:
		return l.ids, l.rest, nil
	case ctx.Err() != nil:
		return nil, "", err
	case wait.Err() != nil:
		return nil, "", errBusy
	case errors.Is(err, errBuilding):
		return nil, "", err
	}
	x.suspect(err)
	return nil, "", errBuilding.Because(fmt.Errorf("search: %w", err))
}

// lookup is a search under way.
type lookup struct {
	box   mail.Address
	query query
	limit int

	ids  []mail.ID
	rest mail.ID // where it has stopped before the end
	slow bool    // it was interrupted
}

// limited makes a search that ends by its time alone: a client that goes away does not
// interrupt it, because that costs a new connection. An error is one of the file.
func (x *Index) limited(ctx context.Context, f *file, l *lookup, before mail.ID) error {
	whole := context.WithoutCancel(ctx)
	end, cancel := context.WithTimeout(whole, x.patience)
	defer cancel()
	err := x.look(end, f, l, before)
	if end.Err() == nil || err == nil {
		return err
	}
	l.slow = true
	return f.resume(whole)
}

// look looks at the mail of the index in parts, the newest first, until there are enough
// ids or spend is over. FTS5 has no bound of its own: a query that looks for words that
// most mail has, and finds nothing, reads all of them. The first part is small, and every
// other one as large as the time that is left allows.
func (x *Index) look(ctx context.Context, f *file, l *lookup, before mail.ID) error {
	from, to, err := f.bounds(ctx, l.query, before)
	if err != nil {
		return err
	}
	begun := x.now()
	for marks := 1; ; {
		started := x.now()
		end, last, err := f.part(ctx, from, to, marks)
		if err == nil {
			err = f.find(ctx, l, from, end)
		}
		if err != nil {
			return err
		}
		if last || len(l.ids) == l.limit {
			l.rest = ""
			return nil
		}
		from, l.rest = end, mail.FirstID(timeOf(end))
		now := x.now()
		left := spend - now.Sub(begun)
		if left <= 0 {
			return nil
		}
		marks = scaled(marks, left, now.Sub(started))
	}
}

// scaled returns how many marks the next part has that may take left, when the last one
// took took.
func scaled(marks int, left, took time.Duration) int {
	times := float64(left) / float64(max(took, time.Microsecond))
	return max(1, int(float64(marks)*min(times, growth)))
}

// bounds returns the places in which a search looks: from < place <= to.
func (f *file) bounds(ctx context.Context, q query, before mail.ID) (from, to int64, err error) {
	from, to = math.MinInt64, math.MaxInt64
	if !q.before.IsZero() {
		from = placeAt(q.before)
	}
	if !q.after.IsZero() {
		to = placeAt(q.after)
	}
	if before != "" {
		place, err := f.place(ctx, before)
		if err != nil {
			return 0, 0, err
		}
		from = max(from, place)
	}
	return from, to, nil
}

// part returns where a part of so many marks ends that begins after from, and whether it
// is the last one. It ends between two seconds, so that its end says nothing of the mail
// of others that is there.
func (f *file) part(ctx context.Context, from, to int64, marks int) (end int64, last bool, err error) {
	err = f.db.QueryRowContext(ctx, "SELECT n FROM doc WHERE n % 512 = 0 AND n > ? ORDER BY n LIMIT 1 OFFSET ?",
		from, marks-1).Scan(&end)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return to, true, nil
	case err != nil:
		return 0, false, broken(err)
	}
	if end = placeAt(timeOf(end).Truncate(time.Second)); end >= to {
		return to, true, nil
	}
	return end, false, nil
}

// find adds the mail that a search finds in a part of the index, newest first; none of it
// after an error, for the part will be looked at again.
func (f *file) find(ctx context.Context, l *lookup, from, to int64) error {
	rows, err := f.db.QueryContext(ctx, `SELECT doc.id FROM words CROSS JOIN doc ON doc.n = words.rowid
		WHERE words MATCH ? AND words.rowid > ? AND words.rowid <= ? AND doc.box = ? ORDER BY words.rowid LIMIT ?`,
		l.query.match(l.box), from, to, l.box.Key(), l.limit-len(l.ids))
	if err != nil {
		return broken(err)
	}
	defer rows.Close()
	var found []mail.ID
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return broken(err)
		}
		found = append(found, mail.ID(id))
	}
	if err := rows.Err(); err != nil {
		return broken(err)
	}
	l.ids = append(l.ids, found...)
	return nil
}

// place returns where a mail stands, or would stand.
func (f *file) place(ctx context.Context, id mail.ID) (n int64, err error) {
	err = f.db.QueryRowContext(ctx, "SELECT n FROM doc WHERE id = ?", string(id)).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return placeOf(id)
	}
	return n, broken(err)
}
