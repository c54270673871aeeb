package origin

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/multimail/multimail/mail"
)

// org is a result for example.org.
func org(result, detail string) mail.Check {
	return mail.Check{Result: result, Domain: "example.org", Detail: detail}
}

func TestSignaturesAreChecked(t *testing.T) {
	good := signed(t, crlf(plain), "example.org")
	long := strings.Repeat("x", maxKeyRecord)
	const bad = "DKIM-Signature: v=1; a=ed25519-sha256; s=s; h=from; bh=x; b=eA==; "
	for name, tt := range map[string]struct {
		raw    []byte
		record []string
		want   mail.Check
	}{
		"good": {good, []string{testRecord}, org(pass, "")},
		"another body": {append(bytes.Clone(good), "x\r\n"...), []string{testRecord},
			org(fail, "body hash did not verify")},
		"another subject": {bytes.Replace(good, []byte("Subject: x"), []byte("Subject: y"), 1),
			[]string{testRecord}, org(fail, "signature did not verify")},
		"no key":             {good, nil, org(permerror, "no key for signature")},
		"two keys":           {good, []string{testRecord, testRecord}, org(permerror, "it cannot be checked")},
		"a key of no use":    {good, []string{"v=DKIM1; k=ed25519; p="}, org(permerror, "key revoked")},
		"a huge key":         {good, []string{testRecord + long}, org(permerror, "no key for signature")},
		"no answer":          {good, []string{"SERVFAIL"}, org(temperror, "the key could not be looked up")},
		"a key under test":   {good, []string{testRecord + "; t=y"}, org(pass, "the key is marked as a test")},
		"a key for the name": {good, []string{testRecord + "; t=s"}, org(pass, "")},
		"a signature without tags": {crlf("DKIM-Signature: x\n" + plain), []string{testRecord},
			mail.Check{Result: permerror, Detail: "malformed"}},
		"a body length": {crlf(bad + "d=example.org; l=0\n" + plain),
			[]string{testRecord}, org(fail, "insecure body length")},
		"a d= that is no domain": {crlf(bad + "d=a_b\n" + plain),
			[]string{testRecord}, mail.Check{Result: permerror, Detail: "no key for signature"}},
	} {
		m := from("")
		m.Raw = tt.raw
		f, err := check(t, newZone(map[string][]string{keyOf("example.org"): tt.record}), m)
		if err != nil || len(f.Auth.DKIM) != 1 || f.Auth.DKIM[0] != tt.want {
			t.Errorf("%s: %+v, %v, want %+v", name, f.Auth.DKIM, err, tt.want)
		}
	}
}

// What a stranger can put into a header and a body costs no more than this, and never
// hides that the mail was not checked.
func TestMessagesThatCostTheLibraryTooMuchAreNotHandedToIt(t *testing.T) {
	signature := "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=s; bh=x; b=eA==; h="
	for name, tt := range map[string]struct {
		raw       string
		signature string
		questions int
	}{
		"names": {signature + strings.Repeat("from:\r\n ", maxNames+1) + "\r\n" + plain,
			"a signature names more than 256 fields", 2},
		"empty lines": {signature + "from\r\n" + plain + strings.Repeat("\r\n", maxEmptyLines+1),
			"more than 32768 empty lines in a row", 2},
		"lines of blanks": {signature + "from\r\n" + plain + strings.Repeat(" \t\r\n", maxEmptyLines+1),
			"more than 32768 empty lines in a row", 2},
		"a header of 1 MiB":     {signature + "from\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n" + plain, "", 1},
		"a million fields":      {strings.Repeat("a:\r\n", 1<<20) + plain, "", 1},
		"a field of many lines": {"X: " + strings.Repeat("x\r\n ", 1001) + "\r\n" + plain, "", 1},
		"a field of 64 KiB":     {"X: " + strings.Repeat("x", 64<<10) + "\r\n" + plain, "", 1},
		"1001 fields":           {strings.Repeat("a:\r\n", 1001) + plain, "", 1},
	} {
		z := newZone(map[string][]string{"TXT _dmarc.example.org": {"v=DMARC1; p=reject"}})
		m := from("")
		m.Raw, m.Helo = crlf(tt.raw), "[192.0.2.1]" // a name would be asked for
		f, _ := check(t, z, m)
		if tt.signature != "" {
			if len(f.Auth.DKIM) != 1 || f.Auth.DKIM[0].Result != permerror || f.Auth.DKIM[0].Detail != tt.signature {
				t.Errorf("%s: %+v", name, f.Auth.DKIM)
			}
		} else if a := f.Auth; a.DMARC.Result != permerror || a.ARC.Result != permerror || !a.Quarantine ||
			len(f.Warnings) != 1 {
			t.Errorf("%s: %+v, %q", name, a, f.Warnings)
		}
		if len(z.asked) != tt.questions {
			t.Errorf("%s: asked for %q", name, z.asked)
		}
	}
}

func TestOnlySoManySignaturesAreChecked(t *testing.T) {
	raw := crlf(plain)
	records := map[string][]string{}
	for i := range 100 {
		d := fmt.Sprintf("d%d.example.org", i)
		raw = signed(t, raw, d)
		records[keyOf(d)] = []string{testRecord}
	}
	z := newZone(records)
	m := from("")
	m.Raw = raw
	f, err := check(t, z, m)
	if err != nil || len(f.Auth.DKIM) != maxSignatures || len(f.Warnings) != 1 {
		t.Errorf("%d results, %q, %v", len(f.Auth.DKIM), f.Warnings, err)
	}
	for i, d := range f.Auth.DKIM {
		if want := fmt.Sprintf("d%d.example.org", 99-i); d.Result != pass || d.Domain != want {
			t.Errorf("signature %d: %+v", i, d)
		}
	}
	if len(z.asked) > maxSignatures+3 {
		t.Errorf("%d questions", len(z.asked))
	}
}

// A key is asked for once for all methods of one mail.
func TestAKeyIsAskedForOnce(t *testing.T) {
	raw := signed(t, signed(t, crlf(plain), "example.org"), "example.org")
	raw = sealed(raw, "example.org", none, "x; none", "from")
	z := newZone(map[string][]string{keyOf("example.org"): {testRecord}})
	m := from("")
	m.Raw = raw
	f, err := check(t, z, m)
	if err != nil || f.Auth.ARC.Result != pass || f.Auth.DKIM[0].Result != pass || f.Auth.DKIM[1].Result != pass {
		t.Errorf("%+v, %v", f.Auth, err)
	}
	n := 0
	for _, q := range z.asked {
		if q == keyOf("example.org") {
			n++
		}
	}
	if n != 1 {
		t.Errorf("asked %d times", n)
	}
}
