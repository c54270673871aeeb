//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// A quoted local part is one address on every door and on every wire: what the
// approver is shown is what the next hop is given.
func TestQuotedRecipientsAreCarriedOverEveryDoor(t *testing.T) {
	h := start(t)
	to, cc := `"a@b"@dest.test`, `"a b\"c,d"@dest.test`
	c := h.mcp(h.dev.AgentKey)
	for _, door := range []string{"smtp", "http", "mcp"} {
		subject := "quoted over " + door
		switch door {
		case "smtp":
			h.login().deliver(h.dev.Mailbox, []string{to, cc},
				"From: "+h.dev.Mailbox+"\r\nTo: "+to+"\r\nCc: "+cc+"\r\nSubject: "+subject+"\r\n\r\nHello.", "250")
		case "http":
			body := encode(t, map[string]any{"to": []string{to}, "cc": []string{cc}, "subject": subject, "markdown": "Hello."})
			if code, said := h.http("POST", "/v1/send", body); code != 202 {
				t.Fatalf("%d %s", code, said)
			}
		case "mcp":
			if r := c.call("send_email", map[string]any{"to": to, "cc": []string{cc}, "subject": subject,
				"markdown": "Hello."}); r.failed {
				t.Fatal(r.text)
			}
		}
		m := h.only(subject)
		if out := h.must("show", m.ID); !strings.Contains(out, to) || !strings.Contains(out, cc) ||
			strings.Contains(out, "BCC") {
			t.Errorf("%s: the approver is shown\n%s", door, out)
		}
		raw := string(h.approveAndCapture(m, 2))
		if !strings.Contains(raw, "\r\nTo: "+to+"\r\n") || !strings.Contains(raw, "\r\nCc: "+cc+"\r\n") {
			t.Errorf("%s: the header says\n%s", door, raw[:strings.Index(raw, "\r\n\r\n")])
		}
		var got []string
		for _, f := range h.captured(m.ID) {
			b, err := os.ReadFile(strings.TrimSuffix(f, ".eml") + ".json")
			if err != nil {
				t.Fatal(err)
			}
			var e struct{ To json.RawMessage }
			decode(t, string(b), &e)
			var one string
			if json.Unmarshal(e.To, &one) != nil {
				var list []string
				decode(t, string(e.To), &list)
				one = strings.Join(list, " ")
			}
			got = append(got, one)
		}
		slices.Sort(got)
		if want := []string{cc, to}; !slices.Equal(got, want) {
			t.Errorf("%s: the next hop was given %q, want %q", door, got, want)
		}
	}
}
