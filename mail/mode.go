package mail

import (
	"fmt"
	"slices"
)

// Mode is the oversight mode of a mailbox. Modes are not ordered by how much they
// oversee: what one of them holds another lets pass, and the other way round. Which
// change tightens says TightensTo alone.
type Mode uint8

// The five oversight modes.
const (
	ReadOnly   Mode = iota // nothing may be sent; incoming mail is received
	GatedAll               // outgoing and incoming mail is held
	GatedSend              // outgoing mail is held unless every recipient is allowlisted
	Monitored              // outgoing mail leaves, with a copy to the oversight address
	Autonomous             // outgoing mail leaves
)

// tighter has for each mode those in which no kind of mail, outgoing or incoming, is
// overseen less. Not among them is read_only for gated_all, since it receives what
// strangers send undecided, nor gated_send for monitored, since it lets mail to the
// allowlist leave without a copy.
var tighter = map[Mode][]Mode{
	Autonomous: {Monitored, GatedSend, GatedAll, ReadOnly},
	Monitored:  {GatedAll, ReadOnly},
	GatedSend:  {GatedAll, ReadOnly},
}

// TightensTo reports whether the change from m to another mode tightens: then it needs
// no approver and no code. A mode does not tighten to itself.
func (m Mode) TightensTo(to Mode) bool { return slices.Contains(tighter[m], to) }

// Modes lists every mode in the order of autonomy over outgoing mail.
var Modes = [...]Mode{ReadOnly, GatedAll, GatedSend, Monitored, Autonomous}

var modeNames = [...]string{"read_only", "gated_all", "gated_send", "monitored", "autonomous"}

func (m Mode) String() string {
	if int(m) < len(modeNames) {
		return modeNames[m]
	}
	return fmt.Sprintf("mode(%d)", uint8(m))
}

// ParseMode reads the name of a mode.
func ParseMode(s string) (Mode, error) {
	for i, n := range modeNames {
		if n == s {
			return Mode(i), nil
		}
	}
	return 0, fmt.Errorf("mail: unknown oversight mode %q", s)
}

// MarshalText writes the name of the mode.
func (m Mode) MarshalText() ([]byte, error) {
	if int(m) >= len(modeNames) {
		return nil, fmt.Errorf("mail: %v has no name", m)
	}
	return []byte(m.String()), nil
}

// UnmarshalText reads the name of a mode.
func (m *Mode) UnmarshalText(b []byte) error {
	v, err := ParseMode(string(b))
	if err == nil {
		*m = v
	}
	return err
}
