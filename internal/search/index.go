package search

import (
	"context"
	"database/sql"
	"errors"

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
// removed is in none of the files any more; where it was much, once clean has done its work.
func (f *file) write(ctx context.Context, c change) error {
	tx, err := f.db.BeginTx(ctx, nil)
	if err != nil {
		return broken(err)
	}
	defer tx.Rollback()
	remove := func() error {
		for _, id := range c.remove {
			if err := erase(ctx, tx, id); err != nil {
				return err
			}
		}
		return nil
	}
	if len(c.remove) > fewRemoved {
		err = strike(ctx, tx, remove)
	} else {
		err = remove()
	}
	if err != nil {
		return broken(err)
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
