package mail

import "fmt"

// State is the standing of a mail. Edges lists every change that may happen.
type State uint8

// The states. New is the state of a mail that is not stored yet; Sent, Failed,
// Rejected, Cancelled, Expired and Received are final.
const (
	New       State = iota
	Held            // waits for a decision
	Ready           // may be claimed, not before Mail.NotBefore
	Sending         // claimed: an attempt is under way or its lease has not lapsed
	Sent            // nothing pending, at least one recipient delivered
	Failed          // nothing pending, no recipient delivered
	Rejected        // an approver said no
	Cancelled       // the submitter or an admin withdrew it
	Expired         // nobody decided in time
	Received        // incoming mail that its mailbox has
)

// States lists every state.
var States = [...]State{New, Held, Ready, Sending, Sent, Failed, Rejected, Cancelled, Expired, Received}

var stateNames = [...]string{
	"new", "held", "ready", "sending", "sent", "failed", "rejected", "cancelled", "expired", "received",
}

// Edges is the table of the states: what may follow what.
//
//	           ┌──────────► rejected / cancelled / expired
//	new ──► held ──approve──► ready ──claim──► sending ──► sent
//	  │      ▲                │ │ ▲               │  └───► failed
//	  │      └─ mode tightened┘ │ └── temporary ──┘
//	  └── let pass ───► ready   └──► cancelled
//
// Incoming mail has no attempts: new or held, it becomes received.
var Edges = map[State][]State{
	New:     {Held, Ready, Received},
	Held:    {Ready, Received, Rejected, Cancelled, Expired},
	Ready:   {Held, Sending, Cancelled},
	Sending: {Ready, Sent, Failed},
}

// CanFollow reports whether the table has an edge from s to next.
func (s State) CanFollow(next State) bool {
	for _, t := range Edges[s] {
		if t == next {
			return true
		}
	}
	return false
}

// Final reports whether no edge leaves s.
func (s State) Final() bool { return len(Edges[s]) == 0 }

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// MarshalText writes the name of the state.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the name of a state.
func (s *State) UnmarshalText(b []byte) error {
	for i, n := range stateNames {
		if n == string(b) {
			*s = State(i)
			return nil
		}
	}
	return fmt.Errorf("mail: unknown state %q", b)
}
