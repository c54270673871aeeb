package gate_test

import (
	"strings"
	"testing"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
	"github.com/multimail/multimail/mail"
)

func TestVerifyHoldsTheRecordsAgainstTheLog(t *testing.T) {
	for name, damage := range map[string]func(h *fixture, m *mail.Mail, tx store.Tx) error{
		"a record that is gone": func(_ *fixture, m *mail.Mail, tx store.Tx) error {
			return storetest.Records(tx).Delete("mail/" + string(m.ID))
		},
		"a record that is damaged": func(_ *fixture, m *mail.Mail, tx store.Tx) error {
			return storetest.Records(tx).Put("mail/"+string(m.ID), []byte("{"))
		},
		"no log at all": func(_ *fixture, _ *mail.Mail, tx store.Tx) error {
			var keys []string
			err := storetest.Records(tx).Scan(store.Prefix("audit"), func(key string, _ []byte) error {
				keys = append(keys, key)
				return nil
			})
			for _, key := range keys {
				if err == nil {
					err = storetest.Records(tx).Delete(key)
				}
			}
			return err
		},
	} {
		h := build(t)
		m := h.Submit()
		h.Intact()
		h.Update(func(tx store.Tx) error { return damage(h, m, tx) })
		if r, err := h.Gate.VerifyLog(h.ctx); err == nil || !strings.Contains(err.Error(), string(m.ID)) {
			t.Errorf("%s: %s, %v", name, r, err)
		}
	}
	for name, change := range map[string]func(m *mail.Mail){
		"made ready":       func(m *mail.Mail) { m.Rev++ },
		"on another basis": func(m *mail.Mail) { m.Basis = mail.Approved },
		"another digest":   func(m *mail.Mail) { m.Digest = mail.Digest(strings.Repeat("0", 64)) },
	} {
		h := build(t)
		m := h.Submit()
		h.rewrite(m.ID, change)
		if r, err := h.Gate.VerifyLog(h.ctx); err == nil || !strings.Contains(err.Error(), string(m.ID)) {
			t.Errorf("%s: %s, %v", name, r, err)
		}
	}
}
