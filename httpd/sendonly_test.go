package httpd

import (
	"strings"
	"testing"

	"github.com/multimail/multimail/internal/registry"
)

// The scope send alone reads nothing of received mail, by no answer and by no quote.
func TestACredentialThatOnlySendsReadsNothingOfReceivedMail(t *testing.T) {
	h := newFixture(t)
	h.key("sendonly", registry.Socket(1000, false), registry.KeyRequest{Kind: registry.KindAgent, Owner: "bot",
		Scopes: []registry.Scope{registry.ScopeSend}})
	m := h.arrive(brought(adasMail))
	at := "/v1/mailboxes/" + bot
	r := h.want(200, "sendonly", "PATCH", at+"/emails/"+string(m.ID), `{"status":"unread"}`)
	if strings.Contains(r.body, ada) || strings.Contains(r.body, m.Header.Subject) {
		t.Errorf("it is answered %s", r.body)
	}
	full := h.want(200, "sender", "PATCH", at+"/emails/"+string(m.ID), `{"status":"unread"}`)
	if !strings.Contains(full.body, ada) {
		t.Errorf("a reader is answered %s", full.body)
	}
	h.want(403, "sendonly", "POST", at+"/reply/"+string(m.ID), `{"markdown":"hi","quote":true}`)
	h.want(202, "sender", "POST", at+"/reply/"+string(m.ID), `{"markdown":"hi","quote":true}`)
}
