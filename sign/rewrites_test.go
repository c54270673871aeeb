package sign

import (
	"strings"
	"testing"

	"github.com/multimail/multimail/mail"
)

// On a route whose relay sets a Message-ID of its own the mail that arrives is
// valid, says that it is bound to no id, and its header fits no other content.
func TestAMailOfARouteThatReplacesTheMessageID(t *testing.T) {
	h := newFixture(t)
	line, err := NewStamper(h.keys).Rewriting(mail.Rewrites{MessageID: true, Date: true}).
		Stamp(t.Context(), released(t, sample), []byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	arrived := strings.NewReplacer("<1@example.com>", "<0100@relay.example>", "10:00:00", "12:00:01").
		Replace(string(line) + sample)
	s := newSigner(t, testDomain)
	signed := s.sign(arrived, "From", "Subject", "To", "Cc", "MIME-Version", "Content-Type", HeaderName)
	v := Verify([]byte(signed), Lookup{Document: h.lookup().Document, TXT: s.txt})
	if v.Status != Valid || strings.Join(v.Unbound, " ") != "Message-ID Date" || v.Claims.MessageID != "" {
		t.Errorf("%s, failed %q, not bound %q", v.Status, failed(v), v.Unbound)
	}
	found := false
	for _, c := range v.Checks {
		found = found || c.Name == "message_id" && c.OK && strings.HasPrefix(c.Detail, "not bound to an id")
	}
	if !found {
		t.Errorf("nothing says that it is bound to no id: %+v", v.Checks)
	}
	other := string(line) + strings.Replace(sample, "here it is", "pay Eve", 1)
	if v := h.verify(other); v.Status != Unbound || failed(v) != "body content" {
		t.Errorf("pasted on another mail: %s, failed %q", v.Status, failed(v))
	}
}
