package gate_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/mail"
)

// The filter learns from approvers: what an agent reports teaches it nothing.
func TestTheFilterLearnsFromApproversAlone(t *testing.T) {
	h := build(t)
	var learnt []string
	h.gates(gate.Options{Learn: func(id mail.ID, spam bool) {
		learnt = append(learnt, map[bool]string{true: "spam", false: "ham"}[spam])
	}})
	m := h.arrive()
	if _, err := h.Gate.ReportSpam(h.ctx, h.Agent, m.ID); err != nil {
		t.Fatal(err)
	}
	if len(learnt) != 0 {
		t.Errorf("learnt from an agent: %v", learnt)
	}
	if _, err := h.Gate.Decide(h.ctx, h.Agent, m.ID, gate.Decision{Approve: true, Digest: m.Digest}); err == nil {
		t.Error("an agent released it")
	}
	h.Approve(h.Mail(m.ID))
	if _, err := h.Gate.ReportSpam(h.ctx, h.Approver, m.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Gate.Decide(h.ctx, h.Approver, m.ID, gate.Decision{Reason: "no"}); err != nil {
		t.Fatal(err)
	}
	h.Approve(h.Submit()) // outgoing mail is no lesson
	if !slices.Equal(learnt, []string{"ham", "spam"}) {
		t.Errorf("learnt %s", strings.Join(learnt, " "))
	}
	h.Intact()
}
