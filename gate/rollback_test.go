package gate_test

import (
	"strings"
	"testing"

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
	m := h.Approve(h.Submit())
	before := h.about(m.ID)
	if _, err := h.Gate.Hold(h.ctx, h.Approver, m.ID); err != nil {
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
	if got := h.Mail(m.ID); got.State != mail.Ready {
		t.Fatalf("the record was not put back: %s", got.State)
	}
	if m = h.RunUntil(m.ID, mail.Held, mail.Sent); m.State != mail.Held || len(h.Hop.Sent()) != 0 {
		t.Errorf("the mail is %s", m.State)
	}
}
