// Package zone knows what the DNS of a sending domain must say, and compares it
// with what the DNS does say.
//
// Two records prove that a domain is the operator's: the challenge, which is
// random for each installation, and the identity record with the key that signs
// here. The others are compared by what they mean and only reported: a mail that
// fails SPF is the recipient's to judge, a domain that is not ours is for us.
package zone

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// Purpose is what a record is for.
type Purpose string

// The purposes, in the order in which they are printed.
const (
	Ownership Purpose = "ownership"
	Identity  Purpose = "identity"
	SPF       Purpose = "spf"
	DKIM      Purpose = "dkim"
	DMARC     Purpose = "dmarc"
	MX        Purpose = "mx"
	MTASTS    Purpose = "mta-sts"
	TLSRPT    Purpose = "tls-rpt"
	BounceMX  Purpose = "bounce-mx"
	BounceSPF Purpose = "bounce-spf"
)

// Record is a DNS record that a domain should have.
type Record struct {
	Purpose Purpose
	Type    string // TXT or MX
	Name    string // without a final dot
	Value   string // of TXT: one text, however long; of MX: "10 mx.example.com."

	// Spare: the key is published before its use. The domain can be verified without it.
	Spare bool
	// Former: the key is one that signed before. Its record may be there and is not printed.
	Former bool
}

// Settings are what an operator chooses about the records.
type Settings struct {
	Hostname     string        // of the machine that sends; in SPF when nothing else is named
	SPF          []string      // mechanisms that authorise the way out, such as include:spf.example.net
	MX           []string      // hosts that take mail for the domains; empty: somebody else's business
	Bounce       string        // label of the subdomain that bounces come back to; empty for none
	Reports      string        // address for reports; empty: postmaster of each domain
	PolicyMode   string        // of MTA-STS: testing, enforce or none
	PolicyMaxAge time.Duration // of MTA-STS
}

// Keys returns the records of the keys of a domain, without a purpose.
type Keys func(domain string) ([]Record, error)

// Options are what the records are made from; all are required.
type Options struct {
	Identity, DKIM Keys
	Lookup         Lookup
	Settings       Settings
}

// Zones makes and checks the records of the sending domains.
type Zones struct{ o Options }

// New returns Zones.
func New(o Options) *Zones {
	if o.Identity == nil || o.DKIM == nil || o.Lookup == nil {
		panic("zone: the keys and a lookup are required")
	}
	return &Zones{o}
}

// ChallengeText is the text of the record that proves a domain to be ours.
func ChallengeText(challenge string) string { return challengePrefix + challenge }

const challengePrefix = "multimail-challenge="

// Records returns what a domain should publish. challenge is the random value of
// this installation and domain.
func (z *Zones) Records(domain, challenge string) ([]Record, error) {
	all, err := z.records(domain, challenge)
	out := all[:0]
	for _, r := range all {
		if !r.Former {
			out = append(out, r)
		}
	}
	return out, err
}

func (z *Zones) records(domain, challenge string) ([]Record, error) {
	domain = strings.ToLower(domain)
	identity, err := z.o.Identity(domain)
	if err != nil {
		return nil, fmt.Errorf("zone: identity keys of %s: %w", domain, err)
	}
	signing, err := z.o.DKIM(domain)
	if err != nil {
		return nil, fmt.Errorf("zone: DKIM keys of %s: %w", domain, err)
	}
	s := z.o.Settings
	txt := func(p Purpose, name, value string) Record {
		return Record{Purpose: p, Type: "TXT", Name: name, Value: value}
	}
	out := []Record{txt(Ownership, "_multimail-challenge."+domain, ChallengeText(challenge))}
	out = append(out, purposed(identity, Identity)...)
	if spf := s.spf(); spf != "" {
		out = append(out, txt(SPF, domain, spf))
	}
	out = append(out, purposed(signing, DKIM)...)
	out = append(out, txt(DMARC, "_dmarc."+domain, "v=DMARC1; p=quarantine; rua=mailto:"+s.reports(domain)))
	if len(s.MX) > 0 {
		out = append(out, s.mx(MX, domain)...)
		out = append(out, txt(MTASTS, "_mta-sts."+domain, "v=STSv1; id="+policyID(s.Policy())))
	}
	out = append(out, txt(TLSRPT, "_smtp._tls."+domain, "v=TLSRPTv1; rua=mailto:"+s.reports(domain)))
	if s.Bounce != "" {
		sub := s.Bounce + "." + domain
		hosts := s // without hosts for the domains this machine takes the reports itself
		if len(s.MX) == 0 && strings.Contains(s.Hostname, ".") {
			hosts.MX = []string{s.Hostname}
		}
		out = append(out, hosts.mx(BounceMX, sub)...)
		if spf := s.spf(); spf != "" {
			out = append(out, txt(BounceSPF, sub, spf))
		}
	}
	return out, nil
}

func purposed(keys []Record, p Purpose) []Record {
	for i := range keys {
		keys[i].Purpose, keys[i].Type = p, "TXT"
	}
	return keys
}

// spf returns a record that lets mail leave by our way; "" where the settings
// name no way that the DNS knows.
func (s Settings) spf() string {
	way := s.SPF
	if len(way) == 0 && strings.Contains(s.Hostname, ".") {
		way = []string{"a:" + s.Hostname}
	}
	if len(way) == 0 {
		return ""
	}
	return "v=spf1 " + strings.Join(way, " ") + " ~all"
}

func (s Settings) reports(domain string) string {
	if s.Reports != "" {
		return s.Reports
	}
	return "postmaster@" + domain
}

func (s Settings) mx(p Purpose, name string) (out []Record) {
	for i, host := range s.MX {
		out = append(out, Record{Purpose: p, Type: "MX", Name: name,
			Value: fmt.Sprintf("%d %s.", 10*(i+1), strings.TrimSuffix(strings.ToLower(host), "."))})
	}
	return out
}

// Policy returns the MTA-STS policy (RFC 8461, 3.2), which is the same for every
// domain; "" where the settings name no MX.
func (s Settings) Policy() string {
	if len(s.MX) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "version: STSv1\r\nmode: %s\r\n", s.PolicyMode)
	for _, host := range s.MX {
		fmt.Fprintf(&b, "mx: %s\r\n", strings.TrimSuffix(strings.ToLower(host), "."))
	}
	fmt.Fprintf(&b, "max_age: %d\r\n", int64(s.PolicyMaxAge.Seconds()))
	return b.String()
}

// Policy returns the MTA-STS policy of the domains.
func (z *Zones) Policy() string { return z.o.Settings.Policy() }

// policyID changes with the policy, as senders expect: at most 32 letters and digits.
func policyID(policy string) string {
	sum := sha256.Sum256([]byte(policy))
	return hex.EncodeToString(sum[:8])
}
