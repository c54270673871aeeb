package httpd

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// edit returns a draft with one member changed.
func edit(name string, value any) string {
	d := map[string]any{}
	if err := json.Unmarshal([]byte(draft), &d); err != nil {
		panic(err)
	}
	d[name] = value
	b, err := json.Marshal(d)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func file(name, content, typ string) []any {
	return []any{map[string]any{"name": name, "content_base64": content, "content_type": typ}}
}

func many(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("a%d@b.example", i))
	}
	return list
}

const inject = "b@b.example\r\nBcc: y@y.example"

var refusedDrafts = []struct {
	name, body string
	want       int
	text       string
}{
	{"a line break in to", edit("to", []string{inject}), 400, "to[0]: "},
	{"a line break in cc", edit("cc", []string{inject}), 400, "cc[0]: "},
	{"a line break in bcc", edit("bcc", []string{inject}), 400, "bcc[0]: "},
	{"a line break in subject", edit("subject", "Hello\r\nBcc: y@y.example"), 400, "subject"},
	{"a line feed in subject", edit("subject", "Hello\nBcc: y@y.example"), 400, "subject"},
	{"a carriage return in subject", edit("subject", "Hello\rBcc: y@y.example"), 400, "subject"},
	{"a NUL in subject", edit("subject", "Hello\x00"), 400, "subject"},
	{"a line separator in subject", edit("subject", "Hello\u2028Bcc: y@y.example"), 400, "subject"},
	{"a NUL in markdown", edit("markdown", "a\x00b"), 400, "markdown"},
	{"a line break in a file's name", edit("attachments", file("a\r\nb", "AA==", "text/plain")), 400,
		"attachments[0].name"},
	{"a line break in a file's type", edit("attachments", file("a", "AA==", "text/plain\r\nX: y")), 400,
		"attachments[0].content_type"},
	{"a line break in a file's content", edit("attachments", file("a", "AA\r\n==", "text/plain")), 400,
		"attachments[0].content_base64"},
	{"a type that is none", edit("attachments", file("a", "AA==", "text")), 400, ""},
	{"content that is not base64", edit("attachments", file("a", "AA=", "text/plain")), 400,
		"attachments[0].content_base64"},
	{"a file without a name", edit("attachments", file("", "AA==", "text/plain")), 400, "attachments[0].name"},
	{"a line break in the key", edit("idempotency_key", "a\r\nb"), 400, "idempotency_key"},
	{"a line break in the time", edit("send_at", "2026-01-31T08:00:00Z\r\n"), 400, "send_at"},
	{"one string of addresses", `{"to":"a@x.example,b@y.example","subject":"s","markdown":"m"}`, 400,
		"to must be an array"},
	{"two addresses in one", edit("to", []string{"a@x.example,b@y.example"}), 400, "to[0]"},
	{"a name around the address", edit("to", []string{"Ada <ada@b.example>"}), 400, "to[0]"},
	{"a local part that routes on", edit("to", []string{`"a>,<y@y.example"@b.example`}), 400, "to[0]"},
	{"nobody", edit("to", []string{}), 400, "to must name"},
	{"too many", edit("to", many(51)), 400, "to has more than 50"},
	{"too many blind copies", edit("bcc", many(51)), 400, "bcc has more than 50"},
	{"too many in all", `{"to":` + list(50, "t") +
		`,"cc":` + list(50, "c") + `,"bcc":` + list(1, "b") + `,"subject":"s","markdown":"m"}`, 400, "recipients"},
	{"a subject too long", edit("subject", strings.Repeat("x", 999)), 400, "subject"},
	{"markdown too long", edit("markdown", strings.Repeat("x", 262_145)), 400, "markdown"},
	{"nothing to say", edit("markdown", ""), 400, "markdown"},
	{"a time without a zone", edit("send_at", "2026-01-31T08:00:00"), 400, "send_at"},
	{"a time in another zone", edit("send_at", "2026-01-31T08:00:00+01:00"), 400, "send_at"},
	{"a time past", edit("send_at", "2025-12-31T08:00:00Z"), 400, "in the past"},
	{"a time too far ahead", edit("send_at", "2027-02-01T08:00:00Z"), 400, "a year ahead"},
	{"a member that is unknown", edit("oversight_mode", "autonomous"), 400, "not known here"},
	{"a door of its own", edit("door", "smtp"), 400, "not known here"},
	{"a mailbox beside the path", edit("mailbox_id", other), 400, "the path names the mailbox"},
}

func TestADraftThatIsRefusedLeavesAnEntryAndNoMail(t *testing.T) {
	h := newFixture(t)
	for _, c := range refusedDrafts {
		t.Run(c.name, func(t *testing.T) {
			before := len(h.entries())
			r := h.do("sender", "POST", "/v1/mailboxes/"+bot+"/send", c.body)
			said := into[api.Error](h, r)
			if r.status != c.want || !strings.Contains(said.Message, c.text) {
				t.Errorf("got %d %s, want %d and %q", r.status, r.body, c.want, c.text)
			}
			after := h.entries()
			if len(after) != before+1 || after[0].Kind != "submit.refuse" || after[0].Actor.ID != "agent:bot" ||
				after[0].Facts["code"] != strconv.Itoa(c.want) || after[0].Facts["door"] != "http" {
				t.Errorf("%d entries, the last: %+v", len(after)-before, after[0])
			}
			if n := h.stored(); n != 0 {
				t.Fatalf("%d mails are stored", n)
			}
		})
	}
}

// list writes n addresses as JSON.
func list(n int, prefix string) string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("%s%d@b.example", prefix, i))
	}
	b, _ := json.Marshal(out) // strings always marshal
	return string(b)
}

// What leaves is what was asked for: the envelope has everybody once, the bytes
// name nobody of Bcc.
func TestADraftBecomesTheMailItDescribes(t *testing.T) {
	h := newFixture(t)
	h.want(200, "admin", "PATCH", "/v1/mailboxes/"+bot, `{"display_name":"Bot the First"}`)
	body := `{"to":["ada@b.example","Ada@B.example"],"cc":["carl@b.example"],"bcc":["boss@c.example","ada@b.example"],
		"subject":"Grüße","markdown":"# Hi\n\n[here](https://b.example/x)",
		"attachments":[{"name":"a.txt","content_base64":"` +
		base64.StdEncoding.EncodeToString([]byte("file words")) + `","content_type":"text/plain"}]}`
	r := into[api.Receipt](h, h.want(202, "sender", "POST", "/v1/mailboxes/"+bot+"/send", body))
	m, err := h.Queue.Mail(context.Background(), mail.ID(r.ID))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, rc := range m.Envelope.Rcpts {
		got = append(got, rc.Addr.String())
	}
	if s := strings.Join(got, " "); s != "ada@b.example carl@b.example boss@c.example" {
		t.Errorf("recipients %s", s)
	}
	if m.Door != "http" || m.Agent != "bot" || m.State != mail.Held || string(m.Digest) != r.Digest {
		t.Errorf("got %+v", m)
	}
	if id, _, _ := strings.Cut(m.Header.MessageID, "@"); id != r.ID {
		t.Errorf("the Message-ID of %s is %s", r.ID, m.Header.MessageID)
	}
	raw, err := h.Queue.Raw(context.Background(), m.ID)
	if err != nil || bytes.Contains(raw, []byte("boss@")) || bytes.Contains(bytes.ToLower(raw), []byte("\nbcc")) {
		t.Errorf("%v: the bytes show a blind copy:\n%s", err, raw)
	}
	if !bytes.Contains(raw, []byte("Bot the First")) {
		t.Errorf("no display name:\n%s", raw)
	}
	v := into[api.Review](h, h.want(200, "approver", "GET", "/v1/oversight/pending/"+r.ID, ""))
	if v.Subject != "Grüße" || len(v.Bcc) != 1 || v.Bcc[0] != "boss@c.example" || !v.Recipients[2].Hidden ||
		v.Recipients[0].Hidden {
		t.Errorf("got %+v", v)
	}
	if len(v.Parts) != 3 || !v.Parts[2].Attachment || v.Parts[2].Name != "a.txt" || len(v.Links) != 1 {
		t.Errorf("got %+v %v", v.Parts, v.Links)
	}
	raw2 := h.want(200, "approver", "GET", "/v1/oversight/pending/"+r.ID+"?raw=1", "")
	if raw2.body != string(raw) || raw2.header.Get("Content-Type") != "message/rfc822" {
		t.Errorf("the raw view differs")
	}
	e := into[api.Email](h, h.want(200, "sender", "GET", "/v1/mailboxes/"+bot+"/emails/"+r.ID, ""))
	if len(e.Bcc) != 1 || len(e.Attachments) != 1 || !e.HasAttachments {
		t.Errorf("got %+v", e)
	}
}

func TestStatusesSayWhereAMailStands(t *testing.T) {
	h := newFixture(t)
	if r := h.held(); r.Status != api.StatusHeld || !strings.Contains(r.Message, "do not send it again") ||
		r.ThreadID != r.ID {
		t.Errorf("got %+v", r)
	}
	h.want(200, "approver", "PATCH", "/v1/mailboxes/"+bot, `{"oversight_mode":"autonomous"}`)
	r := into[api.Receipt](h, h.want(202, "sender", "POST", "/v1/send", draft))
	if r.Status != api.StatusQueued {
		t.Errorf("got %+v", r)
	}
	r = into[api.Receipt](h, h.want(202, "sender", "POST", "/v1/send", edit("send_at", "2026-01-31T08:00:00Z")))
	if r.Status != api.StatusScheduled {
		t.Errorf("got %+v", r)
	}
	h.clock.Forward(31 * 24 * time.Hour)
	if e := into[api.Email](h, h.want(200, "reader", "GET", "/v1/mailboxes/"+bot+"/emails/"+r.ID,
		"")); e.Status != api.StatusQueued {
		t.Errorf("got %+v", e)
	}
	m := &mail.Mail{}
	for state, want := range map[mail.State]string{
		mail.Held: "pending_send_approval", mail.Ready: "queued", mail.Sending: "queued", mail.Sent: "sent",
		mail.Failed:   "send_failed",
		mail.Rejected: "rejected", mail.Cancelled: "cancelled", mail.Expired: "expired",
	} {
		if *m = (mail.Mail{State: state}); statusWord(m, h.clock.Now()) != want {
			t.Errorf("%v: got %s, want %s", state, statusWord(m, h.clock.Now()), want)
		}
	}
	for state, want := range map[mail.State]string{
		mail.Held: "pending_inbound_approval", mail.Quarantined: "spam_quarantined", mail.Erased: "erased",
	} {
		if *m = (mail.Mail{State: state, Direction: mail.Incoming}); statusWord(m, h.clock.Now()) != want {
			t.Errorf("incoming %v: got %s, want %s", state, statusWord(m, h.clock.Now()), want)
		}
	}
}

// The same mailbox, key and request make one mail.
func TestAnIdempotencyKeyJoinsRequests(t *testing.T) {
	h := newFixture(t)
	body := edit("idempotency_key", "k1")
	first := into[api.Receipt](h, h.want(202, "sender", "POST", "/v1/mailboxes/"+bot+"/send", body))
	again := into[api.Receipt](h, h.want(200, "sender", "POST", "/v1/send", body))
	if again.ID != first.ID || !again.Idempotent || again.Status != api.StatusHeld || first.Idempotent {
		t.Errorf("got %+v and %+v", first, again)
	}
	h.want(200, "approver", "POST", "/v1/oversight/decide", `{"email_id":"`+first.ID+`","action":"reject"}`)
	if r := into[api.Receipt](h, h.want(200, "sender", "POST", "/v1/send", body)); r.ID != first.ID ||
		r.Status != api.StatusRejected {
		t.Errorf("after the decision: %+v", r)
	}
	changed := strings.Replace(body, "Hello", "Other", 1)
	h.want(http.StatusConflict, "sender", "POST", "/v1/mailboxes/"+bot+"/send", changed)
	// A key of another mailbox learns nothing.
	h.want(http.StatusForbidden, "other", "POST", "/v1/mailboxes/"+bot+"/send",
		body)
	if r := into[api.Receipt](h, h.want(202, "other", "POST", "/v1/send", body)); r.ID == first.ID {
		t.Error("two mailboxes share a key")
	}
	if n := h.stored(); n != 2 {
		t.Errorf("%d mails are stored", n)
	}
}

func TestSendingFromAnyMailbox(t *testing.T) {
	h := newFixture(t)
	h.want(202, "sender", "POST", "/v1/send", draft)
	h.want(202, "sender", "POST", "/v1/send", edit("mailbox_id", bot))
	h.want(202, "sender", "POST", "/v1/send", edit("from", "BOT@A.example"))
	h.want(403, "sender", "POST", "/v1/send", edit("from", other))
	h.want(400, "sender", "POST", "/v1/send", edit("from", "bot"))
	both := strings.Replace(edit("from", other), "{", `{"mailbox_id":"`+bot+`",`, 1)
	h.want(400, "sender", "POST", "/v1/send", both)
	h.want(201, "admin", "POST", "/v1/mailboxes", `{"address":"bot2@a.example","agents":["bot"]}`)
	r := h.want(400, "sender", "POST", "/v1/send", draft)
	if e := into[api.Error](h, r); e.Hint == "" {
		t.Errorf("no hint in %s", r.body)
	}
}

func TestRefusalsOfTheGateHaveTheirStatus(t *testing.T) {
	h := newFixture(t)
	h.want(200, "sender", "POST", "/v1/freeze", `{"scope":"mailbox:`+bot+`"}`)
	if r := h.want(503, "sender", "POST", "/v1/send", draft); r.header.Get("Retry-After") == "" {
		t.Error("frozen: no Retry-After")
	}
	if m := into[api.Mailbox](h, h.want(200, "reader", "GET", "/v1/mailboxes/"+bot, "")); !m.Frozen {
		t.Error("the mailbox does not show the freeze")
	}
	h.want(200, "approver", "POST", "/v1/thaw", `{"scope":"mailbox:`+bot+`"}`)
	h.want(200, "reader", "PATCH", "/v1/mailboxes/"+bot, `{"oversight_mode":"read_only"}`)
	h.want(403, "sender", "POST", "/v1/send", draft)
	h.want(404, "approver", "POST", "/v1/thaw", `{"scope":"mailbox:`+bot+`"}`)
	h.want(400, "approver", "POST", "/v1/thaw", `{"scope":"everything"}`)
	h.want(413, "other", "POST", "/v1/send",
		edit("attachments", file("a", strings.Repeat("AAAA", 6_700_000), "text/plain")))
	if h.stored() != 0 {
		t.Error("something was stored")
	}
}

func TestTheDoorIsNamedByTheWayInAlone(t *testing.T) {
	h := newFixture(t)
	door := func(id string) string {
		m, err := h.Queue.Mail(context.Background(), mail.ID(id))
		if err != nil {
			t.Fatal(err)
		}
		return m.Door
	}
	r := h.request("sender", "POST", "/v1/send", draft)
	r.Header.Set("X-MultiMail-Door", "mcp")
	got := into[api.Receipt](h, h.serve("sender", r))
	if door(got.ID) != "http" {
		t.Errorf("a header made the door %s", door(got.ID))
	}
	dial, in := h.s.InProcess("mcp"), api.SendAnyRequest{Draft: api.Draft{To: []string{ada}, Subject: "s", Markdown: "m"}}
	got, err := api.Call(context.Background(), dial(h.keys["sender"]), api.SendAny, in)
	if err != nil || door(got.ID) != "mcp" {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := api.Call(context.Background(), dial(""), api.ListMailboxes, api.None{}); err == nil ||
		err.(*api.Error).Status != 401 {
		t.Errorf("in-process without a key: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := api.Call(ctx, dial(h.keys["sender"]), api.ListMailboxes, api.None{}); err == nil {
		t.Error("a cancelled call succeeded")
	}
}

func TestHealthIsDegradedWhileTheStoreCanTakeNothing(t *testing.T) {
	h := newFixture(t)
	h.s.o.Store = sick{h.DB}
	if r := h.do("nobody", "GET", "/health", ""); r.status != 503 || !strings.Contains(r.body, `"degraded"`) {
		t.Errorf("got %d %s", r.status, r.body)
	}
}

// sick is a store that can take nothing.
type sick struct{ store.Store }

func (sick) Healthy() error { return store.ErrMissing }
