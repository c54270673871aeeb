package dkim

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/keyset"
	"github.com/multimail/multimail/internal/mailtest"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/mail"
)

func TestEverySignatureVerifiesElsewhere(t *testing.T) {
	one, two := newFixture(t, Options{}), newFixture(t, Options{Algorithms: []string{RSA, Ed25519}})
	head := identity + fields
	for name, raw := range map[string]string{
		"plain":                      sample,
		"no body":                    head + "\r\n",
		"one line without its end":   head + "\r\nx",
		"empty lines only":           head + "\r\n\r\n\r\n\r\n",
		"empty lines at the end":     head + "\r\nx\r\n\r\n\r\n",
		"blanks at the ends":         head + "\r\nx \t \r\n\t\r\n y\r\n",
		"runs of blanks":             head + "\r\na  b\t\tc \t d\r\n",
		"blanks alone":               head + "\r\n \r\n\t\r\n",
		"dots":                       head + "\r\n.\r\n..\r\n.x\r\n",
		"8-bit":                      head + "\r\n\xff\xfe \xc3\xb6\r\n",
		"a line of 998":              head + "\r\n" + strings.Repeat("x", 998) + "\r\n",
		"something like a signature": head + "\r\nDKIM-Signature: v=1; b=x\r\n",
		"blanks in the header":       strings.Replace(sample, "Subject: ", "Subject: \t  \t", 1),
		"folded after the name":      strings.Replace(sample, "Subject: ", "Subject:\r\n ", 1),
		"an empty value":             strings.Replace(sample, "Subject: ", "Subject:\r\nX-Y: ", 1),
		"names in other case":        strings.Replace(sample, "Subject", "sUBJECT", 1),
		"a field three times":        "Reply-To: a@x.test\r\nReply-To: b@x.test\r\nReply-To: c@x.test\r\n" + sample,
		"fields signed if present": "List-Unsubscribe: <https://x.test>\r\nList-Unsubscribe-Post: " +
			"List-Unsubscribe=One-Click\r\n" + sample,
		"a signature of the author":  "DKIM-Signature: v=1; a=rsa-sha256; d=x.test; s=s; h=from; bh=x; b=x\r\n" + sample,
		"a broken one of the author": "DKIM-Signature: junk\r\n" + sample,
		"many References": "References: " + strings.Repeat("<0123456789@example.com>\r\n ", 200) + "<1@x>\r\n" +
			sample,
		"bytes that end tags":         strings.Replace(sample, "offer", "b=; bh=x; d=evil.test;", 1),
		"something before the header": "Received: from x by y;\r\n\tdate\r\n" + sample,
	} {
		if got := strings.TrimSuffix(one.verdicts(one.stamp(raw)), authors(raw)); got != "pass" {
			t.Errorf("%s: RSA: %s", name, got)
		}
		if got := strings.TrimSuffix(two.verdicts(two.stamp(raw)), authors(raw)); got != "pass, pass" {
			t.Errorf("%s: RSA and Ed25519: %s", name, got)
		}
	}
}

// authors returns the verdict on signatures which the author's software made.
func authors(raw string) string {
	switch {
	case strings.HasPrefix(raw, "DKIM-Signature: v=1"):
		return ", fail for x.test at 0001-01-01 00:00:00 +0000 UTC"
	case strings.HasPrefix(raw, "DKIM-Signature"):
		return ", fail for  at 0001-01-01 00:00:00 +0000 UTC"
	}
	return ""
}

// A field that is added, changed or removed on the way breaks both signatures,
// also one that was never there.
func TestNothingCanBeAddedChangedOrRemoved(t *testing.T) {
	h := newFixture(t, Options{Algorithms: []string{RSA, Ed25519}})
	eml := h.stamp(sample)
	for _, name := range overSigned {
		field := name + ": eve@example.com\r\n"
		for where, bad := range map[string]string{
			"on top":                 field + eml,
			"below the signatures":   strings.Replace(eml, identity, field+identity, 1),
			"at the end":             strings.Replace(eml, "\r\n\r\n", "\r\n"+field+"\r\n", 1),
			"on top, in other case":  strings.ToUpper(name) + ": eve@example.com\r\n" + eml,
			"on top, with no value":  name + ":\r\n" + eml,
			"on top, twice":          field + field + eml,
			"on top, blank in front": name + " : eve@example.com\r\n" + eml,
		} {
			if got := h.verdicts(bad); got != "fail, fail" {
				t.Errorf("%s added %s: %s", name, where, got)
			}
		}
	}
	lines := strings.SplitAfter(strings.ReplaceAll(identity+fields, "\r\n\t", "\x00"), "\r\n")
	for _, line := range lines[:len(lines)-1] {
		line = strings.ReplaceAll(line, "\x00", "\r\n\t")
		changed := strings.TrimSuffix(line, "\r\n") + "x\r\n"
		for what, with := range map[string]string{"changed": changed, "removed": "", "doubled": line + line} {
			if got := h.verdicts(strings.Replace(eml, line, with, 1)); got != "fail, fail" {
				t.Errorf("%q %s: %s", line, what, got)
			}
		}
	}
	for what, bad := range map[string]string{
		"an octet after the body": eml + "x",
		"a line after the body":   eml + "-- \r\nlist\r\n",
		"another body":            strings.Replace(eml, "here it is", "here it was", 1),
		"a cut body":              strings.Replace(eml, "here it is.\r\n", "", 1),
		"a body length":           strings.ReplaceAll(eml, "v=1;", "v=1; l=10;"),
		"another time":            strings.ReplaceAll(eml, "t=1772625600", "t=1772625601"),
	} {
		if got := h.verdicts(bad); strings.Contains(got, "pass") {
			t.Errorf("%s: %s", what, got)
		}
	}
	for what, same := range map[string]string{ // the test can tell
		"nothing":             eml,
		"an uncovered field":  "X-Spam: no\r\nReceived: from x\r\n" + eml,
		"other folding":       strings.Replace(eml, "ann@x.test,\r\n\tbob", "ann@x.test,\r\n  \tbob", 1),
		"empty lines at last": eml + "\r\n\r\n",
	} {
		if got := h.verdicts(same); got != "pass, pass" {
			t.Errorf("%s: %s", what, got)
		}
	}
}

func TestTheFieldSaysWhatItShould(t *testing.T) {
	h := newFixture(t, Options{Algorithms: []string{RSA, Ed25519}})
	eml := h.stamp("List-Unsubscribe: <https://x.test>\r\n" + sample)
	signatures := message.Fields([]byte(eml), "DKIM-Signature")
	if len(signatures) != 2 {
		t.Fatalf("%d signatures", len(signatures))
	}
	for i, want := range []string{"rsa-sha256 mm1", "ed25519-sha256 mm1-ed"} {
		tag := tags(t, "DKIM-Signature:"+signatures[i])
		if got := tag["a"] + " " + tag["s"]; got != want {
			t.Errorf("signature %d is %s", i, got)
		}
		if tag["v"] != "1" || tag["c"] != "relaxed/relaxed" || tag["d"] != testDomain || tag["t"] != "1772625600" ||
			tag["bh"] != message.BodyHash([]byte(sample)) || tag["h"] != "From:From:To:To:Cc:Subject:Subject:"+
			"Date:Date:Message-ID:Message-ID:Reply-To:Sender:In-Reply-To:References:MIME-Version:MIME-Version:"+
			"Content-Type:Content-Type:Content-Transfer-Encoding:Content-Disposition:"+
			"X-MultiMail-Identity:X-MultiMail-Identity:X-AI-Generated:List-Unsubscribe" {
			t.Errorf("signature %d: %v", i, tag)
		}
		if len(tag) != 9 { // those and b: no l=, no x=, no i=
			t.Errorf("signature %d has tags %v", i, tag)
		}
	}
	for _, line := range strings.Split(strings.TrimSuffix(eml, sample), "\r\n") {
		if len(line) > 78 {
			t.Errorf("line of %d octets: %q", len(line), line)
		}
	}
}

func TestTheSameReleaseIsSignedWithTheSameBytes(t *testing.T) {
	h := newFixture(t, Options{Algorithms: []string{RSA, Ed25519}})
	first := h.stamp(sample)
	if again := h.stamp(sample); again != first {
		t.Errorf("%q\n%q", first, again)
	}
	again := OpenKeys(h.dir, Options{Algorithms: []string{RSA, Ed25519}}) // another process, another time
	if lines, err := NewStamper(again).Stamp(context.Background(), released(), []byte(sample)); err != nil ||
		string(lines)+sample != first {
		t.Errorf("%v\n%q\n%q", err, first, lines)
	}
}

// What was stamped before is signed like the fields of the mail itself, and the
// body hash of the record is the one that would be computed.
func TestEarlierStampsStandInThePrefix(t *testing.T) {
	h := newFixture(t, Options{})
	m := released()
	m.Prefix, m.BodyHash = []byte(identity), message.BodyHash([]byte(sample))
	lines, err := NewStamper(h.keys).Stamp(context.Background(), m, []byte(strings.TrimPrefix(sample, identity)))
	if got := string(lines) + sample; err != nil || got != h.stamp(sample) {
		t.Errorf("%v\n%q", err, got)
	}
}

func TestLongDomainsDoNotMakeLongLines(t *testing.T) {
	domain := strings.Repeat("d", 60) + strings.Repeat("."+strings.Repeat("d", 60), 2) + ".test"
	dir := t.TempDir()
	k := OpenKeys(dir, Options{})
	b, err := rsaPEM()
	if err == nil {
		err = os.MkdirAll(dir+"/keys/"+domain, 0o700)
	}
	if err == nil {
		err = os.WriteFile(dir+"/keys/"+domain+"/dkim-rsa.pem", b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	m := released()
	m.Header.From = mail.MustAddress("bot@" + domain)
	raw := strings.Replace(sample, "bot@example.com", "bot@"+domain, 1)
	lines, err := NewStamper(k).Stamp(context.Background(), m, []byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(lines), "\r\n") {
		if len(line) > 300 {
			t.Errorf("line of %d octets: %q", len(line), line)
		}
	}
}

// Invariant 7: every row makes a mail that must not be signed.
func TestNothingIsSignedOnDoubt(t *testing.T) {
	h := newFixture(t, Options{})
	for _, tt := range []struct {
		name   string
		change func(m *mail.Mail)
		raw    string
		keys   *Keyring
		want   string
	}{
		{name: "no identity header", raw: fields + "\r\nx\r\n", want: "0 identity headers"},
		{name: "identity header in the body", raw: fields + "\r\n" + identity, want: "0 identity headers"},
		{name: "two identity headers", raw: identity + sample, want: "2 identity headers"},
		{name: "no release", change: func(m *mail.Mail) { m.Release = nil }, want: "not released"},
		{name: "no time", change: func(m *mail.Mail) { m.Release.At = time.Time{} }, want: "not released"},
		{name: "another From in the record", change: func(m *mail.Mail) {
			m.Header.From = mail.MustAddress("bot@other.test")
		}, want: "From"},
		{name: "two From", raw: "From: bot@example.com\r\n" + sample, want: "From"},
		{name: "a From that names nobody", raw: "From: nobody\r\n" + sample, want: "From"},
		{name: "two addresses in From", raw: strings.Replace(sample, "From: ", "From: eve@x.test, ", 1), want: "From"},
		{name: "no From", raw: strings.Replace(sample, "From:", "X:", 1), want: "From"},
		{name: "no empty line after the header", raw: identity + fields, want: "header"},
		{name: "another body hash in the record", change: func(m *mail.Mail) {
			m.BodyHash = message.BodyHash([]byte(fields + "\r\nother\r\n"))
		}, want: "body hash"},
		{name: "no key", keys: OpenKeys(t.TempDir(), Options{}), want: "does not exist"},
		{name: "no Ed25519 key though it is configured", keys: OpenKeys(h.dir, Options{Algorithms: []string{RSA, Ed25519}}),
			want: "no ed25519 key"},
	} {
		m, raw, keys := released(), sample, h.keys
		if tt.change != nil {
			tt.change(m)
		}
		if tt.raw != "" {
			raw = tt.raw
		}
		if tt.keys != nil {
			keys = tt.keys
		}
		lines, err := NewStamper(keys).Stamp(context.Background(), m, []byte(raw))
		if err == nil || lines != nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %q, %v; want an error with %q", tt.name, lines, err, tt.want)
		}
	}
}

// What Stamp returns was checked by go-msgauth; this is the check of that check.
func TestASignatureThatNobodyCouldVerifyIsNotReturned(t *testing.T) {
	h := newFixture(t, Options{Algorithms: []string{RSA, Ed25519}})
	keys, err := h.keys.load(testDomain)
	if err != nil {
		t.Fatal(err)
	}
	eml := h.stamp(sample)
	lines := strings.TrimSuffix(eml, sample)
	read := strings.NewReader
	if err := check(keys, read(lines+sample)); err != nil {
		t.Fatal(err)
	}
	if err := check(keys, read(lines+sample+"x")); err == nil {
		t.Error("another body passed")
	}
	if err := check(keys, read(sample)); err == nil {
		t.Error("no signature passed")
	}
	if err := check(keys, read(lines[:strings.Index(lines, "DKIM-Signature: v=1; a=ed")]+sample)); err == nil {
		t.Error("one signature of two passed")
	}
	other := *keys[0]
	other.Revoked, other.Reason = noon, keyset.Compromised
	if err := check([]*key{&other, keys[1]}, read(lines+sample)); err == nil {
		t.Error("a revoked record passed")
	}
}

// The library that checks each signature copies a folded field once for each of
// its lines. What is allocated for a mail must not grow with the square of them.
func TestAFoldedFieldIsSignedAtACostThatGrowsWithItsSize(t *testing.T) {
	h := newFixture(t, Options{})
	stamp := NewStamper(h.keys)
	var jobs [3]func()
	for i := range jobs {
		raw := []byte("References: <1@x.test>" +
			strings.Repeat("\r\n <0123456789012345678901234567890123456789@x.test>", 250<<i) + "\r\n" + sample)
		jobs[i] = func() {
			if _, err := stamp.Stamp(context.Background(), released(), raw); err != nil {
				t.Fatal(err)
			}
		}
	}
	if costs, why := mailtest.Grow(jobs); why != "" {
		t.Errorf("250, 500 and 1000 lines: %s: %v", why, costs)
	}
}

func BenchmarkStamp(b *testing.B) {
	for _, o := range []Options{{}, {Algorithms: []string{RSA, Ed25519}}} {
		h := newFixture(b, o)
		for name, body := range map[string]int{"1KiB": 1 << 10, "1MiB": 1 << 20} {
			if len(o.Algorithms) == 2 {
				name += "-both"
			}
			raw := []byte(sample + strings.Repeat("0123456789 abcdefghij klmnopqrst 0123456789 abcdefghij\r\n", body/56))
			m, s := released(), NewStamper(h.keys)
			b.Run(name, func(b *testing.B) {
				b.SetBytes(int64(len(raw)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := s.Stamp(b.Context(), m, raw); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
