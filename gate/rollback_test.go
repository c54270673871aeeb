package gate_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
	"github.com/multimail/multimail/mail"
)

// about returns every key of the store outside the audit log that names a mail.
func (h *fixture) about(id mail.ID) map[string][]byte {
	h.Helper()
	out := map[string][]byte{}
	h.View(func(tx store.Tx) error {
		return storetest.Records(tx).Scan(store.Range{}, func(key string, value []byte) error {
			if strings.Contains(key, string(id)) && !strings.HasPrefix(key, "audit") {
				out[key] = append([]byte(nil), value...)
			}
			return nil
		})
	})
	return out
}

// Whoever can write to the file of a stopped daemon can put a record back as it
// was before an approval was withdrawn, and take the withdrawal out of the index
// of the log. The entry itself tells.
func TestAWithdrawnApprovalStaysWithdrawnWhenTheRecordIsPutBack(t *testing.T) {
	h := build(t)
	m := h.approve(h.submit())
	before := h.about(m.ID)
	if _, err := h.Gate.Hold(h.ctx, h.approver, m.ID); err != nil {
		t.Fatal(err)
	}
	now := h.about(m.ID)
	h.Update(func(tx store.Tx) error {
		for key := range now {
			if err := storetest.Records(tx).Delete(key); err != nil {
				return err
			}
		}
		for key, value := range before {
			if err := storetest.Records(tx).Put(key, value); err != nil {
				return err
			}
		}
		last := ""
		err := storetest.Records(tx).Scan(store.Prefix("audit-mail/"+string(m.ID)+"/"), func(key string, _ []byte) error {
			last = key
			return nil
		})
		if err != nil {
			return err
		}
		return storetest.Records(tx).Delete(last)
	})
	if got := h.mail(m.ID); got.State != mail.Ready {
		t.Fatalf("the record was not put back: %s", got.State)
	}
	if m = h.runUntil(m.ID, mail.Held, mail.Sent); m.State != mail.Held || len(h.hop.sent()) != 0 {
		t.Errorf("the mail is %s", m.State)
	}
}

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
	m := h.approve(h.submit())
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
	h.runIdle()
	if got := h.mail(m.ID); got.State != mail.Ready || got.Attempts != 0 || len(h.hop.sent()) != 0 {
		t.Errorf("%s: the mail is %s after %d attempts, %d sent", name, got.State, got.Attempts, len(h.hop.sent()))
	}
}
