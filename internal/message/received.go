package message

import (
	"fmt"
	"time"

	"github.com/multimail/multimail/mail"
)

// Received returns the trace field for a mail that this installation took (RFC
// 5321, section 4.4). It names no client: where an agent runs is nobody's
// business but the operator's, and the audit log has it.
func Received(m *mail.Mail, host string, at time.Time) []byte {
	with := "HTTP"
	switch {
	case m.Door == "smtp" && m.Encrypted:
		with = "ESMTPSA" // RFC 3848
	case m.Door == "smtp":
		with = "ESMTPA"
	}
	return fmt.Appendf(nil, "Received: by %s (MultiMail) with %s id %s; %s\r\n",
		host, with, m.ID, at.UTC().Format(dateLayout))
}
