package sign

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	strict "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// alphabet is every character of a compact JWS: base64url and the dot between
// the parts (RFC 7515, section 7.1). A blank is none of them: a verifier that
// removes blanks and one that does not would disagree on a folded token.
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."

// maxToken bounds the value of a header before anything else is done to it.
const maxToken = 4096

// token is a compact JWS taken apart, not yet verified.
type token struct {
	kid       string
	signing   string // what the signature is over
	claims    Claims
	empty     map[string]bool // claims that are there and empty: equal to nothing
	signature []byte
}

// splitToken takes a compact JWS apart. It accepts one form only: what one
// verifier repairs another refuses, and the sender cannot tell.
func splitToken(value string) (part []string, signature []byte, err error) {
	if len(value) > maxToken {
		return nil, nil, fmt.Errorf("longer than %d octets", maxToken)
	}
	if strings.Trim(value, alphabet) != "" {
		return nil, nil, errors.New("a character that no token has, such as a blank")
	}
	if part = strings.Split(value, "."); len(part) != 3 {
		return nil, nil, fmt.Errorf("%d parts instead of 3", len(part))
	}
	if signature, err = decode(part[2]); err != nil || len(signature) != signatureLength {
		return nil, nil, errors.New("signature has not 64 octets")
	}
	return part, signature, nil
}

// maxTime is the latest time that a token may name: every program can count so far.
const maxTime = 1<<53 - 1

// signatureLength is R and S, 32 octets each.
const signatureLength = 64

// parseToken reads the value of the header field.
func parseToken(value string) (t token, err error) {
	part, signature, err := splitToken(value)
	if err != nil {
		return t, err
	}
	if t.kid, err = parseProtected(part[0]); err != nil {
		return t, err
	}
	payload, err := decode(part[1])
	if err == nil {
		err = checkObject(payload)
	}
	if err == nil {
		err = strict.Unmarshal(payload, &t.claims)
	}
	if err == nil {
		t.empty, err = emptyClaims(payload)
	}
	if err != nil {
		return t, fmt.Errorf("payload: %w", err)
	}
	t.signing, t.signature = part[0]+"."+part[1], signature
	return t, t.claims.check()
}

// parseProtected returns the kid. There are exactly three members: so nothing
// can choose another algorithm (alg), bring its own key (jwk, x5c), send us
// somewhere (jku, x5u), or ask for an extension we do not know (crit).
func parseProtected(part string) (kid string, err error) {
	b, err := decode(part)
	if err == nil {
		err = checkObject(b)
	}
	var h map[string]string
	if err == nil {
		err = strict.Unmarshal(b, &h)
	}
	switch {
	case err != nil:
		return "", fmt.Errorf("protected header: %w", err)
	case h["alg"] != algorithm:
		return "", fmt.Errorf("algorithm %.20q instead of %s", h["alg"], algorithm)
	case h["typ"] != tokenType:
		return "", fmt.Errorf("type %.40q instead of %s", h["typ"], tokenType)
	case len(h) != 3:
		return "", errors.New("protected header has members besides alg, kid and typ")
	}
	kid = h["kid"]
	if b, err := decode(kid); err != nil || len(b) != kidLength*3/4 {
		return "", errors.New("kid is not 16 characters of base64url")
	}
	return kid, nil
}

// emptyClaims returns the claims of a payload that are there and empty, which Claims
// cannot tell from those that are not there.
func emptyClaims(payload []byte) (map[string]bool, error) {
	var all map[string]jsontext.Value
	if err := strict.Unmarshal(payload, &all); err != nil {
		return nil, err
	}
	empty := map[string]bool{}
	for name, value := range all {
		if string(value) == `""` {
			empty[name] = true
		}
	}
	return empty, nil
}

// check refuses tokens that lack what every token has.
func (c Claims) check() error {
	for _, v := range []string{
		c.Issuer, c.Subject, c.ID, c.BodyHash, c.Operator, c.Mode, c.Approval.By,
	} {
		if v == "" {
			return errors.New("payload: a claim that every token has is missing")
		}
	}
	inRange := c.IssuedAt > 0 && c.IssuedAt <= maxTime && c.Approval.At >= -maxTime && c.Approval.At <= maxTime
	if !inRange || c.Service != service {
		return errors.New("payload: not a claim set of this service")
	}
	if slices.Contains(c.Capabilities, "") { // also null
		return errors.New("payload: a capability is empty")
	}
	return nil
}

// checkObject demands one JSON object in UTF-8 without a name that stands
// twice, names in lower case, and no half of a surrogate pair.
func checkObject(b []byte) error {
	b = bytes.TrimLeft(b, " \t\r\n")
	if !utf8.Valid(b) || len(b) == 0 || b[0] != '{' || !jsontext.Value(b).IsValid() {
		return errors.New("not a JSON object in UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := checkValue(dec, 0); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("something follows the object")
	}
	return nil
}

func checkValue(dec *json.Decoder, depth int) error {
	t, err := dec.Token()
	if err != nil {
		return errors.New("malformed JSON")
	}
	open, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	if depth > 4 {
		return errors.New("nested too deep")
	}
	seen := map[string]bool{}
	for dec.More() {
		if open == '{' {
			t, err := dec.Token()
			name, ok := t.(string)
			if err != nil || !ok {
				return errors.New("malformed JSON")
			}
			if name == "" || seen[name] || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
				return fmt.Errorf("name %.40q is empty, stands twice or is not in lower case", name)
			}
			seen[name] = true
		}
		if err := checkValue(dec, depth+1); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return errors.New("malformed JSON")
	}
	return nil
}
