package sign

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	strict "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/multimail/multimail/internal/keyset"
)

// published is a public key as the document lists it. Times are Unix seconds.
type published struct {
	jwk
	State     keyset.State  `json:"state,omitempty"`      // next, current, retired or revoked
	NotBefore int64         `json:"nbf,omitempty"`        // when it began to sign
	RetiredAt int64         `json:"retired_at,omitempty"` // no token of it has a later iat
	RevokedAt int64         `json:"revoked_at,omitempty"`
	Reason    keyset.Reason `json:"reason,omitempty"` // of the revocation: compromised, superseded or ceased
}

// document is what /.well-known/multimail-signing-key serves: a JWK and a JWK
// set in one object. The two-line check of a stock library imports it as it is
// and gets the current key; a client that knows key sets finds every other.
type document struct {
	jwk
	Keys []published `json:"keys"`
}

// Document returns the key document of a domain.
func (k *Keyring) Document(domain string) ([]byte, error) {
	d, err := k.load(domain)
	if err != nil {
		return nil, err
	}
	var doc document
	for _, k := range d.keys {
		public, err := k.jwk()
		if err != nil {
			return nil, fmt.Errorf("sign: key document of %s: %w", domain, err)
		}
		if k.State() == keyset.Current {
			doc.jwk = public
		}
		doc.Keys = append(doc.Keys, published{
			jwk: public, State: k.State(), NotBefore: unix(k.Activated), RetiredAt: unix(k.Retired),
			RevokedAt: unix(k.Revoked), Reason: k.Reason,
		})
	}
	b, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("sign: key document of %s: %w", domain, err)
	}
	return append(b, '\n'), nil
}

// unix returns 0 for the zero time, which the document leaves out.
func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// Record is a TXT record that the DNS of a domain must have.
type Record struct {
	Name  string // without a final dot
	TXT   string
	State keyset.State // of its key
}

// DNS returns the TXT record that mirrors the current key of a domain, for
// verifiers without HTTPS.
func (k *Keyring) DNS(domain string) (name, txt string, err error) {
	records, err := k.Records(domain)
	if err != nil {
		return "", "", err
	}
	current := records[len(records)-1]
	return current.Name, current.TXT, nil
}

// Records returns the TXT records of a domain, one for each key that signs or is
// next: a verifier chooses by kid. The current one is the last.
func (k *Keyring) Records(domain string) ([]Record, error) {
	return k.records(domain, keyset.Next, keyset.Current)
}

// FormerRecords returns the records of retired keys, which may stay in the DNS: old
// mail is verified with them. That of a revoked key must go.
func (k *Keyring) FormerRecords(domain string) ([]Record, error) {
	return k.records(domain, keyset.Retired)
}

func (k *Keyring) records(domain string, states ...keyset.State) ([]Record, error) {
	d, err := k.load(domain)
	if err != nil {
		return nil, err
	}
	var out []Record
	for _, one := range d.keys {
		s := one.State()
		if !slices.Contains(states, s) {
			continue
		}
		spki, err := x509.MarshalPKIXPublicKey(one.public)
		if err != nil {
			return nil, fmt.Errorf("sign: record of %s: %w", domain, err)
		}
		out = append(out, Record{
			Name: RecordName(domain), State: s,
			TXT: fmt.Sprintf("v=MMID1; kid=%s; alg=%s; p=%s", one.Name, algorithm, base64.StdEncoding.EncodeToString(spki)),
		})
	}
	return out, nil
}

// maxDocument bounds what the server of somebody else may answer.
const maxDocument = 256 << 10

// given is a key document of somebody else: its keys are read one by one, since another
// key than the one that is asked for may be of any form.
type given struct {
	Keys []jsontext.Value `json:"keys"`
}

// find returns the key of that name from a document, and checks it. The document is read
// as one program only can read it: no name twice, names with their case.
func find(doc []byte, kid string) (*key, error) {
	if len(doc) > maxDocument {
		return nil, errors.New("the key document is too large")
	}
	var d given
	if err := strict.Unmarshal(doc, &d); err != nil {
		return nil, errors.New("the key document is not a JSON object of keys")
	}
	// keys first: there the current key stands too, with its times.
	var found *key
	for i, raw := range append(d.Keys, doc) {
		if raw.Kind() != jsontext.KindBeginObject {
			return nil, errors.New("the key document has something else among its keys")
		}
		if i == len(d.Keys) && found != nil || !hasName(raw, kid) {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("the key document has two keys %s", kid)
		}
		var err error
		if found, err = readKey(raw, kid); err != nil {
			return nil, fmt.Errorf("key %s: %w", kid, err)
		}
	}
	if found == nil {
		return nil, fmt.Errorf("the key document has no key %s", kid)
	}
	return found, nil
}

// hasName reports whether a JSON object is the key of that name.
func hasName(raw jsontext.Value, kid string) bool {
	var k struct {
		Kid any `json:"kid"`
	}
	return strict.Unmarshal(raw, &k) == nil && k.Kid == kid
}

// readKey reads one key of a document. A member that is there says something: an empty
// text or a zero would be read as nothing by one program and as a value by another.
func readKey(raw jsontext.Value, kid string) (*key, error) {
	var members map[string]jsontext.Value
	if err := strict.Unmarshal(raw, &members); err != nil {
		return nil, err
	}
	for _, name := range []string{"use", "alg", "state", "nbf", "retired_at", "revoked_at", "reason"} {
		if v := string(members[name]); v == `""` || v == "0" {
			return nil, fmt.Errorf("its member %s is empty", name)
		}
	}
	var p published
	if err := strict.Unmarshal(raw, &p); err != nil {
		return nil, errors.New("a member is not of its type")
	}
	public, err := p.publicKey()
	if err != nil {
		return nil, err
	}
	k := &key{public: public, Key: keyset.Key{Name: kid, Alg: algorithm}}
	k.Life, err = p.life()
	return k, err
}

// life reads the times of a published key. What they do not say is not guessed
// in the sender's favour: a revocation without a reason that is known counts as
// that of a compromised key, and one without a time as one from the beginning.
func (p published) life() (l keyset.Life, err error) {
	known := []keyset.State{"", keyset.Next, keyset.Current, keyset.Retired, keyset.Revoked}
	if !slices.Contains(known, p.State) || p.RetiredAt < 0 || p.RevokedAt < 0 || p.NotBefore < 0 {
		return l, errors.New("its state or its times cannot be meant")
	}
	if p.NotBefore != 0 {
		l.Activated = time.Unix(p.NotBefore, 0).UTC()
	}
	if p.RetiredAt != 0 {
		l.Retired = time.Unix(p.RetiredAt, 0).UTC()
	}
	if p.State == keyset.Retired && l.Retired.IsZero() {
		return l, errors.New("it is retired, and since when is not said")
	}
	if p.RevokedAt == 0 && p.State != keyset.Revoked && p.Reason == "" {
		return l, nil
	}
	l.Revoked, l.Reason = time.Unix(p.RevokedAt, 0).UTC(), p.Reason
	if p.RevokedAt == 0 || !slices.Contains(keyset.Reasons, p.Reason) {
		l.Reason = keyset.Compromised
	}
	return l, nil
}

// trusted reports whether a token with this iat, received at a time that the
// verifier's own record shows (zero without one), may stand on the key. detail
// says what was found, for people.
func (k *key) trusted(iat, received time.Time) (detail string, err error) {
	at, day := iat.UTC().Format(time.RFC3339), func(t time.Time) string { return t.Format(time.RFC3339) }
	switch s := k.State(); {
	case k.Reason == keyset.Compromised && (received.IsZero() || !received.Before(k.Revoked)):
		return "", fmt.Errorf("key %s was revoked at %s because it is compromised: whoever has it chooses the time "+
			"in a token, so none of its tokens counts unless it was received before", k.Name, day(k.Revoked))
	case !k.Retired.IsZero() && iat.After(k.Retired):
		return "", fmt.Errorf("key %s was retired before %s", k.Name, at)
	case s == keyset.Revoked && iat.After(k.Revoked):
		return "", fmt.Errorf("key %s was revoked (%s) before %s", k.Name, k.Reason, at)
	case k.Reason == keyset.Compromised:
		return fmt.Sprintf("%s, revoked at %s because it is compromised; received before, at %s, by the record of "+
			"whoever verifies", k.Name, day(k.Revoked), day(received.UTC())), nil
	case s == keyset.Revoked:
		return fmt.Sprintf("%s, revoked at %s (%s), after this mail", k.Name, day(k.Revoked), k.Reason), nil
	case s == keyset.Retired:
		return fmt.Sprintf("%s, retired at %s, after this mail", k.Name, day(k.Retired)), nil
	}
	return k.Name, nil
}
