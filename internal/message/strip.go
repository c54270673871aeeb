package message

import (
	"strings"

	"github.com/multimail/multimail/mail"
)

// strip returns the fields that stay. Stripped are those which the agent may
// not set, or which must not reach a recipient. The other Resent fields are
// refused: they name a second author, and removing them would change what the
// message says.
func strip(fields []field, domains []string) ([]field, error) {
	own := append(fromDomains(fields), domains...)
	kept := make([]field, 0, len(fields))
	for _, f := range fields {
		name := strings.ToLower(f.name)
		switch {
		case name == "bcc", name == "resent-bcc", name == "return-path", isStatement(name):
		case isSignature(name) && !signedElsewhere(f.value(), own):
		case strings.HasPrefix(name, "resent-"):
			return nil, mail.ReasonContent.Errorf("%.40s is not accepted; forward the mail instead", f.name)
		default:
			kept = append(kept, f)
		}
	}
	return kept, nil
}

// isStatement reports whether a field states what only others may state: the
// operator about the mail, or a receiver about what it has checked (RFC 8601,
// RFC 7208, RFC 8617). Some receivers believe the ones they find.
func isStatement(name string) bool {
	switch name {
	case "x-ai-generated", "authentication-results", "received-spf":
		return true
	}
	return strings.HasPrefix(name, "x-multimail-") || strings.HasPrefix(name, "arc-")
}

func isSignature(name string) bool {
	return name == "dkim-signature" || name == "domainkey-signature"
}

// fromDomains returns the domains of the From fields.
func fromDomains(fields []field) []string {
	var out []string
	for _, f := range fields {
		if f.is("from") {
			if _, a, why := parseMailbox(f.value()); why == "" {
				out = append(out, a.Domain())
			}
		}
	}
	return out
}

// signedElsewhere reports whether a DKIM signature is, without doubt, that of a
// domain which is none of own and neither below nor above one of them: either
// would count as the domain of From (RFC 7489, section 3.1.1).
func signedElsewhere(value string, own []string) bool {
	signer, found := "", 0
	for _, tag := range strings.Split(value, ";") {
		name, v, _ := strings.Cut(tag, "=")
		if strings.EqualFold(strings.Trim(name, " \t"), "d") {
			signer = strings.NewReplacer(" ", "", "\t", "").Replace(v)
			found++
		}
	}
	signer, err := mail.ParseDomain(signer)
	if err != nil || found != 1 {
		return false
	}
	for _, d := range own {
		if d == signer || strings.HasSuffix(d, "."+signer) || strings.HasSuffix(signer, "."+d) {
			return false
		}
	}
	return true
}
