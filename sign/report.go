package sign

import (
	"slices"
	"strings"
)

// Report is a Verification as JSON. Its names stay; members may be added.
type Report struct {
	Status string `json:"status"` // valid, valid-text, unbound, invalid or none
	// Valid is true for valid and valid-text only.
	Valid      bool          `json:"valid"`
	Summary    string        `json:"summary"`     // one sentence for people
	KeySource  string        `json:"key_source"`  // where the key is from, such as "https"; "" if none was needed
	Checks     []CheckReport `json:"checks"`      // in the order in which they were made
	NotChecked []string      `json:"not_checked"` // names of checks that were not made
	Claims     *Claims       `json:"claims"`      // null where nothing was shown to be stated
	NotBound   []string      `json:"not_bound"`   // fields that anybody may have written or changed
	// LookupError says that a key could not be looked up: the status may be
	// another later. "" without.
	LookupError string `json:"lookup_error"`
}

// CheckReport is a Check as JSON.
type CheckReport struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// every lists the checks that are made of a mail in whose header nothing is
// wrong; the last but one needs a look-up of DKIM keys.
var every = []string{
	"message", "header", "from", "issuer", "key", "signature", "sender", "message_id", "body", "content", "recipients",
	"dkim", "date",
}

// summaries says what a status means, without the word valid for any that is not.
var summaries = map[string]string{
	Valid: "the From domain made this statement about this mail",
	ValidText: "the From domain made this statement about the words and files in it; the form was changed on the way, " +
		"and styles, attributes and pictures may hide these words or show others",
	Unbound: "do not rely on it: the From domain signed the header, but not this content, " +
		"which was changed, or the header was taken from another mail",
	Invalid: "do not rely on it: nothing shows that the From domain made this statement",
	None:    "there is no identity header",
}

// Report returns v for programs; keySource says where its key is from.
func (v Verification) Report(keySource string) Report {
	r := Report{
		Status: v.Status, Valid: v.Holds(), Summary: summaries[v.Status],
		Checks: []CheckReport{}, NotChecked: []string{}, NotBound: append([]string{}, v.Unbound...),
	}
	for _, c := range v.Checks {
		r.Checks = append(r.Checks, CheckReport(c))
		if c.Name == "key" {
			r.KeySource = keySource
		}
	}
	for _, name := range every {
		made := func(c Check) bool { return c.Name == name }
		if v.Status != None && !slices.ContainsFunc(v.Checks, made) {
			r.NotChecked = append(r.NotChecked, name)
		}
	}
	if v.Status != Invalid && v.Status != None {
		r.Claims = &v.Claims
	}
	if v.Err != nil {
		r.LookupError = strings.Join(strings.Fields(v.Err.Error()), " ")
	}
	return r
}
