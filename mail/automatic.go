package mail

import "strings"

// NoAnswer says why no program may answer an incoming mail (RFC 3834, section 2), in
// words for an agent; "" where one may. An agent is a program, whoever approves its mail:
// two of them would never end.
func (m *Mail) NoAnswer() string {
	switch h := m.Header; {
	case m.Notice != nil:
		return "it is a notice of this installation"
	case m.Envelope.From.IsZero():
		return "it has the null sender: nobody reads an answer"
	case h.Auto != "" && h.Auto != "no":
		return "a program wrote it (Auto-Submitted: " + h.Auto + ")"
	case m.Arrival != nil && m.Arrival.Auth.Identity.Passed():
		return "an agent of another installation wrote it, as its identity header proves"
	case h.Bulk || h.ListID != "":
		return "it came by a mailing list or in bulk; send a new mail to whom you mean"
	case strings.EqualFold(h.From.Local(), "mailer-daemon"):
		return "it is of a mail system"
	}
	return ""
}
