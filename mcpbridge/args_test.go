package mcpbridge

import (
	"slices"
	"strings"
	"testing"

	"github.com/multimail/multimail/httpd/api"
)

// Models write arguments in more forms than a schema describes. What they can
// only mean in one way is taken; everything else is refused before the API is
// asked.
func TestArgumentsAreTakenInTheFormsThatModelsWrite(t *testing.T) {
	sends := func(rest string) string {
		return "mm_test " + sending + ` {"to":["a@b.example"],` + rest + `"subject":"s","markdown":"m"}`
	}
	for _, c := range []struct{ name, tool, args, want string }{
		{"null for every optional argument", "send_email",
			`{"to":["a@b.example"],"subject":"s","markdown":"m","cc":null,"bcc":null,"attachments":null,` +
				`"idempotency_key":null,` +
				`"send_at":null,"mailbox_id":null,"in_reply_to":null,"references":null}`, sends("")},
		{"one address", "send_email", `{"to":"a@b.example","subject":"s","markdown":"m"}`, sends("")},
		{"a list in a text", "send_email", `{"to":"[\"a@b.example\"]","subject":"s","markdown":"m"}`, sends("")},
		{"a list in a text with blanks", "send_email", `{"to":" [ \"a@b.example\" ] ","subject":"s","markdown":"m"}`,
			sends("")},
		{"cc and bcc likewise", "send_email", `{"to":["a@b.example"],"cc":"c@b.example","bcc":"[\"d@b.example\",` +
			`\"e@b.example\"]","subject":"s","markdown":"m"}`,
			sends(`"cc":["c@b.example"],"bcc":["d@b.example","e@b.example"],`)},
		{"null as the argument object", "list_mailboxes", `null`, "mm_test GET /v1/mailboxes"},
		{"null numbers", "check_inbox", `{"limit":null,"cursor":null}`, "mm_test GET " + mails},
		{"a null filter", "wait_for_email", `{"filter":null,"timeout_seconds":null}`,
			"mm_test GET /v1/mailboxes/bot@a.example/wait?timeout_seconds=30"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newAPI(t)
			request, _, _ := strings.Cut(strings.TrimPrefix(c.want, "mm_test "), " {")
			f.on(request, 200, `{"emails":[],"mailboxes":[]}`)
			s := f.connect(everybody, "").call(c.tool, c.args)
			if asked := f.asked(); s.failed || !slices.Equal(asked, []string{c.want}) {
				t.Errorf("asked %q\nwant  %q; said %v", asked, c.want, s)
			}
		})
	}
}

func TestArgumentsThatTwoReadersTakeDifferentlyAreRefused(t *testing.T) {
	f := newAPI(t)
	c := f.connect(everybody, "")
	for _, tt := range []struct{ name, args, says string }{
		{"a name in other case", `{"TO":["a@b.example"],"subject":"s","markdown":"m"}`, `not known here: "TO"`},
		{"an unknown name", `{"to":["a@b.example"],"subject":"s","markdown":"m","from":"x"}`, `not known here: "from"`},
		{"a required one is missing", `{"to":["a@b.example"],"subject":"s"}`, "the argument markdown is missing"},
		{"a required one is null", `{"to":["a@b.example"],"subject":null,"markdown":"m"}`, "the argument subject is missing"},
		{"null in a list", `{"to":[null],"subject":"s","markdown":"m"}`, "to[0] must be a string"},
		{"null in a list in a text", `{"to":"[null]","subject":"s","markdown":"m"}`, "to[0] must be a string"},
		{"a number in a list in a text", `{"to":"[1]","subject":"s","markdown":"m"}`, "to[0] must be a string"},
		{"a list of lists", `{"to":[["a@b.example"]],"subject":"s","markdown":"m"}`, "to[0] must be a string"},
		{"an object for a list", `{"to":{"0":"a@b.example"},"subject":"s","markdown":"m"}`, "to must be an array"},
		{"a number for a text", `{"to":["a@b.example"],"subject":1,"markdown":"m"}`, "subject must be a string"},
		{"a list of arguments", `["a@b.example"]`, "the arguments must be an object"},
		{"an object in a text", `"{}"`, "the arguments must be an object"},
	} {
		s := c.call("send_email", tt.args)
		if !s.failed || !strings.Contains(s.all(), tt.says) {
			t.Errorf("%s: failed %v, said %q, want %q", tt.name, s.failed, s.all(), tt.says)
		}
	}
	if asked := f.asked(); len(asked) != 0 {
		t.Errorf("the API was asked %q", asked)
	}
}

// arguments reads the arguments of send_email.
func arguments(text string) (api.SendRequest, error) {
	in, err := api.SendEmail.DecodeArguments([]byte(text), func(string) (string, error) { return box, nil })
	if err != nil {
		return api.SendRequest{}, err
	}
	return in.(api.SendRequest), nil
}

// What is no whole list is one text: one address, for the API to refuse.
func TestATextThatIsNoListWritesNoOtherArgument(t *testing.T) {
	for _, text := range []string{`["a@b.example"`, `[],"cc":["e@b.example"]`,
		`["a@b.example"],"cc":["e@b.example"]`, `[] []`, `[`, ``} {
		in, err := arguments(`{"to":` + encode(t, text) + `,"subject":"s","markdown":"m"}`)
		if err != nil || !slices.Equal(in.To, []string{text}) || in.Cc != nil {
			t.Errorf("%q: %+v, %v", text, in, err)
		}
	}
	in, err := api.ListMailboxes.DecodeArguments(nil, nil)
	if err != nil {
		t.Errorf("no argument object: %+v, %v", in, err)
	}
}

// The mailbox is filled in where it is left out, and nothing else is.
func TestOnlyTheMailboxIsFilledIn(t *testing.T) {
	s := &session{mailbox: box}
	in, err := api.ReadEmail.DecodeArguments([]byte(`{"email_id":"","mailbox_id":""}`), s.fill)
	if err != nil || in.(api.EmailRequest).Mailbox != box || in.(api.EmailRequest).Email != "" {
		t.Errorf("%+v, %v", in, err)
	}
	if text, err := s.fill("email_id"); err == nil {
		t.Errorf("email_id is %s", text)
	}
}

// A list in a text must not be able to write further members.
func FuzzListArgument(f *testing.F) {
	for _, s := range []string{"a@b.example", `["a"]`, `["a"],"cc":["b"]`, `[`, `[]]`, ` ["\u0000"]`, `["a",null]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		quoted := encode(t, text)
		in, err := arguments(`{"to":` + quoted + `,"subject":"s","markdown":"m"}`)
		if err == nil && (in.Subject != "s" || in.Markdown != "m" || in.Cc != nil || in.Bcc != nil || in.Mailbox != box) {
			t.Errorf("%q set another argument: %+v", text, in)
		}
	})
}
