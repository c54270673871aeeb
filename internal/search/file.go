package search

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// version is that of tables, words and places. A file of another one is made anew.
const version = 1

// schema is what a new file gets. words keeps its text, so that the words of a mail
// can be removed when the mail itself is gone already; secure-delete has them removed
// at once, and not when parts of the index are merged one day.
const schema = `
CREATE TABLE doc (n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, box TEXT NOT NULL) STRICT;
CREATE VIRTUAL TABLE words USING fts5 (kind, subject, author, recipients, body, tokenize = 'ascii', columnsize = 0);
INSERT INTO words (words, rank) VALUES ('secure-delete', 1);
CREATE TABLE progress (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
`

// pragmas are set on every connection, of which there is one at a time: with an
// exclusive lock the index of the log is in memory and not in a file that others
// could cut short. What was deleted is overwritten.
var pragmas = []string{
	"locking_mode(exclusive)", "journal_mode(wal)", "synchronous(full)", "secure_delete(1)", "temp_store(memory)",
	"cache_size(-16384)", "mmap_size(0)", "trusted_schema(0)", "cell_size_check(1)",
}

// errDamaged says that a file cannot be used and must be made anew.
var errDamaged = errors.New("the index is damaged")

// file is the index on disk. One goroutine uses it at a time.
type file struct {
	db   *sql.DB
	path string
	size int64                  // the least that the file has
	seen map[string]fs.FileInfo // what was opened, by path
}

// paths are the files that make up the index.
func paths(path string) []string {
	return []string{path, path + "-wal", path + "-shm", path + "-journal"}
}

// openFile opens the index, or makes an empty one where there is none. An error of
// errDamaged means that there is one that cannot be used.
func openFile(ctx context.Context, path string) (*file, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("search: %w: it is no file", errDamaged)
	}
	// SQLite makes its other files with the mode of this one. It is closed before
	// SQLite locks it: closing it later would end the lock.
	made, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	info, err := made.Stat()
	if err := errors.Join(err, made.Close()); err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	set := pragmas
	if info.Size() == 0 { // SQLite makes no file to undo what there is nothing of
		set = append([]string{"journal_mode(memory)"}, pragmas...)
	}
	at := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{"mode": {"rw"}, "_pragma": set}.Encode()}
	db, err := sql.Open("sqlite", at.String())
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	db.SetMaxOpenConns(1)
	db.SetConnMaxLifetime(0)
	f := &file{db: db, path: path, seen: map[string]fs.FileInfo{}}
	if err := f.prepare(ctx); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

// prepare makes the tables of a new file, and checks those of another one.
func (f *file) prepare(ctx context.Context) error {
	var found, tables int
	err := f.db.QueryRowContext(ctx, "SELECT count(*), (SELECT user_version FROM pragma_user_version) FROM sqlite_schema").
		Scan(&tables, &found)
	switch {
	case err != nil:
		return broken(err)
	case found == 0 && tables == 0:
		_, err = f.db.ExecContext(ctx, fmt.Sprintf("BEGIN; %s; PRAGMA user_version = %d; COMMIT", schema, version))
	case found != version:
		err = fmt.Errorf("%w: it is of version %d", errDamaged, found)
	default:
		var said string
		err = f.db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&said)
		if err == nil && said != "ok" {
			err = fmt.Errorf("%w: %s", errDamaged, said)
		}
	}
	if err == nil {
		err = f.checkpoint(ctx) // of a process that was killed before it could do that
	}
	if err != nil {
		return broken(err)
	}
	return f.record()
}

// record notes which files are open.
func (f *file) record() (err error) {
	for _, p := range paths(f.path)[:2] {
		if f.seen[p], err = os.Lstat(p); err != nil {
			return broken(err)
		}
	}
	f.size = f.seen[f.path].Size()
	return nil
}

// resume goes on after a query that was interrupted: the driver has closed the connection
// then, and its log with it, so that the next connection has files of its own.
func (f *file) resume(ctx context.Context) error {
	if err := f.checkpoint(ctx); err != nil {
		return err
	}
	return f.record()
}

// checkpoint moves what the log holds into the file, and empties the log: it may hold
// words that were deleted since.
func (f *file) checkpoint(ctx context.Context) error {
	var busy, pages, moved int
	err := f.db.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &moved)
	if err == nil && busy != 0 {
		err = errors.New("search: somebody else uses the index")
	}
	return broken(err)
}

// intact returns errDamaged when the files are not those that were opened, or are
// shorter than they were.
func (f *file) intact() error {
	for p, opened := range f.seen {
		now, err := os.Lstat(p)
		if err != nil || !os.SameFile(opened, now) {
			return fmt.Errorf("search: %w: %s is not the file that was opened", errDamaged, filepath.Base(p))
		}
		if p == f.path && now.Size() < f.size {
			return fmt.Errorf("search: %w: it was cut short", errDamaged)
		}
		if p == f.path {
			f.size = now.Size()
		}
	}
	return nil
}

func (f *file) close() error { return broken(f.db.Close()) }

// remove deletes the index.
func remove(path string) error {
	var errs []error
	for _, p := range paths(path) {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("search: %w", err))
		}
	}
	return errors.Join(errs...)
}

// check reads the whole index, and returns errDamaged unless it is sound.
func (f *file) check(ctx context.Context) error {
	_, err := f.db.ExecContext(ctx, "INSERT INTO words (words) VALUES ('integrity-check')")
	if err == nil {
		_, err = f.db.ExecContext(ctx, "SELECT count(*) FROM doc, progress")
	}
	if uncertain(err) { // a table is missing
		return fmt.Errorf("search: %w: %w", errDamaged, err)
	}
	return broken(err)
}

// uncertain reports whether SQLite says of a statement that it cannot be: it is wrong, or
// the tables are not ours.
func uncertain(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code() == sqlite3.SQLITE_ERROR
}

// damages are the results of SQLite, in full or by their lowest octet, that say that a
// file is not what it was. A full disk, a lock and a lack of memory are none: they end
// by themselves.
var damages = map[int]bool{
	sqlite3.SQLITE_CORRUPT: true, sqlite3.SQLITE_NOTADB: true, sqlite3.SQLITE_FORMAT: true,
	sqlite3.SQLITE_CONSTRAINT: true, sqlite3.SQLITE_MISMATCH: true,
	sqlite3.SQLITE_IOERR_SHORT_READ: true, sqlite3.SQLITE_READONLY_DBMOVED: true,
}

// broken adds to an error of SQLite whether the file is damaged.
func broken(err error) error {
	if err == nil || strings.HasPrefix(err.Error(), "search:") {
		return err
	}
	var e *sqlite.Error
	if errors.As(err, &e) && (damages[e.Code()] || damages[e.Code()&0xff]) {
		return fmt.Errorf("search: %w: %w", errDamaged, err)
	}
	return fmt.Errorf("search: %w", err)
}
