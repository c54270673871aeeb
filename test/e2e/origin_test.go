//go:build e2e

package e2e

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/multimail/multimail/internal/origin"
	"github.com/multimail/multimail/internal/resolver"
	"github.com/multimail/multimail/mail"
)

// dnsZone is a DNS that both judges are given: values by "TYPE name".
type dnsZone map[string][]string

func (z dnsZone) values(typ, name string) ([]string, error) {
	values := z[typ+" "+strings.ToLower(strings.TrimSuffix(name, "."))]
	switch {
	case slices.Contains(values, "SERVFAIL"):
		return nil, resolver.ErrTemporary
	case len(values) == 0:
		return nil, resolver.ErrNone
	}
	return values, nil
}

func (z dnsZone) TXT(_ context.Context, name string) ([]string, error) { return z.values("TXT", name) }

func (z dnsZone) MX(_ context.Context, name string) (out []resolver.MX, err error) {
	values, err := z.values("MX", name)
	for _, v := range values {
		out = append(out, resolver.MX{Host: strings.TrimPrefix(v, "10 ")})
	}
	return out, err
}

func (z dnsZone) A(_ context.Context, host string) ([]netip.Addr, error) { return z.addrs("A", host) }

func (z dnsZone) AAAA(_ context.Context, host string) ([]netip.Addr, error) {
	return z.addrs("AAAA", host)
}

func (z dnsZone) addrs(typ, host string) (out []netip.Addr, err error) {
	values, err := z.values(typ, host)
	for _, v := range values {
		out = append(out, netip.MustParseAddr(v))
	}
	return out, err
}

func (z dnsZone) PTR(_ context.Context, addr netip.Addr) ([]string, error) {
	return z.values("PTR", reverse(addr))
}

// reverse is the name of an IPv4 address in the DNS.
func reverse(addr netip.Addr) string {
	b := addr.As4()
	return fmt.Sprintf("%d.%d.%d.%d.in-addr.arpa", b[3], b[2], b[1], b[0])
}

// foreign is a mail of the table. What is empty is 192.0.2.1, the domain of From, and
// its own name.
type foreign struct {
	name             string
	eml              []byte
	ip, helo, sender string
	// ours is what we say where mailauth says something else, and why.
	ours, why string
}

// judged is what somebody says of a mail.
type judged struct {
	SPF, DMARC, Policy, ARC string
	DKIM                    []string
}

func (j judged) String() string {
	return fmt.Sprintf("spf=%s dkim=%s dmarc=%s %s arc=%s", j.SPF, strings.Join(j.DKIM, ","), j.DMARC, j.Policy, j.ARC)
}

// verdict turns the words for a signature that does not count into one: the RFC leaves
// the choice between them.
func (j judged) plain() judged {
	for i, d := range j.DKIM {
		if d != "pass" && d != "temperror" {
			j.DKIM[i] = "fail"
		}
	}
	if j.ARC == "temperror" {
		j.ARC = "fail" // RFC 8617 has no other word for a key that is not known
	}
	if j.DMARC != "pass" && j.DMARC != "fail" {
		j.Policy = "" // nothing follows from it
	}
	return j
}

var demanded = regexp.MustCompile(`policy\.dmarc=(\w+)`)

// ours is what this program says of a mail, and the field that it stamps.
func ours(t *testing.T, z dnsZone, m foreign) (judged, string) {
	c, err := origin.New(origin.Options{DNS: z, Host: "mx.receiver.test", Policy: origin.Policy{
		Reject: origin.Accept, Quarantine: origin.Accept, TempError: origin.Accept,
	}})
	if err != nil {
		t.Fatal(err)
	}
	in := origin.Mail{Remote: netip.MustParseAddr(m.ip), Helo: m.helo, Raw: m.eml}
	if m.sender != "" {
		in.From = mail.MustAddress(m.sender)
	}
	f, err := c.Check(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	j := judged{SPF: f.Auth.SPF.Result, DMARC: f.Auth.DMARC.Result, ARC: f.Auth.ARC.Result}
	for _, d := range f.Auth.DKIM {
		j.DKIM = append(j.DKIM, d.Result)
	}
	if found := demanded.FindStringSubmatch(string(f.Stamp)); found != nil {
		j.Policy = found[1]
	}
	return j.plain(), string(f.Stamp)
}

// theirs is what mailauth says of each mail.
func theirs(t *testing.T, z dnsZone, table []foreign) []judged {
	type in struct {
		EML    []byte `json:"eml"`
		IP     string `json:"ip"`
		Helo   string `json:"helo"`
		Sender string `json:"sender"`
	}
	var mails []in
	for _, m := range table {
		mails = append(mails, in{m.eml, m.ip, m.helo, m.sender})
	}
	file := write(t, "job.json", encode(t, map[string]any{"zone": z, "mails": mails}))
	var out []judged
	decode(t, must(t, node(t, "origin.mjs", "FILE="+file)), &out)
	for i := range out {
		out[i] = out[i].plain()
		if len(out[i].DKIM) == 1 && out[i].DKIM[0] == "fail" && !signatureField.Match(table[i].eml) {
			out[i].DKIM = nil // its word for a mail without a signature stands among the results
		}
	}
	return out
}

var signatureField = regexp.MustCompile(`(?im)^dkim-signature\s*:`)

// The table is signed by the library of ours, by dkimpy and by mailauth, and broken in
// every way that one of them could miss.
func TestMailauthAgreesOnWhoSentAMail(t *testing.T) {
	z, table := originTable(t)
	if len(table) < 60 {
		t.Fatalf("%d mails only", len(table))
	}
	theirs := theirs(t, z, table)
	var stamps []string
	for i, m := range table {
		got, stamp := ours(t, z, m)
		stamps = append(stamps, stamp)
		want := theirs[i].String()
		if m.ours != "" {
			if want == m.ours {
				t.Errorf("%s: mailauth agrees now, although %s", m.name, m.why)
			}
			want = m.ours
		}
		if got.String() != want {
			t.Errorf("%s:\nours   %s\ntheirs %s", m.name, got, theirs[i])
		}
	}
	t.Logf("%d mails", len(table))
	readByAuthres(t, stamps)
}

// readByAuthres has python3-authres read what was stamped.
func readByAuthres(t *testing.T, stamps []string) {
	var read [][]string
	r := command(t, encode(t, stamps), nil, "/usr/bin/python3", "-B", "testdata/results.py")
	decode(t, must(t, r), &read)
	for i, got := range read {
		var want []string
		for line := range strings.SplitSeq(strings.TrimSuffix(stamps[i], "\r\n"), ";\r\n\t") {
			word, _, _ := strings.Cut(strings.TrimPrefix(line, "Authentication-Results: "), " ")
			want = append(want, word)
		}
		if !slices.Equal(got, want) {
			t.Errorf("authres reads %q in %q", got, stamps[i])
		}
	}
}

// byPython has mails signed by dkimpy.
func byPython(t *testing.T, key string, mails []toSign) [][]byte {
	job := encode(t, map[string]any{"key": key, "mails": mails})
	r := command(t, job, nil, "/usr/bin/python3", "-B", "testdata/sign.py")
	return emls(t, must(t, r))
}

// byMailauth has mails sealed by mailauth.
func byMailauth(t *testing.T, key string, mails []toSign) [][]byte {
	file := write(t, "job.json", encode(t, map[string]any{"key": key, "mails": mails}))
	return emls(t, must(t, node(t, "origin.mjs", "FILE="+file)))
}

func emls(t *testing.T, text string) (out [][]byte) {
	var all []string
	decode(t, text, &all)
	for _, s := range all {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b)
	}
	return out
}

// toSign is a mail for somebody else to sign, or to seal where cv is given.
type toSign struct {
	EML     []byte `json:"eml"`
	Domain  string `json:"domain"`
	CV      string `json:"cv,omitempty"`
	Results string `json:"results,omitempty"`
	Canon   string `json:"canon,omitempty"`
}
