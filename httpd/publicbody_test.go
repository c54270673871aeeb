package httpd

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/multimail/multimail/httpd/api"
)

// publicBody has every field that the public documentation names for POST /v1/send, but for
// ucan, which is refused.
var publicBody = map[string]any{
	"from": bot, "to": []string{"ada@b.example", "bob@b.example"}, "cc": []string{"carl@b.example"},
	"bcc": []string{"boss@c.example"}, "subject": "Hello", "markdown": "See *below*.",
	"attachments": []map[string]string{
		{"name": "a.txt", "content_base64": "YQ==", "content_type": "text/plain"},
		{"name": "b.txt", "content_base64": "Yg==", "content_type": "text/plain"}},
	"idempotency_key": "order-7", "send_at": "2026-01-31T08:00:00Z", "gate_timing": "gate_first",
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A client that was written to the public documentation sends all of this, and all of it counts.
func TestThePublicBodyOfSendIsTakenWhole(t *testing.T) {
	h := newFixture(t)
	body := asJSON(t, publicBody)
	sent := into[api.Receipt](h, h.want(http.StatusAccepted, "sender", "POST", "/v1/send", body))
	again := into[api.Receipt](h, h.want(http.StatusOK, "sender", "POST", "/v1/send", body))
	if sent.ID == "" || sent.Status != api.StatusHeld || sent.ThreadID == "" || again.ID != sent.ID || !again.Idempotent {
		t.Errorf("%+v, again %+v", sent, again)
	}
	e := into[api.Email](h, h.want(http.StatusOK, "reader", "GET", emailsOf+"/"+sent.ID, ""))
	var files []string
	for _, f := range e.Attachments {
		files = append(files, f.Name)
	}
	got := fmt.Sprint(e.From, e.To, e.Cc, e.Bcc, e.Subject, files, e.SendAt.Format("2006-01-02T15:04:05Z"))
	const want = bot + "[ada@b.example bob@b.example] [carl@b.example] [boss@c.example]Hello[a.txt b.txt]" +
		"2026-01-31T08:00:00Z"
	if got != want || !strings.Contains(e.Text, "below") {
		t.Errorf("got %s, want %s; text %q", got, want, e.Text)
	}
	byID := map[string]any{"mailbox_id": bot}
	for name, v := range publicBody {
		if name != "from" && name != "idempotency_key" {
			byID[name] = v
		}
	}
	byID["gate_timing"], byID["subject"] = "schedule_first", "Hello again"
	later := into[api.Receipt](h, h.want(http.StatusAccepted, "sender", "POST", "/v1/send", asJSON(t, byID)))
	if later.Status != api.StatusScheduled {
		t.Errorf("with schedule_first it is %+v", later)
	}
	byID["ucan"] = "eyJ"
	h.want(http.StatusBadRequest, "sender", "POST", "/v1/send", asJSON(t, byID))
}

// The page names every field that is taken, and what it does not name is not taken.
func TestThePublicBodyIsWhatTheDocumentNames(t *testing.T) {
	b, err := api.Operations.Swagger("")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Paths map[string]map[string]struct {
			Parameters []struct {
				In     string
				Schema struct{ Properties map[string]any }
			}
		}
	}
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range d.Paths["/send"]["post"].Parameters {
		for name := range p.Schema.Properties {
			names = append(names, name)
		}
	}
	want := []string{"mailbox_id", "in_reply_to", "references"} // of our own
	for name := range publicBody {
		want = append(want, name)
	}
	slices.Sort(names)
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("the document names %q, want %q", names, want)
	}
}

// Ten thousand recipients are refused before anything is stored, at every door of HTTP, with
// the reason in a few words.
func TestTenThousandRecipientsAreRefused(t *testing.T) {
	h := newFixture(t)
	for _, field := range []string{"to", "cc", "bcc"} {
		tooMany := field + " has more than"
		d := map[string]any{"to": []string{"ada@b.example"}, "subject": "Hello", "markdown": "x"}
		var all []string
		for n := range 10_000 {
			all = append(all, fmt.Sprintf("r%d@b.example", n))
		}
		d[field] = all
		body := asJSON(t, d)
		for _, target := range []string{"/v1/send", "/v1/mailboxes/" + bot + "/send"} {
			if r := h.want(http.StatusBadRequest, "sender", "POST", target, body); !strings.Contains(r.body, tooMany) {
				t.Errorf("%s in %s: %s", target, field, r.body)
			}
		}
		r := h.over("sender", "send_email", body)
		if r.status != http.StatusOK || !strings.Contains(r.body, `"isError":true`) || !strings.Contains(r.body, tooMany) ||
			len(r.body) > 4096 {
			t.Errorf("by the tool in %s: %d %.500s", field, r.status, r.body)
		}
	}
	if n := h.stored(); n != 0 {
		t.Errorf("%d mails are stored", n)
	}
}
