package zone

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/resolver"
)

const (
	testIdentity = "v=MMID1; kid=abc; alg=ES256; p=AAAA"
	testDKIM     = "v=DKIM1; k=rsa; p=BBBB"
)

// fakeDNS answers from a map of "TYPE name".
type fakeDNS struct {
	texts map[string][]string
	down  map[string]bool
	asked []string
}

func (f *fakeDNS) answer(key string) ([]string, error) {
	f.asked = append(f.asked, key)
	if f.down[key] || f.down["*"] {
		return nil, fmt.Errorf("SERVFAIL: %w", resolver.ErrTemporary)
	}
	if len(f.texts[key]) == 0 {
		return nil, resolver.ErrNone
	}
	return f.texts[key], nil
}

func (f *fakeDNS) TXT(_ context.Context, name string) ([]string, error) {
	return f.answer("TXT " + name)
}

func (f *fakeDNS) MX(_ context.Context, name string) (out []resolver.MX, err error) {
	hosts, err := f.answer("MX " + name)
	for _, h := range hosts {
		var mx resolver.MX
		fmt.Sscanf(h, "%d %s", &mx.Preference, &mx.Host)
		mx.Host = strings.TrimSuffix(mx.Host, ".")
		out = append(out, mx)
	}
	return out, err
}

var testSettings = Settings{Hostname: "out.example.net", SPF: []string{"include:spf.example.net", "ip4:192.0.2.1"},
	MX: []string{"MX1.example.net", "mx2.example.net"}, Bounce: "bounce",
	PolicyMode: "testing", PolicyMaxAge: 24 * time.Hour}

func newZones(s Settings) (*Zones, *fakeDNS) {
	f := &fakeDNS{texts: map[string][]string{}, down: map[string]bool{}}
	one := func(label, text string) Keys {
		return func(domain string) ([]Record, error) { return []Record{{Name: label + domain, Value: text}}, nil }
	}
	return New(Options{Identity: one("_multimail-identity.", testIdentity), DKIM: one("mm1._domainkey.", testDKIM),
		Lookup: f, Settings: s}), f
}

// publish makes the DNS say what the records are.
func (f *fakeDNS) publish(t *testing.T, z *Zones) {
	t.Helper()
	records, err := z.Records("example.test", "secret")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		key := r.Type + " " + r.Name
		f.texts[key] = append(f.texts[key], r.Value)
	}
}

func TestEveryRecordIsPrintedAndWhatIsPrintedIsPresent(t *testing.T) {
	z, f := newZones(testSettings)
	f.publish(t, z)
	report, err := z.Check(t.Context(), "Example.TEST", "secret")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, finding := range report.Findings {
		got = append(got, string(finding.Purpose)+" "+finding.Type+" "+finding.Name+" "+finding.Value)
		if finding.Status != Present || len(finding.Found) > 0 || finding.Do != "" {
			t.Errorf("%+v", finding)
		}
	}
	want := []string{
		"ownership TXT _multimail-challenge.example.test multimail-challenge=secret",
		"identity TXT _multimail-identity.example.test " + testIdentity,
		"spf TXT example.test v=spf1 include:spf.example.net ip4:192.0.2.1 ~all",
		"dkim TXT mm1._domainkey.example.test " + testDKIM,
		"dmarc TXT _dmarc.example.test v=DMARC1; p=quarantine; rua=mailto:postmaster@example.test",
		"mx MX example.test 10 mx1.example.net.",
		"mx MX example.test 20 mx2.example.net.",
		"mta-sts TXT _mta-sts.example.test v=STSv1; id=" + policyID(z.Policy()),
		"tls-rpt TXT _smtp._tls.example.test v=TLSRPTv1; rua=mailto:postmaster@example.test",
		"bounce-mx MX bounce.example.test 10 mx1.example.net.",
		"bounce-mx MX bounce.example.test 20 mx2.example.net.",
		"bounce-spf TXT bounce.example.test v=spf1 include:spf.example.net ip4:192.0.2.1 ~all",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if report.Outcome != Ours {
		t.Errorf("outcome %v", report.Outcome)
	}
	slices.Sort(f.asked)
	if len(f.asked) != 10 || len(slices.Compact(f.asked)) != 10 {
		t.Errorf("asked %q, want each once", f.asked)
	}
}

func TestWithoutAnMXNothingIsSaidAboutMailThatComesIn(t *testing.T) {
	z, _ := newZones(Settings{Hostname: "localhost"})
	records, err := z.Records("example.test", "secret")
	var got []Purpose
	for _, r := range records {
		got = append(got, r.Purpose)
	}
	if want := []Purpose{Ownership, Identity, DKIM, DMARC, TLSRPT}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if p := z.Policy(); p != "" {
		t.Errorf("policy %q", p)
	}
}

func TestThePolicyIsThatOfTheRFC(t *testing.T) {
	want := "version: STSv1\r\nmode: testing\r\nmx: mx1.example.net\r\nmx: mx2.example.net\r\nmax_age: 86400\r\n"
	if got := testSettings.Policy(); got != want {
		t.Errorf("got %q", got)
	}
	other := testSettings
	other.PolicyMode = "enforce"
	if a, b := policyID(testSettings.Policy()), policyID(other.Policy()); a == b || len(a) > 32 {
		t.Errorf("ids %q and %q", a, b)
	}
}

// Every row: what stands there in the place of what was printed, and what it means.
var comparisons = []struct {
	name    string
	purpose Purpose
	texts   []string
	want    Status
}{
	{"the challenge of another installation beside ours", Ownership,
		[]string{"multimail-challenge=other", "multimail-challenge=secret"}, Present},
	{"the challenge of another installation", Ownership, []string{"multimail-challenge=other"}, Different},
	{"a challenge in another case", Ownership, []string{"multimail-challenge=SECRET"}, Different},
	{"something else", Ownership, []string{"google-site-verification=x"}, Missing},

	{"order and blanks", Identity, []string{"v=MMID1;alg=ES256; p=AA AA ;kid=abc;"}, Present},
	{"another text beside it", Identity, []string{"hello", testIdentity}, Present},
	{"another key", Identity, []string{"v=MMID1; kid=abc; alg=ES256; p=CCCC"}, Different},
	{"another kid", Identity, []string{"v=MMID1; kid=abd; alg=ES256; p=AAAA"}, Different},
	{"another algorithm", Identity, []string{"v=MMID1; kid=abc; alg=none; p=AAAA"}, Different},
	{"a second v= record", Identity, []string{testIdentity, "v=MMID1; kid=xyz; alg=ES256; p=CCCC"}, Different},
	{"a second v= tag", Identity, []string{"v=MMID1; v=MMID1; kid=abc; alg=ES256; p=AAAA"}, Different},
	{"v= in the last place", Identity, []string{"kid=abc; alg=ES256; p=AAAA; v=MMID1"}, Different},
	{"a broken record beside ours", Identity, []string{testIdentity, "v=MMID1; broken"}, Different},
	{"a text of 64 KiB", Identity, []string{"v=MMID1; p=" + strings.Repeat("A", 65_000)}, Different},
	{"none of the kind", Identity, []string{"hello"}, Missing},

	{"more mechanisms", SPF, []string{"v=spf1 mx IP4:192.0.2.1 +include:spf.EXAMPLE.net -all"}, Present},
	{"another text beside it", SPF, []string{"v=spf1 include:spf.example.net ip4:192.0.2.1", "hello"}, Present},
	{"a way less", SPF, []string{"v=spf1 ip4:192.0.2.1 ~all"}, Different},
	{"a way that fails", SPF, []string{"v=spf1 -include:spf.example.net ip4:192.0.2.1 ~all"}, Different},
	{"a way behind all", SPF, []string{"v=spf1 include:spf.example.net -all ip4:192.0.2.1"}, Different},
	{"two records", SPF, []string{"v=spf1 include:spf.example.net ip4:192.0.2.1 ~all", "v=spf1 -all"}, Different},
	{"of another version", SPF, []string{"v=spf10 include:spf.example.net ip4:192.0.2.1 ~all"}, Missing},

	{"defaults left out", DKIM, []string{"p=BB BB"}, Present},
	{"further tags", DKIM, []string{"v=DKIM1; t=s; h=sha1:sha256; s=email; n=hello; k=rsa; p=BBBB"}, Present},
	{"another key", DKIM, []string{"v=DKIM1; k=rsa; p=CCCC"}, Different},
	{"another type", DKIM, []string{"v=DKIM1; k=ed25519; p=BBBB"}, Different},
	{"a revoked key", DKIM, []string{"v=DKIM1; p="}, Different},
	{"no hash that is used", DKIM, []string{"v=DKIM1; h=sha1; p=BBBB"}, Different},
	{"not for mail", DKIM, []string{"v=DKIM1; s=tlsrpt; p=BBBB"}, Different},
	{"a tag twice", DKIM, []string{"v=DKIM1; p=BBBB; p=BBBB"}, Different},
	{"two keys", DKIM, []string{testDKIM, "v=DKIM1; p=CCCC"}, Different},

	{"stricter", DMARC, []string{"v=DMARC1; p=reject; adkim=s; sp=none"}, Present},
	{"as strict, other reports", DMARC, []string{"v=DMARC1;p=Quarantine; rua=mailto:x@y.test"}, Present},
	{"laxer", DMARC, []string{"v=DMARC1; p=none"}, Different},
	{"for some mail only", DMARC, []string{"v=DMARC1; p=reject; pct=10"}, Different},
	{"no policy", DMARC, []string{"v=DMARC1; rua=mailto:x@y.test"}, Different},
	{"two records", DMARC, []string{"v=DMARC1; p=reject", "v=DMARC1; p=none"}, Different},
	{"v= in the second place", DMARC, []string{"p=reject; v=DMARC1"}, Missing},

	{"of another policy", MTASTS, []string{"v=STSv1; id=1"}, Different},
	{"other reports", TLSRPT, []string{"v=TLSRPTv1;rua=https://r.example.net/"}, Present},
	{"no reports", TLSRPT, []string{"v=TLSRPTv1;"}, Different},

	{"another preference", MX, []string{"5 mx1.example.net.", "7 mx2.example.net.", "99 z.test."}, Present},
	{"another host", MX, []string{"5 z.test."}, Different},
	{"no mail at all", MX, []string{"0 ."}, Different},
	{"the bounces go elsewhere", BounceMX, []string{"5 z.test."}, Different},
	{"the bounces are sent from elsewhere", BounceSPF, []string{"v=spf1 -all"}, Different},
}

func TestRecordsAreComparedByWhatTheyMean(t *testing.T) {
	for _, c := range comparisons {
		t.Run(string(c.purpose)+", "+c.name, func(t *testing.T) {
			z, f := newZones(testSettings)
			f.publish(t, z)
			records, _ := z.Records("example.test", "secret")
			i := slices.IndexFunc(records, func(r Record) bool { return r.Purpose == c.purpose })
			f.texts[records[i].Type+" "+records[i].Name] = c.texts
			report, err := z.Check(t.Context(), "example.test", "secret")
			if err != nil {
				t.Fatal(err)
			}
			got := report.Findings[slices.IndexFunc(report.Findings, func(f Finding) bool { return f.Purpose == c.purpose })]
			if got.Status != c.want || (got.Do == "") != (c.want == Present) {
				t.Errorf("got %s, %q, want %s", got.Status, got.Do, c.want)
			}
			if c.want == Different && len(got.Found) == 0 {
				t.Error("it does not say what is there")
			}
			for _, text := range got.Found {
				if len(text) > maxText+len("…") {
					t.Errorf("it repeats %d octets", len(text))
				}
			}
			counts := c.purpose == Ownership || c.purpose == Identity
			if want := map[bool]Outcome{true: NotOurs, false: Ours}[counts && c.want != Present]; report.Outcome != want {
				t.Errorf("outcome %v, want %v", report.Outcome, want)
			}
		})
	}
}

func TestWhatIsNotKnownIsNeitherOursNorNot(t *testing.T) {
	const challenge, identity = "TXT _multimail-challenge.example.test", "TXT _multimail-identity.example.test"
	for _, c := range []struct {
		down []string
		gone string
		want Outcome
	}{
		{[]string{"*"}, "", Nothing},
		{[]string{challenge}, "", Nothing},
		{[]string{identity}, "", Nothing},
		{[]string{challenge}, identity, NotOurs},
		{[]string{"TXT example.test", "MX example.test"}, "", Ours},
		{nil, challenge, NotOurs},
	} {
		z, f := newZones(testSettings)
		f.publish(t, z)
		delete(f.texts, c.gone)
		for _, name := range c.down {
			f.down[name] = true
		}
		report, err := z.Check(t.Context(), "example.test", "secret")
		if err != nil || report.Outcome != c.want {
			t.Errorf("%v down, %q gone: outcome %v, %v, want %v", c.down, c.gone, report.Outcome, err, c.want)
		}
	}
}

func TestKeysBeforeAndAfterTheirUseDoNotDecide(t *testing.T) {
	z, f := newZones(testSettings)
	const next, former = "v=MMID1; kid=next; alg=ES256; p=NNNN", "v=MMID1; kid=old; alg=ES256; p=OOOO"
	z.o.Identity = func(string) ([]Record, error) {
		name := "_multimail-identity.example.test"
		return []Record{{Name: name, Value: next, Spare: true}, {Name: name, Value: former, Former: true},
			{Name: name, Value: testIdentity}}, nil
	}
	f.publish(t, z)
	key := "TXT _multimail-identity.example.test"
	if want := []string{next, testIdentity}; !slices.Equal(f.texts[key], want) {
		t.Errorf("printed %q", f.texts[key])
	}
	for _, texts := range [][]string{{testIdentity}, {former, testIdentity}, {next, former, testIdentity}} {
		f.texts[key] = texts
		if report, _ := z.Check(t.Context(), "example.test", "secret"); report.Outcome != Ours {
			t.Errorf("%q: outcome %v", texts, report.Outcome)
		}
	}
	for _, texts := range [][]string{{next}, {former}, {testIdentity, "v=MMID1; kid=x; alg=ES256; p=X"}} {
		f.texts[key] = texts
		if report, _ := z.Check(t.Context(), "example.test", "secret"); report.Outcome != NotOurs {
			t.Errorf("%q: outcome %v", texts, report.Outcome)
		}
	}
}

func TestWithoutKeysThereIsNoReport(t *testing.T) {
	lost := errors.New("lost")
	z, _ := newZones(testSettings)
	z.o.DKIM = func(string) ([]Record, error) { return nil, lost }
	if _, err := z.Check(t.Context(), "example.test", "secret"); !errors.Is(err, lost) {
		t.Errorf("got %v", err)
	}
}

// Mail for the domain itself may be somebody else's business, as where only reports come in.
func TestWithoutAnMXTheBounceSubdomainIsOfThisMachine(t *testing.T) {
	z, _ := newZones(Settings{Hostname: "out.example.net", Bounce: "bounce"})
	records, err := z.Records("example.test", "secret")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range records {
		if r.Purpose == MX || r.Purpose == MTASTS || r.Purpose == BounceMX || r.Purpose == BounceSPF {
			got = append(got, string(r.Purpose)+" "+r.Name+" "+r.Value)
		}
	}
	want := []string{"bounce-mx bounce.example.test 10 out.example.net.",
		"bounce-spf bounce.example.test v=spf1 a:out.example.net ~all"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
