package authserver

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// registered are the claims of a token that have a type everywhere (RFC 7519, section 4.1).
type registered struct {
	Issuer    *string        `json:"iss"`
	Subject   *string        `json:"sub"`
	Audience  jsontext.Value `json:"aud"`
	ID        *string        `json:"jti"`
	Expires   *float64       `json:"exp"`
	NotBefore *float64       `json:"nbf"`
	IssuedAt  *float64       `json:"iat"`
}

// isFor reports whether aud is a text, and this one. A token that lists it, even alone, was made
// for a server that takes more than its own name.
func (c registered) isFor(issuer string) bool {
	var aud string
	return json.Unmarshal(c.Audience, &aud) == nil && aud == issuer
}

// headerNames lists the members that a protected header may have: so a token neither brings a
// key, sends us to one, nor asks for an extension that is not known here (crit; RFC 7515, section
// 4.1.11).
var headerNames = []string{"alg", "kid", "typ", "x5t", "x5t#S256"}

// strict refuses a token that two readers could take differently: no name stands twice, the
// claims are of their types, and the header has known members alone. Nothing of it is believed
// yet. The caller has bounded its length.
func strict(raw string) (c registered, err error) {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return c, errors.New("a token has three parts")
	}
	var header map[string]jsontext.Value
	for i, to := range []any{&header, &c} {
		b, err := base64.RawURLEncoding.Strict().DecodeString(parts[i])
		if err == nil {
			err = json.Unmarshal(b, to) // refuses names that stand twice
		}
		if err != nil {
			return c, err
		}
	}
	for name := range header {
		if !slices.Contains(headerNames, name) {
			return c, errors.New("the header has a member that is not known here")
		}
	}
	return c, nil
}
