package origin

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/multimail/multimail/mail"
)

// spfPass lets 192.0.2.1 send for a domain.
const spfPass = "v=spf1 ip4:192.0.2.1 -all"

type zones = map[string][]string

// record is a zone with one DMARC record, of example.org.
func record(text string) zones { return zones{"TXT _dmarc.example.org": {text}} }

// reject is the policy that most domains here have.
var reject = record("v=DMARC1; p=reject")

var policies = map[string]struct {
	author  string // domain of From; example.org
	sender  string // domain of MAIL FROM, which passes SPF; other.test
	signer  string // domain of a good signature
	records zones
	want    string // the result, and what is demanded
}{
	"no record":           {want: "none "},
	"SPF":                 {sender: "example.org", records: reject, want: "pass reject"},
	"DKIM":                {signer: "example.org", records: reject, want: "pass reject"},
	"neither":             {records: reject, want: "fail reject"},
	"quarantine":          {records: record("v=DMARC1;p=Quarantine"), want: "fail quarantine"},
	"none":                {records: record("v=DMARC1; p=none"), want: "fail none"},
	"a relaxed subdomain": {signer: "m.example.org", records: reject, want: "pass reject"},
	"a strict subdomain": {signer: "m.example.org", records: record("v=DMARC1; p=reject; adkim=s"),
		want: "fail reject"},
	"a strict name":   {signer: "example.org", records: record("v=DMARC1; p=reject; adkim=s"), want: "pass reject"},
	"a strict sender": {sender: "m.example.org", records: record("v=DMARC1; p=reject; aspf=s"), want: "fail reject"},
	"a relaxed sender": {sender: "m.example.org", records: record("v=DMARC1; p=reject; adkim=s"),
		want: "pass reject"},
	"a sister": {author: "a.example.org", signer: "b.example.org", records: reject, want: "pass reject"},
	"a public suffix": {author: "a.co.uk", signer: "b.co.uk",
		records: zones{"TXT _dmarc.a.co.uk": {"v=DMARC1; p=reject"}}, want: "fail reject"},
	"a suffix itself":          {signer: "org", records: reject, want: "fail reject"},
	"an ending that is longer": {signer: "notexample.org", records: reject, want: "fail reject"},
	"sp": {author: "a.example.org", records: record("v=DMARC1; p=reject; sp=none"),
		want: "fail none"},
	"p for a subdomain": {author: "a.example.org", records: record("v=DMARC1; p=quarantine"),
		want: "fail quarantine"},
	"a record of its own": {author: "a.example.org", records: zones{"TXT _dmarc.a.example.org": {"v=DMARC1; p=none"},
		"TXT _dmarc.example.org": {"v=DMARC1; p=reject"}}, want: "fail none"},
	"np": {author: "a.example.org", records: record("v=DMARC1; p=none; sp=none; np=reject"), want: "fail reject"},
	"np of one that exists": {author: "a.example.org", records: zones{"MX a.example.org": {"0 x.test"},
		"TXT _dmarc.example.org": {"v=DMARC1; p=none; np=reject"}}, want: "fail none"},
	"np unknown": {author: "a.example.org", records: zones{"A a.example.org": {"SERVFAIL"},
		"TXT _dmarc.example.org": {"v=DMARC1; p=none; np=reject"}}, want: "temperror none"},
	"np at the top":  {records: record("v=DMARC1; p=none; np=reject"), want: "fail none"},
	"a test":         {records: record("v=DMARC1; p=reject; t=y"), want: "fail quarantine"},
	"a test of none": {records: record("v=DMARC1; p=none; t=y"), want: "fail none"},
	"pct":            {records: record("v=DMARC1; p=reject; pct=0"), want: "fail reject"},
	"nonsense tags": {records: record("v=DMARC1; p=reject; pct=x; rf=y; ri=-1; fo=q; sp=z; adkim=q"),
		want: "fail reject"},
	"p that is none": {records: record("v=DMARC1; p=banana"), want: "none "},
	"only reports":   {records: record("v=DMARC1; rua=mailto:a@example.org"), want: "fail none"},
	"two records": {records: zones{"TXT _dmarc.example.org": {"v=DMARC1; p=reject", "v=DMARC1; p=none"}},
		want: "none "},
	"among others": {records: zones{"TXT _dmarc.example.org": {"v=spf1 -all", "v=DMARC1; p=reject"}},
		want: "fail reject"},
	"another version":   {records: record("v=DMARC2; p=reject"), want: "none "},
	"no answer":         {records: record("SERVFAIL"), want: "temperror "},
	"no answer for org": {author: "a.example.org", records: record("SERVFAIL"), want: "temperror "},
	"no answer for an aligned key": {signer: "example.org", records: zones{keyOf("example.org"): {"SERVFAIL"},
		"TXT _dmarc.example.org": {"v=DMARC1; p=reject"}}, want: "temperror reject"},
	"no answer for another key": {signer: "other.test", records: zones{keyOf("other.test"): {"SERVFAIL"},
		"TXT _dmarc.example.org": {"v=DMARC1; p=reject"}}, want: "fail reject"},
}

func TestAPolicyIsThatOfTheDomainInFrom(t *testing.T) {
	for name, tt := range policies {
		author, sender := "example.org", "other.test"
		if tt.author != "" {
			author = tt.author
		}
		if tt.sender != "" {
			sender = tt.sender
		}
		records := zones{"TXT " + sender: {spfPass}}
		m := from("From: A <a@" + author + ">\nSubject: x\n\nhello\n")
		m.From = mail.MustAddress("x@" + sender)
		if tt.signer != "" {
			m.Raw, records[keyOf(tt.signer)] = signed(t, m.Raw, tt.signer), []string{testRecord}
		}
		for k, v := range tt.records {
			records[k] = v
		}
		f, _ := check(t, newZone(records), m, func(o *Options) { o.Policy = Policy{Accept, Accept, Accept} })
		got := f.Auth.DMARC
		demands := ""
		if i := strings.Index(string(f.Stamp), "policy.dmarc="); i >= 0 {
			demands, _, _ = strings.Cut(string(f.Stamp)[i+len("policy.dmarc="):], "\r\n")
		}
		if got.Result+" "+strings.TrimRight(demands, ";") != tt.want || got.Domain != author {
			t.Errorf("%s: %+v, %q, want %s", name, got, demands, tt.want)
		}
	}
}

func TestFromMustNameOneAuthor(t *testing.T) {
	for name, header := range map[string]string{
		"no From":             "Subject: x\n",
		"two From fields":     "From: a@example.org\nFrom: a@example.org\n",
		"two in other case":   "From: a@example.org\nfrom : b@other.test\n",
		"two addresses":       "From: a@example.org, b@example.org\n",
		"two brackets":        "From: <a@example.org> <b@other.test>\n",
		"none":                "From: \n",
		"a group":             "From: all: a@example.org, b@other.test;\n",
		"no domain":           "From: a\n",
		"an address literal":  "From: a@[192.0.2.1]\n",
		"a quoted local part": "From: \"a@x.test\"@example.org\n",
	} {
		z := newZone(map[string][]string{"TXT example.org": {spfPass}, "TXT _dmarc.example.org": {"v=DMARC1; p=none"}})
		f, err := check(t, z, from(header+"\nhello\n"))
		if err != nil || f.Auth.DMARC.Result != permerror || !f.Auth.Quarantine {
			t.Errorf("%s: %+v, %v", name, f.Auth, err)
		}
		_, err = check(t, z, from(header+"\nhello\n"), func(o *Options) { o.Policy.Quarantine = Reject })
		if mail.WordOf(err) != string(mail.ReasonUnauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatFollowsFromAResult(t *testing.T) {
	const reject, quarantine = "v=DMARC1; p=reject", "v=DMARC1; p=quarantine"
	for name, tt := range map[string]struct {
		record     string
		policy     Policy
		word       string
		quarantine bool
	}{
		"reject":                {reject, Policy{}, "unauthenticated", false},
		"reject, quarantined":   {reject, Policy{Reject: Quarantine}, "", true},
		"reject, accepted":      {reject, Policy{Reject: Accept}, "", false},
		"quarantine":            {quarantine, Policy{}, "", true},
		"quarantine, rejected":  {quarantine, Policy{Quarantine: Reject}, "unauthenticated", false},
		"quarantine, accepted":  {quarantine, Policy{Quarantine: Accept}, "", false},
		"none":                  {"v=DMARC1; p=none", Policy{Reject: Reject, Quarantine: Reject}, "", false},
		"no answer":             {"SERVFAIL", Policy{}, "unverified", false},
		"no answer is accepted": {"SERVFAIL", Policy{TempError: Accept}, "", false},
	} {
		f, err := check(t, newZone(record(tt.record)), from(plain), func(o *Options) { o.Policy = tt.policy })
		if mail.WordOf(err) != tt.word || f.Auth.Quarantine != tt.quarantine {
			t.Errorf("%s: %v, quarantine %v", name, err, f.Auth.Quarantine)
		}
	}
	for _, p := range []Policy{{Reject: TempFail}, {Quarantine: "x"}, {TempError: Reject}} {
		if _, err := New(Options{DNS: newZone(nil), Host: host, Policy: p}); err == nil {
			t.Errorf("%+v is taken", p)
		}
	}
}

// Over LMTP nobody knows the client, so that half of what could pass is missing.
func TestWithoutSPFAMailIsQuarantinedAndNotRejected(t *testing.T) {
	m := from(plain)
	m.Remote = netip.Addr{}
	f, err := check(t, newZone(map[string][]string{"TXT _dmarc.example.org": {"v=DMARC1; p=reject"}}), m)
	if err != nil || !f.Auth.Quarantine || f.Auth.SPF != (mail.Check{}) || strings.Contains(string(f.Stamp), "spf=") {
		t.Errorf("%+v, %s, %v", f.Auth, f.Stamp, err)
	}
}
