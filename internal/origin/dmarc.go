package origin

import (
	"context"
	"errors"
	"net"
	"regexp"
	"slices"
	"strings"

	"github.com/emersion/go-msgauth/dmarc"

	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/resolver"
	"github.com/multimail/multimail/mail"
)

// dmarcResult is the result of DMARC, and what follows from it.
type dmarcResult struct {
	mail.Check
	// demands is what the domain asks for a mail that fails: "none", "quarantine" or
	// "reject"; "" where it asks for nothing.
	demands string
}

// checkDMARC looks up the policy of the domain in From, and whether one of the names
// that SPF and DKIM found good is aligned with it (RFC 9989, section 5.3). The
// organizational domain is that of the public suffix list.
func (e *examination) checkDMARC(ctx context.Context, told *authResults) dmarcResult {
	author, why := e.author()
	if why != "" {
		return dmarcResult{Check: mail.Check{Result: permerror, Detail: why}}
	}
	check := mail.Check{Result: none, Domain: author}
	l, cancel := e.lookup(ctx, dmarcQuestions)
	defer cancel()
	p, err := l.policy(author)
	switch {
	case errors.Is(err, dmarc.ErrNoPolicy):
		return dmarcResult{Check: check}
	case err != nil:
		check.Result, check.Detail = temperror, "the policy could not be looked up"
		return dmarcResult{check, ""}
	}
	check.Result, check.Detail = e.aligned(author, p)
	if check.Result == pass {
		return dmarcResult{check, p.demand}
	}
	if told.dmarcPassed(author) {
		check.Result, check.Detail = pass, byHop
		return dmarcResult{check, p.demand}
	}
	if check.Result == temperror {
		return dmarcResult{check, p.demand}
	}
	if p.unknown {
		check.Result, check.Detail = temperror, "whether the domain exists could not be looked up"
		return dmarcResult{check, p.demand}
	}
	return e.demand(check, author, p)
}

// demand is what becomes of a mail that fails.
func (e *examination) demand(check mail.Check, author string, p *dmarcPolicy) dmarcResult {
	check.Detail = "p=" + p.demand
	switch relaxed := func(d string) bool { return aligned(false, d, author) }; {
	case !e.arc.vouches(e.o.TrustedSealers, author, relaxed):
	case e.arc.Result == temperror:
		check.Result, check.Detail = temperror, "the ARC chain of "+e.arc.Domain+" could not be checked"
		return dmarcResult{check, p.demand}
	default:
		check.Detail += ", overridden by the ARC seal of " + e.arc.Domain
		return dmarcResult{check, "none"}
	}
	if p.demand == "reject" && e.spf.Result == "" {
		// Half of what could have passed is not known here.
		check.Detail += ", SPF not known"
		return dmarcResult{check, "quarantine"}
	}
	return dmarcResult{check, p.demand}
}

// aligned reports whether a good name is aligned with the author's domain.
func (e *examination) aligned(author string, p *dmarcPolicy) (result, detail string) {
	result = fail
	try := func(c mail.Check, strict bool) {
		switch {
		case c.Domain == "" || !aligned(strict, c.Domain, author):
		case c.Result == pass:
			result = pass
		case c.Result == temperror && result != pass:
			result, detail = temperror, "an aligned SPF or DKIM result is not known"
		}
	}
	try(e.spf.Check, p.record.SPFAlignment == dmarc.AlignmentStrict)
	for _, s := range e.signatures {
		try(s.Check, p.record.DKIMAlignment == dmarc.AlignmentStrict)
	}
	if result != temperror {
		detail = ""
	}
	return result, detail
}

// aligned reports whether two domains are the same or, if the alignment is not strict,
// have the same organizational domain.
func aligned(strict bool, a, b string) bool {
	return a == b || !strict && message.Organization(a) == message.Organization(b)
}

// dmarcPolicy is a record, and what it demands for one domain.
type dmarcPolicy struct {
	record  *dmarc.Record
	demand  string
	unknown bool // whether the domain exists, on which the demand depends
}

// policy looks up the record of a domain, or else that of its organizational domain.
func (l *lookup) policy(domain string) (*dmarcPolicy, error) {
	var tags map[string]string
	options := &dmarc.LookupOptions{LookupTXT: func(name string) (texts []string, err error) {
		texts, tags, err = l.dmarcRecord(name)
		return texts, err
	}}
	record, err := dmarc.LookupWithOptions(domain, options)
	if err == nil {
		return &dmarcPolicy{record: record, demand: lowered(string(record.Policy), tags)}, nil
	}
	org := message.Organization(domain)
	if !errors.Is(err, dmarc.ErrNoPolicy) || org == domain {
		return nil, err
	}
	if record, err = dmarc.LookupWithOptions(org, options); err != nil {
		return nil, err
	}
	p := &dmarcPolicy{record: record, demand: string(record.Policy)}
	if record.SubdomainPolicy != "" {
		p.demand = string(record.SubdomainPolicy)
	}
	if np := strings.ToLower(tags["np"]); slices.Contains(demands, np) && np != p.demand {
		exists, err := l.exists(domain)
		if p.unknown = err != nil; err == nil && !exists {
			p.demand = np
		}
	}
	p.demand = lowered(p.demand, tags)
	return p, nil
}

// demands are the policies, the weakest first.
var demands = []string{"none", "quarantine", "reject"}

// lowered returns a policy one level lower if the record is under test (RFC 9989, 4.7).
func lowered(demand string, tags map[string]string) string {
	if strings.EqualFold(tags["t"], "y") {
		return demands[max(slices.Index(demands, demand)-1, 0)]
	}
	return demand
}

var dmarcVersion = regexp.MustCompile(`^[vV][ \t]*=[ \t]*DMARC1[ \t]*(;|$)`)

// dmarcRecord returns the one record of a name as the DMARC library reads it, and its
// tags. More than one is none (RFC 9989, section 4.10). What is malformed in it counts
// as not written, but for p: without p, a record that asks for reports is one of "none",
// and another is no record.
func (l *lookup) dmarcRecord(name string) (texts []string, tags map[string]string, err error) {
	all, err := l.txt(name)
	if errors.Is(err, resolver.ErrTemporary) || errors.Is(err, errSpent) {
		return nil, nil, &net.DNSError{Err: "no answer", Name: name, IsTemporary: true}
	}
	var found []string
	for _, t := range all {
		if dmarcVersion.MatchString(t) {
			found = append(found, t)
		}
	}
	if len(found) != 1 {
		return nil, nil, nil
	}
	tags = map[string]string{}
	for part := range strings.SplitSeq(found[0], ";") {
		k, v, _ := strings.Cut(part, "=")
		if k = strings.ToLower(strings.TrimSpace(k)); tags[k] == "" {
			tags[k] = strings.TrimSpace(v)
		}
	}
	p := strings.ToLower(tags["p"])
	if !slices.Contains(demands, p) {
		if !strings.Contains(tags["rua"], ":") {
			return nil, nil, nil
		}
		p = "none"
	}
	record := "v=DMARC1; p=" + p
	for tag, allowed := range map[string][]string{"sp": demands, "adkim": {"r", "s"}, "aspf": {"r", "s"}} {
		if v := strings.ToLower(tags[tag]); slices.Contains(allowed, v) {
			record += "; " + tag + "=" + v
		}
	}
	return []string{record}, tags, nil
}
