package message

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"
)

// signedBodyHash is the bh= that another implementation puts in a signature.
func signedBodyHash(t testing.TB, raw []byte) string {
	t.Helper()
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	var out bytes.Buffer
	err := dkim.Sign(&out, bytes.NewReader(raw), &dkim.SignOptions{
		Domain: "a.test", Selector: "s", Signer: key, HeaderKeys: []string{"From"},
		HeaderCanonicalization: dkim.CanonicalizationRelaxed,
		BodyCanonicalization:   dkim.CanonicalizationRelaxed,
	})
	if err != nil {
		t.Fatal(err)
	}
	sig := strings.Join(strings.Fields(Fields(out.Bytes(), "DKIM-Signature")[0]), "")
	_, rest, _ := strings.Cut(sig, "bh=")
	bh, _, _ := strings.Cut(rest, ";")
	return bh
}

func TestBodyHashEqualsTheOneOfADKIMSigner(t *testing.T) {
	bodies := []string{
		"", "\r\n", "\r\n\r\n\r\n", " \r\n", "\t \r\n \r\n", "a", "a\r\n", "a\r\n\r\n\r\n", "a\r\n \r\n\t\r\n",
		"\r\na\r\n", "\r\n\r\na\r\n\r\nb\r\n", " a\r\n", "\ta\r\n", "  \t a \t b \t\r\n", "a \r\nb\t\r\n",
		"a\tb  c\r\n", "a\r\n \r\nb\r\n", ".\r\n..\r\n", "--b\r\n--b--\r\n", "caf\xc3\xa9 \xff\xfe\r\n",
		"a\x01\x0b\x0c b\r\n", "\xa0a\xa0\r\n", strings.Repeat("x", 998) + "\r\n",
		strings.Repeat(" ", 997) + "x\r\n", strings.Repeat(" \r\n", 5000), strings.Repeat("a \r\n\r\n", 9000),
	}
	for i, body := range bodies {
		raw := []byte("From: bot@a.test\r\n\r\n" + body)
		if got, want := BodyHash(raw), signedBodyHash(t, raw); got != want {
			t.Errorf("body %d %.40q: %s, want %s", i, body, got, want)
		}
	}
}

// The values are published in RFC 6376, section 3.4.4 and errata, for the empty body.
func TestBodyHashOfAnEmptyBodyIsThatOfTheRFC(t *testing.T) {
	for _, raw := range []string{"From: a@b.test\r\n\r\n", "From: a@b.test\r\n\r\n\r\n\r\n", "From: a@b.test\r\n"} {
		if got := BodyHash([]byte(raw)); got != "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" {
			t.Errorf("%q: %s", raw, got)
		}
	}
}

func TestBodyHashDependsOnTheBodyAlone(t *testing.T) {
	a := BodyHash([]byte("From: a@b.test\r\n\r\nhello  world \r\n\r\n"))
	b := BodyHash([]byte("To: x\r\nX: y\r\n\r\nhello world\r\n"))
	if a != b {
		t.Error("two forms of one body have two hashes")
	}
	if a == BodyHash([]byte("From: a@b.test\r\n\r\nhello world!\r\n")) {
		t.Error("two bodies have one hash")
	}
}

func FuzzBodyHash(f *testing.F) {
	for _, s := range []string{"", "a", " a \t b\r\n\r\n", "\r\n\r\n", "x\n\ny \n", "\t\n \n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		// Canonical bytes have no other line end than CRLF.
		body = bytes.ReplaceAll(body, []byte("\r"), nil)
		body = bytes.ReplaceAll(body, []byte("\n"), []byte("\r\n"))
		raw := fmt.Appendf(nil, "From: bot@a.test\r\n\r\n%s", body)
		if got, want := BodyHash(raw), signedBodyHash(t, raw); got != want {
			t.Fatalf("%q: %s, want %s", body, got, want)
		}
	})
}

func BenchmarkBodyHash(b *testing.B) {
	for name, line := range map[string]string{
		"text":   "The quick brown fox jumps over the lazy dog and comes back.\r\n",
		"base64": strings.Repeat("Abc/", 19) + "\r\n",
	} {
		raw := []byte("From: bot@a.test\r\n\r\n" + strings.Repeat(line, (1<<20)/len(line)))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				BodyHash(raw)
			}
		})
	}
}
