// Package keyset says in which state a signing key is, and which state may
// follow which. Identity keys and DKIM keys have the same four:
//
//	next     published, does not sign yet: whoever verifies learns it in time
//	current  signs; a set has one of each algorithm
//	retired  signs no more; what it signed before stays valid
//	revoked  signs no more; the reason says what becomes of what it signed
//
// The state is not stored: it follows from the times of a [Life], so that no
// file can say one thing and its times another.
package keyset

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/multimail/multimail/mail"
)

// State is where a key stands.
type State string

// The states of a key.
const (
	Next    State = "next"
	Current State = "current"
	Retired State = "retired"
	Revoked State = "revoked"
)

// Reason is why a key was revoked.
type Reason string

// The reasons of a revocation.
const (
	// Compromised: somebody else may have the private half. Nothing that it
	// signed can be trusted, whatever time it bears: a thief chooses that too.
	Compromised Reason = "compromised"
	// Superseded: replaced out of turn; what it signed before stays valid.
	Superseded Reason = "superseded"
	// Ceased: the domain sends no more; what it signed before stays valid.
	Ceased Reason = "ceased"
)

// Reasons lists every reason.
var Reasons = []Reason{Compromised, Superseded, Ceased}

// ErrTransition is a change of state that the table of transitions has not.
var ErrTransition = mail.ErrConflict.Errorf("the key is in a state from which this is not possible; list the keys")

// Life is what became of a key. A time that is zero has not come yet.
type Life struct {
	Created   time.Time `json:"created"`
	Published time.Time `json:"published,omitzero"` // since when whoever verifies could know it
	Activated time.Time `json:"activated,omitzero"`
	Retired   time.Time `json:"retired,omitzero"`
	Revoked   time.Time `json:"revoked,omitzero"`
	Reason    Reason    `json:"reason,omitempty"`
}

// State returns the state that the times say.
func (l Life) State() State {
	switch {
	case !l.Revoked.IsZero():
		return Revoked
	case !l.Retired.IsZero():
		return Retired
	case !l.Activated.IsZero():
		return Current
	}
	return Next
}

// Check refuses times that contradict each other.
func (l Life) Check() error {
	switch {
	case l.Created.IsZero(),
		l.Activated.IsZero() && !l.Retired.IsZero(),
		l.Revoked.IsZero() != (l.Reason == ""):
		return errors.New("its times contradict each other")
	case l.Reason != "" && !slices.Contains(Reasons, l.Reason):
		return mail.ErrInvalid.Errorf("the reason is compromised, superseded or ceased")
	}
	return nil
}

// transitions is every change of state there is.
var transitions = map[State][]State{
	Next:    {Current, Revoked},
	Current: {Retired, Revoked},
	Retired: {Revoked},
	Revoked: {Revoked}, // see move
}

// move changes the state at a time, or returns ErrTransition. A revoked key may
// only be revoked again when it turns out to be compromised; its time stays.
func (l *Life) move(to State, reason Reason, at time.Time) error {
	from := l.State()
	if !slices.Contains(transitions[from], to) {
		return ErrTransition
	}
	at = at.UTC().Truncate(time.Second)
	switch to {
	case Current:
		l.Activated = at
	case Retired:
		l.Retired = at
	case Revoked:
		if from == Revoked && (reason != Compromised || l.Reason == Compromised) {
			return ErrTransition
		}
		if from != Revoked {
			l.Revoked = at
		}
		l.Reason = reason
	}
	return l.Check()
}

// overlap is how much later than the switch a key is recorded as retired: mail
// that was stamped just before it bears a time of just before it.
const overlap = time.Minute

// Key is one key of a set: its name, what it signs with, and its life.
type Key struct {
	Name string // kid or selector
	Alg  string // ES256, rsa or ed25519
	Life
}

// Set is the keys of one domain and purpose.
type Set []*Key

// Named returns the key of that name, or nil.
func (s Set) Named(name string) *Key {
	for _, k := range s {
		if k.Name == name {
			return k
		}
	}
	return nil
}

// In returns the key of an algorithm in a state, the first if there are several, or nil.
func (s Set) In(alg string, state State) *Key {
	for _, k := range s {
		if k.Alg == alg && k.State() == state {
			return k
		}
	}
	return nil
}

// ErrNoKey is a name that no key of the domain has.
var ErrNoKey = mail.ErrNotFound.Errorf("the domain has no key of this name; list the keys")

// Seen records that the next key of that name is published; the first time counts.
func (s Set) Seen(name string, at time.Time) error {
	k := s.Named(name)
	switch {
	case k == nil:
		return ErrNoKey
	case k.State() != Next:
		return ErrTransition
	case k.Published.IsZero():
		k.Published = at.UTC().Truncate(time.Second)
	}
	return nil
}

// Switch makes the next key of that name the current one of its algorithm, and
// retires the one before.
func (s Set) Switch(name string, at time.Time) error {
	k := s.Named(name)
	if k == nil {
		return ErrNoKey
	}
	before := s.In(k.Alg, Current)
	if err := k.move(Current, "", at); err != nil {
		return err
	}
	if before != nil {
		return before.move(Retired, "", at.Add(overlap))
	}
	return nil
}

// Revoke revokes the key of that name. A set whose current key was revoked has
// none until Switch; nothing is signed meanwhile.
func (s Set) Revoke(name string, reason Reason, at time.Time) error {
	k := s.Named(name)
	if k == nil {
		return ErrNoKey
	}
	return k.move(Revoked, reason, at)
}

// Check refuses a set in which an algorithm has two current or two next keys, a
// name stands twice, or a current key is missing that was not revoked.
func (s Set) Check() error {
	names := map[string]bool{}
	count := map[string]map[State]int{}
	for _, k := range s {
		if err := k.Life.Check(); err != nil {
			return fmt.Errorf("key %q: %w", k.Name, err)
		}
		if names[k.Name] {
			return fmt.Errorf("key %q stands twice", k.Name)
		}
		names[k.Name] = true
		if count[k.Alg] == nil {
			count[k.Alg] = map[State]int{}
		}
		count[k.Alg][k.State()]++
	}
	for alg, n := range count {
		// Without a current key there must be a revoked one, which was it.
		if n[Current] > 1 || n[Next] > 1 || n[Current] == 0 && n[Revoked] == 0 {
			return fmt.Errorf("%d keys of %s sign and %d are next", n[Current], alg, n[Next])
		}
	}
	return nil
}

// Compare orders keys: next, current, retired, revoked; of one state the youngest first.
func Compare(a, b *Key) int {
	order := []State{Next, Current, Retired, Revoked}
	if c := slices.Index(order, a.State()) - slices.Index(order, b.State()); c != 0 {
		return c
	}
	return b.Ended().Compare(a.Ended())
}

// Ended returns when the key ceased to sign; zero if it signs or may yet.
func (l Life) Ended() time.Time {
	if l.Retired.IsZero() {
		return l.Revoked
	}
	return l.Retired
}

// EndedBefore reports whether the key signed no more at a time.
func (l Life) EndedBefore(at time.Time) bool {
	end := l.Ended()
	return !end.IsZero() && end.Before(at)
}

// Info is a key as people see it.
type Info struct {
	Key
	Vault bool // its private half is not in a file
}

// ErrHasNext is a domain that has a next key already.
var ErrHasNext = mail.ErrConflict.Errorf("there is a next key already; wait until it signs, or revoke it first")

// ErrKnown is a key that the domain had before. A key does not come back.
var ErrKnown = mail.ErrConflict.Errorf("the domain has or had this key or this selector already; bring another")

// Wait is how long a key is published before it signs: twice the time for which
// a key document may be kept. A DNS record is kept for less.
const Wait = 48 * time.Hour

// Due reports whether a next key has been published long enough.
func (l Life) Due(now time.Time) bool {
	return l.State() == Next && !l.Published.IsZero() && !now.Before(l.Published.Add(Wait))
}
