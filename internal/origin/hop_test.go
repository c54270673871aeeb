package origin

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"github.com/multimail/multimail/mail"
)

// always is an Identity that has one answer.
func always(c mail.Check) Identity {
	return func(context.Context, []byte, string, TXT) mail.Check { return c }
}

func TestOnlyTheTopmostResultsOfATrustedHopAreBelieved(t *testing.T) {
	const ours = "Authentication-Results: hop.test; spf=pass smtp.mailfrom=example.org\n"
	const ar = "Authentication-Results: hop.test; "
	for name, tt := range map[string]struct {
		header string
		id     string
		spf    mail.Check
		dmarc  string
		signer string // that the hop names
	}{
		"believed": {ours, "hop.test", org(pass, byHop), pass, ""},
		"in capitals": {strings.ToUpper(ours), "hop.test", org(pass, byHop),
			pass, ""},
		"no hop":          {ours, "", mail.Check{}, fail, ""},
		"another hop":     {ours, "other.test", mail.Check{}, fail, ""},
		"not the topmost": {"Authentication-Results: x.test; none\n" + ours, "hop.test", mail.Check{}, fail, ""},
		"the first of two": {ar + "spf=fail smtp.mailfrom=example.org\n" + ours, "hop.test",
			org(fail, byHop), fail, ""},
		"malformed": {ar + "spf\n" + ours, "hop.test", mail.Check{}, fail, ""},
		"two senders": {ar + "spf=pass smtp.mailfrom=example.org; spf=pass smtp.mailfrom=x.test\n",
			"hop.test", mail.Check{}, fail, ""},
		"sender and helo": {ar + "spf=none smtp.helo=x.test; spf=pass smtp.mailfrom=a@example.org\n",
			"hop.test", org(pass, byHop), pass, ""},
		"an old word": {ar + "spf=hardfail smtp.mailfrom=example.org\n", "hop.test",
			org(fail, byHop), fail, ""},
		"a word of its own": {ar + "spf=bestguesspass smtp.mailfrom=example.org\n", "hop.test",
			org(neutral, byHop), fail, ""},
		"DKIM": {ar + "dkim=pass header.d=m.example.org\n", "hop.test", mail.Check{}, pass,
			"m.example.org"},
		"DMARC": {ar + "dmarc=pass header.from=example.org\n", "hop.test", mail.Check{}, pass, ""},
		"DMARC of another": {ar + "dmarc=pass header.from=x.test\n", "hop.test", mail.Check{},
			fail, ""},
		"both words": {ar + "dmarc=pass header.from=example.org; dmarc=fail header.from=example.org\n",
			"hop.test", mail.Check{}, fail, ""},
	} {
		m := from(tt.header + plain)
		m.Remote, m.HopID = netip.Addr{}, tt.id
		z := newZone(map[string][]string{"TXT _dmarc.example.org": {"v=DMARC1; p=reject"}})
		f, _ := check(t, z, m)
		if f.Auth.SPF != tt.spf || f.Auth.DMARC.Result != tt.dmarc {
			t.Errorf("%s: %+v", name, f.Auth)
		}
		if tt.signer != "" && (len(f.Auth.DKIM) != 1 || f.Auth.DKIM[0].Domain != tt.signer) {
			t.Errorf("%s: %+v", name, f.Auth.DKIM)
		}
		for _, q := range z.asked {
			if strings.HasPrefix(q, "TXT") && !strings.HasPrefix(q, "TXT _dmarc.") {
				t.Errorf("%s: %s was asked for", name, q)
			}
		}
	}
}

// Exchange Online writes no authserv-id: of a hop that is configured so, and of no other, the
// topmost field is believed without one.
func TestResultsWithoutANameAreBelievedOfAHopThatWritesNone(t *testing.T) {
	const ar = "Authentication-Results: "
	const exchange = ar + "spf=pass (sender IP is 192.0.2.1)\n smtp.mailfrom=example.org; dkim=pass (signature was\n" +
		" verified) header.d=m.example.org;dmarc=pass action=none\n header.from=example.org;compauth=pass reason=100\n"
	for name, tt := range map[string]struct {
		header string
		id     string
		noID   bool
		want   bool
	}{
		"configured":             {exchange, "", true, true},
		"not configured":         {exchange, "", false, false},
		"configured with a name": {exchange, "hop.test", false, false},
		"named spf=pass":         {exchange, "spf=pass", false, false},
		"with a name":            {ar + "hop.test; spf=pass smtp.mailfrom=example.org\n", "", true, false},
		"not the topmost":        {ar + "x.test; none\n" + exchange, "", true, false},
		"the second one":         {ar + "spf=fail smtp.mailfrom=x.test\n" + exchange, "", true, false},
		"an empty name":          {ar + "; spf=pass smtp.mailfrom=example.org\n", "", true, false},
		"empty":                  {ar + "\n" + exchange, "", true, false},
		"nothing":                {ar + "none\n" + exchange, "", true, false},
		"malformed":              {ar + "spf=pass smtp.mailfrom=example.org; =\n", "", true, false},
		"a comment":              {ar + "(a) spf=pass smtp.mailfrom=example.org\n", "", true, true},
	} {
		m := from(tt.header + plain)
		m.Remote, m.HopID, m.HopNoID = netip.Addr{}, tt.id, tt.noID
		z := newZone(map[string][]string{"TXT _dmarc.example.org": {"v=DMARC1; p=reject"}})
		f, _ := check(t, z, m)
		if got := f.Auth.SPF == org(pass, byHop); got != tt.want || tt.want != (f.Auth.DMARC.Result == pass) {
			t.Errorf("%s: %+v, %q", name, f.Auth, f.Warnings)
		}
	}
}

// A mail server in front on the same host may have the same name.
func TestTheResultsOfAHopOfOurNameAreNoForgery(t *testing.T) {
	const said = "Authentication-Results: mx.receiver.test; spf=pass smtp.mailfrom=example.org\n"
	for raw, warnings := range map[string]int{said + plain: 0, said + said + plain: 1} {
		m := from(raw)
		m.Remote, m.HopID = netip.Addr{}, host
		f, err := check(t, newZone(nil), m)
		if err != nil || f.Auth.SPF.Result != pass || string(f.Raw) != string(crlf(plain)) || len(f.Warnings) != warnings {
			t.Errorf("%+v, %q, %q, %v", f.Auth.SPF, f.Raw, f.Warnings, err)
		}
	}
}

// The library checks the bytes whatever a hop says, and its good results stand.
func TestSignaturesAreCheckedBehindAHopToo(t *testing.T) {
	m := from("")
	m.Raw = signed(t, crlf(plain), "example.org")
	m.Remote = netip.Addr{}
	z := newZone(map[string][]string{
		keyOf("example.org"): {testRecord}, "TXT _dmarc.example.org": {"v=DMARC1; p=reject"},
	})
	for _, said := range []string{"",
		"Authentication-Results: hop.test; dkim=fail header.d=example.org; dmarc=fail\r\n"} {
		m.HopID, m.Raw = "hop.test", append([]byte(said), m.Raw...)
		if f, err := check(t, z, m); err != nil || f.Auth.DMARC.Result != pass {
			t.Errorf("%q: %+v, %v", said, f.Auth, err)
		}
	}
}

func TestTheIdentityHeaderIsLookedAtBehindASignatureOfItsDomain(t *testing.T) {
	const header = "X-MultiMail-Identity: token\n" + plain
	const unsigned = "no good DKIM signature of example.org"
	good := mail.Check{Result: pass}
	for name, tt := range map[string]struct {
		raw, signer string
		record      string
		want        mail.Check
		asked       bool
	}{
		"signed":            {header, "example.org", testRecord, org(pass, ""), true},
		"not signed":        {header, "", "", org(fail, unsigned), false},
		"signed by another": {header, "x.test", testRecord, org(fail, unsigned), false},
		"signed below":      {header, "m.example.org", testRecord, org(fail, unsigned), false},
		"signed badly":      {header, "example.org", "v=DKIM1; p=", org(fail, unsigned), false},
		"its key is unknown": {header, "example.org", "SERVFAIL",
			org(temperror, "the DKIM signature could not be checked"), false},
		"no header": {plain, "example.org", testRecord, mail.Check{Result: none}, false},
		"From names nobody": {"X-MultiMail-Identity: token\n\n", "", "",
			mail.Check{Result: permerror, Detail: "0 From fields instead of one"}, false},
	} {
		m := from(tt.raw)
		records := map[string][]string{}
		if tt.signer != "" {
			m.Raw, records[keyOf(tt.signer)] = signed(t, m.Raw, tt.signer), []string{tt.record}
		}
		asked := false
		f, err := check(t, newZone(records), m, func(o *Options) {
			o.Identity = func(_ context.Context, raw []byte, domain string, txt TXT) mail.Check {
				asked = string(raw) == string(m.Raw) && domain == "example.org"
				if got, err := txt("s._domainkey.example.org"); err != nil || got[0] != testRecord {
					t.Errorf("%s: %q, %v", name, got, err)
				}
				return good
			}
		})
		if err != nil || f.Auth.Identity != tt.want || asked != tt.asked {
			t.Errorf("%s: %+v, %v, asked %v", name, f.Auth.Identity, err, asked)
		}
	}
}

func TestResultsAreCounted(t *testing.T) {
	counted := map[string]int{}
	m := from("")
	m.Raw = signed(t, signed(t, crlf(plain), "example.org"), "x.test")
	_, err := check(t, newZone(map[string][]string{keyOf("example.org"): {testRecord}}), m, func(o *Options) {
		o.Count = func(method, result string) { counted[method+" "+result]++ }
		o.Identity = always(mail.Check{})
	})
	want := map[string]int{
		"spf none": 1, "dkim pass": 1, "dkim permerror": 1, "dmarc none": 1, "arc none": 1, "identity none": 1,
	}
	for k, n := range want {
		if counted[k] != n {
			t.Errorf("%s: %d", k, counted[k])
		}
	}
	if err != nil || len(counted) != len(want) {
		t.Errorf("%v, %v", counted, err)
	}
}
