package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/inbox"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
	"github.com/multimail/multimail/internal/systemtest"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

var (
	ctx  = context.Background()
	zone = time.Date(2031, 5, 4, 14, 0, 0, 0, time.FixedZone("", 2*60*60))
	box  = mail.MustAddress("Demo@example.test")
)

// fixture is a system whose clock stands.
type fixture struct{ *systemtest.System }

func build(t testing.TB) *fixture {
	t.Helper()
	return &fixture{systemtest.New(t, systemtest.Options{Now: func() time.Time { return zone }})}
}

// mail is the n-th mail that a mailbox receives.
func (f *fixture) mail(to mail.Address, n int) *mail.Mail {
	return &mail.Mail{ID: mail.NewID(zone.Add(time.Duration(n) * time.Second)), Direction: mail.Incoming, Mailbox: to,
		Envelope: mail.Envelope{Rcpts: []mail.Rcpt{{Addr: to, Standing: mail.Delivered}}}}
}

func (f *fixture) receive(m *mail.Mail, mode mail.Mode) error {
	return f.DB.Update(ctx, func(tx store.Tx) error {
		extra := map[string]string{}
		if m.Direction == mail.Outgoing {
			extra = map[string]string{"door": "smtp", "agent": "bot"}
		}
		_, err := f.Ledger.Put(tx, m, store.Inline(queue.RawKey(m.ID), []byte("x")), queue.Change{
			Event: step.Submit, Facts: step.Facts{Mode: mode}, Extra: extra, Actor: audit.Actor{Kind: "system", ID: "system"}})
		if err == nil && m.Visible() {
			err = f.Inbox.File(tx, m)
		}
		return err
	})
}

// post puts a mail into an inbox that the mailbox then has.
func (f *fixture) post(to mail.Address, n int) mail.ID {
	f.Helper()
	m := f.mail(to, n)
	if err := f.receive(m, mail.GatedSend); err != nil {
		f.Fatal(err)
	}
	return m.ID
}

func (f *fixture) read(to mail.Address, id mail.ID) error {
	f.Helper()
	return f.DB.Update(ctx, func(tx store.Tx) error { return f.Inbox.MarkRead(tx, to, id) })
}

// list returns the items of a mailbox, newest first, and how many of them are unread.
func (f *fixture) list(to mail.Address, before mail.ID, limit int) (items []inbox.Item, unread int) {
	f.Helper()
	err := f.DB.View(ctx, func(tx store.Tx) (err error) {
		items, err = f.Inbox.List(tx, to, inbox.Filter{}, before, limit)
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
	for _, i := range items {
		if i.Status == inbox.Unread {
			unread++
		}
	}
	return items, unread
}

func TestAReceivedMailIsFoundInItsMailbox(t *testing.T) {
	f := build(t)
	id := f.post(box, 0)
	lower := mail.MustAddress("demo@example.test") // the case of a local part is no other mailbox
	items, unread := f.list(lower, "", 10)
	if len(items) != 1 || items[0].ID != id || items[0].Mail.Mailbox != box || unread != 1 {
		t.Fatalf("got %+v, %d unread", items, unread)
	}
	err := f.DB.View(ctx, func(tx store.Tx) error {
		got, err := f.Inbox.Item(tx, lower, id)
		if got.ID != id || got.Mail == nil || got.Status != inbox.Unread {
			t.Errorf("got %+v", got)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestWhatIsHeldOrSentIsNotInTheInbox(t *testing.T) {
	f := build(t)
	held := f.mail(box, 1)
	if err := f.receive(held, mail.GatedAll); err != nil || held.State != mail.Held {
		t.Fatalf("%s, %v", held.State, err)
	}
	sent := f.mail(box, 2)
	sent.Direction = mail.Outgoing
	if err := f.receive(sent, mail.GatedSend); err != nil {
		t.Fatal(err)
	}
	if items, _ := f.list(box, "", 10); len(items) != 0 {
		t.Errorf("got %+v", items)
	}
	for _, id := range []mail.ID{held.ID, sent.ID} {
		if err := f.read(box, id); !errors.Is(err, mail.ErrNotFound) {
			t.Errorf("marked: %v", err)
		}
	}
}

func TestAnItemIsReadOnceItIsMarkedAndStaysSo(t *testing.T) {
	f := build(t)
	first, second := f.post(box, 1), f.post(box, 2)
	for range 2 {
		if err := f.read(box, first); err != nil {
			t.Fatal(err)
		}
		items, unread := f.list(box, "", 10)
		if unread != 1 || items[0].ID != second || items[0].Status != inbox.Unread || items[1].Status != inbox.Read {
			t.Errorf("%d unread of %+v", unread, items)
		}
	}
	if err := f.read(box, second); err != nil {
		t.Fatal(err)
	}
	if _, unread := f.list(box, "", 10); unread != 0 {
		t.Errorf("%d unread", unread)
	}
}

func TestItemsAreListedNewestFirstPageByPage(t *testing.T) {
	f := build(t)
	var ids []mail.ID
	for n := range 7 {
		ids = append(ids, f.post(box, 7-n)) // posted in another order than they are dated
	}
	var got []mail.ID
	for before := mail.ID(""); ; {
		page, _ := f.list(box, before, 3)
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
	if page, _ := f.list(box, "", 0); len(page) != 0 {
		t.Errorf("a page of none has %d items", len(page))
	}
}

func TestNoMailboxSeesAnother(t *testing.T) {
	f := build(t)
	boxes := []mail.Address{box, mail.MustAddress("emo@example.test"), mail.MustAddress("demo@example.test.example"),
		mail.MustAddress("demo/demo@example.test"), mail.MustAddress("demo@xample.test"),
		mail.MustAddress(`"de mo"@example.test`)}
	ids := map[mail.Address]mail.ID{}
	for n, b := range boxes {
		ids[b] = f.post(b, n)
	}
	for _, a := range boxes {
		items, unread := f.list(a, "", 10)
		if len(items) != 1 || items[0].ID != ids[a] || unread != 1 {
			t.Errorf("%s: %d unread of %+v", a, unread, items)
		}
		for _, b := range boxes {
			if err := f.read(a, ids[b]); a != b && !errors.Is(err, mail.ErrNotFound) {
				t.Errorf("%s marks the mail of %s: %v", a, b, err)
			}
		}
	}
}

func TestWhatIsNotThereIsNotFound(t *testing.T) {
	f := build(t)
	id := mail.NewID(zone)
	if err := f.read(box, id); !errors.Is(err, mail.ErrNotFound) {
		t.Errorf("mark: %v", err)
	}
	err := f.DB.View(ctx, func(tx store.Tx) error {
		item, err := f.Inbox.Item(tx, box, id)
		if item.ID != "" || item.Mail != nil {
			t.Errorf("got %+v", item)
		}
		return err
	})
	if !errors.Is(err, mail.ErrNotFound) {
		t.Errorf("item: %v", err)
	}
	if items, unread := f.list(box, "", 10); len(items) != 0 || unread != 0 {
		t.Errorf("%d unread of %+v", unread, items)
	}
}

func TestADamagedRecordIsAnErrorAndNoEmptyMail(t *testing.T) {
	f := build(t)
	id := f.post(box, 1)
	err := f.DB.Update(ctx, func(tx store.Tx) error {
		return storetest.Records(tx).Put("mail/"+string(id), []byte(`{"id":"x`))
	})
	if err != nil {
		t.Fatal(err)
	}
	err = f.DB.View(ctx, func(tx store.Tx) error {
		if _, err := f.Inbox.Item(tx, box, id); err == nil || errors.Is(err, mail.ErrNotFound) {
			t.Errorf("item: %v", err)
		}
		list, err := f.Inbox.List(tx, box, inbox.Filter{}, "", 10)
		if len(list) != 1 || list[0].ID != id || list[0].Mail != nil {
			t.Errorf("listed as %+v", list)
		}
		return err
	})
	if err != nil {
		t.Errorf("list: %v", err)
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

func (f *failing) Delete(key string) error {
	if f.fails() {
		return errDisk
	}
	return f.Records.Delete(key)
}

func (f *failing) Put(key string, value []byte) error {
	if f.fails() {
		return errDisk
	}
	return f.Records.Put(key, value)
}

func TestMarkingSaysSoWhenTheStoreFails(t *testing.T) {
	f := build(t)
	id := f.post(box, 0)
	for n := 1; n <= 7; n++ {
		err := f.DB.Update(ctx, func(tx store.Tx) error {
			return f.Inbox.MarkRead(store.NewTx(&failing{storetest.Records(tx), n}), box, id)
		})
		if !errors.Is(err, errDisk) {
			t.Errorf("call %d failed: %v", n, err)
		}
	}
	if items, unread := f.list(box, "", 10); len(items) != 1 || unread != 1 || items[0].Status != inbox.Unread {
		t.Errorf("%d unread of %+v", unread, items)
	}
}
