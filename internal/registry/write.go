package registry

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/mail"
)

// MaxSignature is how many octets a signature has at most.
const MaxSignature = 200

// Writing is what a mailbox adds to the mail that it sends, and when an approver is asked
// about scheduled mail. Zero values are those of a mailbox that nobody has configured.
type Writing struct {
	// The operator's copies: recipients of every mail, within its digest. AutoCC stands in
	// the header of what the server composes.
	AutoCC      mail.Address `json:"auto_cc,omitzero"`
	AutoBCC     mail.Address `json:"auto_bcc,omitzero"`
	Signature   string       `json:"signature,omitempty"` // plain text; of what the server composes
	Timing      mail.Timing  `json:"timing,omitempty"`
	Unscheduled bool         `json:"unscheduled,omitempty"` // it takes no mail for later
	Configured  bool         `json:"configured,omitempty"`  // somebody has gone through its settings
}

// WritingPatch names what changes; nil leaves a value as it is.
type WritingPatch struct {
	AutoCC, AutoBCC *mail.Address // zero: none
	Signature       *string
	Timing          *mail.Timing
	Unscheduled     *bool
	Configured      *bool
}

func (patch WritingPatch) apply(w *Writing, box mail.Address) error {
	for _, c := range []struct {
		to    *mail.Address
		patch *mail.Address
	}{{&w.AutoCC, patch.AutoCC}, {&w.AutoBCC, patch.AutoBCC}} {
		if c.patch == nil {
			continue
		}
		if c.patch.Key() == box.Key() && !c.patch.IsZero() {
			return in(ErrInvalid, "a mailbox sends no copies to itself; name another address")
		}
		*c.to = *c.patch
	}
	if s := patch.Signature; s != nil {
		if err := checkSignature(*s); err != nil {
			return err
		}
		w.Signature = *s
	}
	if patch.Timing != nil {
		if _, err := patch.Timing.MarshalText(); err != nil {
			return in(ErrInvalid, "the gate timing is gate_first or schedule_first")
		}
		w.Timing = *patch.Timing
	}
	if patch.Unscheduled != nil {
		w.Unscheduled = *patch.Unscheduled
	}
	if patch.Configured != nil {
		w.Configured = *patch.Configured
	}
	return nil
}

// checkSignature takes lines of text that prints.
func checkSignature(s string) error {
	if len(s) > MaxSignature {
		return in(ErrInvalid, "the signature is longer than %d octets", MaxSignature)
	}
	if !utf8.ValidString(s) || !isText(strings.ReplaceAll(s, "\n", "")) {
		return in(ErrInvalid, "the signature is plain text; it holds characters that do not print")
	}
	return nil
}

// mayWrite: who gets copies is set by who oversees; what a mail says besides by an admin.
// When to ask is set by anyone of the mailbox, since each mail may say it, and so is that
// mail for later is not taken. To take it again is not for the agents.
func mayWrite(p Principal, before, after Mailbox) error {
	b, a := before.Writing, after.Writing
	over := loosen(before.Address)(p)
	switch {
	case (a.Timing != b.Timing || a.Configured != b.Configured) && !adjust(p):
		return in(ErrForbidden, "your credential only tightens")
	case (a.AutoCC != b.AutoCC || a.AutoBCC != b.AutoBCC) && !over:
		return errLoosen("another address that gets copies")
	case a.Signature != b.Signature && !configure(p):
		return in(ErrForbidden, "the signature is set by an admin")
	case b.Unscheduled && !a.Unscheduled && !over && !configure(p):
		return in(ErrForbidden, "scheduling is switched on by an admin or an approver")
	}
	return nil
}

// facts are those of an entry that says what a mailbox adds, and whom it copies to.
func (w Writing) facts(facts, private details) {
	facts["gate_timing"], facts["scheduling"] = w.Timing.String(), strconv.FormatBool(!w.Unscheduled)
	facts["mcp_configured"] = strconv.FormatBool(w.Configured)
	private["auto_cc"], private["auto_bcc"] = w.AutoCC.String(), w.AutoBCC.String()
	private["signature"] = w.Signature
}

// statedWriting adds what an entry says a mailbox adds. An entry from before there was any
// of this says nothing of it, and neither does a record.
func statedWriting(out map[string]string, e audit.Record, box string) {
	timing, said := e.Facts["gate_timing"]
	if !said {
		return
	}
	state := func(name, v, none string) {
		if v == none {
			v = ""
		}
		out[name+" of "+box] = v
	}
	state("gate timing", timing, mail.GateFirst.String())
	state("scheduling", e.Facts["scheduling"], "true")
	state("settings seen", e.Facts["mcp_configured"], "false")
	for _, name := range []string{"auto_cc", "auto_bcc", "signature"} {
		state(name, e.Private[name], "")
	}
}
