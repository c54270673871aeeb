package message

import "golang.org/x/net/publicsuffix"

// Organization returns the organizational domain of a domain in lower case: one label
// more than a public suffix, or the domain itself if it is one (RFC 7489, section 3.2).
func Organization(domain string) string {
	org, err := publicsuffix.EffectiveTLDPlusOne(domain)
	if err != nil {
		return domain
	}
	return org
}
