package relay

import (
	"strings"
	"testing"

	"github.com/emersion/go-smtp"

	"github.com/multimail/multimail/mail"
)

func TestEnhancedCodesAreCutOffTheText(t *testing.T) {
	for in, want := range map[string][2]string{
		"2.0.0 Ok: queued":     {"2.0.0", "Ok: queued"},
		"5.1.1":                {"5.1.1", ""},
		"5.1.1\nno such user":  {"5.1.1", "no such user"},
		"4.7.999 x":            {"4.7.999", "x"},
		"5.1.1000 x":           {"", "5.1.1000 x"},
		"3.1.1 x":              {"", "3.1.1 x"},
		"24.1.1 x":             {"", "24.1.1 x"},
		".1.1 x":               {"", ".1.1 x"},
		"5.+1.1 x":             {"", "5.+1.1 x"},
		"5.1 x":                {"", "5.1 x"},
		"127.0.0.1 is no code": {"", "127.0.0.1 is no code"},
		"":                     {"", ""},
		"mailbox \r\n\tfull  ": {"", "mailbox   \tfull"},
	} {
		if e, text := splitEnhanced(in); e != want[0] || text != strings.ReplaceAll(want[1], "\t", " ") {
			t.Errorf("%q: got %q %q, want %q", in, e, text, want)
		}
	}
}

// FuzzReply holds for any reply: no permanent failure without a permanent code,
// and no text that could break a line or a terminal.
func FuzzReply(f *testing.F) {
	f.Add(550, 5, 1, 1, "no such user")
	f.Add(250, 0, 0, 0, "5.1.1")
	f.Add(450, 0, 0, 0, "5.1.1 gone\r\nBcc: x@y.test")
	f.Add(552, -1, -5, 9, strings.Repeat("\xff\x1b[2J\u202e", 99))
	f.Fuzz(func(t *testing.T, code, e0, e1, e2 int, text string) {
		if code < 100 || code > 999 {
			return
		}
		err := &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{e0, e1, e2}, Message: text}
		for _, got := range []*failure{failed("MAIL", err), refusedRcpt(err)} {
			if got.Permanent && code/100 != 5 && !strings.HasPrefix(got.Enhanced, "5.") {
				t.Errorf("permanent: %+v", got.Result)
			}
			if got.Permanent && strings.HasPrefix(got.Enhanced, "4.") || got.Delivered {
				t.Errorf("got %+v", got.Result)
			}
			if got.Permanent && (code < 400 || code > 599) {
				t.Errorf("permanent by code %d", code)
			}
			if len(got.Message) > mail.MaxPlain || !printable(got.Message) {
				t.Errorf("message %q", got.Message)
			}
			if len(got.Enhanced) > 9 || strings.ContainsAny(got.Enhanced, "+- ") {
				t.Errorf("enhanced %q", got.Enhanced)
			}
		}
	})
}
