package message

import (
	"strings"
	"testing"

	"github.com/multimail/multimail/mail"
)

func TestReceivedNamesHowTheMailCameAndNoClient(t *testing.T) {
	for _, tt := range []struct {
		door string
		tls  bool
		with string
	}{
		{"smtp", true, "ESMTPSA"},
		{"smtp", false, "ESMTPA"},
		{"http", true, "HTTP"},
		{"mcp", false, "HTTP"},
	} {
		m := &mail.Mail{ID: "01JAAAAAAAAAAAAAAAAAAAAAAA", Door: tt.door, Encrypted: tt.tls, Agent: "bot"}
		want := "Received: by mx.a.test (MultiMail) with " + tt.with +
			" id 01JAAAAAAAAAAAAAAAAAAAAAAA; Wed, 04 Mar 2026 11:00:00 +0000\r\n"
		if got := string(Received(m, "mx.a.test", noon)); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

func TestReceivedIsOneFieldThatReadCounts(t *testing.T) {
	m := &mail.Mail{ID: mail.NewID(noon), Door: "smtp"}
	stamp := string(Received(m, strings.Repeat("h", 253), noon))
	msg, err := Read([]byte(stamp+"From: bot@a.test\r\n\r\n"), ReadOptions{Now: noon})
	if err != nil || msg.Hops != 1 {
		t.Errorf("%+v %v", msg, err)
	}
}
