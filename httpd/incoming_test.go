package httpd

import (
	"strings"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/mail"
)

// adasMail is a mail from the world for the mailbox of the bot.
const adasMail = "From: Ada Lovelace <ada@b.example>\nTo: bot@a.example\nCc: carl@b.example\nSubject: Re: Offer\n" +
	"Message-ID: <3@b.example>\nIn-Reply-To: <2@a.example>\nReferences: <1@b.example> <2@a.example>\n" +
	"Date: Thu, 1 Jan 2026 23:59:00 +0200\n\nIs it still\nvalid?\n"

// with replaces the fields of a mail that have the same names, or adds them.
func with(text string, fields ...string) string {
	head, body, _ := strings.Cut(text, "\n\n")
	for _, f := range fields {
		name, _, _ := strings.Cut(f, ":")
		var kept []string
		for line := range strings.SplitSeq(head, "\n") {
			if !strings.HasPrefix(line, name+":") {
				kept = append(kept, line)
			}
		}
		if !strings.HasSuffix(f, ":") {
			kept = append(kept, f)
		}
		head = strings.Join(kept, "\n")
	}
	return head + "\n\n" + body
}

// brought is what a door brings of a mail for the mailbox of the bot.
func brought(text string) gate.Delivery {
	return gate.Delivery{From: mail.MustAddress(ada), To: []mail.Address{mail.MustAddress(bot)},
		Raw: []byte(strings.ReplaceAll(text, "\n", "\r\n")), Door: "smtp-in",
		Arrival: mail.Arrival{Helo: "mx.b.example", Remote: "192.0.2.1", Auth: mail.Authentication{
			SPF: mail.Check{Result: "pass"}, DMARC: mail.Check{Result: "pass", Domain: "b.example"},
			DKIM: []mail.Check{{Result: "fail"}, {Result: "pass", Domain: "b.example"}}}}}
}

// arrive takes a mail of the world in.
func (h *fixture) arrive(d gate.Delivery) *mail.Mail {
	h.t.Helper()
	list, err := h.Gate.Receive(h.t.Context(), d)
	if err != nil || len(list) != len(d.To) {
		h.t.Fatalf("%d mails, %v", len(list), err)
	}
	return list[0]
}
