package oauth

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/multimail/multimail/internal/mailtest"
	"github.com/multimail/multimail/mail"
)

func isUnavailable(err error) bool { return errors.Is(err, mail.ErrUnavailable) }

// bad is a token that is refused.
type bad struct {
	name  string
	token func(t *testing.T, is *mailtest.Issuer) string
	check string // the first that fails
	hint  string // part of what the owner is told
}

// entra signs the claims of an autonomous agent with some of them changed.
func entraWith(pairs ...any) func(*testing.T, *mailtest.Issuer) string {
	return signed(func() map[string]any { return with(facts.Autonomous(), pairs...) })
}

func onBehalf(pairs ...any) func(*testing.T, *mailtest.Issuer) string {
	return signed(func() map[string]any { return with(facts.OnBehalf(), pairs...) })
}

func genericWith(pairs ...any) func(*testing.T, *mailtest.Issuer) string {
	return signed(func() map[string]any { return with(generic(), pairs...) })
}

func signed(claims func() map[string]any) func(*testing.T, *mailtest.Issuer) string {
	return func(t *testing.T, is *mailtest.Issuer) string { return is.Token(t, "rsa", claims()) }
}

func header(pairs ...any) func(*testing.T, *mailtest.Issuer) string {
	return func(t *testing.T, is *mailtest.Issuer) string {
		members := map[string]any{}
		for i := 0; i < len(pairs); i += 2 {
			members[pairs[i].(string)] = pairs[i+1]
		}
		return is.Sign(t, "rsa", members, facts.Autonomous())
	}
}

func raw(header, payload string) func(*testing.T, *mailtest.Issuer) string {
	return func(t *testing.T, is *mailtest.Issuer) string { return is.SignRaw(t, header, payload) }
}

func text(s string) func(*testing.T, *mailtest.Issuer) string {
	return func(*testing.T, *mailtest.Issuer) string { return s }
}

// changed changes one octet of a part of a good token.
func changed(part int) func(*testing.T, *mailtest.Issuer) string {
	return func(t *testing.T, is *mailtest.Issuer) string {
		parts := strings.Split(is.Token(t, "rsa", facts.Autonomous()), ".")
		b, _ := base64.RawURLEncoding.DecodeString(parts[part])
		b[len(b)/2] ^= 1
		parts[part] = base64.RawURLEncoding.EncodeToString(b)
		return strings.Join(parts, ".")
	}
}

// symmetric signs with HMAC and what everybody knows: the public key.
func symmetric(form func(*rsa.PublicKey) []byte) func(*testing.T, *mailtest.Issuer) string {
	return func(t *testing.T, is *mailtest.Issuer) string {
		tok := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims(facts.Autonomous()))
		tok.Header["kid"] = "rsa"
		s, err := tok.SignedString(form(is.Key("rsa").Public().(*rsa.PublicKey)))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

func unsigned(t *testing.T, _ *mailtest.Issuer) string {
	tok := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims(facts.Autonomous()))
	tok.Header["kid"] = "rsa"
	s, err := tok.SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	return s + "AA" // the form wants a signature
}

// another signs with a key that the issuer does not have, under a kid it has.
func another(t *testing.T, _ *mailtest.Issuer) string {
	foreign := mailtest.NewIssuer(t)
	foreign.AddKey(t, "rsa")
	return foreign.Token(t, "rsa", generic())
}

const goodHeader = `{"alg":"RS256","kid":"rsa","typ":"JWT"}`

var badForms = []bad{
	{"nothing", text(""), "form", "three parts"},
	{"one part", text("x"), "form", "three parts"},
	{"two parts", text("a.b"), "form", "three parts"},
	{"four parts", text("a.b.c.d"), "form", "three parts"},
	{"an encrypted token", text("a.b.c.d.e"), "form", "an encrypted or an opaque token"},
	{"a JWS in JSON", text(`{"payload":"e30","signatures":[]}`), "form", "three parts"},
	{"a megabyte", text(strings.Repeat("a", 1<<20)), "size", "longer than 16384 octets"},
	{"a megabyte of dots", text(strings.Repeat(".", 1<<20)), "size", "longer than 16384 octets"},
	{"16 KiB of dots", text(strings.Repeat(".", maxToken)), "form", "three parts"},
	{"an octet more than the limit", text(strings.Repeat("a", maxToken+1)), "size", "16384"},
	{"padding", text("e30=.e30.AAAA"), "form", "base64url"},
	{"another alphabet", text("e30.e30.+/+/"), "form", "base64url"},
	{"a line break", text("e30\n.e30.AAAA"), "form", "base64url"},
	{"left-over bits", text("e30.e30.AB"), "form", "base64url"},
	{"no signature", text("e30.e30."), "form", "a part is empty"},
	{"no header", text(".e30.AAAA"), "form", "a part is empty"},
	{"a header that is a list", raw(`[]`, `{}`), "header", "not a JSON object"},
	{"a header in UTF-16", raw("\xff\xfe{\x00}\x00", `{}`), "header", "not a JSON object"},
	{"alg twice", raw(`{"alg":"RS256","alg":"none","kid":"rsa"}`, `{}`), "header", "stands twice"},
	{"alg as a list", raw(`{"alg":["RS256"],"kid":"rsa"}`, `{}`), "header", "alg is not a text"},
	{"kid as a number", raw(`{"alg":"RS256","kid":1}`, `{}`), "header", "kid is not a text"},
	{"payload that is a text", raw(goodHeader, `"x"`), "claims", "not a JSON object"},
	{"payload that is no JSON", raw(goodHeader, `{"iss":}`), "claims", "not JSON"},
	{"something behind the payload", raw(goodHeader, `{} {}`), "claims", "something follows"},
	{"malformed UTF-8", raw(goodHeader, "{\"iss\":\"\xff\"}"), "claims", "not JSON"},
	{"a claim twice", raw(goodHeader, `{"iss":"a","iss":"b"}`), "claims", "stands twice"},
	{"a claim twice, escaped", raw(goodHeader, `{"iss":"a","\u0069ss":"b"}`), "claims", "stands twice"},
	{"a claim twice, in other letters", raw(goodHeader, `{"iss":"a","ISS":"b"}`), "claims", "in other letters"},
	{"a name twice inside a claim", raw(goodHeader, `{"x":{"a":1,"a":2}}`), "claims", "stands twice inside"},
	{"claims nested too deep", raw(goodHeader, `{"x":`+strings.Repeat("[", 9)+strings.Repeat("]", 9)+`}`),
		"claims", "8 levels"},
	{"a thousand levels", raw(goodHeader, `{"x":`+strings.Repeat(`{"a":`, 1000)+"1"+strings.Repeat("}", 1001)),
		"claims", "8 levels"},
	{"iss in other letters alone", raw(goodHeader, `{"Iss":"https://id.example"}`), "issuer", "iss is missing"},
	{"iss inside another claim", raw(goodHeader, `{"claims":{"iss":"https://id.example"}}`), "issuer", "iss is missing"},
	{"iss as an object", raw(goodHeader, `{"iss":{"iss":"https://id.example"}}`), "issuer", "iss is not a text"},
}

var badSignatures = []bad{
	{"alg none", unsigned, "algorithm", `alg is "none"`},
	{"alg None", header("alg", "None"), "algorithm", "algorithms of this issuer are RS256"},
	{"HS256 with the public key as PEM", symmetric(func(k *rsa.PublicKey) []byte {
		der, _ := x509.MarshalPKIXPublicKey(k)
		return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	}), "algorithm", `alg is "HS256"`},
	{"HS256 with the public key as DER", symmetric(x509.MarshalPKCS1PublicKey), "algorithm", `alg is "HS256"`},
	{"an algorithm that is not configured", header("alg", "RS512"), "algorithm", `alg is "RS512"`},
	{"an algorithm of another kind of key", func(t *testing.T, is *mailtest.Issuer) string {
		return is.Sign(t, "rsa", map[string]any{"alg": "ES256"}, generic())
	}, "key", "is one for RS256"},
	{"RS256 with an EC key", func(t *testing.T, is *mailtest.Issuer) string {
		return is.Sign(t, "ec", map[string]any{"alg": "RS256"}, generic())
	}, "key", "is one for ES256"},
	{"no kid", header("kid", nil), "key", "kid is missing"},
	{"an empty kid", header("kid", ""), "key", "kid is missing"},
	{"a long kid", header("kid", strings.Repeat("k", 257)), "key", "longer than 256"},
	{"a foreign kid", header("kid", "other"), "key", `the issuer has no key "other"`},
	{"a kid like a path", header("kid", "../../../dev/null"), "key", `no key "../../../dev/null"`},
	{"a kid like a query", header("kid", "' OR 1=1 --\r\n"), "key", `no key "' OR 1=1 --\r\n"`},
	{"a kid like a URL", header("kid", "https://evil.example/k"), "key", "no key"},
	{"jku", header("jku", "https://evil.example/keys"), "header", `header member "jku" is not taken`},
	{"x5u", header("x5u", "https://evil.example/cert"), "header", `"x5u" is not taken`},
	{"jwk", header("jwk", map[string]any{"kty": "RSA"}), "header", `"jwk" is not taken`},
	{"x5c", header("x5c", []string{"MII"}), "header", `"x5c" is not taken`},
	{"crit", header("crit", []string{"exp"}), "header", `"crit" is not taken`},
	{"b64", header("b64", false), "header", `"b64" is not taken`},
	{"a token within", header("cty", "JWT"), "header", `"cty" is not taken`},
	{"a compressed payload", header("zip", "DEF"), "header", `"zip" is not taken`},
	{"an identity header of ours", header("typ", "multimail-identity+jwt"), "header", "no access token"},
	{"a logout token", header("typ", "logout+jwt"), "header", "no access token"},
	{"another key under a known kid", another, "key", "is one for RS256"},
	{"a changed signature", changed(2), "signature", "the token was changed"},
	{"a changed payload", func(t *testing.T, is *mailtest.Issuer) string {
		a := strings.Split(is.Token(t, "rsa", facts.Autonomous()), ".")
		b := strings.Split(is.Token(t, "rsa", with(facts.Autonomous(), "oid", parent)), ".")
		return a[0] + "." + b[1] + "." + a[2]
	}, "signature", "the token was changed"},
}

var badClaims = []bad{
	{"an issuer that is not configured", entraWith("iss", "https://evil.example"), "issuer", "no [[issuer]] has"},
	{"an issuer without its slash", signed(func() map[string]any {
		return with(v1(facts.Autonomous()), "iss", "https://sts.windows.net/"+tenantA)
	}), "issuer", "differ in the slash at the end"},
	{"an issuer with a slash more", genericWith("iss", "https://id.example/"), "issuer", "differ in the slash"},
	{"an issuer in capitals", genericWith("iss", "https://ID.example"), "issuer", "no [[issuer]] has"},
	{"the tenant common", entraWith("iss", "https://login.microsoftonline.com/common/v2.0"), "issuer", "no [[issuer]]"},
	{"no audience", entraWith("aud", nil), "audience", "aud is missing"},
	{"another audience", entraWith("aud", "00000003-0000-0000-c000-000000000000"), "audience", "audiences of"},
	{"an audience that begins with ours", entraWith("aud", ours+"/x"), "audience", "audiences of this issuer"},
	{"ours in capitals", entraWith("aud", strings.ToUpper(ours)), "audience", "audiences of this issuer"},
	{"a list of audiences of entra", entraWith("aud", []string{ours}), "audience", "aud is not a text"},
	{"a list without ours", genericWith("aud", []string{"a", "b"}), "audience", "audiences of this issuer"},
	{"an empty list", genericWith("aud", []string{}), "audience", "audiences of this issuer"},
	{"a list with an object", genericWith("aud", []any{"multimail", map[string]any{}}), "audience", "not a text"},
	{"a long list", genericWith("aud", strings.Split(strings.Repeat("multimail ", 129), " ")), "audience", "at most 128"},
	{"another tenant", entraWith("tid", tenantB), "tenant", "as the configuration and iss say"},
	{"no tenant", entraWith("tid", nil), "tenant", "tid is missing"},
	{"a tenant that is not allowed", signed(func() map[string]any { return with(tenanted(), "org", "green") }),
		"tenant", `org is "green" and must be one of`},
	{"no exp", entraWith("exp", nil), "expiry", "exp is missing"},
	{"exp as a text", entraWith("exp", "9999999999"), "expiry", "not a number"},
	{"exp beyond all dates", raw(goodHeader, rawClaims(`"exp":1e300`)), "expiry", "not a number"},
	{"a negative exp", entraWith("exp", -1), "expiry", "not a number"},
	{"expired by skew and a second", entraWith("exp", now.Unix()-61), "expiry", "expired at 2026-11-26T08:58:59Z"},
	{"not valid yet by skew and a second", entraWith("nbf", now.Unix()+61), "not_before", "nbf is"},
	{"nbf as a text", entraWith("nbf", "0"), "not_before", "not a number"},
	{"no iat", entraWith("iat", nil), "issued_at", "iat is missing"},
	{"issued in the future", entraWith("iat", now.Unix()+61), "issued_at", "iat is"},
	{"an id token by its nonce", entraWith("nonce", "x"), "kind", "claim of id tokens"},
	{"an id token by its hash", genericWith("at_hash", "x"), "kind", "claim of id tokens"},
	{"a token bound to a key", genericWith("cnf", map[string]any{"jkt": "x"}), "kind", "cnf binds the token"},
}

// rawClaims are those of an autonomous agent, with exp in the place of its own.
func rawClaims(exp string) string {
	return fmt.Sprintf(`{"iss":"https://login.microsoftonline.com/%s/v2.0","aud":%q,"tid":%q,%s}`,
		tenantA, ours, tenantA, exp)
}

var badShapes = []bad{
	{"an id token of the same registration", onBehalf("scp", nil, "idtyp", nil), "shape", "this may be an id token"},
	{"an application without idtyp", entraWith("idtyp", nil), "shape", "add the optional claim idtyp"},
	{"an application with scp", entraWith("scp", "Mail.Send"), "shape", "has roles only"},
	{"an application that is no agent", entraWith("xms_act_fct", nil, "xms_sub_fct", nil), "shape", "not an agent"},
	{"an agent that is not the subject", entraWith("xms_sub_fct", "3"), "shape", "not an agent identity"},
	{"an application with a user account", entraWith("xms_sub_fct", "11 13"), "shape", "user account"},
	{"a facet that only begins like one", entraWith("xms_act_fct", "110 111"), "shape", "not an agent identity"},
	{"a user where only sub is an agent", onBehalf("xms_sub_fct", "11"), "shape", "fit no shape"},
	{"an account that acts", onBehalf("xms_act_fct", "11 13"), "shape", "fit no shape"},
	{"an account without an agent", onBehalf("xms_act_fct", nil, "xms_sub_fct", "13"), "shape", "does not have 11"},
	{"a blueprint without an agent", onBehalf("xms_act_fct", "3"), "shape", "does not have 11"},
	{"facets as a list", onBehalf("xms_act_fct", []int{11}), "shape", "xms_act_fct is not a text"},
	{"facets with commas", onBehalf("xms_act_fct", "3,11"), "shape", "not numbers"},
	{"a device", onBehalf("idtyp", "device"), "shape", "only app and user"},
	{"no oid", entraWith("oid", nil), "shape", "oid is missing"},
	{"an oid that is no GUID", entraWith("oid", "root"), "shape", "oid is not a GUID"},
	{"an oid in an object", entraWith("oid", map[string]any{"oid": agentID}), "shape", "oid is not a text"},
	{"no client", entraWith("azp", nil), "shape", "azp is missing"},
	{"the client of version 1 in version 2", entraWith("azp", nil, "appid", agentID), "shape", "azp is missing"},
	{"another version", entraWith("ver", "1.0"), "shape", "but iss is that of version 2.0"},
	{"roles as a text", entraWith("roles", "Mail.Send"), "shape", "roles is not a list"},
	{"generic without the client", genericWith("client_id", nil, "sub", "bot"), "shape", "client_id is missing"},
	{"a client with a blank", genericWith("client_id", "bot 1"), "shape", "not an identifier"},
	{"a person that is a number", genericWith("sub", 7), "shape", "sub is not a text"},
	{"generic without a scope", genericWith("scope", nil), "shape", "this may be an id token"},
	{"a role that means nothing here", entraWith("roles", []string{"Admin"}), "scopes", "stands in [issuer.scopes]"},
	{"a scope in other letters", genericWith("scope", "MAIL.SEND"), "scopes", "stands in [issuer.scopes]"},
	{"sending and deciding", entraWith("roles", []string{"Mail.Send", "Oversight.Decide"}),
		"scopes", "mean both send and oversight"},
	{"sending and reading the log", entraWith("roles", []string{"Mail.Send", "AuditLog.Read"}),
		"scopes", "mean both send and audit_read"},
}

func TestABadTokenIsRefusedWithItsReason(t *testing.T) {
	b := open(t)
	seen := map[string]bool{}
	for _, list := range [][]bad{badForms, badSignatures, badClaims, badShapes} {
		for _, c := range list {
			t.Run(c.name, func(t *testing.T) {
				token := c.token(t, b.issuer)
				r, err := refused(t.Context(), b.Verifier, token)
				if r == nil || r.Check != c.check || !strings.Contains(r.Hint, c.hint) {
					t.Fatalf("got %v (%v), want check %s: %s", r, err, c.check, c.hint)
				}
				var public *mail.Error
				if !errors.Is(err, mail.ErrUnauthorised) || !errors.As(err, &public) ||
					!strings.HasPrefix(public.Public, "token not accepted") || strings.Contains(public.Public, r.Hint) {
					t.Errorf("a client sees %v", err)
				}
				if e := b.Explain(t.Context(), token); e.Failed != r.Check {
					t.Errorf("doctor says %q, the verifier %q", e.Failed, r.Check)
				}
			})
			seen[c.check] = true
		}
	}
	for _, name := range Checks() {
		if !seen[name] {
			t.Errorf("no bad token for the check %s", name)
		}
	}
	if good := b.issuer.Token(t, "rsa", facts.Autonomous()); b.accept(t, good).Object != agentID {
		t.Error("the good token is not taken afterwards")
	}
}

// What a client may do is the same for every reason but one: get a new token.
func TestAClientLearnsOnlyWhetherToGetANewToken(t *testing.T) {
	b := open(t)
	said := map[string]bool{}
	for _, list := range [][]bad{badForms, badSignatures, badClaims, badShapes} {
		for _, c := range list {
			_, err := b.Verify(t.Context(), c.token(t, b.issuer))
			var public *mail.Error
			errors.As(err, &public)
			said[public.Public] = true
		}
	}
	want := map[string]bool{"token not accepted": true, "token not accepted: it has expired; get a new one": true}
	if fmt.Sprint(said) != fmt.Sprint(want) {
		t.Errorf("%v", said)
	}
}

// The cost of a token that is too long does not grow with it.
func TestATokenThatIsTooLongCostsTheSameAtAnyLength(t *testing.T) {
	b := open(t)
	allocated := func(token string) float64 {
		return testing.AllocsPerRun(100, func() { b.Verify(t.Context(), token) })
	}
	few, many := allocated(strings.Repeat(".", maxToken+1)), allocated(strings.Repeat(".", 1<<20))
	if few > 20 || many > 20 {
		t.Errorf("%v allocations for a token just too long, %v for a megabyte", few, many)
	}
}
