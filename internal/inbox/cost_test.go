package inbox_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/inbox"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// counting counts what is asked of a store: calls, and the keys that they hand out.
type counting struct {
	store.Records
	n int
}

func (c *counting) Get(key string) ([]byte, error)     { c.n++; return c.Records.Get(key) }
func (c *counting) Put(key string, value []byte) error { c.n++; return c.Records.Put(key, value) }
func (c *counting) Delete(key string) error            { c.n++; return c.Records.Delete(key) }

func (c *counting) Scan(r store.Range, fn func(string, []byte) error) error {
	c.n++
	return c.Records.Scan(r, func(key string, value []byte) error { c.n++; return fn(key, value) })
}

// pile is one mailbox with one thread of n mails of a stranger, all with the same
// Message-ID and subject.
func pile(t *testing.T, n int, measure func(tx func() (store.Tx, *counting), b *inbox.Inbox, last *mail.Mail)) {
	t.Helper()
	at := time.Date(2031, 5, 4, 12, 0, 0, 0, time.UTC)
	log := audit.New("node")
	ledger := queue.New(log, "node")
	b := inbox.New(ledger)
	err := storetest.NewMemory(at).Update(t.Context(), func(tx store.Tx) error {
		var last *mail.Mail
		for i := range n + 1 {
			eve := mail.MustAddress(fmt.Sprintf("eve%d@evil.test", i%2*(i%7)))
			m := &mail.Mail{ID: mail.NewID(at.Add(time.Duration(i) * time.Second)), Mailbox: box, Direction: mail.Incoming,
				Arrival:  &mail.Arrival{Auth: mail.Authentication{DMARC: mail.Check{Result: "pass"}}},
				Envelope: mail.Envelope{From: eve, Rcpts: []mail.Rcpt{{Addr: box, Standing: mail.Delivered}}},
				Header:   mail.Header{From: eve, To: []mail.Address{box}, MessageID: "same@evil.test", Subject: "Re: same"}}
			if i%2 == 1 {
				m.Header.References = []string{"none@x", "same@evil.test"}
			}
			_, err := ledger.Put(tx, m, store.Inline(queue.RawKey(m.ID), []byte("x")), queue.Change{
				Event: step.Submit, Facts: step.Facts{Mode: mail.GatedSend}, Actor: system})
			if err != nil {
				return err
			}
			if last = m; i < n {
				if err := b.File(tx, m); err != nil {
					return err
				}
			}
		}
		measure(func() (store.Tx, *counting) {
			c := &counting{Records: storetest.Records(tx)}
			return store.NewTx(c), c
		}, b, last)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What a mail, a page or a change costs is the same however much there is: a stranger
// who sends much makes nothing slow but what he has sent.
func TestNoCostGrowsWithWhatIsThere(t *testing.T) {
	costs := map[string][]int{}
	for _, n := range []int{200, 400, 800} {
		pile(t, n, func(tx func() (store.Tx, *counting), b *inbox.Inbox, last *mail.Mail) {
			take := func(what string, do func(store.Tx) error) {
				t.Helper()
				tx, c := tx()
				if err := do(tx); err != nil {
					t.Fatal(what, err)
				}
				costs[what] = append(costs[what], c.n)
			}
			var thread mail.ID
			take("file", func(tx store.Tx) error { return b.File(tx, last) })
			take("item", func(tx store.Tx) error {
				i, err := b.Item(tx, box, last.ID)
				thread = i.Thread
				return err
			})
			take("thread", func(tx store.Tx) error {
				got, err := b.Thread(tx, box, thread)
				if got.Count != n+1 && err == nil {
					t.Errorf("the thread has %d mails, want %d", got.Count, n+1)
				}
				return err
			})
			take("page of a thread", func(tx store.Tx) error {
				_, err := b.InThread(tx, box, thread, "", 50)
				return err
			})
			take("status", func(tx store.Tx) error { return b.SetStatus(tx, box, last.ID, inbox.Archived) })
			for _, s := range append([]inbox.Status{""}, inbox.Statuses[:]...) {
				take("list "+string(s), func(tx store.Tx) error {
					_, err := b.List(tx, box, inbox.Filter{Status: s}, "", 20)
					return err
				})
			}
			for _, newest := range []bool{true, false} {
				take(fmt.Sprint("order ", newest), func(tx store.Tx) error {
					_, err := b.Between(tx, box, "", "", newest, 20)
					return err
				})
			}
			take("unfile", func(tx store.Tx) error {
				last.State = mail.Quarantined
				return b.Unfile(tx, last)
			})
		})
	}
	checkCosts(t, costs)
}

// checkCosts demands that every cost is the same whatever there is.
func checkCosts(t *testing.T, costs map[string][]int) {
	t.Helper()
	for what, n := range costs {
		if len(n) != 3 || n[0] == 0 || n[1] != n[0] || n[2] != n[0] {
			t.Errorf("%s takes %v calls of the store for 200, 400 and 800 mails", what, n)
		}
	}
	if len(costs) != 13 {
		t.Errorf("%d costs were measured", len(costs))
	}
	if n := costs["file"]; len(n) > 0 && n[0] > 40 {
		t.Errorf("to file a mail takes %d calls", n[0])
	}
}

// eachKey calls fn for each key of the inbox.
func eachKey(tx store.Tx, fn func(key string)) error {
	for _, prefix := range []string{"inbox-", "contact"} {
		err := storetest.Records(tx).Scan(store.Prefix(prefix), func(key string, _ []byte) error { fn(key); return nil })
		if err != nil {
			return err
		}
	}
	return nil
}
