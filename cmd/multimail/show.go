package main

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/multimail/multimail/httpd/api"
)

type showCmd struct {
	ID  string `arg:"" help:"Id of the mail."`
	All bool   `help:"Every header field, the usual ones too."`
	Raw bool   `help:"The bytes as they would be sent, without stamps; on a terminal controls are escaped."`
}

func (s showCmd) Run(e *environment) error {
	return e.withClient(func(c *api.Client) error {
		if s.Raw {
			b, err := api.Read(e.ctx, c, api.GetRawEmail, api.MailRef{ID: s.ID})
			if err != nil {
				return err
			}
			return writeRaw(e.out, b, terminal(e.out))
		}
		r, err := api.Call(e.ctx, c, api.ReviewEmail, api.MailRef{ID: s.ID})
		if err != nil {
			return err
		}
		return e.print(r, func() error { return printReview(e.out, r, s.All) })
	})
}

// writeRaw writes the bytes of a mail as they are, or to a screen line by line
// with what would act on it escaped, and a CR or LF that ends no line too. A row
// that goes on from the one above begins with another bar.
func writeRaw(w io.Writer, raw []byte, screen bool) error {
	if !screen {
		_, err := w.Write(raw)
		return err
	}
	out := bufio.NewWriter(w)
	p := &printer{w: out, columns: columns(w)}
	for _, line := range bytes.Split(bytes.TrimSuffix(raw, []byte("\r\n")), []byte("\r\n")) {
		p.behind("| ", "+ ", string(line))
	}
	if p.err != nil {
		return p.err
	}
	return out.Flush()
}

// identity shows what the agent's token said.
func (p *printer) identity(i *api.Identified) {
	if i == nil {
		return
	}
	p.field("Issuer", strings.TrimSuffix(i.Issuer+", tenant "+i.Tenant, ", tenant "))
	p.field("Identity", fmt.Sprintf("agent %s, client %s, %s", i.Agent, i.Client, i.Shape))
	if i.Blueprint != "" {
		p.field("Blueprint", i.Blueprint)
	}
	if i.Person != "" {
		p.field("For person", i.Person+", who can never decide over this mail")
	}
}

// spam shows what a filter makes of the mail, reason by reason.
func (p *printer) spam(s *api.Judged) {
	by := ""
	if s.Filter != "" {
		by = ", by " + s.Filter
	}
	p.field("Spam", fmt.Sprintf("%s, score %g%s", s.Verdict, s.Score, by))
	for _, reason := range s.Reasons {
		p.field("", reason)
	}
	if s.Label != "" {
		p.field("", "a reader says: "+s.Label)
	}
}

// printReview shows everything an approver must see, the envelope first: who
// gets it is what counts, whatever the header says. With all it shows the usual
// header fields too.
func printReview(w io.Writer, r api.Review, all bool) error {
	p := newPrinter(w)
	p.field("Mail", r.ID)
	p.field("Digest", r.Digest)
	p.field("State", fmt.Sprintf("%s (rev %d)", r.State, r.Rev))
	if r.WaitsFor != "" {
		p.field("Waits", r.WaitsFor)
	}
	p.author(r)
	p.field("Mailbox", fmt.Sprintf("%s, mode %s, by %s", r.Mailbox, r.Mode, r.Door))
	p.field("Submitted", short(r.SubmittedAt))
	if !r.ExpiresAt.IsZero() {
		p.field("Expires", short(r.ExpiresAt))
	}
	if !r.SendAt.IsZero() {
		p.field("Send at", short(r.SendAt))
	}
	if r.Replaces != "" {
		p.field("Replaces", r.Replaces+", a scheduled mail that its author has edited")
	}
	p.options(r.Options, all)
	for _, rc := range r.Recipients {
		p.recipient(rc)
	}
	p.line("")
	p.thread(r.Thread)
	p.warnings(r.Warnings)
	p.header(r)
	p.fields(r.Fields, all)
	p.segments(r.Segments)
	p.parts(r)
	for _, d := range r.Decisions {
		p.field("Decision", fmt.Sprintf("%s by %s at %s %s", d.Verdict, d.By, short(d.At), d.Reason))
	}
	return p.err
}

// author shows who wrote a mail: an agent, or somebody elsewhere and what proves it.
func (p *printer) author(r api.Review) {
	p.field("Direction", r.Direction)
	if a := r.Arrived; a != nil {
		p.field("Sender", cmp.Or(a.Sender, "nobody (null sender)"))
		p.field("Came from", strings.TrimSpace(fmt.Sprintf("%s %s %s", a.Client, a.Helo, a.Hop)))
		p.authentication(a.Authentication)
	} else {
		agent := r.Agent
		if r.AgentRef != "" {
			agent += " (" + r.AgentRef + ")"
		}
		p.field("Agent", agent)
		p.identity(r.Identity)
	}
	if s := r.Spam; s != nil {
		p.spam(s)
	}
}

// thread prints what stands before a mail in its thread, each line behind a bar.
func (p *printer) thread(list []api.Earlier) {
	if len(list) == 0 {
		return
	}
	p.line("")
	p.line("The thread before it, oldest first; each line of it begins with %q.", "< ")
	for _, m := range list {
		p.line("")
		from := m.From
		if m.FromName != "" {
			from += " (" + m.FromName + ")"
		}
		who := fmt.Sprintf("from %s to %s", from, joined(m.To))
		if len(m.Cc) > 0 {
			who += ", cc " + joined(m.Cc)
		}
		if len(m.Bcc) > 0 {
			who += ", bcc " + joined(m.Bcc)
		}
		p.behind("-- ", "   ", fmt.Sprintf("%s %s, %s, %s", way(m.Direction), m.ID, short(m.ReceivedAt), who))
		if m.Authentication != nil {
			p.behind("   ", "   ", "checks: "+checks(m.Authentication))
		}
		p.behind("< ", "< ", "Subject: "+m.Subject)
		for _, l := range splitLines(m.Text) {
			p.behind("< ", "< ", l)
		}
		if m.TextCut {
			p.line("   (there is more of it)")
		}
	}
	p.line("")
}

// recipient shows who gets the mail. What the operator has the mailbox add is no choice of the
// author's, and has a line of another name.
func (p *printer) recipient(rc api.Recipient) {
	name := "Recipient"
	if rc.Auto {
		name = "Copied to"
	}
	p.field(name, recipient(rc))
}

// recipient shows who gets the mail, and how.
func recipient(rc api.Recipient) string {
	s := rc.Address
	if rc.Copy {
		s += "  (copy to the oversight address)"
	} else if rc.Auto {
		s += "  (the operator's copy: the mailbox adds it)"
	} else if rc.Hidden {
		s += "  (BCC: To and Cc do not name it)"
	}
	if len(rc.Notify) > 0 {
		s += "  NOTIFY=" + strings.Join(rc.Notify, ",")
	}
	if rc.ORcpt != "" {
		s += "  ORCPT=" + rc.ORcpt
	}
	return s
}

func (p *printer) options(o api.Options, all bool) {
	for _, f := range []struct {
		name, value string
		show        bool
	}{
		{"Return", o.Ret, o.Ret != ""}, {"Envelope id", o.EnvID, o.EnvID != ""},
		{"Body", o.Body, all && o.Body != ""}, {"Hold for", o.HoldFor, all},
	} {
		if f.show {
			p.field(f.name, f.value)
		}
	}
}

// warnings prints all of them; none is left out for its length.
func (p *printer) warnings(list []api.Warning) {
	for _, w := range list {
		where := ""
		if w.Part != "" {
			where = ", part " + w.Part
		}
		p.field("WARNING", fmt.Sprintf("%s%s: %s", w.Code, where, w.Text))
	}
	if len(list) > 0 {
		p.line("")
	}
}

func (p *printer) header(r api.Review) {
	for _, f := range []struct {
		name string
		list []string
	}{
		{"From", r.Header.From}, {"Sender", r.Header.Sender}, {"To", r.Header.To}, {"Cc", r.Header.Cc},
		{"Reply-To", r.Header.ReplyTo}, {"Receipt to", r.Header.ReceiptTo},
	} {
		if len(f.list) > 0 {
			p.field(f.name, joined(f.list))
		}
	}
	p.field("Subject", r.Subject)
}

// fields prints the header fields that are not usual, or all of them.
func (p *printer) fields(fields []api.Field, all bool) {
	for _, f := range fields {
		if !all && !f.Unusual {
			continue
		}
		where := ""
		if f.Part != "" {
			where = "part " + f.Part + ", "
		}
		p.field("Field", where+f.Name+": "+f.Value)
		if f.Decoded != "" {
			p.field("", "decoded: "+f.Decoded)
		}
	}
}

func (p *printer) parts(r api.Review) {
	for _, l := range r.Links {
		p.field("Link", l.Target)
		if l.Text != "" {
			p.field("", "shown as: "+l.Text)
		}
		if l.Why != "" {
			p.field("", "MAY LEAD ELSEWHERE: "+l.Why)
		}
	}
	for _, part := range r.Parts {
		if !part.Attachment && part.Reviewable {
			continue
		}
		what := "Attachment"
		if !part.Attachment {
			what = "Part"
		}
		name := part.Name
		if name == "" {
			name = "part " + part.Path
		}
		p.field(what, fmt.Sprintf("%s  %s, %d octets, sha256 %s", name, part.Type, part.Size, part.SHA256))
		for _, name := range part.AlsoNamed {
			p.field("also named", name)
		}
		if !part.Reviewable {
			p.field("", "NOT REVIEWABLE: "+part.Why)
		}
	}
	p.line("")
}

// maxRepeated bounds the recipients that the question repeats.
const maxRepeated = 20

// printQuestion repeats what a decision is about, so that nothing above it can
// scroll it away.
func printQuestion(w io.Writer, r api.Review) error {
	p := newPrinter(w)
	p.line("-- What you decide about")
	shown := 0
	for _, hidden := range []bool{true, false} { // first, so that no long list of others hides them
		for _, rc := range r.Recipients {
			if rc.Hidden != hidden {
				continue
			}
			if shown++; shown <= maxRepeated {
				p.recipient(rc)
			}
		}
	}
	if shown > maxRepeated {
		p.field("Recipient", fmt.Sprintf("and %d more, named above", shown-maxRepeated))
	}
	p.field("Mailbox", r.Mailbox)
	p.field("Subject", r.Subject)
	p.field("Parts", fmt.Sprintf("%d, of which attachments: %d", len(r.Parts), attachments(r)))
	p.warnings(r.Warnings)
	if len(r.Warnings) == 0 {
		p.field("Warnings", "none")
	}
	if p.err == nil {
		_, p.err = fmt.Fprintf(w, "Approve these bytes, digest %s? [yes/no] ", printable(r.Digest))
	}
	return p.err
}

func attachments(r api.Review) (n int) {
	for _, part := range r.Parts {
		if part.Attachment {
			n++
		}
	}
	return n
}
