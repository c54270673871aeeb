package message

import (
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/mail"
)

func TestTheNoticeOfAWebhookSaysWhichAndWhy(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	raw := WebhookNotice{From: mail.MustAddress("postmaster@a.example"), To: mail.MustAddress("eve@a.example"),
		ID: "01W", Host: "hooks.example", Owner: "agent:bot", Why: "The target answered 410.", Now: now,
		CreatedAt: now}.Render()
	m, err := Read(raw, ReadOptions{ID: mail.NewID(now), Now: now})
	if err != nil || m.Header.Subject != "Webhook disabled: hooks.example" ||
		m.Header.From.String() != "postmaster@a.example" {
		t.Fatalf("%+v %v", m, err)
	}
	for _, part := range []string{"\r\nWebhook:  01W\r\n", "\r\nOwner:    agent:bot\r\n",
		"\r\nReason:   The target answered 410.\r\n", "\r\nAuto-Submitted: auto-generated\r\n"} {
		if !strings.Contains(string(raw), part) {
			t.Errorf("no %q in\n%s", part, raw)
		}
	}
}
