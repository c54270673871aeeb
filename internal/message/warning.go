package message

import (
	"fmt"

	"github.com/multimail/multimail/mail"
)

// WarningCode names one thing that an approver must know before a decision. The
// list is closed; docs/cli.md has a row for each.
type WarningCode string

// The warnings about the bytes of a mail.
const (
	WarnDiffer        WarningCode = "text_and_html_differ"
	WarnLink          WarningCode = "link_mismatch"  // visible text names another host than the target
	WarnHidden        WarningCode = "hidden_text"    // in the mail, but some mail programs do not show it
	WarnOutside       WarningCode = "outside_parts"  // text outside the MIME parts
	WarnNotReviewable WarningCode = "not_reviewable" // readers may see something else than was shown
	WarnReading       WarningCode = "read_differently"
	WarnFileName      WarningCode = "odd_file_name" // a path, a device, over-long
	WarnLookAlike     WarningCode = "look_alike"    // a name or domain that passes for another
	WarnReply         WarningCode = "reply_elsewhere"
	WarnReceipt       WarningCode = "receipt_request"
	WarnField         WarningCode = "unusual_field"
	WarnDate          WarningCode = "odd_date"
	WarnCut           WarningCode = "list_cut" // a list of the view is longer than what is shown
)

// The warnings about the envelope and the mailbox.
const (
	WarnSpelling  WarningCode = "sender_spelling" // From is not spelled as the mailbox is
	WarnBlind     WarningCode = "blind_recipient" // To and Cc do not name who gets it
	WarnNoRcpt    WarningCode = "not_a_recipient" // To or Cc names somebody who does not get it
	WarnDelivery  WarningCode = "delivery_option"
	WarnScheduled WarningCode = "scheduled"
	WarnRepeat    WarningCode = "repeats_mail"
)

// The warnings about where a mail comes from, and about the thread that it answers.
const (
	WarnUnproven    WarningCode = "sender_unproven"  // nothing shows that its From domain sent it
	WarnSpam        WarningCode = "taken_for_spam"   // by a filter
	WarnUnreadable  WarningCode = "unreadable"       // something of it could not be read as it stands
	WarnElsewhere   WarningCode = "answer_elsewhere" // an answer to another organisation than the sender's
	WarnReplyTo     WarningCode = "answer_to_other"  // an answer to an address that is not the sender's
	WarnParticipant WarningCode = "new_participant"  // somebody whom no earlier mail of the thread names
)

// WarningCodes lists them all.
var WarningCodes = []WarningCode{
	WarnDiffer, WarnLink, WarnHidden, WarnOutside, WarnNotReviewable, WarnReading, WarnFileName,
	WarnLookAlike, WarnReply, WarnReceipt, WarnField, WarnDate, WarnCut,
	WarnSpelling, WarnBlind, WarnNoRcpt, WarnDelivery, WarnScheduled, WarnRepeat,
	WarnUnproven, WarnSpam, WarnUnreadable, WarnElsewhere, WarnReplyTo, WarnParticipant,
}

// Warning is one such thing. Text is one line, neutralised.
type Warning struct {
	Code WarningCode
	Part string // path of the MIME part, "" where there is none
	Text string
}

// maxWarnings bounds the warnings of one code; the last says how many more
// there are, so that one kind cannot bury another.
const maxWarnings = 20

// Warnings gathers warnings in order.
type Warnings struct {
	list  []Warning
	count map[WarningCode]int
}

// Add appends a warning.
func (w *Warnings) Add(code WarningCode, part, format string, args ...any) {
	if w.count == nil {
		w.count = map[WarningCode]int{}
	}
	if w.count[code]++; w.count[code] <= maxWarnings {
		text := cutText(mail.NeutralLine(fmt.Sprintf(format, args...)), maxWarningText)
		w.list = append(w.list, Warning{Code: code, Part: part, Text: text})
	}
}

// List returns them, those of a code that came too often counted.
func (w *Warnings) List() []Warning {
	out := append([]Warning{}, w.list...)
	for _, code := range WarningCodes {
		if n := w.count[code] - maxWarnings; n > 0 {
			out = append(out, Warning{Code: code, Text: fmt.Sprintf("and %d more of this kind", n)})
		}
	}
	return out
}

// maxWarningText bounds the text of a warning, in runes: what it speaks of
// stands in full elsewhere in the view.
const maxWarningText = 300

// cutText shortens s to n runes and says that it did.
func cutText(s string, n int) string {
	for i := range s {
		if n--; n < 0 {
			return s[:i] + "… (cut)"
		}
	}
	return s
}
