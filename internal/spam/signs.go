package spam

import (
	"slices"
	"strings"
	"time"

	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/mail"
)

// Sign is one thing about a mail that junk often has. It counts once, however often
// it stands in the mail. Signs is the only place that gives points.
type Sign struct {
	Name    string
	Score   float64 // points
	Meaning string
}

// Signs are the signs built in, judged for mail that comes in. They are few: what a
// filter program does better is left to one. docs/spam.md lists them.
var Signs = []Sign{
	{"dmarc_quarantine", 15, "the policy of From's domain (DMARC), as the configuration has it, demands quarantine"},
	{"dmarc_fail", 4, "DMARC fails, and nothing more is demanded"},
	{"no_authentication", 2, "neither SPF nor a DKIM signature passes"},
	{"spf_fail", 2, "SPF says that this client may not send for the domain"},
	{"helo_fail", 1, "SPF says that this client may not call itself what it does"},
	{"from_missing", 3, "no From field"},
	{"from_twice", 4, "more than one From field"},
	{"date_missing", 1, "no Date field"},
	{"date_twice", 2, "more than one Date field"},
	{"date_odd", 1, "Date is malformed, or more than a week from the arrival"},
	{"message_id_missing", 1, "no Message-ID field"},
	{"message_id_twice", 2, "more than one Message-ID field"},
	{"reply_elsewhere", 1, "replies go to an address of another organisation than From's"},
	{"look_alike", 4, "a name or a domain passes for another: a display name that is another address, or letters " +
		"that look like those of the own domain"},
	{"link_number", 3, "a link leads to an IP address"},
	{"link_mixed_scripts", 4, "the host of a link mixes letters of several scripts"},
	{"link_mismatch", 2, "the text of a link names another host than its target"},
	{"hidden_text", 1, "text that some mail programs do not show"},
	{"odd_file_name", 2, "an attachment whose name is a path, a device or over-long"},
	{"executable", 8, "an attachment whose name says that opening it runs a program"},
}

// findings gathers the signs of one mail.
type findings struct {
	score   float64
	reasons []string
	seen    map[string]bool
}

// add counts a sign once. detail says what shows it; it may be a stranger's words.
func (f *findings) add(name, detail string) {
	if f.seen[name] {
		return
	}
	i := slices.IndexFunc(Signs, func(s Sign) bool { return s.Name == name })
	if f.seen == nil {
		f.seen = map[string]bool{}
	}
	f.seen[name] = true
	f.score += Signs[i].Score
	if detail == "" {
		detail = Signs[i].Meaning
	}
	f.reasons = append(f.reasons, scored(name, Signs[i].Score)+": "+detail)
}

// judge looks for the signs in a mail that has come in.
func judge(m *mail.Mail, raw []byte) *findings {
	f := &findings{}
	if m.Arrival != nil {
		f.authentication(m.Arrival.Auth)
	}
	f.header(m, raw)
	seen := message.NewReview(raw)
	f.replies(seen)
	f.links(seen)
	for _, w := range seen.Warnings {
		if name, ok := warned[w.Code]; ok {
			f.add(name, w.Text)
		}
	}
	for _, p := range seen.Parts {
		for _, name := range append([]string{p.Name}, p.AlsoNamed...) {
			if runs(name) {
				f.add("executable", name)
			}
		}
	}
	return f
}

// warned are the warnings of the approver's view that are signs too.
var warned = map[message.WarningCode]string{
	message.WarnLookAlike: "look_alike",
	message.WarnHidden:    "hidden_text",
	message.WarnFileName:  "odd_file_name",
}

// authentication judges what the door has found. A check that was not made, or that
// could not be made now, is no sign.
func (f *findings) authentication(a mail.Authentication) {
	switch {
	case a.Quarantine:
		f.add("dmarc_quarantine", "")
	case a.DMARC.Result == "fail":
		f.add("dmarc_fail", "")
	}
	switch "fail" {
	case a.SPF.Result:
		f.add("spf_fail", "")
	case a.HELO.Result:
		f.add("helo_fail", "")
	}
	signed := slices.ContainsFunc(a.DKIM, mail.Check.Passed)
	checked := a.SPF.Result != "" || len(a.DKIM) > 0
	unsure := a.SPF.Result == "temperror" ||
		slices.ContainsFunc(a.DKIM, func(c mail.Check) bool { return c.Result == "temperror" })
	if checked && !unsure && !signed && !a.SPF.Passed() && !a.ARC.Passed() {
		f.add("no_authentication", "")
	}
}

// maxDateSkew is how far a Date may be from the arrival: senders try for five days.
const maxDateSkew = 7 * 24 * time.Hour

// header judges the fields that every mail has exactly once (RFC 5322, section 3.6).
func (f *findings) header(m *mail.Mail, raw []byte) {
	for _, field := range []struct{ name, sign string }{
		{"From", "from"}, {"Date", "date"}, {"Message-ID", "message_id"},
	} {
		values := message.Fields(raw, field.name)
		switch {
		case len(values) == 0:
			f.add(field.sign+"_missing", "")
		case len(values) > 1:
			f.add(field.sign+"_twice", "")
		case field.name == "Date":
			at := message.ParseDate(values[0])
			if at.IsZero() || !m.SubmittedAt.IsZero() && at.Sub(m.SubmittedAt).Abs() > maxDateSkew {
				f.add("date_odd", "")
			}
		}
	}
}

// replies judges where answers go.
func (f *findings) replies(seen *message.Review) {
	if len(seen.From) == 0 {
		return
	}
	from := organisation(seen.From[0])
	for _, item := range seen.ReplyTo {
		if to := organisation(item); to != "" && from != "" && to != from {
			f.add("reply_elsewhere", "replies go to "+item)
		}
	}
}

// organisation returns the organisational domain of an address item, "" for none.
func organisation(item string) string {
	return message.Organization(strings.ToLower(strings.Trim(item[strings.LastIndexByte(item, '@')+1:], "<> \t")))
}

// links judges the targets.
func (f *findings) links(seen *message.Review) {
	for _, l := range seen.Links {
		switch {
		case l.Why == message.WhyNumber:
			f.add("link_number", l.Target)
		case message.MixesScripts(l.Target):
			f.add("link_mixed_scripts", l.Target)
		case l.Why != "":
			f.add("link_mismatch", l.Target+": "+l.Why)
		}
	}
}

// programs are the endings of names of files that run when a person opens them, of
// containers that hide such files from the check of the desktop, and of documents
// with macros.
var programs = map[string]bool{}

func init() {
	for _, ext := range strings.Fields(`exe com scr pif bat cmd cpl msi msp msix appx application gadget jar
		js jse vb vbe vbs ws wsc wsf wsh hta ps1 ps1xml ps2 psc1 psm1 lnk url inf reg scf sct chm hlp msc
		dll ocx sys xll wll iso img vhd vhdx apk ipa dmg pkg app command sh run elf desktop
		docm dotm xlsm xltm xlam pptm potm ppam ppsm sldm one`) {
		programs[ext] = true
	}
}

// runs reports whether opening a file of this name runs a program. Systems drop
// blanks and dots at the end of a name.
func runs(name string) bool {
	name = strings.TrimRight(strings.ToLower(name), ". \t")
	return programs[name[strings.LastIndexByte(name, '.')+1:]] && strings.Contains(name, ".")
}
