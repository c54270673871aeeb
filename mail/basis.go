package mail

import (
	"fmt"
)

// Basis is why a mail may leave.
type Basis uint8

// The bases, from none to a decision by an approver.
const (
	NoBasis   Basis = iota // nothing allows it to leave yet
	Open                   // the mode lets it pass (monitored, autonomous)
	Allowlist              // every recipient was allowlisted
	Approved               // an approver decided
)

var basisNames = [...]string{"none", "open", "allowlist", "approved"}

func (b Basis) String() string {
	if int(b) < len(basisNames) {
		return basisNames[b]
	}
	return fmt.Sprintf("basis(%d)", uint8(b))
}

// MarshalText writes the name of the basis.
func (b Basis) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText reads the name of a basis.
func (b *Basis) UnmarshalText(t []byte) error {
	for i, n := range basisNames {
		if n == string(t) {
			*b = Basis(i)
			return nil
		}
	}
	return fmt.Errorf("mail: unknown basis %q", t)
}
