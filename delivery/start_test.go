package delivery_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
	"github.com/multimail/multimail/mail"
)

// Without all its entries the log vouches for nothing: nothing is delivered.
func TestNothingIsDeliveredWhileEntriesAreMissing(t *testing.T) {
	for name, spoil := range map[string]func(store.Tx, string) error{
		"missing":    func(tx store.Tx, key string) error { return storetest.Records(tx).Delete(key) },
		"unreadable": func(tx store.Tx, key string) error { return storetest.Records(tx).Put(key, []byte("{")) },
	} {
		synctest.Test(t, func(t *testing.T) { testSpoiledLog(t, name, spoil) })
	}
}

func testSpoiledLog(t *testing.T, name string, spoil func(store.Tx, string) error) {
	h := build(t)
	m := h.Approve(h.Submit())
	h.Update(func(tx store.Tx) error {
		var keys []string
		err := storetest.Records(tx).Scan(store.Prefix("audit/"), func(key string, _ []byte) error {
			keys = append(keys, key)
			return nil
		})
		if err != nil {
			return err
		}
		return spoil(tx, keys[1])
	})
	h.RunIdle()
	if got := h.Mail(m.ID); got.State != mail.Ready || got.Attempts != 0 || len(h.Hop.Sent()) != 0 {
		t.Errorf("%s: the mail is %s after %d attempts, %d sent", name, got.State, got.Attempts, len(h.Hop.Sent()))
	}
}

// One damaged record, in the place of a mail that was being sent when the node
// ended, stops neither the start nor the others.
func TestADamagedRecordStopsNeitherTheStartNorOtherMail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		bad, good := h.Submit(), h.Approve(h.Submit())
		h.Update(func(tx store.Tx) error {
			if err := storetest.Records(tx).Put("lease/0000000000000000/"+string(bad.ID), nil); err != nil {
				return err
			}
			return storetest.Records(tx).Put("mail/"+string(bad.ID), []byte("{"))
		})
		h.RunIdle()
		if got := h.Mail(good.ID).State; got != mail.Sent {
			t.Errorf("the other is %s", got)
		}
	})
}

func TestAnUnreadableRecordStopsNoOtherMailOfItsGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.SetMode(mail.Autonomous)
		bad, good := h.Submit(), h.Submit() // to the same destination
		h.Update(func(tx store.Tx) error { return storetest.Records(tx).Put("mail/"+string(bad.ID), []byte("{")) })
		h.RunIdle()
		if got := h.Mail(good.ID).State; got != mail.Sent {
			t.Errorf("the other is %s", got)
		}
	})
}

// A result that cannot be recorded would be a mail that is sent twice.
func TestNothingIsAttemptedWhileTheStoreCannotTakeRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		db := h.breakable()
		db.unhealthy.Store(true)
		m := h.Approve(h.Submit())
		defer h.running(h.Delivery)()
		h.pass(time.Minute)
		if got := h.Mail(m.ID); got.State != mail.Ready || got.Attempts != 0 || len(h.Hop.Sent()) != 0 {
			t.Errorf("%s after %d attempts, %d sent", got.State, got.Attempts, len(h.Hop.Sent()))
		}
		db.unhealthy.Store(false)
		h.pass(2 * time.Second)
		if got := h.Mail(m.ID); got.State != mail.Sent {
			t.Errorf("the store is back and the mail is %s", got.State)
		}
	})
}
