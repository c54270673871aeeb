package inbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/inbox"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/bolt"
	"github.com/multimail/multimail/internal/store/storetest"
	"github.com/multimail/multimail/mail"
)

var (
	ctx   = context.Background()
	zone  = time.Date(2031, 5, 4, 14, 0, 0, 0, time.FixedZone("", 2*60*60))
	box   = mail.MustAddress("Demo@house.test")
	about = mail.NewID(zone.Add(-time.Hour))
)

func open(t testing.TB) store.Store {
	t.Helper()
	db, err := bolt.Open(bolt.Options{Dir: t.TempDir(), Create: true, Now: func() time.Time { return zone }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// raw is a notice as the queue writes it.
func raw(about mail.ID, action, text string) []byte {
	return []byte(strings.ReplaceAll(fmt.Sprintf(`From: Mail Delivery System <postmaster@house.test>
To: <demo@house.test>
Subject: Undelivered
Auto-Submitted: auto-replied
X-MultiMail-About: %s
X-MultiMail-Action: %s
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain; charset=utf-8

%s
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; house.test

Final-Recipient: rfc822; bob@far.test
Action: failed
Status: 5.1.1

--b
Content-Type: text/rfc822-headers

X-MultiMail-About: 00000000000000000000000000
X-MultiMail-Action: delivered

--b--
`, about, action, text), "\n", "\r\n"))
}

// notice returns a notice for a mailbox, n milliseconds after zone.
func notice(to mail.Address, n int) *mail.Mail {
	at := zone.Add(time.Duration(n) * time.Millisecond)
	return &mail.Mail{ID: mail.NewID(at), Mailbox: to, SubmittedAt: at, Header: mail.Header{
		From: mail.MustAddress("postmaster@house.test"), Subject: fmt.Sprint("Undelivered ", n)}}
}

func bounce(t testing.TB, db store.Store, dsn *mail.Mail, raw []byte) error {
	t.Helper()
	return db.Update(ctx, func(tx store.Tx) error { return inbox.New().Bounce(tx, dsn, raw) })
}

// post puts a notice into an inbox that the mailbox then has.
func post(t testing.TB, db store.Store, to mail.Address, n int) mail.ID {
	t.Helper()
	dsn := notice(to, n)
	if err := bounce(t, db, dsn, raw(about, "failed", "Sorry.")); err != nil {
		t.Fatal(err)
	}
	return dsn.ID
}

func read(t testing.TB, db store.Store, to mail.Address, id mail.ID) error {
	t.Helper()
	return db.Update(ctx, func(tx store.Tx) error { return inbox.New().MarkRead(tx, to, id) })
}

// look returns everything an inbox says: the items, newest first, and how many
// of them are unread.
func look(t testing.TB, db store.Store, to mail.Address, before mail.ID, limit int) (items []inbox.Item, unread int) {
	t.Helper()
	err := db.View(ctx, func(tx store.Tx) (err error) {
		if items, err = inbox.New().List(tx, to, before, limit); err != nil {
			return err
		}
		unread, err = inbox.New().Unread(tx, to)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return items, unread
}

func TestANoticeIsFoundInTheMailboxItWasPostedTo(t *testing.T) {
	db := open(t)
	dsn := notice(box, 0)
	dsn.Header.Subject = "Not sent: \u202eevil\n"
	octets := raw(about, "rejected", "Nobody wants it.\r\nReason: \u202eno\x1b[2J")
	if err := bounce(t, db, dsn, octets); err != nil {
		t.Fatal(err)
	}
	want := inbox.Item{ID: dsn.ID, Mailbox: box, Kind: "dsn", About: about, Action: "rejected",
		From: "postmaster@house.test", Subject: mail.Neutralise(dsn.Header.Subject), Text: message.NewReview(octets).Text(),
		ReceivedAt: zone.UTC(), Size: int64(len(octets))}
	lower := mail.MustAddress("demo@house.test") // the case of a local part is no other mailbox
	items, unread := look(t, db, lower, "", 10)
	if len(items) != 1 || items[0] != want || unread != 1 {
		t.Fatalf("got %+v, %d unread\nwant %+v", items, unread, want)
	}
	if !strings.Contains(want.Text, "Nobody wants it.") || strings.ContainsAny(want.Text+want.Subject, "\u202e\x1b") {
		t.Errorf("text %q, subject %q", want.Text, want.Subject)
	}
	err := db.View(ctx, func(tx store.Tx) error {
		got, err := inbox.New().Item(tx, lower, dsn.ID)
		if got != want {
			t.Errorf("got %+v", got)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if b, err := db.Body(ctx, inbox.RawKey(dsn.ID)); err != nil || string(b) != string(octets) {
		t.Errorf("body %q: %v", b, err)
	}
}

func TestAnItemIsReadOnceItIsMarkedAndStaysSo(t *testing.T) {
	db := open(t)
	first, second := post(t, db, box, 1), post(t, db, box, 2)
	for range 2 {
		if err := read(t, db, box, first); err != nil {
			t.Fatal(err)
		}
		items, unread := look(t, db, box, "", 10)
		if unread != 1 || items[0].ID != second || items[0].Read || !items[1].Read {
			t.Errorf("%d unread of %+v", unread, items)
		}
	}
	if err := read(t, db, box, second); err != nil {
		t.Fatal(err)
	}
	if _, unread := look(t, db, box, "", 10); unread != 0 {
		t.Errorf("%d unread", unread)
	}
}

func TestItemsAreListedNewestFirstPageByPage(t *testing.T) {
	db := open(t)
	var ids []mail.ID
	for n := range 7 {
		ids = append(ids, post(t, db, box, 7-n)) // posted in another order than they are dated
	}
	var got []mail.ID
	for before := mail.ID(""); ; {
		page, unread := look(t, db, box, before, 3)
		if unread != 7 {
			t.Errorf("%d unread", unread)
		}
		for _, i := range page {
			got = append(got, i.ID)
		}
		if len(page) < 3 {
			break
		}
		before = page[2].ID
	}
	if fmt.Sprint(got) != fmt.Sprint(ids) {
		t.Errorf("got %v, want %v", got, ids)
	}
	if page, _ := look(t, db, box, "", 0); len(page) != 0 {
		t.Errorf("a page of none has %d items", len(page))
	}
}

func TestNoMailboxSeesAnother(t *testing.T) {
	db := open(t)
	boxes := []mail.Address{box, mail.MustAddress("emo@house.test"), mail.MustAddress("demo@house.test.example"),
		mail.MustAddress("demo/demo@house.test"), mail.MustAddress("demo@ouse.test"), mail.MustAddress(`"de mo"@house.test`)}
	ids := map[mail.Address]mail.ID{}
	for n, b := range boxes {
		ids[b] = post(t, db, b, n)
	}
	for _, a := range boxes {
		items, unread := look(t, db, a, "", 10)
		if len(items) != 1 || items[0].ID != ids[a] || unread != 1 {
			t.Errorf("%s: %d unread of %+v", a, unread, items)
		}
		for _, b := range boxes {
			if err := read(t, db, a, ids[b]); a != b && !errors.Is(err, mail.ErrNotFound) {
				t.Errorf("%s marks the notice of %s: %v", a, b, err)
			}
		}
	}
}

func TestWhatIsNotThereIsNotFound(t *testing.T) {
	db := open(t)
	id := mail.NewID(zone)
	if err := read(t, db, box, id); !errors.Is(err, mail.ErrNotFound) {
		t.Errorf("mark: %v", err)
	}
	err := db.View(ctx, func(tx store.Tx) error {
		item, err := inbox.New().Item(tx, box, id)
		if item != (inbox.Item{}) {
			t.Errorf("got %+v", item)
		}
		return err
	})
	if !errors.Is(err, mail.ErrNotFound) {
		t.Errorf("item: %v", err)
	}
	if items, unread := look(t, db, box, "", 10); len(items) != 0 || unread != 0 {
		t.Errorf("%d unread of %+v", unread, items)
	}
}

func TestADamagedItemIsAnErrorAndNoEmptyNotice(t *testing.T) {
	db := open(t)
	id := post(t, db, box, 1)
	err := db.Update(ctx, func(tx store.Tx) error {
		return storetest.Records(tx).Put("inbox/demo@house.test/"+string(id), []byte(`{"id":"x`))
	})
	if err != nil {
		t.Fatal(err)
	}
	err = db.View(ctx, func(tx store.Tx) error {
		if _, err := inbox.New().Item(tx, box, id); err == nil || errors.Is(err, mail.ErrNotFound) {
			t.Errorf("item: %v", err)
		}
		list, err := inbox.New().List(tx, box, "", 10)
		if len(list) != 1 || list[0].ID != id || !list[0].Damaged {
			t.Errorf("listed as %+v", list)
		}
		return err
	})
	if err != nil {
		t.Errorf("list: %v", err)
	}
}

func TestANoticeIsPostedOnceOrNotAtAll(t *testing.T) {
	db := open(t)
	dsn := notice(box, 1)
	if err := bounce(t, db, dsn, raw(about, "failed", "First.")); err != nil {
		t.Fatal(err)
	}
	if err := bounce(t, db, dsn, raw(about, "failed", "Second.")); err == nil {
		t.Error("an id was used twice")
	}
	if err := bounce(t, db, notice(box, 2), raw(about, "applauded", "Third.")); err == nil {
		t.Error("an unknown action was posted")
	}
	lost := notice(box, 3)
	undone := errors.New("the mail did not end after all")
	err := db.Update(ctx, func(tx store.Tx) error {
		if err := inbox.New().Bounce(tx, lost, raw(about, "failed", "Fourth.")); err != nil {
			return err
		}
		return undone
	})
	if !errors.Is(err, undone) {
		t.Error(err)
	}
	items, unread := look(t, db, box, "", 10)
	if len(items) != 1 || unread != 1 || !strings.Contains(items[0].Text, "First.") {
		t.Errorf("%d unread of %+v", unread, items)
	}
	if b, err := db.Body(ctx, inbox.RawKey(lost.ID)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a notice that was not posted has the body %q: %v", b, err)
	}
}

// failing fails one call of a transaction.
type failing struct {
	store.Records
	left int
}

var errDisk = errors.New("the disk is gone")

func (f *failing) fails() bool {
	f.left--
	return f.left == 0
}

func (f *failing) Get(key string) ([]byte, error) {
	if f.fails() {
		return nil, errDisk
	}
	return f.Records.Get(key)
}

func (f *failing) Put(key string, value []byte) error {
	if f.fails() {
		return errDisk
	}
	return f.Records.Put(key, value)
}

func (f *failing) Delete(key string) error {
	if f.fails() {
		return errDisk
	}
	return f.Records.Delete(key)
}

func (f *failing) PutBody(s store.Staged) error {
	if f.fails() {
		return errDisk
	}
	return f.Records.PutBody(s)
}

func TestPostingAndMarkingSaySoWhenTheStoreFails(t *testing.T) {
	db := open(t)
	id := post(t, db, box, 0)
	for name, c := range map[string]struct {
		calls int
		do    func(store.Tx) error
	}{
		"posting": {4, func(tx store.Tx) error {
			return inbox.New().Bounce(tx, notice(box, 1), raw(about, "failed", "Sorry."))
		}},
		"marking": {3, func(tx store.Tx) error { return inbox.New().MarkRead(tx, box, id) }},
	} {
		for n := 1; n <= c.calls; n++ {
			err := db.Update(ctx, func(tx store.Tx) error { return c.do(store.NewTx(&failing{storetest.Records(tx), n})) })
			if !errors.Is(err, errDisk) {
				t.Errorf("%s: call %d failed: %v", name, n, err)
			}
		}
		if items, unread := look(t, db, box, "", 10); len(items) != 1 || unread != 1 || items[0].Read {
			t.Errorf("%s: %d unread of %+v", name, unread, items)
		}
	}
}

func TestAnItemIsWrittenAsItsReadersKnowIt(t *testing.T) {
	b, err := json.Marshal(inbox.Item{ID: "I", Mailbox: mail.MustAddress("a@b.test"), Kind: "dsn", About: "A",
		Action: "failed", From: "f", Subject: "s", Text: "t", ReceivedAt: zone.UTC(), Read: true, Size: 1})
	want := `{"id":"I","mailbox":"a@b.test","kind":"dsn","about":"A","action":"failed","from":"f","subject":"s",` +
		`"text":"t","received_at":"2031-05-04T12:00:00Z","read":true,"size":1}`
	if err != nil || string(b) != want {
		t.Errorf("got %s, want %s: %v", b, want, err)
	}
}
