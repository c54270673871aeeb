package zone

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/multimail/multimail/internal/resolver"
)

// Lookup asks the DNS; resolver.ErrNone and resolver.ErrTemporary are its errors.
type Lookup interface {
	TXT(ctx context.Context, name string) ([]string, error)
	MX(ctx context.Context, name string) ([]resolver.MX, error)
}

// Status is what the DNS says about a record.
type Status string

// The statuses.
const (
	Present   Status = "present"
	Missing   Status = "missing"
	Different Status = "different" // something else is there, or more than one
	Unknown   Status = "unknown"   // no usable answer; this says nothing about the record
)

// Finding is what the DNS says about one record.
type Finding struct {
	Record
	Status Status
	Found  []string // what is there instead, cut off where it is long
	Do     string   // what to do; "" where nothing is
}

// Report is what the DNS says about a domain.
type Report struct {
	Findings []Finding
	Outcome  Outcome
}

// Outcome is what a report says about whose the domain is.
type Outcome uint8

// The outcomes.
const (
	Nothing Outcome = iota // no usable answer: neither
	Ours                   // the challenge and the identity record are there
	NotOurs                // one of them is missing or different
)

// Bounds of what a report repeats of foreign records.
const (
	maxFound = 5
	maxText  = 300
)

// Check compares what the DNS says about a domain with what it should say. It
// asks once for each name and type. An error is ours: no keys.
func (z *Zones) Check(ctx context.Context, domain, challenge string) (Report, error) {
	wanted, err := z.records(domain, challenge)
	if err != nil {
		return Report{}, err
	}
	var report Report
	for i, r := range wanted {
		if i > 0 && r.Name == wanted[i-1].Name && r.Type == wanted[i-1].Type {
			continue // answered together with the one before
		}
		var set []Record
		for _, other := range wanted[i:] {
			if other.Name == r.Name && other.Type == r.Type {
				set = append(set, other)
			}
		}
		report.Findings = append(report.Findings, z.checkSet(ctx, set)...)
	}
	report.Outcome = outcome(report.Findings)
	report.Findings = slices.DeleteFunc(report.Findings, func(f Finding) bool { return f.Former })
	return report, nil
}

// checkSet compares the records of one name and type.
func (z *Zones) checkSet(ctx context.Context, set []Record) []Finding {
	texts, err := z.ask(ctx, set[0])
	out := make([]Finding, len(set))
	for i, r := range set {
		f := Finding{Record: r}
		switch {
		case err == nil:
			f.Status, f.Found, f.Do = compare(r, set, texts)
		case errors.Is(err, resolver.ErrNone):
			f.Status, f.Do = Missing, "publish it"
		default:
			f.Status, f.Do = Unknown, "no usable answer from the DNS; see whether its servers answer"
		}
		f.Found = bounded(f.Found)
		out[i] = f
	}
	return out
}

func (z *Zones) ask(ctx context.Context, r Record) ([]string, error) {
	if r.Type != "MX" {
		return z.o.Lookup.TXT(ctx, r.Name)
	}
	hosts, err := z.o.Lookup.MX(ctx, r.Name)
	var texts []string
	for _, h := range hosts {
		texts = append(texts, strconv.Itoa(int(h.Preference))+" "+h.Host+".")
	}
	return texts, err
}

// bounded cuts what a stranger may have made long.
func bounded(texts []string) (out []string) {
	for i, t := range texts {
		if i == maxFound {
			return append(out, "and "+strconv.Itoa(len(texts)-i)+" more")
		}
		if len(t) > maxText {
			t = t[:maxText] + "…"
		}
		out = append(out, strings.ToValidUTF8(t, "?"))
	}
	return out
}

// outcome: verified by the challenge and the current identity key alone. What is
// not known is neither.
func outcome(findings []Finding) Outcome {
	needed := map[Purpose]Outcome{Ownership: NotOurs, Identity: NotOurs}
	for _, f := range findings {
		if _, counts := needed[f.Purpose]; !counts || f.Spare || f.Former {
			continue
		}
		switch f.Status {
		case Present:
			needed[f.Purpose] = Ours
		case Unknown:
			needed[f.Purpose] = Nothing
		default:
			needed[f.Purpose] = NotOurs
		}
	}
	switch a, b := needed[Ownership], needed[Identity]; {
	case a == NotOurs || b == NotOurs:
		return NotOurs
	case a == Ours && b == Ours:
		return Ours
	}
	return Nothing
}
