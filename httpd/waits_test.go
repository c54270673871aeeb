package httpd

import (
	"strings"
	"testing"

	"github.com/multimail/multimail/httpd/api"
)

// Who decides, and who operates, sees that an approval alone will not send the mail.
func TestMailOfADomainThatIsNotVerifiedSaysWhatItWaitsFor(t *testing.T) {
	h := newFixture(t)
	held, ready := h.held(), h.approved()
	const want = "the domain a.example is not verified"
	look := func() (texts []string) {
		pending := into[api.PendingList](h, h.want(200, "approver", "GET", "/v1/oversight/pending", ""))
		for _, p := range pending.Emails {
			texts = append(texts, p.WaitsFor)
		}
		mails := into[api.Mails](h, h.want(200, "admin", "GET", "/v1/mails", ""))
		for _, m := range mails.Mails {
			texts = append(texts, m.WaitsFor)
		}
		return append(texts,
			into[api.Review](h, h.want(200, "approver", "GET", "/v1/oversight/pending/"+held.ID, "")).WaitsFor,
			into[api.Mail](h, h.want(200, "admin", "GET", "/v1/mails/"+ready.ID, "")).WaitsFor)
	}
	if got := strings.Join(look(), ""); got != "" {
		t.Errorf("an internal domain: %q", got)
	}
	h.Unverify("a.example")
	got := look()
	if len(got) < 5 {
		t.Fatalf("looked at %d", len(got))
	}
	for _, text := range got {
		if text != want {
			t.Errorf("got %q, want %q", text, want)
		}
	}
}
