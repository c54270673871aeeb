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

// document is one mail as it is indexed. Its texts are words.
type document struct {
	id                                      mail.ID
	box                                     mail.Address
	kind, subject, author, recipients, body string
}

// octets is about what a document takes in memory.
func (d document) octets() int {
	return len(d.subject) + len(d.author) + len(d.recipients) + len(d.body)
}

// The names in the table progress.
const (
	scanned = "scanned" // the last id that a scan of the ledger has reached
	built   = "built"   // there is one once the scan has reached the end
)

// change is what one transaction does to the index.
type change struct {
	add      []document // the newest first
	remove   []mail.ID
	progress map[string]string
}

// write makes a change durable. Nothing of it is there after an error. What was
// removed is in none of the files any more.
func (f *file) write(ctx context.Context, c change) error {
	tx, err := f.db.BeginTx(ctx, nil)
	if err != nil {
		return broken(err)
	}
	defer tx.Rollback()
	for _, id := range c.remove {
		if err := erase(ctx, tx, id); err != nil {
			return broken(err)
		}
	}
	if err := insert(ctx, tx, c.add); err != nil {
		return broken(err)
	}
	for name, value := range c.progress {
		if _, err := tx.ExecContext(ctx, "REPLACE INTO progress (name, value) VALUES (?, ?)", name, value); err != nil {
			return broken(err)
		}
	}
	if err := tx.Commit(); err != nil {
		return broken(err)
	}
	if len(c.remove) > 0 {
		return f.checkpoint(ctx)
	}
	return nil
}

// insert adds documents that are not there yet: a mail never changes.
func insert(ctx context.Context, tx *sql.Tx, docs []document) error {
	if len(docs) == 0 {
		return nil
	}
	var stmts [3]*sql.Stmt
	for i, text := range []string{
		"SELECT n FROM doc WHERE id = ?",
		"INSERT INTO doc (n, id, box) VALUES (?, ?, ?) ON CONFLICT (n) DO NOTHING",
		"INSERT INTO words (rowid, kind, subject, author, recipients, body) VALUES (?, ?, ?, ?, ?, ?)",
	} {
		var err error
		if stmts[i], err = tx.PrepareContext(ctx, text); err != nil {
			return err
		}
		defer stmts[i].Close()
	}
	for _, d := range docs {
		var n int64
		err := stmts[0].QueryRowContext(ctx, string(d.id)).Scan(&n)
		if err == nil {
			continue
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if n, err = occupy(ctx, stmts[1], d); err != nil {
			return err
		}
		if _, err := stmts[2].ExecContext(ctx, n, d.kind, d.subject, d.author, d.recipients, d.body); err != nil {
			return err
		}
	}
	return nil
}

// occupy takes the place of a document, or the next one that is free.
func occupy(ctx context.Context, stmt *sql.Stmt, d document) (int64, error) {
	n, err := placeOf(d.id)
	if err != nil {
		return 0, err
	}
	for ; ; n++ {
		res, err := stmt.ExecContext(ctx, n, string(d.id), d.box.Key())
		if err != nil {
			return 0, err
		}
		if rows, err := res.RowsAffected(); err != nil || rows == 1 {
			return n, err
		}
	}
}

// erase removes a mail; one that is not there is no error.
func erase(ctx context.Context, tx *sql.Tx, id mail.ID) error {
	var n int64
	err := tx.QueryRowContext(ctx, "SELECT n FROM doc WHERE id = ?", string(id)).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err == nil {
		_, err = tx.ExecContext(ctx, "DELETE FROM words WHERE rowid = ?", n)
	}
	if err == nil {
		_, err = tx.ExecContext(ctx, "DELETE FROM doc WHERE n = ?", n)
	}
	return err
}

// progress returns a value of the table, "" for none.
func (f *file) progress(ctx context.Context, name string) (value string, err error) {
	err = f.db.QueryRowContext(ctx, "SELECT value FROM progress WHERE name = ?", name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return value, broken(err)
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

// queryTime is how long a query may take, and may wait for those before it.
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
// ErrUnavailable while there is no index. The caller asks the ledger for each id
// whether it may be seen.
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
