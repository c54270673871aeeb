package search

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/store"
)

// fill puts n mails into the mailbox, which all have the word "common".
func (f *fixture) fill(n int) {
	f.Helper()
	for i := range n {
		f.put(letter{from: "ada@dest.test", subject: "common", text: fmt.Sprintf("text%d %s", i, strings.Repeat("pad ", 50))})
	}
}

// hasAll follows, and checks that a search finds n mails.
func (f *fixture) hasAll(n int) {
	f.Helper()
	f.follow()
	if got := f.search(bot, "common"); len(got) != n || f.todo() != 0 || f.rows() != n {
		f.Errorf("%d of %d mails are found, %d rows, %d noted", len(got), n, f.rows(), f.todo())
	}
}

// overwrite writes into the file of the index from at to its end, as often as b fits.
func (f *fixture) overwrite(at int64, b byte) {
	f.Helper()
	data, err := os.ReadFile(f.path)
	if err != nil {
		f.Fatal(err)
	}
	for i := at; i < int64(len(data)); i++ {
		data[i] = b
	}
	file, err := os.OpenFile(f.path, os.O_WRONLY, 0)
	if err != nil {
		f.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteAt(data, 0); err != nil {
		f.Fatal(err)
	}
}

// harms are what may happen to the files, while the daemon runs or while it does not.
var harms = map[string]func(f *fixture) error{
	"deleted":        func(f *fixture) error { return os.Remove(f.path) },
	"cut to nothing": func(f *fixture) error { return os.Truncate(f.path, 0) },
	"cut short":      func(f *fixture) error { return os.Truncate(f.path, 8192) },
	"another file": func(f *fixture) error {
		return errors.Join(os.Remove(f.path), os.WriteFile(f.path, []byte("no database"), 0o600))
	},
	"no header": func(f *fixture) error { f.overwrite(0, 'x'); return nil },
	"no pages":  func(f *fixture) error { f.overwrite(4096, 0xff); return nil },
}

func TestAnIndexThatIsHarmedWhileItRunsIsMadeAnew(t *testing.T) {
	for name, harm := range harms {
		if name == "no header" || name == "no pages" {
			continue // what SQLite has in memory does not change with the file
		}
		t.Run(name, func(t *testing.T) {
			f := build(t)
			f.fill(40)
			f.hasAll(40)
			if err := harm(f); err != nil {
				t.Fatal(err)
			}
			if _, err := f.x.Search(t.Context(), bot, "common", "", 100); !errors.Is(err, errBuilding) {
				t.Errorf("a search says %v", err)
			}
			f.put(letter{subject: "common"}) // the mail goes on
			f.hasAll(41)
		})
	}
}

func TestAnIndexThatIsHarmedBetweenTwoStartsIsMadeAnew(t *testing.T) {
	for name, harm := range harms {
		t.Run(name, func(t *testing.T) {
			f := build(t)
			f.fill(40)
			f.hasAll(40)
			f.x.shut()
			if err := harm(f); err != nil {
				t.Fatal(err)
			}
			f.open()
			f.hasAll(40)
		})
	}
}

func TestAnIndexOfAnotherVersionIsMadeAnew(t *testing.T) {
	f := build(t)
	f.fill(3)
	f.hasAll(3)
	f.x.shut()
	db, err := sql.Open("sqlite", f.path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("PRAGMA user_version = 99; DELETE FROM doc"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	f.open()
	f.hasAll(3)
}

// Tables that somebody took away are found by the next search.
func TestAMissingTableIsNoticed(t *testing.T) {
	f := build(t)
	f.fill(3)
	f.hasAll(3)
	err := f.x.use(t.Context(), func(file *file) error {
		_, err := file.db.Exec("DROP TABLE words")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.x.Search(t.Context(), bot, "common", "", 1); !errors.Is(err, errBuilding) {
		t.Errorf("a search says %v", err)
	}
	f.hasAll(3)
}

func TestRebuild(t *testing.T) {
	f := build(t)
	f.fill(maxBatch + 10)
	f.hasAll(maxBatch + 10)
	f.x.Rebuild()
	if _, err := f.x.Search(t.Context(), bot, "common", "", 1); !errors.Is(err, errBuilding) {
		t.Errorf("while it is made a search says %v", err)
	}
	if _, err := f.x.step(t.Context()); err != nil { // one page of the ledger
		t.Fatal(err)
	}
	f.x.shut()
	f.open() // it goes on where it was
	if _, err := f.x.step(t.Context()); err != nil {
		t.Fatal(err)
	}
	if f.rows() != maxBatch+10 || f.x.ready.Load() {
		t.Errorf("%d rows after two pages", f.rows())
	}
	f.follow()
	if ids, err := f.x.Search(t.Context(), bot, "common", "", 1000); err != nil || len(ids) != maxBatch+10 {
		t.Errorf("%d are found, %v", len(ids), err)
	}
}

func TestAFullDiskStopsTheIndexAndNotTheMail(t *testing.T) {
	f := build(t)
	f.fill(5)
	f.hasAll(5)
	limit := func(pages int) {
		err := f.x.use(t.Context(), func(file *file) error {
			_, err := file.db.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	limit(1)
	f.fill(200)
	if _, err := f.x.step(t.Context()); err == nil || errors.Is(err, errDamaged) {
		t.Fatalf("on a full disk: %v", err)
	}
	if ids := f.search(bot, "common"); len(ids) != 5 || f.todo() != 200 {
		t.Errorf("%d are found, %d noted", len(ids), f.todo())
	}
	limit(1 << 20)
	f.follow()
	if ids, err := f.x.Search(t.Context(), bot, "common", "", 1000); err != nil || len(ids) != 205 || f.todo() != 0 {
		t.Errorf("%d are found, %d noted, %v", len(ids), f.todo(), err)
	}
}

// failing is a store in which the index cannot take its jobs off the list.
type failing struct{ store.Store }

func (failing) Update(context.Context, func(store.Tx) error) error { return store.ErrAborted }

func TestWorkThatWasDoneAndNotNotedIsDoneAgain(t *testing.T) {
	f := build(t)
	f.fill(5)
	gone := f.put(letter{subject: "common zqxgone", incoming: true})
	f.hasAll(6)
	f.fill(5)
	f.move(gone, step.Erase, step.Facts{})
	f.x.o.DB = failing{f.DB}
	if _, err := f.x.step(t.Context()); !errors.Is(err, store.ErrAborted) {
		t.Fatal(err)
	}
	if f.rows() != 10 || f.todo() != 6 {
		t.Fatalf("%d rows, %d noted", f.rows(), f.todo())
	}
	f.x.shut()
	f.open()
	f.hasAll(10)
	if in := f.holds("zqxgone"); in != nil {
		t.Errorf("the erased word is in %v", in)
	}
}

func TestMailThatIsNotedWhileItIsLookedAtStaysOnTheList(t *testing.T) {
	f := build(t)
	id := f.put(letter{subject: "common", incoming: true})
	jobs, _, err := f.x.jobs(t.Context(), 10)
	if err != nil || len(jobs) != 1 || jobs[0].mail == nil {
		t.Fatalf("%+v, %v", jobs, err)
	}
	f.move(id, step.Report, step.Facts{})
	if err := f.x.done(t.Context(), jobs); err != nil || f.todo() != 1 {
		t.Errorf("%d noted, %v", f.todo(), err)
	}
	f.follow()
	f.finds(bot, "common")
	if f.todo() != 0 {
		t.Errorf("%d noted at the end", f.todo())
	}
}

func TestTheBacklogSaysHowMuchWaitsAndSinceWhen(t *testing.T) {
	f := build(t)
	first := f.clock.Now().Add(time.Second)
	f.put(letter{subject: "a"})
	f.put(letter{subject: "b"})
	n, since, err := Backlog(t.Context(), f.DB)
	if n != 2 || !since.Equal(first) || err != nil {
		t.Errorf("%d since %v, %v; want 2 since %v", n, since, err, first)
	}
}

func TestAMailThatTheReaderFailsAtKeepsNoOtherOut(t *testing.T) {
	f := build(t)
	f.put(letter{subject: "common"})
	f.put(letter{subject: "common", text: "panic"})
	f.put(letter{subject: "common"})
	f.hasAll(3)
}

// child is set in the process that is killed.
const child = "MULTIMAIL_SEARCH_CHILD"

// TestChild indexes in a process of its own until it is killed.
func TestChild(t *testing.T) {
	dir := os.Getenv(child)
	if dir == "" {
		return
	}
	f := buildIn(t, dir)
	for i := 0; ; i++ {
		fmt.Println(i)
		id := f.put(letter{subject: "common", text: fmt.Sprintf("text%d zqxchild", i), incoming: true})
		if i%7 == 0 {
			f.move(id, step.Erase, step.Facts{})
		}
		if i%3 == 0 {
			if _, err := f.x.step(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if i%50 == 49 {
			f.x.Rebuild()
		}
	}
}

func TestAnIndexIsConsistentAfterKills(t *testing.T) {
	dir := t.TempDir()
	for kill := range 6 {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestChild$")
		cmd.Env = append(os.Environ(), child+"="+dir)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for range 10 + 37*kill { // any moment will do
			if !lines.Scan() {
				t.Fatalf("the child ends by itself: %v", lines.Err())
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed

		f := buildIn(t, dir)
		f.follow()
		want := 0
		f.View(func(tx store.Tx) error {
			all, err := f.Ledger.All(tx, "", 1<<20)
			for _, l := range all {
				if l.Mail.Visible() {
					want++
				}
			}
			return err
		})
		ids, err := f.x.Search(t.Context(), bot, "zqxchild", "", 1<<20)
		if err != nil || len(ids) != want || f.rows() != want || f.todo() != 0 {
			t.Errorf("kill %d: %d of %d are found, %d rows, %d noted, %v", kill, len(ids), want, f.rows(), f.todo(), err)
		}
		if err := f.x.use(t.Context(), func(file *file) error { return file.check(t.Context()) }); err != nil {
			t.Errorf("kill %d: %v", kill, err)
		}
		f.x.shut()
		if err := f.DB.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheFilesAreTheOwnersAlone(t *testing.T) {
	f := build(t)
	f.fill(3)
	f.hasAll(3)
	for _, p := range paths(f.path) {
		info, err := os.Lstat(p)
		if err == nil && info.Mode() != 0o600 {
			t.Errorf("%s has mode %s", filepath.Base(p), info.Mode())
		}
	}
}
