package message

import (
	"strings"

	"github.com/multimail/multimail/mail"
)

// receiptFields ask the recipient's side to send somebody a notice of the mail.
var receiptFields = []string{
	"disposition-notification-to", "return-receipt-to", "x-confirm-reading-to",
	"generate-delivery-report", "errors-to", "notice-requested-upon-delivery-to",
}

func (v *viewer) header(e *entity) {
	r := v.review
	r.Subject = mail.NeutralLine(decodeWords(e.field("subject")))
	r.Date = ParseDate(e.field("date"))
	r.From = e.addresses("from")
	r.Sender = e.addresses("sender")
	r.To = e.addresses("to")
	r.Cc = e.addresses("cc")
	r.ReplyTo = append(e.addresses("reply-to"), e.addresses("mail-followup-to")...)
	for _, name := range receiptFields {
		r.Receipt = append(r.Receipt, e.addresses(name)...)
	}
	for _, f := range []struct {
		name string
		list *[]string
	}{
		{"From", &r.From}, {"Sender", &r.Sender}, {"Reply-To", &r.ReplyTo}, {"To", &r.To}, {"Cc", &r.Cc},
		{"a receipt field", &r.Receipt},
	} {
		v.checkNames(f.name, *f.list)
		*f.list = limitList(v, "addresses in "+f.name, *f.list)
	}
	v.checkReplies()
	v.link(nil, textLinks(r.Subject))
	v.link(nil, textLinks(e.field("list-unsubscribe")))
}

// checkReplies warns of answers and receipts that go to somebody else.
func (v *viewer) checkReplies() {
	own := addressesIn(v.root.field("from"))
	for _, item := range v.review.ReplyTo {
		if _, addr := splitItem(item); len(own) == 0 || !strings.EqualFold(addr, own[0].String()) {
			v.warn.Add(WarnReply, "", "replies go to %s", item)
		}
	}
	for _, item := range v.review.Receipt {
		v.warn.Add(WarnReceipt, "", "%s is told when the mail is read or delivered", item)
	}
}

// addresses returns what stands in the fields of that name, ready to be shown.
func (e *entity) addresses(name string) []string {
	var out []string
	for _, f := range e.fields {
		if f.is(name) {
			for _, item := range splitAddresses(f.value()) {
				out = append(out, displayAddress(item))
			}
		}
	}
	return out
}

// headline returns the fields of an attached message that mail programs show,
// one a line.
func headline(e *entity) string {
	var b strings.Builder
	for _, name := range []string{"From", "Sender", "Reply-To", "To", "Cc"} {
		if list := e.addresses(strings.ToLower(name)); len(list) > 0 {
			b.WriteString(name + ": " + strings.Join(list, ", ") + "\n")
		}
	}
	return b.String() + "Subject: " + mail.NeutralLine(decodeWords(e.field("subject")))
}

// otherHeader shows what other programs make of the fields of a message that
// hold encoded-words. The first reading stands in the fields of the Review, or
// in the segment that begins an attached message.
func (v *viewer) otherHeader(e *entity) {
	for _, s := range readWords(e.field("subject"))[1:] {
		v.reading(e, "Subject", mail.NeutralLine(s))
	}
	for _, name := range []string{"From", "Sender", "Reply-To", "Mail-Followup-To", "To", "Cc"} {
		for _, f := range e.fields {
			if !f.is(name) {
				continue
			}
			for _, item := range splitAddresses(f.value()) {
				for _, s := range otherAddress(item) {
					v.reading(e, name, s)
				}
			}
		}
	}
}

// otherAddress returns what lenient programs show of an address item whose
// name displayAddress leaves as it stands.
func otherAddress(item string) []string {
	if _, _, why := parseMailbox(item); why == "" || !strings.Contains(item, "=?") {
		return nil
	}
	var out []string
	for _, s := range readWords(item) {
		if s != item {
			out = append(out, mail.NeutralLine(s))
		}
	}
	return out
}
