package message

import (
	"fmt"
	"strings"
	"time"

	"github.com/multimail/multimail/mail"
)

// WebhookNotice is the mail that tells the operator that a webhook was switched off. It names
// the host of its URL alone: the rest may be a secret.
type WebhookNotice struct {
	From, To  mail.Address
	ID, Host  string
	Owner     string // "agent:bot"
	Why       string // in our words
	Now       time.Time
	CreatedAt time.Time
}

// Render writes the message, a lone text.
func (n WebhookNotice) Render() []byte {
	var b strings.Builder
	head := func(name, value string) { b.WriteString(fold(name, strings.Fields(value))) }
	head("From", "MultiMail <"+n.From.String()+">")
	head("To", "<"+n.To.String()+">")
	head("Subject", "Webhook disabled: "+n.Host)
	head("Date", n.Now.UTC().Format(dateLayout))
	b.WriteString("Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n")
	b.Write(textPart("text/plain", fmt.Sprintf("A webhook was disabled: nothing is sent to it any more.\n\n"+
		"Webhook:  %s\nHost:     %s\nOwner:    %s\nAdded:    %s\nReason:   %s\n\n"+
		"'multimail webhook deliveries --webhook %s' lists what was not delivered.\n"+
		"Once the cause is gone, delete the webhook and add it again.\n",
		n.ID, n.Host, n.Owner, n.CreatedAt.UTC().Format(time.RFC3339), n.Why, n.ID)))
	b.WriteString("\r\n")
	return []byte(b.String())
}
