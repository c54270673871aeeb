package upgrade_test

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/inbox"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/bolt"
	"github.com/multimail/multimail/internal/store/storetest"
	"github.com/multimail/multimail/internal/upgrade"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// unpack writes a data directory that an earlier build made. Its keys were made
// for this test alone.
func unpack(t *testing.T, name string) string {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return filepath.Join(dir, "data")
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.Clean(h.Name))
		if h.FileInfo().IsDir() {
			err = os.MkdirAll(path, 0o700)
		} else {
			var b []byte
			if b, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(path, b, fs.FileMode(0o600))
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

type fixture struct {
	*testing.T
	db     *bolt.DB
	log    *audit.Log
	ledger *queue.Ledger
	inbox  *inbox.Inbox

	registry *registry.Registry
}

func open(t *testing.T, dir string) *fixture {
	t.Helper()
	db, err := bolt.Open(bolt.Options{Dir: dir, Reserve: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	f := &fixture{T: t, db: db, log: audit.New("dev")}
	f.ledger = queue.New(f.log, "dev")
	f.inbox = inbox.New(f.ledger)
	f.registry = registry.New(f.log, time.Hour)
	return f
}

func (f *fixture) upgrade() error {
	u := upgrade.Upgrader{DB: f.db, Ledger: f.ledger, Inbox: f.inbox, Registry: f.registry,
		Log: slog.New(slog.DiscardHandler)}
	return u.Run(f.Context())
}

func (f *fixture) view(fn func(store.Tx) error) {
	f.Helper()
	if err := f.db.View(f.Context(), fn); err != nil {
		f.Fatal(err)
	}
}

// keys counts the keys below a prefix.
func (f *fixture) keys(prefix string) (n int) {
	f.Helper()
	f.view(func(tx store.Tx) error {
		n = 0
		return storetest.Records(tx).Scan(store.Prefix(prefix), func(string, []byte) error { n++; return nil })
	})
	return n
}

var box = mail.MustAddress("agent@example.test")

// whole checks what the directory of format 0 held: six mails, two of them held,
// and two notices, one of them read.
func (f *fixture) whole() {
	f.Helper()
	f.view(f.over)
	f.view(func(tx store.Tx) error {
		domains, err := f.registry.Domains(tx)
		if err != nil || len(domains) != 1 || domains[0].Challenge == "" || !domains[0].Assumed ||
			!domains[0].MaySend(tx.Now()) {
			f.Errorf("the domains are %+v, %v", domains, err)
		}
		counts, err := f.ledger.Counts(tx)
		if err != nil {
			return err
		}
		want := map[mail.State]int{mail.Held: 2, mail.Sent: 1, mail.Rejected: 2, mail.Cancelled: 1, mail.Received: 2}
		for _, s := range mail.States[1:] {
			if counts[s] != want[s] {
				f.Errorf("%d mails are counted as %s, want %d", counts[s], s, want[s])
			}
		}
		held, _ := f.ledger.InState(tx, mail.Outgoing, mail.Held, "", 10)
		if len(held) != 2 {
			f.Fatalf("%d held", len(held))
		}
		tally, err := f.ledger.Tally(tx, box, mail.Outgoing, mail.Held)
		if want := (queue.Tally{Count: 2, Octets: held[0].Mail.Size + held[1].Mail.Size}); tally != want {
			f.Errorf("the tally is %+v, want %+v, %v", tally, want, err)
		}
		items, err := f.inbox.List(tx, box, inbox.Filter{}, "", 10)
		if err != nil || len(items) != 2 || items[0].Status != inbox.Unread || items[1].Status != inbox.Read {
			f.Fatalf("the inbox has %+v, %v", items, err)
		}
		for _, i := range items {
			about, err := f.ledger.Load(tx, i.Mail.Notice.About)
			if err != nil || i.Joined != inbox.JoinedNotice || i.Thread != about.ID ||
				about.State != mail.Rejected || i.Mail.Notice.Action != "rejected" {
				f.Errorf("%+v, %v", i.Mail.Notice, err)
			}
		}
		return nil
	})
	f.view(func(tx store.Tx) error {
		items, err := f.inbox.List(tx, box, inbox.Filter{}, "", 10)
		for _, i := range items {
			raw, err := f.db.Body(f.Context(), queue.RawKey(i.ID))
			if err != nil || mail.DigestOf(i.Mail.Envelope, raw) != i.Mail.Digest ||
				!strings.Contains(string(raw), "X-MultiMail-About") {
				f.Errorf("%v: %.300s", err, raw)
			}
		}
		return err
	})
	r, err := f.log.Verify(f.Context(), f.db, audit.Options{Replay: step.Check, Records: f.ledger.Standings})
	if err != nil || r.Mails != 8 {
		f.Errorf("%d mails replayed, %v", r.Mails, err)
	}
	if n := f.keys("inbox/") + f.keys("inbox-unread/") + f.keys("inbox-read/"); n != 0 {
		f.Errorf("%d keys of earlier formats are left", n)
	}
}

// over checks that what is over is found: all but the two that are held.
func (f *fixture) over(tx store.Tx) error {
	kept, err := f.ledger.Kept(tx, box, "", 10)
	if len(kept) != 6 {
		f.Errorf("%d mails are over", len(kept))
	}
	return err
}

func TestADirectoryOfFormatZeroIsUpgradedInPlace(t *testing.T) {
	dir := unpack(t, "testdata/format-0.tar.gz")
	f := open(t, dir)
	for range 2 { // the second time there is nothing to do
		if err := f.upgrade(); err != nil {
			t.Fatal(err)
		}
		f.whole()
	}
	if err := f.db.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir)
	again.whole()
}

// An upgrade that is cut off at any commit goes on at the next start.
func TestAnUpgradeThatIsCutOffGoesOn(t *testing.T) {
	for n := 1; ; n++ {
		f := open(t, unpack(t, "testdata/format-0.tar.gz"))
		left := n
		u := upgrade.Upgrader{DB: cut{f.db, &left}, Ledger: f.ledger, Inbox: f.inbox, Registry: f.registry,
			Log: slog.New(slog.DiscardHandler)}
		err := u.Run(t.Context())
		if err == nil {
			if n < 3 {
				t.Errorf("the upgrade has %d commits only", n-1)
			}
			return
		}
		if !errors.Is(err, errCut) {
			t.Fatal(err)
		}
		if err := f.upgrade(); err != nil {
			t.Fatal(err)
		}
		f.whole()
	}
}

var errCut = errors.New("cut off")

// cut fails the commit that left counts down to.
type cut struct {
	store.Store
	left *int
}

func (c cut) Update(ctx context.Context, fn func(store.Tx) error) error {
	if *c.left--; *c.left == 0 {
		return errCut
	}
	return c.Store.Update(ctx, fn)
}

func TestAStoreOfANewerFormatIsRefusedAndStaysAsItIs(t *testing.T) {
	f := open(t, unpack(t, "testdata/format-0.tar.gz"))
	if err := f.upgrade(); err != nil {
		t.Fatal(err)
	}
	for format, want := range map[string]string{
		"5": "newer multimail (format 5, this program knows 4)", "x": "format of the data", "-1": "format of the data",
	} {
		err := f.db.Update(t.Context(), func(tx store.Tx) error {
			return storetest.Records(tx).Put("format", []byte(format))
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := f.upgrade(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("format %s: %v", format, err)
		}
	}
	f.whole()
}

func TestANewStoreHasTheFormatAtOnce(t *testing.T) {
	db, err := bolt.Open(bolt.Options{Dir: t.TempDir(), Create: true, Reserve: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	f := &fixture{T: t, db: db, log: audit.New("n")}
	f.ledger = queue.New(f.log, "n")
	f.inbox = inbox.New(f.ledger)
	if err := f.upgrade(); err != nil {
		t.Fatal(err)
	}
	if n := f.keys("format"); n != 1 {
		t.Errorf("%d keys", n)
	}
}
