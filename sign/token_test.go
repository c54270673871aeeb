package sign

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"math/big"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/multimail/multimail/internal/message"
)

// Every token here is refused before anybody is asked for a key.
func TestHostileTokensAreRefusedWithoutALookup(t *testing.T) {
	h := newHouse(t)
	eml := h.stamped()
	good := tokenOf(t, eml)
	p := strings.Split(good, ".")
	head, payload := part(t, good, 0), part(t, good, 1)
	kid := head[strings.Index(head, "kid")+6:][:kidLength]
	with := func(extra string) string {
		return h.forge(`{"alg":"ES256","kid":"`+kid+`","typ":"`+tokenType+`",`+extra+`}`, payload)
	}
	kidIs := func(kid string) string {
		return h.forge(`{"alg":"ES256","kid":"`+kid+`","typ":"`+tokenType+`"}`, payload)
	}
	saying := func(from, to string) string { return h.forge(head, strings.Replace(payload, from, to, 1)) }
	for name, token := range map[string]string{
		"empty":                          "",
		"dots only":                      "..",
		"two parts":                      p[0] + "." + p[1],
		"payload and signature alone":    p[1] + "." + p[2],
		"four parts":                     good + ".",
		"five parts, encrypted":          p[0] + "." + p[1] + "." + p[2] + "." + p[1] + "." + p[2],
		"too long":                       p[0] + "." + p[1] + strings.Repeat("A", maxToken) + "." + p[2],
		"too long, of blanks":            p[0] + strings.Repeat(" ", maxToken) + "." + p[1] + "." + p[2],
		"many dots":                      strings.Repeat(".", maxToken),
		"padding":                        p[0] + "." + p[1] + "." + p[2] + "==",
		"standard alphabet":              p[0] + "." + p[1] + ".+/" + p[2][2:],
		"bits left over":                 p[0] + "." + p[1] + "." + p[2][:85] + "B",
		"comment after it":               good + " (signed)",
		"another token after it":         good + ", " + good,
		"algorithm none":                 unsigned(`{"alg":"none","kid":"`+kid+`","typ":"`+tokenType+`"}`, payload) + ".",
		"algorithm none, old signature":  unsigned(`{"alg":"none","kid":"`+kid+`","typ":"`+tokenType+`"}`, payload) + "." + p[2],
		"HS256 with our public key":      hs256(t, h, kid, payload),
		"RS256":                          rs256(t, kid, payload),
		"ES384 by name":                  h.forge(strings.Replace(head, "ES256", "ES384", 1), payload),
		"es256 in lower case":            h.forge(strings.Replace(head, "ES256", "es256", 1), payload),
		"no algorithm":                   h.forge(strings.Replace(head, "alg", "alx", 1), payload),
		"another type":                   h.forge(strings.Replace(head, tokenType, "JWT", 1), payload),
		"no type":                        h.forge(`{"alg":"ES256","kid":"`+kid+`"}`, payload),
		"key by URL":                     with(`"jku":"https://evil.test/k"`),
		"certificate by URL":             with(`"x5u":"https://evil.test/c"`),
		"certificate":                    with(`"x5c":["MIIB"]`),
		"own key":                        with(`"jwk":{"kty":"EC"}`),
		"own key as text":                with(`"jwk":"{}"`),
		"extension that must be known":   with(`"crit":["exp"],"exp":1`),
		"payload not encoded":            with(`"b64":false,"crit":["b64"]`),
		"algorithm twice":                with(`"alg":"ES256"`),
		"algorithm twice, other case":    with(`"ALG":"none"`),
		"no kid":                         h.forge(`{"alg":"ES256","typ":"`+tokenType+`"}`, payload),
		"kid is a path":                  kidIs("../../etc/passwd"),
		"kid is a path of 16 characters": kidIs("../../etc/passw."),
		"kid is SQL":                     kidIs("' OR 1=1 --     "),
		"kid is empty":                   kidIs(""),
		"kid is long":                    kidIs(kid + kid),
		"kid is a number":                h.forge(`{"alg":"ES256","kid":1,"typ":"`+tokenType+`"}`, payload),
		"header is an array":             h.forge(`["ES256"]`, payload),
		"header is null":                 h.forge(`null`, payload),
		"header is not JSON":             h.forge(`alg=ES256`, payload),
		"something after the header":     h.forge(head+`{}`, payload),
		"payload is null":                h.forge(head, `null`),
		"payload is text":                h.forge(head, `"x"`),
		"payload is empty":               h.forge(head, ``),
		"payload is cut":                 h.forge(head, payload[:len(payload)-1]),
		"something after the payload":    h.forge(head, payload+payload),
		"payload not in UTF-8":           saying("Example", "\xff"),
		"claim twice":                    saying(`"sub"`, `"sub":"boss@example.com","sub"`),
		"claim twice, other case":        saying(`"sub"`, `"SUB":"boss@example.com","sub"`),
		"claim twice, long s":            saying(`"sub"`, "\"\u017fub\":\"boss@example.com\",\"sub\""),
		"claim twice, inside":            saying(`"by"`, `"by":"human","by"`),
		"claim of the wrong type":        saying(`"ai_generated":true`, `"ai_generated":"yes"`),
		"deep nesting":                   saying(`"sub"`, `"z":`+strings.Repeat("[", 200)+strings.Repeat("]", 200)+`,"sub"`),
	} {
		v := Verify([]byte(under(token)), Lookup{Document: func(iss, kid string) ([]byte, error) {
			t.Errorf("%s: looked up %q %q", name, iss, kid)
			return nil, errNoLookup
		}})
		want := "header"
		if len(HeaderName+": "+token) > message.MaxLine {
			want = "message"
		}
		if v.Status != Invalid || failed(v) != want {
			t.Errorf("%s: %+v", name, v)
		}
	}
	if v := h.verify(under(h.forge(head, payload))); v.Status != Valid {
		t.Errorf("the honest token is refused as well: %+v", v)
	}
}

func unsigned(head, payload string) string {
	return encode([]byte(head)) + "." + encode([]byte(payload))
}

// hs256 signs with the public key as a shared secret, for verifiers that let
// the token choose the algorithm.
func hs256(t *testing.T, h *house, kid, payload string) string {
	d, err := h.keys.load(testDomain)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(d.current().public)
	if err != nil {
		t.Fatal(err)
	}
	s := unsigned(`{"alg":"HS256","kid":"`+kid+`","typ":"`+tokenType+`"}`, payload)
	mac := hmac.New(sha256.New, spki)
	mac.Write([]byte(s))
	return s + "." + encode(mac.Sum(nil))
}

func rs256(t *testing.T, kid, payload string) string {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	s := unsigned(`{"alg":"RS256","kid":"`+kid+`","typ":"`+tokenType+`"}`, payload)
	sig, err := jwt.SigningMethodRS256.Sign(s, key)
	if err != nil {
		t.Fatal(err)
	}
	return s + "." + encode(sig)
}

// The values on which verifiers of ECDSA have failed: zero, the order of the
// group, numbers beyond it, and other encodings of a good signature.
func TestSignaturesOutsideTheRangeAreInvalid(t *testing.T) {
	h := newHouse(t)
	token := tokenOf(t, h.stamped())
	p := strings.Split(token, ".")
	good, err := decode(p[2])
	if err != nil {
		t.Fatal(err)
	}
	n := elliptic.P256().Params().N
	r, s := new(big.Int).SetBytes(good[:32]), new(big.Int).SetBytes(good[32:])
	num := func(i int64) *big.Int { return big.NewInt(i) }
	less := new(big.Int).Sub(n, num(1))
	all := new(big.Int).Sub(new(big.Int).Lsh(num(1), 256), num(1))
	for _, tt := range []struct {
		name string
		r, s *big.Int
	}{
		{"both zero", num(0), num(0)}, {"r is zero", num(0), s}, {"s is zero", r, num(0)},
		{"r is one, s is zero", num(1), num(0)}, {"both one", num(1), num(1)},
		{"r is the order", n, s}, {"s is the order", r, n}, {"both are the order", n, n},
		{"both just below the order", less, less}, {"both of all ones", all, all},
		{"swapped", s, r}, {"r negated", new(big.Int).Sub(n, r), s},
		{"r is the prime", elliptic.P256().Params().P, s},
	} {
		sig := make([]byte, 64)
		tt.r.FillBytes(sig[:32])
		tt.s.FillBytes(sig[32:])
		if v := h.verify(under(p[0] + "." + p[1] + "." + encode(sig))); v.Status != Invalid || failed(v) != "signature" {
			t.Errorf("%s: %+v", tt.name, v)
		}
	}
	der, err := ecdsa.SignASN1(rand.Reader, mustPrivate(t, h), make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	for name, sig := range map[string][]byte{
		"ASN.1": der, "63 octets": good[:63], "65 octets": append([]byte{0}, good...), "none": {},
		"96 octets": append(append([]byte{}, good...), good[:32]...),
	} {
		if v := h.verify(under(p[0] + "." + p[1] + "." + encode(sig))); v.Status != Invalid || failed(v) != "header" {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

func mustPrivate(t *testing.T, h *house) *ecdsa.PrivateKey {
	d, err := h.keys.load(testDomain)
	if err != nil {
		t.Fatal(err)
	}
	return d.current().private
}

// Whatever the octets are, Verify answers, and nothing but the token that the
// domain signed is ever found good.
func FuzzVerify(f *testing.F) {
	// Every process of the fuzzer needs the same key, or no token is ever good.
	secret := sha256.Sum256([]byte("a key for fuzzing"))
	h := newHouse(f)
	h.rewrite(keyOf(f, secret[:]))
	eml := h.stamped()
	token := tokenOf(f, eml)
	p := strings.Split(token, ".")
	doc, err := h.keys.Document(testDomain)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(eml))
	f.Add([]byte(sample))
	f.Add([]byte(strings.ReplaceAll(eml, "\r\n", "\n")))
	f.Add([]byte(under(p[0] + "." + p[1] + "\r\n ." + p[2])))
	f.Add([]byte(under(unsigned(`{"alg":"none","kid":"AAAAAAAAAAAAAAAA","typ":"`+tokenType+`"}`, "{}") + ".")))
	f.Add([]byte(under(h.forge(part(f, token, 0), `{"iss":"https://example.com","approval":{"by":"x"}}`))))
	f.Add([]byte("From: a@b.test\r\n" + HeaderName + ": ..\r\n\r\n"))
	f.Add([]byte(HeaderName + ":\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		v := Verify(b, Lookup{Document: func(string, string) ([]byte, error) { return doc, nil }})
		switch v.Status {
		case Valid, ValidUnbound:
			if v.Claims.Subject != "bot@example.com" || v.Claims.Issuer != "https://example.com" {
				t.Errorf("%s: %+v", v.Status, v.Claims)
			}
		case Invalid, None:
			if v.Claims.ID != "" || v.Status == Invalid && failed(v) == "" {
				t.Errorf("%+v", v)
			}
		default:
			t.Errorf("status %q", v.Status)
		}
	})
}
