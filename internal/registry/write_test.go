package registry_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

func writing(w registry.WritingPatch) func(*fixture, store.Tx, registry.Principal) error {
	return patch(registry.MailboxPatch{WritingPatch: w})
}

// written is a mailbox with these settings.
func written(w registry.WritingPatch) func(*fixture) {
	return func(h *fixture) { h.must(func(tx store.Tx) error { return writing(w)(h, tx, dev) }) }
}

func TestWhatAMailboxAddsIsCheckedAndRefusedWithAReason(t *testing.T) {
	h := open(t)
	callers(h)
	for want, w := range map[string]registry.WritingPatch{
		"longer than 200":     {Signature: ptr(strings.Repeat("x", 201))},
		"do not print":        {Signature: ptr("a\r\nBcc: all@dest.test")},
		"plain text":          {Signature: ptr("a\x00b")},
		"no copies to itself": {AutoBCC: &box},
		"gate_first":          {Timing: ptr(mail.Timing(7))},
	} {
		err := h.update(func(tx store.Tx) error { return writing(w)(h, tx, dev) })
		if !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want a refusal that says %q", err, want)
		}
	}
	h.must(func(tx store.Tx) error {
		return writing(registry.WritingPatch{Signature: ptr("Demo\nExample Ltd")})(h, tx, dev)
	})
}

func TestADeletedMailboxIsGoneAndItsAddressIsNeverGivenOutAgain(t *testing.T) {
	h := open(t)
	callers(h)
	h.must(func(tx store.Tx) error {
		if err := mode(mail.Autonomous)(h, tx, dev); err != nil {
			return err
		}
		return h.reg.DeleteMailbox(tx, dev, box)
	})
	h.must(func(tx store.Tx) error {
		_, err := h.reg.Mailbox(tx, box)
		_, also := h.reg.Receives(tx, box)
		if !errors.Is(err, registry.ErrNotFound) || !errors.Is(also, registry.ErrNotFound) {
			t.Errorf("it is still there: %v, %v", err, also)
		}
		if m, err := h.reg.Keeper(tx, box); err != nil || m.Mode != mail.ReadOnly || len(m.Agents) > 0 {
			t.Errorf("its mail has no mailbox that is read_only and nobody's: %+v, %v", m, err)
		}
		all, err := h.reg.Mailboxes(tx)
		for _, m := range all {
			if m.Address == box {
				t.Error("it is listed")
			}
		}
		return err
	})
	err := h.update(func(tx store.Tx) error {
		_, err := h.reg.AddMailbox(tx, dev, box, []string{"demo"})
		return err
	})
	if !errors.Is(err, registry.ErrExists) {
		t.Errorf("its address is given out again: %v", err)
	}
	twice := h.update(func(tx store.Tx) error { return h.reg.DeleteMailbox(tx, dev, box) })
	if err := twice; !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("it is deleted twice: %v", err)
	}
	if _, err := h.verify(); err != nil {
		t.Errorf("the log says something else: %v", err)
	}
}
