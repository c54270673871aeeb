package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/httpd/api"
)

func TestTheThreadSaysWhoGotItsMailAndWhatProvesItsAuthor(t *testing.T) {
	at := time.Date(2031, 5, 4, 12, 0, 0, 0, time.UTC)
	r := api.Review{Thread: []api.Earlier{
		{ID: "1", Direction: "inbound", From: "ada@dest.test", FromName: "Ada\nDigest: 0", To: []string{"bot@example.test"},
			Cc: []string{"carl@dest.test", "dan@dest.test"}, Subject: "Hello", ReceivedAt: at, Text: "Good evening.",
			Authentication: &api.Authentication{SPF: "pass", DKIM: "none", DMARC: "fail", ARC: "none", Identity: "temperror"}},
		{ID: "2", Direction: "outbound", From: "bot@example.test", To: []string{"ada@dest.test"},
			Bcc: []string{"boss@dest.test"}, ReceivedAt: at},
	}}
	var b bytes.Buffer
	if err := printReview(&b, r, false); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(strings.Fields(b.String()), " ")
	for _, want := range []string{"to bot@example.test, cc carl@dest.test, dan@dest.test checks: ",
		"checks: dmarc fail, dkim none, spf pass, arc none, identity temperror < Subject: Hello",
		"from bot@example.test to ada@dest.test, bcc boss@dest.test < Subject:"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "\nDigest: 0") {
		t.Errorf("a name ends its line:\n%s", b.String())
	}
}
