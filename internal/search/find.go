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

// queryTime is how long a query may take once it is its turn, and may wait for those
// before it.
const queryTime = time.Second

// Errors of a search that is not made.
var (
	errBuilding = mail.ErrUnavailable.Errorf("the search index is being built; try again later, or leave query out")
	errSlow     = mail.ErrUnavailable.Errorf("this search takes too long; look for rarer words, or for fewer days")
	errBusy     = mail.ErrUnavailable.Errorf("too many searches at the same time; try again later")
)

// Search returns the ids of the mail of a mailbox that a query finds, newest first,
// older than before; an empty before means from the newest. The errors are those of
// package mail: ErrInvalid for a query that says nothing, or too much, and
// ErrUnavailable while there is no index, or the search takes too long. The caller asks
// the ledger for each id whether it may be seen.
func (x *Index) Search(
	ctx context.Context, box mail.Address, text string, before mail.ID, limit int,
) (ids []mail.ID, err error) {
	q, err := parse(text)
	if err != nil {
		return nil, err
	}
	wait, cancel := context.WithTimeout(ctx, x.patience)
	defer cancel()
	slow := false
	err = x.use(wait, func(f *file) (err error) {
		if !x.ready.Load() {
			return errBuilding
		}
		if err = f.intact(); err == nil {
			ids, slow, err = x.limited(ctx, f, box, q, before, limit)
		}
		return err
	})
	switch {
	case slow:
		return nil, errSlow
	case err == nil || ctx.Err() != nil:
		return ids, err
	case wait.Err() != nil:
		return nil, errBusy
	case errors.Is(err, errBuilding):
		return nil, err
	}
	x.suspect(err)
	return nil, errBuilding.Because(fmt.Errorf("search: %w", err))
}

// limited makes a query that ends by its time alone: a client that goes away does not
// interrupt it, because that costs a new connection. An error is one of the file.
func (x *Index) limited(
	ctx context.Context, f *file, box mail.Address, q query, before mail.ID, limit int,
) (ids []mail.ID, slow bool, err error) {
	whole := context.WithoutCancel(ctx)
	end, cancel := context.WithTimeout(whole, x.patience)
	defer cancel()
	if ids, err = f.find(end, box, q, before, limit); end.Err() == nil || err == nil {
		return ids, false, err
	}
	return nil, true, f.resume(whole)
}

// find returns the mail of a mailbox that a query finds, newest first, older than
// before.
func (f *file) find(ctx context.Context, box mail.Address, q query, before mail.ID, limit int) ([]mail.ID, error) {
	from, to := int64(math.MinInt64), int64(math.MaxInt64) // from < place <= to
	if !q.before.IsZero() {
		from = placeAt(q.before)
	}
	if !q.after.IsZero() {
		to = placeAt(q.after)
	}
	if before != "" {
		place, err := f.place(ctx, before)
		if err != nil {
			return nil, err
		}
		from = max(from, place)
	}
	rows, err := f.db.QueryContext(ctx, `SELECT doc.id FROM words CROSS JOIN doc ON doc.n = words.rowid
		WHERE words MATCH ? AND words.rowid > ? AND words.rowid <= ? AND doc.box = ? ORDER BY words.rowid LIMIT ?`,
		q.match(box), from, to, box.Key(), limit)
	if err != nil {
		return nil, broken(err)
	}
	defer rows.Close()
	var ids []mail.ID
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, broken(err)
		}
		ids = append(ids, mail.ID(id))
	}
	return ids, broken(rows.Err())
}

// place returns where a mail stands, or would stand.
func (f *file) place(ctx context.Context, id mail.ID) (n int64, err error) {
	err = f.db.QueryRowContext(ctx, "SELECT n FROM doc WHERE id = ?", string(id)).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return placeOf(id)
	}
	return n, broken(err)
}
