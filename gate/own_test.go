package gate_test

import (
	"strings"
	"testing"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/systemtest"
)

// An agent must not send what looks signed by the operator, whichever of the
// operator's domains it names.
func TestASignatureInAnyDomainOfTheOperatorIsRemoved(t *testing.T) {
	h := build(t)
	h.Update(func(tx store.Tx) error {
		_, err := h.Registry.AddDomain(tx, h.Operator, "brand.test")
		return err
	})
	const foreign = "DKIM-Signature: v=1; d=service.test; b=x\r\n"
	s := h.Submission("ada@dest.test")
	s.Raw = []byte("DKIM-Signature: v=1; d=brand.test; b=x\r\nDKIM-Signature: v=1; d=example.test; b=x\r\n" + foreign +
		systemtest.Text)
	r, err := h.Gate.Submit(h.ctx, h.Agent, s)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := h.Queue.Raw(h.ctx, r.Mail.ID)
	if err != nil {
		t.Fatal(err)
	}
	if head, _, _ := strings.Cut(string(raw), "From:"); strings.Count(head, "DKIM-Signature") != 1 ||
		!strings.Contains(head, foreign) {
		t.Errorf("kept %q", head)
	}
}
