package mail

import "fmt"

// RefPolicy says how the identity header names the agent of a mailbox.
type RefPolicy uint8

// The three ways.
const (
	RefPlain RefPolicy = iota // its id at its identity provider
	RefHMAC                   // 22 characters that only the operator can recompute
	RefNone                   // not at all
)

var refPolicyNames = [...]string{"plain", "hmac", "none"}

func (p RefPolicy) String() string {
	if int(p) < len(refPolicyNames) {
		return refPolicyNames[p]
	}
	return fmt.Sprintf("ref(%d)", uint8(p))
}

// ParseRefPolicy reads plain, hmac or none.
func ParseRefPolicy(s string) (RefPolicy, error) {
	for i, n := range refPolicyNames {
		if n == s {
			return RefPolicy(i), nil
		}
	}
	return 0, fmt.Errorf("mail: unknown way to name an agent %q", s)
}

// MarshalText writes the name of the way.
func (p RefPolicy) MarshalText() ([]byte, error) {
	if int(p) >= len(refPolicyNames) {
		return nil, fmt.Errorf("mail: %v has no name", p)
	}
	return []byte(p.String()), nil
}

// UnmarshalText reads the name of a way.
func (p *RefPolicy) UnmarshalText(b []byte) error {
	v, err := ParseRefPolicy(string(b))
	if err == nil {
		*p = v
	}
	return err
}
