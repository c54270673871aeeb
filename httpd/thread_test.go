package httpd

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/mail"
)

func TestADraftJoinsTheThreadItNames(t *testing.T) {
	h := newFixture(t)
	for _, c := range []struct {
		name           string
		replyTo        any
		refs           any
		wantTo, wantRf string
	}{
		{"an answer", "1@b.example", nil, "<1@b.example>", "<1@b.example>"},
		{"an answer in a thread", "<2@b.example>", []string{"<1@b.example>", "2@b.example"}, "<2@b.example>",
			"<1@b.example> <2@b.example>"},
		{"a thread", nil, []string{"1@b.example"}, "", "<1@b.example>"},
		{"neither", nil, nil, "", ""},
	} {
		var d map[string]any
		if err := json.Unmarshal([]byte(draft), &d); err != nil {
			t.Fatal(err)
		}
		d["in_reply_to"], d["references"] = c.replyTo, c.refs
		body, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		r := h.do("sender", "POST", "/v1/send", string(body))
		if r.status != 202 {
			t.Fatalf("%s: %d %s", c.name, r.status, r.body)
		}
		var receipt api.Receipt
		if err := json.Unmarshal([]byte(r.body), &receipt); err != nil {
			t.Fatal(err)
		}
		raw, err := h.s.o.Queue.Raw(context.Background(), mail.ID(receipt.ID))
		if err != nil {
			t.Fatal(err)
		}
		to, refs := strings.Join(message.Fields(raw, "In-Reply-To"),
			"|"), strings.Join(message.Fields(raw, "References"), "|")
		if to != c.wantTo || refs != c.wantRf {
			t.Errorf("%s: In-Reply-To %q, References %q; want %q, %q", c.name, to, refs, c.wantTo, c.wantRf)
		}
	}
	for name, body := range map[string]string{
		"two ids in in_reply_to":    edit("in_reply_to", "<1@b.example> <2@b.example>"),
		"two ids in one reference":  edit("references", []string{"<1@b.example> <2@b.example>"}),
		"an empty reference":        edit("references", []string{""}),
		"a line break":              edit("in_reply_to", "1@b.example\r\nBcc: y@y.example"),
		"a line break in the list":  edit("references", []string{"1@b.example\r\nBcc:y@y.example"}),
		"what is no Message-ID":     edit("in_reply_to", "a<b"),
		"more ids than a thread":    edit("references", many(101)),
		"a text where a list is":    edit("references", "1@b.example"),
		"a Message-ID without end":  edit("in_reply_to", strings.Repeat("a", 600)+"@b.example"),
		"a reference of one letter": edit("references", []string{"<"}),
	} {
		if r := h.do("sender", "POST", "/v1/send", body); r.status != 400 {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
}

func TestTheIdempotencyKeyMayStandInItsHeader(t *testing.T) {
	h := newFixture(t)
	send := func(body string, keys ...string) (int, api.Receipt) {
		r := h.request("sender", "POST", "/v1/send", body)
		for _, k := range keys {
			r.Header.Add("Idempotency-Key", k)
		}
		a := h.serve("sender", r)
		var receipt api.Receipt
		if err := json.Unmarshal([]byte(a.body), &receipt); err != nil {
			t.Fatal(err)
		}
		return a.status, receipt
	}
	code, first := send(draft, "k1")
	if code != 202 {
		t.Fatalf("%d", code)
	}
	for name, again := range map[string][]string{"the same": {"k1"}, "in quotes": {`"k1"`}} {
		if code, r := send(draft, again...); code != 200 || r.ID != first.ID || !r.Idempotent {
			t.Errorf("%s: %d %+v", name, code, r)
		}
	}
	if code, r := send(edit("idempotency_key", "k1")); code != 200 || r.ID != first.ID {
		t.Errorf("in the body: %d %+v", code, r)
	}
	if code, _ := send(edit("idempotency_key", "k1"), "k1"); code != 200 {
		t.Errorf("in both: %d", code)
	}
	if code, _ := send(edit("subject", "other"), "k1"); code != 409 {
		t.Errorf("another mail under the same key: %d", code)
	}
	for name, keys := range map[string][]string{"twice": {"a", "b"}, "empty": {""}, "empty quotes": {`""`},
		"too long": {strings.Repeat("k", 201)}} {
		if code, _ := send(draft, keys...); code != 400 {
			t.Errorf("%s: %d", name, code)
		}
	}
	if code, _ := send(edit("idempotency_key", "k1"), "k2"); code != 400 {
		t.Errorf("two keys: %d", code)
	}
}
