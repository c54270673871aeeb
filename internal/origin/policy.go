package origin

import (
	"fmt"
	"slices"

	"github.com/multimail/multimail/mail"
)

// What may become of a mail. Not each of them fits each case, see [Policy].
const (
	Reject     = "reject"     // refused, 550
	Quarantine = "quarantine" // waits for an approver
	Accept     = "accept"     // delivered as if the domain had no policy
	TempFail   = "tempfail"   // not now, 451
)

// Policy says what becomes of a mail by its DMARC result. Fields that are empty have
// their default.
type Policy struct {
	// Reject: the domain demands that the mail is rejected. Reject (the default),
	// Quarantine or Accept.
	Reject string
	// Quarantine: the domain demands quarantine, or From names nobody or several.
	// Quarantine (the default), Reject or Accept.
	Quarantine string
	// TempError: it could not be learnt. TempFail (the default) or Accept.
	TempError string
}

// allowed returns what may stand in a field of a Policy, the default first.
func allowed(field string) []string {
	return map[string][]string{
		"reject": {Reject, Quarantine, Accept}, "quarantine": {Quarantine, Reject, Accept},
		"temperror": {TempFail, Accept},
	}[field]
}

// fill sets the defaults, and refuses other words.
func (p *Policy) fill() error {
	for field, value := range map[string]*string{
		"reject": &p.Reject, "quarantine": &p.Quarantine, "temperror": &p.TempError,
	} {
		words := allowed(field)
		if *value == "" {
			*value = words[0]
		}
		if !slices.Contains(words, *value) {
			return fmt.Errorf("origin: %.40q is none of %q", *value, words)
		}
	}
	return nil
}

// outcome is what becomes of a mail.
type outcome struct {
	quarantine bool
	err        error // *mail.Error: it is not taken
}

// apply decides. A mail whose author cannot be named in one way is treated as one whose
// domain demands quarantine.
func (p Policy) apply(d dmarcResult) outcome {
	action := Accept
	switch {
	case d.Result == temperror:
		action = p.TempError
	case d.Result == permerror:
		action = p.Quarantine
	case d.Result == fail && d.demands == "reject":
		action = p.Reject
	case d.Result == fail && d.demands == "quarantine":
		action = p.Quarantine
	}
	switch action {
	case TempFail:
		return outcome{err: mail.ReasonUnverified.Errorf(
			"the sender could not be verified now, because the DNS of %s does not answer; try again later", d.Domain)}
	case Reject:
		return outcome{err: d.refusal()}
	}
	return outcome{quarantine: action == Quarantine}
}

func (d dmarcResult) refusal() error {
	if d.Result == permerror {
		return mail.ReasonUnauthenticated.Errorf("the message must have one From field with one address")
	}
	return mail.ReasonUnauthenticated.Errorf("the DMARC policy of %s does not allow this mail; "+
		"send it through a server of that domain, with its DKIM signature", d.Domain)
}
