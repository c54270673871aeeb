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

// forger has a good token and makes bad ones of it.
type forger struct {
	h                        *fixture
	good, head, payload, kid string
}

func newForger(t *testing.T) forger {
	h := newFixture(t)
	good := tokenOf(t, h.stamped())
	head := part(t, good, 0)
	return forger{h, good, head, part(t, good, 1), head[strings.Index(head, "kid")+6:][:kidLength]}
}

// with signs a header that has more members.
func (f forger) with(extra string) string {
	return f.h.forge(`{"alg":"ES256","kid":"`+f.kid+`","typ":"`+tokenType+`",`+extra+`}`, f.payload)
}

// kidIs signs a header that names another key.
func (f forger) kidIs(kid string) string {
	return f.h.forge(`{"alg":"ES256","kid":"`+kid+`","typ":"`+tokenType+`"}`, f.payload)
}

// saying signs a payload in which something was replaced.
func (f forger) saying(from, to string) string {
	return f.h.forge(f.head, strings.Replace(f.payload, from, to, 1))
}

// refuse expects each token to be invalid before anybody is asked for a key, and
// the honest one to be valid.
func (f forger) refuse(t *testing.T, tokens map[string]string) {
	t.Helper()
	for name, token := range tokens {
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
	if v := f.h.verify(under(f.h.forge(f.head, f.payload))); v.Status != Valid {
		t.Errorf("the honest token is refused as well: %+v", v)
	}
}

func TestATokenThatIsNoCompactJWSIsRefusedWithoutALookup(t *testing.T) {
	f := newForger(t)
	p := strings.Split(f.good, ".")
	f.refuse(t, map[string]string{
		"empty":                       "",
		"dots only":                   "..",
		"two parts":                   p[0] + "." + p[1],
		"payload and signature alone": p[1] + "." + p[2],
		"four parts":                  f.good + ".",
		"five parts, encrypted":       p[0] + "." + p[1] + "." + p[2] + "." + p[1] + "." + p[2],
		"too long":                    p[0] + "." + p[1] + strings.Repeat("A", maxToken) + "." + p[2],
		"too long, of blanks":         p[0] + strings.Repeat(" ", maxToken) + "." + p[1] + "." + p[2],
		"many dots":                   strings.Repeat(".", maxToken),
		"padding":                     p[0] + "." + p[1] + "." + p[2] + "==",
		"standard alphabet":           p[0] + "." + p[1] + ".+/" + p[2][2:],
		"bits left over":              p[0] + "." + p[1] + "." + p[2][:85] + "B",
		"comment after it":            f.good + " (signed)",
		"another token after it":      f.good + ", " + f.good,
		"algorithm none":              unsigned(`{"alg":"none","kid":"`+f.kid+`","typ":"`+tokenType+`"}`, f.payload) + ".",
		"algorithm none, old signature": unsigned(`{"alg":"none","kid":"`+f.kid+`","typ":"`+tokenType+`"}`, f.payload) + "." +
			p[2],
	})
}

func TestATokenWithAHostileHeaderIsRefusedWithoutALookup(t *testing.T) {
	f := newForger(t)
	f.refuse(t, map[string]string{
		"HS256 with our public key":      hs256(t, f.h, f.kid, f.payload),
		"RS256":                          rs256(t, f.kid, f.payload),
		"ES384 by name":                  f.h.forge(strings.Replace(f.head, "ES256", "ES384", 1), f.payload),
		"es256 in lower case":            f.h.forge(strings.Replace(f.head, "ES256", "es256", 1), f.payload),
		"no algorithm":                   f.h.forge(strings.Replace(f.head, "alg", "alx", 1), f.payload),
		"another type":                   f.h.forge(strings.Replace(f.head, tokenType, "JWT", 1), f.payload),
		"no type":                        f.h.forge(`{"alg":"ES256","kid":"`+f.kid+`"}`, f.payload),
		"key by URL":                     f.with(`"jku":"https://evil.test/k"`),
		"certificate by URL":             f.with(`"x5u":"https://evil.test/c"`),
		"certificate":                    f.with(`"x5c":["MIIB"]`),
		"own key":                        f.with(`"jwk":{"kty":"EC"}`),
		"own key as text":                f.with(`"jwk":"{}"`),
		"extension that must be known":   f.with(`"crit":["exp"],"exp":1`),
		"payload not encoded":            f.with(`"b64":false,"crit":["b64"]`),
		"algorithm twice":                f.with(`"alg":"ES256"`),
		"algorithm twice, other case":    f.with(`"ALG":"none"`),
		"no kid":                         f.h.forge(`{"alg":"ES256","typ":"`+tokenType+`"}`, f.payload),
		"kid is a path":                  f.kidIs("../../etc/passwd"),
		"kid is a path of 16 characters": f.kidIs("../../etc/passw."),
		"kid is SQL":                     f.kidIs("' OR 1=1 --     "),
		"kid is empty":                   f.kidIs(""),
		"kid is long":                    f.kidIs(f.kid + f.kid),
		"kid is a number":                f.h.forge(`{"alg":"ES256","kid":1,"typ":"`+tokenType+`"}`, f.payload),
		"header is an array":             f.h.forge(`["ES256"]`, f.payload),
		"header is null":                 f.h.forge(`null`, f.payload),
		"header is not JSON":             f.h.forge(`alg=ES256`, f.payload),
		"something after the header":     f.h.forge(f.head+`{}`, f.payload),
	})
}

func TestATokenWithAHostilePayloadIsRefusedWithoutALookup(t *testing.T) {
	f := newForger(t)
	f.refuse(t, map[string]string{
		"payload is null":             f.h.forge(f.head, `null`),
		"payload is text":             f.h.forge(f.head, `"x"`),
		"payload is empty":            f.h.forge(f.head, ``),
		"payload is cut":              f.h.forge(f.head, f.payload[:len(f.payload)-1]),
		"something after the payload": f.h.forge(f.head, f.payload+f.payload),
		"payload not in UTF-8":        f.saying("Example", "\xff"),
		"claim twice":                 f.saying(`"sub"`, `"sub":"boss@example.com","sub"`),
		"claim twice, other case":     f.saying(`"sub"`, `"SUB":"boss@example.com","sub"`),
		"claim twice, long s":         f.saying(`"sub"`, "\"\u017fub\":\"boss@example.com\",\"sub\""),
		"claim twice, inside":         f.saying(`"by"`, `"by":"human","by"`),
		"claim of the wrong type":     f.saying(`"ai_generated":true`, `"ai_generated":"yes"`),
		"deep nesting":                f.saying(`"sub"`, `"z":`+strings.Repeat("[", 200)+strings.Repeat("]", 200)+`,"sub"`),
	})
}

func unsigned(head, payload string) string {
	return encode([]byte(head)) + "." + encode([]byte(payload))
}

// hs256 signs with the public key as a shared secret, for verifiers that let
// the token choose the algorithm.
func hs256(t *testing.T, h *fixture, kid, payload string) string {
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
	h := newFixture(t)
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

func mustPrivate(t *testing.T, h *fixture) *ecdsa.PrivateKey {
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
	h := newFixture(f)
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
		case Valid, Unbound:
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
