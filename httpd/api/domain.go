package api

import (
	"strings"
	"time"
)

// Domain is a sending domain.
type Domain struct {
	ID       string `json:"id" doc:"the same as name"`
	Name     string `json:"name"`
	Domain   string `json:"domain" doc:"the same as name"`
	Status   string `json:"status" doc:"'verified', 'internal', 'assumed' (an upgrade), or 'unverified': nothing leaves"`
	Verified bool   `json:"verified" doc:"the DNS shows that it is ours, as of the last 72 hours"`
	Internal bool   `json:"internal" doc:"it sends without being verified, and its mail does not claim that it is"`

	CreatedAt     time.Time `json:"created_at"`
	CheckedAt     time.Time `json:"checked_at,omitzero"`
	VerifiedAt    time.Time `json:"verified_at,omitzero" doc:"last time that it was found to be ours"`
	VerifiedUntil time.Time `json:"verified_until,omitzero" doc:"when that ceases to count"`
	FailedAt      time.Time `json:"failed_at,omitzero" doc:"since when it is found not to be ours"`

	BounceDomain string `json:"bounce_domain,omitempty" doc:"where reports on its mail come in; empty: there is none"`
	ReturnPath   bool   `json:"return_path_verified" doc:"its mail leaves with senders of the bounce domain"`

	DNS []Record `json:"dns_records,omitempty" doc:"to be published; not in lists"`
}

// Record is a DNS record to be published.
type Record struct {
	Purpose string `json:"purpose" doc:"what it is for, such as ownership, identity or dkim"`
	Type    string `json:"type" doc:"'TXT' or 'MX'"`
	Name    string `json:"name"`
	Value   string `json:"value"`
}

// Zone returns the record as a line of a zone file. A string in a TXT record
// holds 255 octets at most (RFC 1035, section 3.3); resolvers join them.
func (r Record) Zone() string {
	var b strings.Builder
	b.WriteString(r.Name + ". " + r.Type)
	if r.Type != "TXT" {
		return b.String() + " " + r.Value
	}
	for text := r.Value; text != ""; {
		n := min(255, len(text))
		b.WriteString(` "` + quoted.Replace(text[:n]) + `"`)
		text = text[n:]
	}
	return b.String()
}

var quoted = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// RecordCheck is what the DNS says of a record.
type RecordCheck struct {
	Record
	Status string   `json:"status" doc:"'present', 'missing', 'different' or 'unknown': no usable answer"`
	Found  []string `json:"found,omitempty" doc:"what is there instead"`
	Do     string   `json:"do,omitempty" doc:"what to do"`
}

// DomainCheck is a domain with what the DNS says of it now.
type DomainCheck struct {
	Domain
	Records []RecordCheck `json:"records"`

	DKIM bool `json:"dkim_verified" doc:"the DNS has every DKIM record"`
	SPF  bool `json:"spf_verified" doc:"the DNS has the SPF record"`
	MX   bool `json:"mx_verified" doc:"the DNS has every MX record; false too where none is asked for"`
}

// Domains is a list of them.
type Domains struct {
	Domains []Domain `json:"domains"`
}

// NewDomain asks for a domain, under one of two names for the same.
type NewDomain struct {
	Name   string `json:"name,omitempty" doc:"of the domain"`
	Domain string `json:"domain,omitempty" doc:"the same as name"`
}
