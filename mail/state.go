package mail

import "fmt"

// State is the standing of a mail. Edges lists every change that may happen.
type State uint8

// The states. New is the state of a mail that is not stored yet. In the states of
// final nothing is waited for any more, though a few edges leave some of them: a mail
// may bounce after it was sent, be reported by its reader, or be erased.
const (
	New         State = iota
	Held              // waits for a decision
	Ready             // may be claimed, not before Mail.NotBefore
	Sending           // claimed: an attempt is under way or its lease has not lapsed
	Sent              // nothing pending, at least one recipient delivered
	Failed            // nothing pending, no recipient delivered
	Rejected          // an approver said no
	Cancelled         // the submitter or an admin withdrew it
	Expired           // nobody decided in time
	Received          // incoming mail that its mailbox has
	Quarantined       // incoming mail that is taken for spam and waits for a decision
	Erased            // its bytes are gone; that it was there stays known
)

// States lists every state.
var States = [...]State{New, Held, Ready, Sending, Sent, Failed, Rejected, Cancelled, Expired, Received,
	Quarantined, Erased}

var stateNames = [...]string{
	"new", "held", "ready", "sending", "sent", "failed", "rejected", "cancelled", "expired", "received",
	"quarantined", "erased",
}

// Edges is the table of the states: what may follow what.
//
//	           ┌──────────► rejected / cancelled / expired
//	new ──► held ──approve──► ready ──claim──► sending ──► sent
//	  │      ▲                │ │ ▲               │  └───► failed
//	  │      └─ mode tightened┘ │ └── temporary ──┘
//	  └── let pass ───► ready   └──► cancelled
//
// Incoming mail has no attempts: new, held or quarantined, it becomes received; its
// reader may report it, then it is quarantined again; an approver may call it clean. A mail
// that was sent may bounce afterwards; where it reached some of its recipients alone, a bounce
// leaves it in its state. Whatever is over may be erased.
var Edges = map[State][]State{
	New:         {Held, Ready, Received, Quarantined},
	Held:        {Ready, Received, Rejected, Cancelled, Expired, Held},
	Quarantined: {Received, Rejected, Cancelled, Expired},
	Ready:       {Held, Sending, Cancelled, Ready},
	Sending:     {Ready, Sent, Failed},
	Sent:        {Sent, Failed, Erased},
	Failed:      {Erased},
	Rejected:    {Rejected, Erased},
	Cancelled:   {Cancelled, Erased},
	Expired:     {Expired, Erased},
	Received:    {Received, Quarantined, Erased},
}

// final lists the states in which nothing is waited for.
var final = [...]bool{Sent: true, Failed: true, Rejected: true, Cancelled: true, Expired: true,
	Received: true, Quarantined: false, Erased: true}

// CanFollow reports whether the table has an edge from s to next.
func (s State) CanFollow(next State) bool {
	for _, t := range Edges[s] {
		if t == next {
			return true
		}
	}
	return false
}

// Final reports whether nothing is waited for: no decision and no attempt.
func (s State) Final() bool { return int(s) < len(final) && final[s] }

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
