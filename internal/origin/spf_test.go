package origin

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/mail"
)

const plain = "From: a@example.org\nSubject: x\n\nhello\n"

func TestTheAddressOfTheClientIsJudgedBySPF(t *testing.T) {
	for name, tt := range map[string]struct {
		records map[string][]string
		change  func(*Mail)
		want    mail.Check
	}{
		"pass": {records: map[string][]string{"TXT example.org": {"v=spf1 ip4:192.0.2.0/24 -all"}},
			want: org(pass, "")},
		"fail": {records: map[string][]string{"TXT example.org": {"v=spf1 ip4:192.0.2.2 -all"}},
			want: org(fail, "")},
		"softfail": {records: map[string][]string{"TXT example.org": {"v=spf1 ~all"}},
			want: org("softfail", "")},
		"neutral": {records: map[string][]string{"TXT example.org": {"v=spf1 ?all"}},
			want: org(neutral, "")},
		"none": {want: org(none, "")},
		"by an mx": {records: map[string][]string{"TXT example.org": {"v=spf1 mx -all"},
			"MX example.org":   {"0 mx.example.org"},
			"A mx.example.org": {"192.0.2.1"}}, want: org(pass, "")},
		"by a reverse name": {records: map[string][]string{"TXT example.org": {"v=spf1 ptr -all"},
			"PTR 192.0.2.1": {"mail.example.org"}, "A mail.example.org": {"192.0.2.1"}},
			want: org(pass, "")},
		"IPv6": {records: map[string][]string{"TXT example.org": {"v=spf1 a -all"}, "AAAA example.org": {"2001:db8::1"}},
			change: func(m *Mail) { m.Remote = netip.MustParseAddr("2001:db8::1") },
			want:   org(pass, "")},
		"exists, asked by IPv6": {records: map[string][]string{"TXT example.org": {"v=spf1 exists:x.test -all"},
			"A x.test": {"127.0.0.2"}}, change: func(m *Mail) { m.Remote = netip.MustParseAddr("2001:db8::1") },
			want: org(pass, "")},
		"IPv4 within IPv6": {records: map[string][]string{"TXT example.org": {"v=spf1 ip4:192.0.2.1 -all"}},
			change: func(m *Mail) { m.Remote = netip.MustParseAddr("::ffff:192.0.2.1") },
			want:   org(pass, "")},
		"the null sender": {records: map[string][]string{"TXT mail.example.org": {"v=spf1 ip4:192.0.2.1 -all"}},
			change: func(m *Mail) { m.From = mail.Address{} }, want: mail.Check{Result: pass, Domain: "mail.example.org"}},
		"the null sender and no name": {change: func(m *Mail) { m.From, m.Helo = mail.Address{}, "[192.0.2.1]" },
			want: mail.Check{Result: none, Detail: "null sender, and the EHLO name is no domain"}},
		"no answer": {records: map[string][]string{"TXT example.org": {"SERVFAIL"}},
			want: org(temperror, "the DNS does not answer")},
		"no answer to an include": {records: map[string][]string{"TXT example.org": {"v=spf1 include:b.test -all"},
			"TXT b.test": {"SERVFAIL"}},
			want: org(temperror, "the DNS does not answer")},
		"two records": {records: map[string][]string{"TXT example.org": {"v=spf1 -all", "v=spf1 +all"}},
			want: org(permerror, "more than one record")},
		"nonsense": {records: map[string][]string{"TXT example.org": {"v=spf1 banana -all"}},
			want: org(permerror, "the record is malformed")},
		"behind a hop": {records: map[string][]string{"TXT example.org": {"v=spf1 -all"}},
			change: func(m *Mail) { m.Remote = netip.Addr{} }},
	} {
		m := from(plain)
		if tt.change != nil {
			tt.change(&m)
		}
		if tt.records == nil {
			tt.records = map[string][]string{}
		}
		f, err := check(t, newZone(tt.records), m)
		if err != nil || f.Auth.SPF != tt.want {
			t.Errorf("%s: %+v, %v, want %+v", name, f.Auth.SPF, err, tt.want)
		}
	}
}

// RFC 7208, section 2.3: the name in EHLO is checked beside MAIL FROM; DMARC counts MAIL FROM.
func TestTheNameOfTheClientIsJudgedBySPFBesideTheSender(t *testing.T) {
	const name = "TXT mail.example.org"
	helo := func(result, detail string) mail.Check {
		return mail.Check{Result: result, Domain: "mail.example.org", Detail: detail}
	}
	for what, tt := range map[string]struct {
		records map[string][]string
		change  func(*Mail)
		want    mail.Check
		stamp   string
	}{
		"pass": {map[string][]string{name: {"v=spf1 ip4:192.0.2.1 -all"}}, nil, helo(pass, ""), "spf=pass smtp.helo="},
		"fail": {map[string][]string{name: {"v=spf1 -all"}}, nil, helo(fail, ""), "spf=fail smtp.helo="},
		"no answer": {map[string][]string{name: {"SERVFAIL"}}, nil, helo(temperror, "the DNS does not answer"),
			"spf=temperror smtp.helo="},
		"no record":  {},
		"an address": {change: func(m *Mail) { m.Helo = "[192.0.2.1]" }},
		"no name":    {change: func(m *Mail) { m.Helo = "a b;\r\nX: y" }},
		"behind a hop": {map[string][]string{name: {"v=spf1 -all"}}, func(m *Mail) { m.Remote = netip.Addr{} },
			mail.Check{}, ""},
		"the null sender": {map[string][]string{name: {"v=spf1 -all"}}, func(m *Mail) { m.From = mail.Address{} },
			mail.Check{}, ""}, // the result of SPF is that of the name
	} {
		m := from(plain)
		if tt.change != nil {
			tt.change(&m)
		}
		if tt.records == nil {
			tt.records = map[string][]string{}
		}
		tt.records["TXT _dmarc.example.org"] = []string{"v=DMARC1; p=none"}
		f, err := check(t, newZone(tt.records), m)
		if err != nil || f.Auth.HELO != tt.want || f.Auth.DMARC.Result != fail {
			t.Errorf("%s: %+v, %v, want %+v", what, f.Auth, err, tt.want)
		}
		said := strings.Contains(string(f.Stamp), " smtp.helo=") && !m.From.IsZero()
		if said != (tt.stamp != "") || !strings.Contains(string(f.Stamp), tt.stamp) {
			t.Errorf("%s: stamped %s", what, f.Stamp)
		}
	}
}

// bombs are records that cause as many questions as they can.
func bombs() map[string]map[string][]string {
	out := map[string]map[string][]string{
		"an include of itself": {"TXT example.org": {"v=spf1 include:example.org -all"}},
		"a redirect to itself": {"TXT example.org": {"v=spf1 redirect=example.org"}},
		"void lookups":         {"TXT example.org": {"v=spf1 a:1.test a:2.test a:3.test a:4.test a:5.test -all"}},
		"a tree":               {}, "mx of ten hosts": {}, "ten names of the address": {}, "a chain": {},
	}
	var all, mx, names []string
	for i := range 20 {
		all = append(all, fmt.Sprintf("include:t%d.test", i))
		out["a chain"][fmt.Sprintf("TXT c%d.test", i)] = []string{fmt.Sprintf("v=spf1 include:c%d.test -all", i+1)}
	}
	for i := range 20 {
		out["a tree"][fmt.Sprintf("TXT t%d.test", i)] = []string{"v=spf1 " + strings.Join(all, " ") + " -all"}
	}
	out["a tree"]["TXT example.org"] = out["a tree"]["TXT t0.test"]
	out["a chain"]["TXT example.org"] = []string{"v=spf1 include:c0.test -all"}
	for i := range 10 {
		h := fmt.Sprintf("h%d.test", i)
		out["mx of ten hosts"]["A "+h] = []string{"198.51.100.1"}
		out["ten names of the address"]["A "+h] = []string{"192.0.2.9"}
		mx, names = append(mx, "0 "+h), append(names, h)
	}
	terms := ""
	for i := range 10 {
		out["mx of ten hosts"][fmt.Sprintf("MX m%d.test", i)] = mx
		terms += fmt.Sprintf(" mx:m%d.test", i)
	}
	out["mx of ten hosts"]["TXT example.org"] = []string{"v=spf1" + terms + " -all"}
	out["ten names of the address"]["TXT example.org"] = []string{"v=spf1 ptr:a.test ptr:b.test ptr:c.test -all"}
	out["ten names of the address"]["PTR 192.0.2.1"] = append(names, names...)
	return out
}

func TestNoRecordCausesMoreQuestionsThanAreAllowed(t *testing.T) {
	for name, records := range bombs() {
		z := newZone(records)
		f, err := check(t, z, from(plain))
		if err != nil || f.Auth.SPF.Result != permerror && name != "ten names of the address" {
			t.Errorf("%s: %+v, %v", name, f.Auth.SPF, err)
		}
		// One question for the name in EHLO and one of DMARC come on top.
		if len(z.asked) > spfQuestions+2 {
			t.Errorf("%s: %d questions", name, len(z.asked))
		}
	}
	z := newZone(bombs()["void lookups"])
	if _, err := check(t, z, from(plain)); err != nil || len(z.asked) > 6 {
		t.Errorf("%d questions after lookups without an answer, %v", len(z.asked), err)
	}
}

func TestADNSThatHangsEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		records := map[string][]string{
			"TXT example.org": {"HANG"}, "TXT _dmarc.example.org": {"HANG"}, keyOf("example.org"): {"HANG"},
		}
		m := from(plain)
		m.Raw = sealed(signed(t, m.Raw, "example.org"), "example.org", none, "x; none", "from")
		start := time.Now()
		f, err := check(t, newZone(records), m)
		if took := time.Since(start); took > total {
			t.Errorf("it took %s", took)
		}
		a := f.Auth
		if a.SPF.Result != temperror || a.DKIM[0].Result != temperror || a.ARC.Result != temperror ||
			a.DMARC.Result != temperror {
			t.Errorf("%+v", a)
		}
		if mail.WordOf(err) != string(mail.ReasonUnverified) {
			t.Errorf("%v", err)
		}
	})
}

// One mail that asks for as much as it can of every method.
func TestAllQuestionsOfOneMailAreBounded(t *testing.T) {
	records := bombs()["mx of ten hosts"]
	raw, cv := crlf(strings.ReplaceAll(plain, "a@example.org", "a@b.example.org")), none
	for i := range maxSets {
		d := fmt.Sprintf("l%d.test", i)
		raw, cv = sealed(raw, d, cv, "x; none", "from"), pass
		records[keyOf(d)] = []string{testRecord}
	}
	for i := range 20 {
		d := fmt.Sprintf("d%d.test", i)
		raw = signed(t, raw, d)
		records[keyOf(d)] = []string{testRecord}
	}
	records["TXT _dmarc.example.org"] = []string{"v=DMARC1; p=none; np=reject"}
	m := from("")
	m.Raw, m.Helo = raw, "bomb.test"
	records["TXT bomb.test"] = records["TXT example.org"]
	z := newZone(records)
	f, err := check(t, z, m)
	most := spfQuestions + heloQuestions + dkimQuestions + arcQuestions + dmarcQuestions
	if len(z.asked) > most || len(z.asked) < most-2 {
		t.Errorf("%d questions, %d are allowed", len(z.asked), most)
	}
	if a := f.Auth; a.SPF.Result != permerror || a.ARC.Result != pass || len(a.DKIM) != maxSignatures ||
		a.DMARC.Result != fail || mail.WordOf(err) != string(mail.ReasonUnauthenticated) {
		t.Errorf("%+v, %v", a, err)
	}
}
