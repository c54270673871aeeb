package sign

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/multimail/multimail/mail"
)

// CheckBudget refuses a configuration whose identity header could become too
// long for a line, so that no mail ever finds out at its release. Ask it
// whenever an operator, a domain, a mailbox or an agent's reference is set. An
// address or operator that is not known yet may be empty and counts nothing.
//
// The octets to share are those of the operator's name, the address, and the
// domain once more. An agent's reference can not exceed them: one that does not
// fit is hidden behind an HMAC, for which there is always room.
func CheckBudget(domain, address, operator, agentRef string) error {
	domain, err := mail.ParseDomain(domain)
	if err != nil {
		return err
	}
	if address != "" {
		a, err := mail.ParseAddress(address)
		if err != nil {
			return err
		}
		if a.Domain() != domain {
			return mail.ReasonAddress.Errorf("address %s is not in domain %s", a, domain)
		}
		address = a.String()
	}
	for _, s := range []string{operator, agentRef} {
		if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
			return mail.ErrInvalid.Errorf("%q holds control characters or is not UTF-8", s)
		}
	}
	if over := overBudget(domain, address, operator); over > 0 {
		return mail.ErrInvalid.Errorf("the names of operator, domain and mailbox are together "+
			"about %d octets too long for the identity header; shorten one of them", over)
	}
	return nil
}

// overBudget returns by how many octets the payload of the longest token may
// exceed what fits.
func overBudget(domain, address, operator string) int {
	line := lineLength(longest(domain, address, operator))
	if line <= maxLine {
		return 0
	}
	return (line - maxLine + 1) * 3 / 4
}

// longest returns the claims of the longest header that may ever be needed
// under these names: every other value at its longest, without rh.
func longest(domain, address, operator string) Claims {
	hash16 := strings.Repeat("x", 22)
	const lastTime = 9999999999 // of ten digits, in the year 2286
	return Claims{
		AgentRef: hash16, AIGenerated: true,
		Approval:     Approval{At: lastTime, By: "allowlist", Ref: hash16},
		BodyHash:     strings.Repeat("x", 44),
		Capabilities: capabilities[:], IssuedAt: lastTime, Issuer: "https://" + domain,
		ID: strings.Repeat("x", 26), MessageID: hash16, Operator: operator,
		Mode: mail.Autonomous.String(), Service: service, Subject: address,
	}
}

// lineLength returns the length of the header line for c, its CRLF included.
func lineLength(c Claims) int {
	signing, err := signingInput(strings.Repeat("x", kidLength), c)
	if err != nil {
		return maxLine + 1 // cannot be written, so it does not fit
	}
	return len(HeaderName+": ") + len(signing) + len(".") + len(encode(make([]byte, 64))) + len("\r\n")
}
