package sign

import (
	"context"
	"strings"
	"testing"

	"github.com/multimail/multimail/internal/message"
)

// What a reader without a JWT library sees is what the token says, and a mail
// on which the two differ is not the mail that left.
func TestTheClaimAndTheFieldAgreeThatAnAgentWrote(t *testing.T) {
	h := newFixture(t)
	eml := h.stamped()
	if got := message.Fields([]byte(eml), "X-AI-Generated"); len(got) != 1 || got[0] != "true" {
		t.Fatalf("X-AI-Generated is %q", got)
	}
	if v := h.verify(eml); v.Status != Valid || !v.Claims.AIGenerated {
		t.Errorf("as it left: %s, ai_generated %t", v.Status, v.Claims.AIGenerated)
	}
	const field = "X-AI-Generated: true\r\n"
	for _, tt := range []struct{ name, with, status, failed string }{
		{"false", "X-AI-Generated: false\r\n", Unbound, "ai_generated"},
		{"another word", "X-AI-Generated: no\r\n", Unbound, "ai_generated"},
		{"twice", field + field, Unbound, "ai_generated"},
		{"taken away", "", Valid, ""},
	} {
		v := h.verify(strings.Replace(eml, field, tt.with, 1))
		if v.Status != tt.status || failed(v) != tt.failed {
			t.Errorf("%s: %s, failed %q", tt.name, v.Status, failed(v))
		}
	}
	raw := "X-AI-Generated: false\r\n" + sample
	_, err := NewStamper(h.keys).Stamp(context.Background(), released(t, sample), []byte(raw))
	if err == nil || !strings.Contains(err.Error(), "X-AI-Generated already") {
		t.Errorf("a mail that speaks for itself is stamped: %v", err)
	}
}
