package origin

import (
	"slices"
	"strings"

	"github.com/multimail/multimail/mail"
)

// hopResults returns what the trusted hop says of the sender: the topmost field
// Authentication-Results, if it bears the name of that hop, or none where the hop is one
// that writes none. Whatever stands below was
// there when the mail came to the hop. nil: there is nothing to believe.
func (e *examination) hopResults() *authResults {
	fields := e.all(resultsHeader)
	if e.m.HopID == "" && !e.m.HopNoID || len(fields) == 0 {
		return nil
	}
	parse := parseAuthResults
	if e.m.HopNoID {
		parse = parseResultsOnly
	}
	told, err := parse(fields[0].Value())
	if err != nil || !strings.EqualFold(told.id, e.m.HopID) {
		e.warnings = append(e.warnings, "the topmost Authentication-Results is not that of the trusted hop")
		return nil
	}
	return told
}

// spf returns what a hop says of SPF, the zero result if it says nothing or more than
// one thing.
func (a *authResults) spf() domainResult {
	var found []methodResult
	for _, r := range a.of("spf") {
		if len(a.of("spf")) == 1 || r.properties["smtp.mailfrom"] != "" {
			found = append(found, r)
		}
	}
	if len(found) != 1 {
		return domainResult{}
	}
	return domainResult{mail.Check{
		Result: known(found[0].result), Domain: found[0].domain("smtp.mailfrom", "smtp.helo"), Detail: byHop,
	}}
}

const byHop = "by the trusted hop"

// words are those that a method may answer (RFC 8601, section 2.7).
var words = []string{none, pass, fail, neutral, policy, temperror, permerror, "softfail"}

// known returns a word of somebody else if it is one of the closed list.
func known(result string) string {
	switch {
	case slices.Contains(words, result):
		return result
	case result == "hardfail": // before RFC 7001
		return fail
	}
	return neutral
}

// dkimTold adds the signatures that a hop found good and this program did not: a hop
// may have changed the body after it checked them.
func (e *examination) dkimTold(told *authResults) {
	for _, r := range told.of("dkim") {
		domain := r.domain("header.d", "header.i")
		mine := slices.ContainsFunc(e.signatures, func(s signature) bool {
			return s.Domain == domain && s.Result == pass
		})
		if r.result != pass || domain == "" || mine || len(e.signatures) >= 2*maxSignatures {
			continue
		}
		e.signatures = append(e.signatures, signature{
			Check: mail.Check{Result: pass, Domain: domain, Detail: byHop}, told: true,
		})
	}
}

// vouches reports whether results say that a mail was from a domain: by DMARC or, where
// it is not among them, by SPF or DKIM of a domain that aligned allows.
func (a *authResults) vouches(domain string, aligned func(string) bool) bool {
	if dmarc := a.of("dmarc"); len(dmarc) > 0 {
		return a.dmarcPassed(domain)
	}
	for _, r := range a.of("dkim") {
		if d := r.domain("header.d", "header.i"); r.result == pass && d != "" && aligned(d) {
			return true
		}
	}
	spf := a.spf()
	return spf.Result == pass && spf.Domain != "" && aligned(spf.Domain)
}

// dmarcPassed reports whether the one result of DMARC is a pass of that domain.
func (a *authResults) dmarcPassed(domain string) bool {
	r := a.of("dmarc")
	return len(r) == 1 && r[0].result == pass && r[0].domain("header.from") == domain
}
