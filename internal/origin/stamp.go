package origin

import (
	"strings"

	"github.com/multimail/multimail/mail"
)

// resultsHeader is the field that is written and read here (RFC 8601).
const resultsHeader = "Authentication-Results"

// IdentityMethod is the name of the result of the identity header in it. RFC 8601 has no
// registered one; readers pass over a method that they do not know.
const IdentityMethod = "x-multimail-identity"

// stamp writes what was found, a method on each line. It has names of domains, selectors
// and words of closed lists only: nothing of a stranger stands in it as it was written.
func stamp(host string, e *examination, identity mail.Check) []byte {
	var results []string
	add := func(method string, c mail.Check, properties ...string) {
		if c.Result == "" {
			return
		}
		text := method + "=" + c.Result
		for i := 0; i < len(properties); i += 2 {
			if properties[i+1] != "" {
				text += " " + properties[i] + "=" + properties[i+1]
			}
		}
		results = append(results, text)
	}
	sender := "smtp.mailfrom"
	if e.m.From.IsZero() {
		sender = "smtp.helo"
	}
	add("spf", e.spf.Check, sender, e.spf.Domain)
	add("spf", e.helo.Check, "smtp.helo", e.helo.Domain)
	for _, s := range e.signatures {
		add("dkim", s.Check, "header.d", s.Domain, "header.s", plainSelector(s.selector))
	}
	if len(e.signatures) == 0 {
		add("dkim", mail.Check{Result: none})
	}
	demanded := ""
	if e.dmarc.Result != none {
		demanded = e.dmarc.demands
	}
	add("dmarc", e.dmarc.Check, "header.from", e.dmarc.Domain, "policy.dmarc", demanded)
	add("arc", e.arc.Check)
	if identity.Result != none {
		add(IdentityMethod, identity, "header.from", identity.Domain)
	}
	return []byte(resultsHeader + ": " + strings.Join(append([]string{host}, results...), ";\r\n\t") + "\r\n")
}

// plainSelector returns a selector that needs no quotes, "" for any other.
func plainSelector(s string) string {
	for i := range len(s) {
		if c := s[i]; !mail.IsAlnum(c) && c != '-' && c != '_' && c != '.' {
			return ""
		}
	}
	if len(s) > 253 {
		return ""
	}
	return s
}
