package smtpd

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"github.com/emersion/go-smtp"
)

// maxToken is the longest token that is given to a verifier, in octets. Tokens
// of Entra have 1,500 to 3,000.
const maxToken = 8192

// challenge is what the client is told in the exchange when its token is refused,
// before the reply that ends it. It says the same whatever was wrong.
type challenge struct {
	Status  string `json:"status"`
	Schemes string `json:"schemes,omitempty"`
	Scope   string `json:"scope,omitempty"` // to ask the issuer for
}

// refusalOf returns the challenge of a mechanism: RFC 7628, 3.2.2, and for XOAUTH2 as
// Google and Microsoft write it.
func refusalOf(mech, scope string) []byte {
	c := challenge{Status: "invalid_token", Scope: scope}
	if mech == xoauth2 {
		c = challenge{Status: "401", Schemes: "bearer", Scope: scope}
	}
	b, err := json.Marshal(c)
	if err != nil {
		return []byte("{}") // three strings are written always
	}
	return b
}

// errExchange is a response that does not follow its mechanism. It is no refused
// credential.
var errExchange = errors.New("smtpd: malformed SASL response")

// bearer is OAUTHBEARER (RFC 7628) or XOAUTH2: one response with a token. After
// a refusal the client gets a reason in JSON, and answers before the exchange ends.
type bearer struct {
	s    *session
	mech string
	read func(response []byte) (user, token string, err error)

	asked   bool
	refused error
}

// Next implements sasl.Server.
func (b *bearer) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case b.refused != nil: // whatever the client says now: %x01, nothing, or an error in JSON
		return nil, true, b.refused
	case response == nil && !b.asked:
		b.asked = true
		return nil, false, nil
	}
	user, token, err := b.read(response)
	if err != nil {
		return nil, true, err
	}
	var e *smtp.SMTPError
	err = b.s.byToken(b.mech, user, token)
	if errors.As(err, &e) && e.Code == errCredentials.Code {
		b.refused = err
		return refusalOf(b.mech, b.s.s.o.TokenScope), false, nil
	}
	return nil, true, err
}

// readOAuthBearer reads a client response of RFC 7628, 3.1:
//
//	n,a=user@example.com,^Ahost=…^Aport=…^Aauth=Bearer TOKEN^A^A
//
// Channel bindings are not offered with it, so the flags "n" and "y" mean the same.
func readOAuthBearer(response []byte) (user, token string, err error) {
	header, pairs, ok := strings.Cut(string(response), "\x01")
	if !ok {
		return "", "", errExchange
	}
	fields := strings.Split(header, ",")
	if len(fields) != 3 || fields[0] != "n" && fields[0] != "y" || fields[2] != "" {
		return "", "", errExchange
	}
	if fields[1] != "" {
		name, found := strings.CutPrefix(fields[1], "a=")
		if user, ok = saslName(name); !found || !ok || user == "" {
			return "", "", errExchange
		}
	}
	found, err := readPairs(pairs)
	return user, found["auth"], err
}

// readXOAuth2 reads user=NAME^Aauth=Bearer TOKEN^A^A.
func readXOAuth2(response []byte) (user, token string, err error) {
	found, err := readPairs(string(response))
	if _, ok := found["user"]; err == nil && !ok {
		err = errExchange
	}
	return found["user"], found["auth"], err
}

// readPairs reads KEY=VALUE pairs, each ended by ^A, with another ^A behind the
// last. Of "auth" it returns the bearer token, "" if there is none. Unknown keys are
// ignored, as the RFC wants; a key that stands twice could mean two things.
func readPairs(s string) (map[string]string, error) {
	s, ok := strings.CutSuffix(s, "\x01")
	if !ok || s != "" && !strings.HasSuffix(s, "\x01") {
		return nil, errExchange
	}
	found := map[string]string{}
	for pair := range strings.SplitSeq(strings.TrimSuffix(s, "\x01"), "\x01") {
		key, value, ok := strings.Cut(pair, "=")
		switch {
		case s == "":
			return found, nil // a question for the discovery document: there is no token
		case !ok || key == "" || strings.ContainsFunc(key, notLetter) || strings.ContainsFunc(value, isControl):
			return nil, errExchange
		}
		if _, twice := found[key]; twice {
			return nil, errExchange
		}
		if key == "auth" {
			scheme, token, _ := strings.Cut(value, " ")
			if !strings.EqualFold(scheme, "bearer") {
				return nil, errExchange
			}
			value = strings.TrimLeft(token, " ")
		}
		found[key] = value
	}
	return found, nil
}

func notLetter(c rune) bool { return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') }

// saslName undoes the encoding of a name in a GS2 header (RFC 5801, 4): =2C is a
// comma, =3D an equals sign, and nothing else stands behind one.
func saslName(s string) (string, bool) {
	plain := strings.NewReplacer("=2C", ",", "=3D", "=").Replace(s)
	bare := strings.NewReplacer("=2C", "", "=3D", "").Replace(s)
	return plain, !strings.Contains(bare, "=") && !bytes.ContainsRune([]byte(s), 0)
}
