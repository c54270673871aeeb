package message

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/mail"
)

func TestTraceFieldsSayWhatIsKnown(t *testing.T) {
	at := time.Date(2026, 11, 26, 10, 0, 0, 0, time.FixedZone("", 3600))
	a, b := mail.MustAddress(`"a b"@far.test`), mail.MustAddress("a@example.test")
	ip := netip.MustParseAddr
	for _, c := range []struct{ name, got, want string }{
		{"all", string(Trace{a, b, "mail.far.test", ip("192.0.2.1"), "mx.example.test", "ESMTPS", "ID", at,
			[]byte("Authentication-Results: h; none\r\n")}.Fields()),
			"Return-Path: <\"a b\"@far.test>\r\nAuthentication-Results: h; none\r\n" +
				"Received: from mail.far.test ([192.0.2.1])\r\n" +
				"\tby mx.example.test (MultiMail) with ESMTPS id ID\r\n\tfor <a@example.test>;\r\n" +
				"\tThu, 26 Nov 2026 09:00:00 +0000\r\n"},
		{"little", string(Trace{Host: "h", With: "LMTP", ID: "ID", At: at}.Fields()),
			"Return-Path: <>\r\nReceived: from unknown (local)\r\n\tby h (MultiMail) with LMTP id ID;\r\n" +
				"\tThu, 26 Nov 2026 09:00:00 +0000\r\n"},
		{"IPv6", string(Trace{Helo: "[IPv6:2001:db8::1]", Remote: ip("2001:db8::1"), Host: "h", With: "SMTP", ID: "ID",
			At: at}.Fields()), "Return-Path: <>\r\nReceived: from [IPv6:2001:db8::1] ([IPv6:2001:db8::1])\r\n" +
			"\tby h (MultiMail) with SMTP id ID;\r\n\tThu, 26 Nov 2026 09:00:00 +0000\r\n"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q", c.name, c.got)
		}
	}
}

// What a client calls itself stands in a field that others read: nothing may end it, begin
// a comment or look like more of it.
func TestOnlyANameStandsInReceived(t *testing.T) {
	for s, want := range map[string]string{
		"mail.far.test": "mail.far.test", "[192.0.2.1]": "[192.0.2.1]", "my_pc": "my_pc", "localhost": "localhost",
		"": "unknown", "a b": "unknown", "a(b": "unknown", "a;b": "unknown", "a\r\nb": "unknown", "é": "unknown",
		"[192.0.2.1": "unknown", "192.0.2.1]": "unknown", "[]": "unknown", "by@host": "unknown",
		strings.Repeat("a", 256): "unknown",
	} {
		if got := heloName(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}

func TestFieldsAreFoundAsServersReadThem(t *testing.T) {
	raw := "X-Tenant: one\r\nx-tenant :\r\n\t two \r\nX-Tenants: no\r\nSubject: X-Tenant: no\r\n X-Tenant: no\r\n" +
		"X-TENANT:three\r\n\r\nX-Tenant: no\r\n"
	if got := strings.Join(FieldValues([]byte(raw), "X-Tenant"), "|"); got != "one|two|three" {
		t.Errorf("%q", got)
	}
	for _, raw := range []string{"", "\r\n", "\r\nX-Tenant: no\r\n", "X-Tenant", "a: b\r\n X-Tenant: no\r\n"} {
		if got := FieldValues([]byte(raw), "X-Tenant"); len(got) != 0 {
			t.Errorf("%q: %q", raw, got)
		}
	}
}
