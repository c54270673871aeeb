package origin

import (
	"fmt"
	"strings"
	"testing"

	"github.com/multimail/multimail/mail"
)

const vouching = "list.test; dmarc=pass (p=reject) header.from=example.org"

// listed is a mail through a list, which changed the body of a signed mail.
func listed(t *testing.T, said, names, domain string) (Mail, *zone) {
	m := from("")
	m.From = mail.MustAddress("list@list.test")
	raw := append(signed(t, crlf(plain), "example.org"), "-- \r\na list\r\n"...)
	m.Raw = sealed(raw, domain, none, said, names)
	return m, newZone(map[string][]string{
		keyOf("example.org"): {testRecord}, keyOf(domain): {testRecord}, "TXT _dmarc.example.org": {"v=DMARC1; p=reject"},
	})
}

var seals = map[string]struct {
	said, names, domain string
	trusted             []string
	change              func(*Mail, *zone)
	word                string
}{
	"trusted":             {},
	"trusted in capitals": {trusted: []string{"List.TEST"}},
	"nobody is trusted":   {trusted: []string{}, word: "unauthenticated"},
	"another is trusted":  {domain: "other.test", word: "unauthenticated"},
	"a subdomain":         {domain: "a.list.test", word: "unauthenticated"},
	"it says fail":        {said: "list.test; dmarc=fail header.from=example.org", word: "unauthenticated"},
	"it says both":        {said: vouching + "; dmarc=fail header.from=example.org", word: "unauthenticated"},
	"of another author":   {said: "list.test; dmarc=pass header.from=other.test", word: "unauthenticated"},
	"of no author":        {said: "list.test; dmarc=pass", word: "unauthenticated"},
	"fail, and DKIM":      {said: "list.test; dmarc=fail; dkim=pass header.d=example.org", word: "unauthenticated"},
	"only DKIM":           {said: "list.test; dkim=pass header.i=@m.example.org"},
	"only SPF":            {said: "list.test; spf=pass smtp.mailfrom=a@example.org"},
	"DKIM of another":     {said: "list.test; dkim=pass header.d=other.test", word: "unauthenticated"},
	"it says nothing":     {said: "list.test; none", word: "unauthenticated"},
	"it says nonsense":    {said: "list.test; dmarc=pass header.from=example.org; (", word: "unauthenticated"},
	"From not covered":    {names: "subject", word: "unauthenticated"},
	"changed after it": {change: func(m *Mail, _ *zone) { m.Raw = append(m.Raw, "more\r\n"...) },
		word: "unauthenticated"},
	"another subject": {change: func(m *Mail, _ *zone) {
		m.Raw = []byte(strings.Replace(string(m.Raw), "Subject: x", "Subject: y", 1))
	}, word: "unauthenticated"},
	"a second From": {change: func(m *Mail, _ *zone) { m.Raw = append([]byte("From: e@evil.test\r\n"), m.Raw...) }},
	"its key is not there": {change: func(_ *Mail, z *zone) { delete(z.records, keyOf("list.test")) },
		word: "unauthenticated"},
	"its key is not known": {change: func(_ *Mail, z *zone) { z.records[keyOf("list.test")] = []string{"SERVFAIL"} },
		word: "unverified"},
	"a newer sealer": {change: func(m *Mail, z *zone) {
		m.Raw = sealed(m.Raw, "other.test", pass, "other.test; dmarc=pass header.from=example.org", "from:subject")
		z.records[keyOf("other.test")] = []string{testRecord}
	}, word: "unauthenticated"},
	"the newer sealer is trusted": {trusted: []string{"other.test"}, change: func(m *Mail, z *zone) {
		m.Raw = sealed(m.Raw, "other.test", pass, "other.test; dmarc=pass header.from=example.org", "from:subject")
		z.records[keyOf("other.test")] = []string{testRecord}
	}},
}

func TestOnlyATrustedSealerOverridesAPolicy(t *testing.T) {
	for name, tt := range seals {
		said, names, domain, trusted := vouching, "from:subject", "list.test", []string{"list.test"}
		if tt.said != "" {
			said = tt.said
		}
		if tt.names != "" {
			names = tt.names
		}
		if tt.domain != "" {
			domain = tt.domain
		}
		if tt.trusted != nil {
			trusted = tt.trusted
		}
		m, z := listed(t, said, names, domain)
		if tt.change != nil {
			tt.change(&m, z)
		}
		f, err := check(t, z, m, func(o *Options) { o.TrustedSealers = trusted })
		if mail.WordOf(err) != tt.word {
			t.Errorf("%s: %v, %+v", name, err, f.Auth)
		}
		// An override is no pass: who wrote the mail is what the sealer says.
		if f.Auth.DMARC.Result == pass || name == "a second From" && !f.Auth.Quarantine {
			t.Errorf("%s: %+v", name, f.Auth)
		}
	}
}

// sets is a chain of n sets, each valid.
func sets(n int) []byte {
	raw, cv := crlf(plain), none
	for range n {
		raw = sealed(raw, "list.test", cv, "x; none", "from")
		cv = pass
	}
	return raw
}

func TestChainsThatAreNotWholeFail(t *testing.T) {
	without := func(n int, names ...string) []byte {
		var out strings.Builder
		for line := range strings.Lines(string(sets(3))) {
			drop := false
			for _, name := range names {
				drop = drop || strings.HasPrefix(line, fmt.Sprintf("%s: i=%d;", name, n))
			}
			if !drop {
				out.WriteString(line)
			}
		}
		return []byte(out.String())
	}
	for name, tt := range map[string]struct {
		raw    []byte
		result string
		detail string
	}{
		"whole":             {sets(3), pass, ""},
		"as many as can be": {sets(maxSets), pass, ""},
		"one more":          {sets(maxSets + 1), fail, "more than 10 sets"},
		"a gap":             {without(2, arcResults, arcMessage, arcSeal), fail, "set 2 is not whole"},
		"the first is gone": {without(1, arcResults, arcMessage, arcSeal), fail, "set 1 is not whole"},
		"no seal":           {without(3, arcSeal), fail, "set 3 is not whole"},
		"the last is gone":  {without(3, arcResults, arcMessage, arcSeal), pass, ""},
		"instance 0":        {crlf("ARC-Seal: i=0; cv=none\n" + plain), fail, "a field without its instance"},
		"instance -1":       {crlf("ARC-Seal: i=-1; cv=none\n" + plain), fail, "a field without its instance"},
		"instance 1000000":  {crlf("ARC-Seal: i=1000000; cv=none\n" + plain), fail, "a field without its instance"},
		"instance +1":       {crlf("ARC-Seal: i=+1; cv=none\n" + plain), fail, "a field without its instance"},
		"instance 51":       {crlf("ARC-Seal: i=51; cv=none\n" + plain), fail, "more than 10 sets"},
		"twice": {crlf("ARC-Seal: i=1; cv=none\nARC-Seal: i=1; cv=none\n" + plain), fail,
			"set 1 has a field twice"},
		"a hundred": {crlf(strings.Repeat("ARC-Authentication-Results: i=1; x\n", 100) + plain), fail,
			"set 1 has a field twice"},
	} {
		m := from("")
		m.Raw = tt.raw
		z := newZone(map[string][]string{keyOf("list.test"): {testRecord}})
		f, err := check(t, z, m)
		if got := f.Auth.ARC; err != nil || got.Result != tt.result || got.Detail != tt.detail {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// Ten sets of ten domains are the most that is asked for.
func TestAChainCausesAFewQuestions(t *testing.T) {
	raw, cv := crlf(plain), none
	records := map[string][]string{}
	for i := range maxSets {
		d := fmt.Sprintf("l%d.test", i)
		raw, cv = sealed(raw, d, cv, "x; none", "from"), pass
		records[keyOf(d)] = []string{testRecord}
	}
	m := from("")
	m.Raw = raw
	z := newZone(records)
	f, err := check(t, z, m)
	if err != nil || f.Auth.ARC.Result != pass || len(z.asked) != maxSets+3 { // two of SPF, one of DMARC
		t.Errorf("%+v, %v after %d questions", f.Auth.ARC, err, len(z.asked))
	}
}
