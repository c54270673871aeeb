package gate_test

import (
	"maps"
	"testing"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// What a door answered stands in the entry of a refusal only if the door says it.
func TestARefusalRecordsItsReasonAndTheCodesOfItsDoor(t *testing.T) {
	h := build(t)
	codes := func(e *mail.Error) map[string]string {
		return map[string]string{"door": "test", "code": "for " + e.Word()}
	}
	foreign := mail.MustAddress("ceo@example.test")
	submit := func(codes gate.Codes) error {
		s := h.Submission()
		s.Codes = codes
		_, err := h.Gate.Submit(h.ctx, h.Agent, s)
		return err
	}
	for reason, errs := range map[string][2]error{
		"sender":       {h.Gate.Admit(h.ctx, h.Agent, foreign, 0, codes), h.Gate.Admit(h.ctx, h.Agent, foreign, 0, nil)},
		"no_recipient": {submit(codes), submit(nil)},
	} {
		if mail.WordOf(errs[0]) != reason || mail.WordOf(errs[1]) != reason {
			t.Errorf("%s: %v", reason, errs)
		}
	}
	_, err := h.Gate.Decide(h.ctx, h.Agent, h.Submit().ID, gate.Decision{})
	if mail.WordOf(err) != "scope" {
		t.Errorf("a decision: %v", err)
	}
	h.View(func(tx store.Tx) error {
		list, err := h.Audit.List(tx, 0, 6)
		if err != nil {
			return err
		}
		r := list[0].Record()
		if r.Kind != audit.DecideRefuse || r.Facts["reason"] != "scope" || r.Facts["code"] != "" {
			t.Errorf("a decision: %s %v", r.Kind, r.Facts)
		}
		for i, want := range []map[string]string{
			{"reason": "no_recipient"},
			{"reason": "no_recipient", "door": "test", "code": "for no_recipient"},
			{"reason": "sender"},
			{"reason": "sender", "door": "test", "code": "for sender"},
		} {
			if r := list[i+2].Record(); r.Kind != audit.SubmitRefuse || !maps.Equal(r.Facts, want) {
				t.Errorf("entry %d: %s %v, want %v", i, r.Kind, r.Facts, want)
			}
		}
		return nil
	})
}
