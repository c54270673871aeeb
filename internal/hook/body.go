package hook

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// maxAddresses bounds each list of addresses in a body, and so the body.
const maxAddresses = 50

// errHidden says that an event is none of its owner's business any more.
var errHidden = errors.New("hook: the owner may not see it")

// message is what is sent in the format raw.
type message struct {
	Event     Event     `json:"event"`
	Timestamp time.Time `json:"timestamp"`
	Data      any       `json:"data"`
}

// mailData says of a mail what a list of mails would.
type mailData struct {
	EmailID        mail.ID  `json:"email_id"`
	MailboxID      string   `json:"mailbox_id"`
	From           string   `json:"from"`
	To             []string `json:"to"`
	MoreTo         int      `json:"more_to,omitempty"` // left out of to
	Subject        string   `json:"subject"`
	Direction      string   `json:"direction"`
	HasAttachments bool     `json:"has_attachments"`
	// Recipients are those whom the event is about, where it is not all of them.
	Recipients []string `json:"recipients,omitempty"`
}

// policyData says what has changed. The entry has the rest.
type policyData struct {
	Action    string `json:"action"` // kind of the entry
	Entry     string `json:"entry"`  // its hash
	MailboxID string `json:"mailbox_id,omitempty"`
}

// body reads what an event tells, and writes it in the format of the subscription. It fails
// with errHidden where the owner may not see it now, and with ErrGone where there is none.
func (h *Hooks) body(tx store.Tx, s Subscription, d Delivery) ([]byte, error) {
	rights, err := h.o.Rights(tx, s.Owner)
	if err != nil {
		return nil, err
	}
	entries, err := audit.Since(tx, d.Chain, d.Seq, 1)
	if err == nil && (len(entries) == 0 || entries[0].Damaged) {
		err = errors.New("hook: the entry is gone")
	}
	if err != nil {
		return nil, err
	}
	r := entries[0].Record()
	if d.Event == PolicyChanged {
		if !rights.hears(d.Event) {
			return nil, errHidden
		}
		data := policyData{Action: string(r.Kind), Entry: entries[0].Hash.String(), MailboxID: r.Private["mailbox"]}
		return write(s.Format, message{d.Event, d.At.UTC(), data}, policyText(data))
	}
	m, err := h.o.Mail(tx, d.Mail)
	if errors.Is(err, mail.ErrNotFound) {
		return nil, errHidden
	}
	if err != nil {
		return nil, err
	}
	if !rights.sees(d.Event, m) {
		return nil, errHidden
	}
	data := mailDataOf(m, d.Event, r)
	return write(s.Format, message{d.Event, d.At.UTC(), data}, mailText(d.Event, data))
}

func mailDataOf(m *mail.Mail, e Event, r audit.Record) mailData {
	direction := "outbound"
	from := cmp.Or(m.Header.From, m.Envelope.From)
	if m.Direction == mail.Incoming {
		direction = "inbound"
	}
	v := mailData{EmailID: m.ID, MailboxID: m.Mailbox.String(), From: from.String(), Subject: m.Header.Subject,
		Direction: direction, HasAttachments: m.Header.Attachments > 0}
	v.To, v.MoreTo = texts(m.Header.To)
	v.MoreTo += m.More
	switch e {
	case MessageDelivered:
		v.Recipients = named(m, recipients(r, mail.Delivered))
	case MessageBounced:
		v.Recipients = named(m, recipients(r, mail.Bounced))
	case MessageComplained:
		v.Recipients = named(m, []string{r.Private["address"]})
	}
	return v
}

// named leaves of the addresses of an entry those that the author named: the oversight
// address, which got a copy, is not for the agent.
func named(m *mail.Mail, addresses []string) []string {
	var out []string
	for _, a := range addresses {
		for _, rc := range m.Envelope.Rcpts {
			if rc.Addr.String() == a && !rc.Copy && len(out) < maxAddresses {
				out = append(out, a)
			}
		}
	}
	return out
}

func texts(list []mail.Address) (out []string, more int) {
	out = []string{}
	for _, a := range list[:min(len(list), maxAddresses)] {
		out = append(out, a.String())
	}
	return out, len(list) - len(out)
}

// sentences say in a chat what an event is.
var sentences = map[Event]string{
	MessageReceived:   "Mail arrived",
	MessageSent:       "Mail was sent",
	MessageDelivered:  "Mail was delivered",
	MessageBounced:    "Mail bounced",
	MessageComplained: "A recipient complained about mail",
	MessageRejected:   "Mail was rejected",
	OversightPending:  "Mail waits for approval",
	OversightApproved: "Mail was approved",
	OversightRejected: "Mail was rejected",
	OversightExpired:  "Nobody decided over mail in time",
}

// line is one line of a message for a chat; its value may be anybody's words.
type line struct{ name, value string }

// text is a message for a chat. Its title is ours alone.
type text struct {
	title string
	lines []line
}

func mailText(e Event, v mailData) text {
	t := text{title: fmt.Sprintf("%s: %s", sentences[e], v.EmailID), lines: []line{{"Mailbox", v.MailboxID},
		{"From", v.From}, {"To", list(v.To, v.MoreTo)}, {"Subject", v.Subject}}}
	if len(v.Recipients) > 0 {
		t.lines = append(t.lines, line{"Recipients", list(v.Recipients, 0)})
	}
	return t
}

func policyText(v policyData) text {
	t := text{title: "Policy changed: " + v.Action}
	if v.MailboxID != "" {
		t.lines = append(t.lines, line{"Mailbox", v.MailboxID})
	}
	return t
}

// list shows the first few addresses.
func list(addresses []string, more int) string {
	const shown = 5
	if n := len(addresses) - shown; n > 0 {
		addresses, more = addresses[:shown], more+n
	}
	s := strings.Join(addresses, ", ")
	if more > 0 {
		s += fmt.Sprintf(" and %d more", more)
	}
	return s
}

// maxShown is how many characters of a value a chat is shown.
const maxShown = 200

// shown shortens a value.
func shown(s string) string {
	if r := []rune(s); len(r) > maxShown {
		return string(r[:maxShown]) + "…"
	}
	return s
}

// write makes the body. Both chats refuse a raw event, and would read what strangers wrote
// as markup, links and mentions: their words stand in elements that are plain text.
func write(f Format, m message, t text) ([]byte, error) {
	switch f {
	case Slack:
		return json.Marshal(slack(t))
	case Teams:
		return json.Marshal(teams(t))
	}
	return json.Marshal(m)
}

type object = map[string]any

// slack is a message for an incoming webhook: the text is the notification, the blocks are
// what is read.
func slack(t text) object {
	blocks := []object{{"type": "section", "text": plain(t.title)}}
	for _, l := range t.lines {
		blocks = append(blocks, object{"type": "section", "text": plain(l.name + ": " + shown(l.value))})
	}
	return object{"text": t.title, "blocks": blocks}
}

// escaper is what Slack asks for in every text: its control sequences begin with <.
var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func plain(s string) object {
	return object{"type": "plain_text", "emoji": false, "text": escaper.Replace(s)}
}

// teams is an adaptive card. A TextRun has no Markdown, other than a TextBlock.
func teams(t text) object {
	runs := []object{{"type": "RichTextBlock", "inlines": []object{
		{"type": "TextRun", "text": t.title, "weight": "bolder"}}}}
	for _, l := range t.lines {
		runs = append(runs, object{"type": "RichTextBlock", "inlines": []object{
			{"type": "TextRun", "text": l.name + ": " + shown(l.value)}}})
	}
	return object{"type": "message", "attachments": []object{{
		"contentType": "application/vnd.microsoft.card.adaptive",
		"content": object{"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard",
			"version": "1.4", "body": runs},
	}}}
}
