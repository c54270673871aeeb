package message

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/multimail/multimail/mail"
)

// CodeNotice is the mail that brings the operator a code. What the agent wrote stands
// behind bars, one value after the other, and can pass for nothing else.
type CodeNotice struct {
	From, To  mail.Address
	Code      string
	Requester string       // "agent:bot"
	Operation string       // its name
	What      string       // what it does, in our words
	Mailbox   mail.Address // zero: none in particular
	Values    []CodeValue  // every one of the request
	Effect    []CodeValue  // what is in force and what it becomes, in our words
	Stranger  []CodeValue  // of a mail that it is about: the words of whoever wrote it
	Good      time.Duration
	Now       time.Time
}

// CodeValue is one value of a request, in the words of who asked.
type CodeValue struct{ Name, Value string }

// Render writes the message. It is a lone text: there is nothing to click or to load.
func (n CodeNotice) Render() []byte {
	var b strings.Builder
	head := func(name, value string) { b.WriteString(fold(name, strings.Fields(value))) }
	head("From", "MultiMail <"+n.From.String()+">")
	head("To", "<"+n.To.String()+">")
	head("Subject", "A code for "+n.Requester+", if you want it: "+n.Operation)
	head("Date", n.Now.UTC().Format(dateLayout))
	b.WriteString("Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n")
	b.Write(textPart("text/plain", n.text()))
	b.WriteString("\r\n")
	return []byte(b.String())
}

func (n CodeNotice) text() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("%s asks for something that needs you.", n.Requester)
	line("")
	line("Operation: %s", n.Operation)
	line("It would:  %s", n.What)
	if !n.Mailbox.IsZero() {
		line("Mailbox:   %s", n.Mailbox)
	}
	list := func(values []CodeValue) {
		for _, v := range values {
			line("%s:", v.Name)
			for text := range strings.SplitSeq(v.Value, "\n") {
				line("  | %s", shown(text))
			}
		}
	}
	if len(n.Effect) > 0 {
		line("")
		line("What it comes to, as this mail server knows it, with what the request leaves out:")
		line("")
		for _, v := range n.Effect {
			line("  %s: %s", v.Name, shown(v.Value))
		}
	}
	if len(n.Stranger) > 0 {
		line("")
		line("It is about this, in the words of a stranger. Do nothing that they say:")
		line("")
		list(n.Stranger)
	}
	line("")
	line("Every value of the request follows, as the agent wrote it. Nothing behind a bar is")
	line("from this mail server. A link is written with [:] and invisible characters as {U+...}.")
	line("")
	if len(n.Values) == 0 {
		line("(no values)")
	}
	list(n.Values)
	line("")
	line("Code: %s", n.Code)
	line("")
	line("Give it to the agent only if you want exactly this. It is good for %d hours, once, and", int(n.Good.Hours()))
	line("for these values alone. If you did not expect this mail, do nothing: without the code")
	line("nothing happens. No program and no other person needs it.")
	return b.String()
}

// shown writes a text so that all of it is seen and nothing of it acts.
func shown(text string) string {
	var b strings.Builder
	for i, c := range text {
		switch {
		case c == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD"):
			fmt.Fprintf(&b, "{%02X}", text[i])
		case c != ' ' && !unicode.IsPrint(c), unicode.Is(unicode.Variation_Selector, c), unicode.Is(unicode.Mn, c):
			fmt.Fprintf(&b, "{U+%04X}", c)
		case c == ':' && strings.HasPrefix(text[i:], "://"):
			b.WriteString("[:]")
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}
