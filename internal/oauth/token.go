package oauth

import (
	"bytes"
	"encoding/base64"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	maxToken  = 16 << 10 // octets of a token, before anything else is done to it
	maxDepth  = 8        // of nested values in a token
	maxKeyID  = 256      // octets of a kid
	maxValue  = 256      // octets of an identifier
	maxValues = 128      // audiences, scopes or roles of a token
)

// jws is a compact JWS (RFC 7515, section 7.1) taken apart.
type jws struct {
	header, payload, signature []byte
	signing                    string // what the signature is over

	alg, kid, typ string
}

// split reads the form of a token. It accepts one encoding only: base64url
// without padding and without left-over bits.
func split(raw string) (t jws, err error) {
	header, rest, first := strings.Cut(raw, ".")
	payload, signature, second := strings.Cut(rest, ".")
	if !first || !second || strings.Contains(signature, ".") {
		return t, hintf("not three parts with dots between them, as a signed token (JWS) has; " +
			"an encrypted or an opaque token cannot be checked: let the issuer make signed ones for this audience")
	}
	for _, p := range []struct {
		part string
		to   *[]byte
	}{{header, &t.header}, {payload, &t.payload}, {signature, &t.signature}} {
		b, err := base64.RawURLEncoding.Strict().DecodeString(p.part)
		if err != nil || strings.ContainsAny(p.part, "\r\n") || len(b) == 0 {
			return t, hintf("a part is empty or not base64url without padding: the token was changed on its way")
		}
		*p.to = b
	}
	t.signing = raw[:len(header)+1+len(payload)]
	return t, nil
}

// headerNames lists the members that a protected header may have. So a token
// can neither bring a key (jwk, x5c), send us to one (jku, x5u), nor ask for an
// extension (crit) or for another token within (cty).
var headerNames = []string{"alg", "kid", "typ", "x5t", "x5t#S256"}

// types lists what typ may be (RFC 9068, section 2.1); many issuers leave it out.
var types = []string{"", "jwt", "at+jwt", "application/at+jwt"}

// readHeader reads the protected header.
func (t *jws) readHeader() error {
	m, err := object(t.header)
	if err != nil {
		return err
	}
	for name := range m {
		if !slices.Contains(headerNames, name) {
			return hintf("header member %.100q is not taken: a header has %s only; keys come from the configuration",
				name, strings.Join(headerNames, ", "))
		}
	}
	for name, to := range map[string]*string{"alg": &t.alg, "kid": &t.kid, "typ": &t.typ} {
		if *to, err = m.text(name); err != nil {
			return err
		}
	}
	if !slices.Contains(types, strings.ToLower(t.typ)) {
		return hintf("typ is %.100q, which is no access token; send the access token", t.typ)
	}
	return nil
}

// claims are the members of a JSON object, each still as JSON.
type claims map[string]jsontext.Value

// object reads one JSON object in UTF-8. No name stands twice, also not in other
// letters: one program would take the first, the next one the last.
func object(b []byte) (claims, error) {
	if len(b) == 0 || b[0] != '{' || depth(b) > maxDepth {
		return nil, hintf("not a JSON object of at most %d levels", maxDepth)
	}
	dec := jsontext.NewDecoder(bytes.NewReader(b)) // refuses duplicate names and malformed UTF-8
	if _, err := dec.ReadToken(); err != nil {
		return nil, hintf("not JSON")
	}
	m, folded := claims{}, map[string]bool{}
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			return nil, hintf("not JSON, or a name stands twice")
		}
		s := name.String()
		value, err := dec.ReadValue()
		if err != nil {
			return nil, hintf("not JSON, or a name stands twice inside %.100q", s)
		}
		if folded[strings.ToLower(s)] {
			return nil, hintf("the name %.100q stands twice, in other letters", s)
		}
		folded[strings.ToLower(s)] = true
		m[s] = value.Clone()
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, hintf("not JSON, or a name stands twice")
	}
	if _, err := dec.ReadToken(); err != io.EOF {
		return nil, hintf("something follows the JSON object")
	}
	return m, nil
}

// depth returns how deep brackets are nested in JSON.
func depth(b []byte) (deepest int) {
	n, inString := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case !inString && (c == '{' || c == '['):
			n++
			deepest = max(deepest, n)
		case !inString && (c == '}' || c == ']'):
			n--
		}
	}
	return deepest
}

// has reports whether a claim is there.
func (c claims) has(name string) bool { return len(c[name]) > 0 }

// text returns a claim that is a text, "" if it is not there.
func (c claims) text(name string) (s string, err error) {
	if !c.has(name) {
		return "", nil
	}
	if c[name].Kind() != '"' || json.Unmarshal(c[name], &s) != nil {
		return "", hintf("%s is not a text", name)
	}
	return s, nil
}

// identifier returns a claim that names something: 1 to 256 printable characters
// of ASCII without blanks.
func (c claims) identifier(name string) (string, error) {
	s, err := c.text(name)
	switch {
	case err != nil:
		return "", err
	case s == "":
		return "", hintf("%s is missing; let the issuer add this claim to access tokens", name)
	case len(s) > maxValue || strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) >= 0:
		return "", hintf("%s is not an identifier of 1 to %d printable characters without blanks", name, maxValue)
	}
	return s, nil
}

// list returns a claim that is a list of texts, nil if it is not there.
func (c claims) list(name string) (l []string, err error) {
	if !c.has(name) {
		return nil, nil
	}
	var items []jsontext.Value
	if c[name].Kind() != '[' || json.Unmarshal(c[name], &items) != nil || len(items) > maxValues {
		return nil, hintf("%s is not a list of at most %d texts", name, maxValues)
	}
	for _, v := range items {
		var s string
		if v.Kind() != '"' || json.Unmarshal(v, &s) != nil {
			return nil, hintf("%s has an item that is not a text", name)
		}
		l = append(l, s)
	}
	return l, nil
}

// words returns the words of a claim that is a text with blanks between them
// (RFC 6749, section 3.3).
func (c claims) words(name string) ([]string, error) {
	s, err := c.text(name)
	if err != nil {
		return nil, err
	}
	l := strings.Fields(s)
	if len(l) > maxValues {
		return nil, hintf("%s has more than %d values", name, maxValues)
	}
	return l, nil
}

// seconds returns a NumericDate (RFC 7519, section 2), 0 if it is not there.
func (c claims) seconds(name string) (float64, error) {
	if !c.has(name) {
		return 0, nil
	}
	var n float64
	const end = 1 << 40 // far beyond any date, and exact in a float64
	if c[name].Kind() != '0' || json.Unmarshal(c[name], &n) != nil || n <= 0 || n >= end {
		return 0, hintf("%s is not a number of seconds since 1970", name)
	}
	return n, nil
}
