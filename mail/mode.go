package mail

import "fmt"

// Mode is the oversight mode of a mailbox. The order is the order of autonomy:
// a smaller mode allows the agent less.
type Mode uint8

// The five oversight modes.
const (
	ReadOnly   Mode = iota // nothing may be sent
	GatedAll               // outgoing and incoming mail is held
	GatedSend              // outgoing mail is held unless every recipient is allowlisted
	Monitored              // outgoing mail leaves, with a copy to the oversight address
	Autonomous             // outgoing mail leaves
)

// Modes lists every mode in the order of autonomy.
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
