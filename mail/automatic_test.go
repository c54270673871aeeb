package mail

import (
	"strings"
	"testing"
)

func identified(result string) *Arrival {
	return &Arrival{Auth: Authentication{Identity: Check{Result: result}}}
}

func TestNoProgramAnswersWhatAProgramWrote(t *testing.T) {
	ann := MustAddress("ann@b.test")
	for _, tt := range []struct {
		name   string
		change func(*Mail)
		want   string // a word of the reason; "" where an answer may be sent
	}{
		{"of a person", func(*Mail) {}, ""},
		{"of a person who says so", func(m *Mail) { m.Header.Auto = "no" }, ""},
		{"generated", func(m *Mail) { m.Header.Auto = "auto-generated" }, "auto-generated"},
		{"replied", func(m *Mail) { m.Header.Auto = "auto-replied" }, "auto-replied"},
		{"of a type to come", func(m *Mail) { m.Header.Auto = "auto-notified" }, "auto-notified"},
		{"null sender", func(m *Mail) { m.Envelope.From = Address{} }, "null sender"},
		{"in bulk", func(m *Mail) { m.Header.Bulk = true }, "bulk"},
		{"of a list", func(m *Mail) { m.Header.ListID = "dev.b.test" }, "list"},
		{"a notice", func(m *Mail) { m.Notice = &Notice{} }, "notice"},
		{"of an agent", func(m *Mail) { m.Arrival = identified("pass") }, "agent"},
		{"of an agent who says no", func(m *Mail) { m.Arrival, m.Header.Auto = identified("pass"), "no" }, "agent"},
		{"said to be of an agent", func(m *Mail) { m.Arrival = identified("fail") }, ""},
		{"a mail system with a sender", func(m *Mail) { m.Header.From = MustAddress("MAILER-DAEMON@b.test") }, "mail system"},
	} {
		m := Mail{Direction: Incoming, Envelope: Envelope{From: ann}, Header: Header{From: ann}}
		tt.change(&m)
		if got := m.NoAnswer(); (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q", tt.name, got)
		}
	}
}
