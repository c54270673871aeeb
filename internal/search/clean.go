package search

import (
	"context"
	"database/sql"
)

// FTS5 removes the words of one mail at once (secure-delete) by looking for each of them in
// every part of its index, which takes a twentieth of a second in an index of 100,000
// mails. So where many go together, they are struck out first, which nearly nothing is
// needed for, and then all parts are merged into one: what was struck out is not taken
// along. That takes as long as a hundred single ones, in steps, and that it is to be done
// stands in the index itself, in the transaction that strikes out.
const (
	// fewRemoved is how many mails of one batch are removed one by one.
	fewRemoved = 16
	// mergePages is about how many pages one step of a merge writes.
	mergePages = 200
)

// The values of merging, a name in the table progress: there is none, where nothing was
// struck out since the last merge.
const (
	merging     = "merging"
	mergeBegin  = "begin"     // struck out since a merge was begun
	mergeFollow = "under way" // the merge takes in all that was struck out
)

// secure says whether what is removed next is removed at once or struck out. FTS5 writes
// what was asked for before.
func secure(ctx context.Context, tx *sql.Tx, on bool) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO words (words, rank) VALUES ('secure-delete', ?)", on)
	return err
}

// strike has the mail that remove removes struck out.
func strike(ctx context.Context, tx *sql.Tx, remove func() error) error {
	if err := secure(ctx, tx, false); err != nil {
		return err
	}
	if err := remove(); err != nil {
		return err
	}
	if err := secure(ctx, tx, true); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "REPLACE INTO progress (name, value) VALUES (?, ?)", merging, mergeBegin)
	return err
}

// clean does one step of what is left to be done for mail that was struck out, and reports
// whether there is more. At the end nothing of that mail is in the files any more.
func (f *file) clean(ctx context.Context) (more bool, err error) {
	state, err := f.progress(ctx, merging)
	if err != nil || state == "" {
		return false, err
	}
	pages, next := mergePages, mergeFollow
	if state == mergeBegin {
		pages = -mergePages // of all parts there are
	}
	tx, err := f.db.BeginTx(ctx, nil)
	if err != nil {
		return false, broken(err)
	}
	defer tx.Rollback()
	wrote, err := merge(ctx, tx, pages)
	if err != nil {
		return false, broken(err)
	}
	if state == mergeFollow && !wrote {
		next = ""
		_, err = tx.ExecContext(ctx, "DELETE FROM progress WHERE name = ?", merging)
	} else {
		_, err = tx.ExecContext(ctx, "REPLACE INTO progress (name, value) VALUES (?, ?)", merging, next)
	}
	if err == nil {
		err = tx.Commit()
	}
	if err != nil || next != "" {
		return true, broken(err)
	}
	return false, f.checkpoint(ctx)
}

// merge merges parts of the index, and reports whether there was something to merge: the
// documentation of FTS5 has it told by the number of rows that change.
func merge(ctx context.Context, tx *sql.Tx, pages int) (wrote bool, err error) {
	var before, after int
	if err := tx.QueryRowContext(ctx, "SELECT total_changes()").Scan(&before); err != nil {
		return false, err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO words (words, rank) VALUES ('merge', ?)", pages); err != nil {
		return false, err
	}
	err = tx.QueryRowContext(ctx, "SELECT total_changes()").Scan(&after)
	return after-before >= 2, err
}
