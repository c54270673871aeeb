package mail

import "fmt"

// Direction says whether a mail leaves or comes in.
type Direction uint8

// The directions.
const (
	Outgoing Direction = iota // submitted by an agent, for the world
	Incoming                  // for a mailbox of this installation
)

// Directions lists both.
var Directions = [...]Direction{Outgoing, Incoming}

var directionNames = [...]string{"outgoing", "incoming"}

func (d Direction) String() string {
	if int(d) < len(directionNames) {
		return directionNames[d]
	}
	return fmt.Sprintf("direction(%d)", uint8(d))
}

// MarshalText writes the name of the direction.
func (d Direction) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads the name of a direction.
func (d *Direction) UnmarshalText(b []byte) error {
	for i, n := range directionNames {
		if n == string(b) {
			*d = Direction(i)
			return nil
		}
	}
	return fmt.Errorf("mail: unknown direction %q", b)
}
