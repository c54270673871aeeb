// Package node keeps the nodes of an installation that send mail: which of them
// are live, and which policy each has applied.
//
// A node sends only while it holds its lease, and renews the lease while it
// sends. Whoever tightens policy waits until every live node has applied it: see
// [Nodes.Waiting]. A node that is gone is waited for until its lease is surely over.
package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// The keys. Stops stand apart: the record is read before each final dot.
//
//	node/<name>         the record, JSON
//	node-stops/<name>   the newest stops, JSON
const (
	prefix      = "node/"
	stopsPrefix = "node-stops/"
)

var space = store.NewSpace(prefix, stopsPrefix)

// Record is the standing of one node.
type Record struct {
	Name    string    `json:"name"`
	Session string    `json:"session"` // of one process; another under the same name takes the lease over
	Until   time.Time `json:"until"`   // of the lease, by the store's clock
	Applied uint64    `json:"applied"` // the policy epoch: nothing that only older policy allowed can be sent any more
}

// Stop is an attempt that a change of policy met.
type Stop struct {
	Mail    mail.ID      `json:"mail"`
	Agent   string       `json:"agent"`
	Mailbox mail.Address `json:"mailbox"`
	Epoch   uint64       `json:"epoch"`          // that was applied
	Past    bool         `json:"past,omitempty"` // its final dot had been allowed before
}

// How long a lease lasts, how often it is renewed, and the part at its end in
// which nothing is begun: a final dot that was allowed is on the wire by then.
const (
	LeaseTime = 30 * time.Second
	RenewTime = 10 * time.Second
	Margin    = 5 * time.Second

	// Grace is how long a node is waited for when its lease is over by the clock
	// of the store. A clock may part from the truth by so much before it is in
	// doubt: see package clock.
	Grace = time.Minute
)

// MaxStops is how many stops are kept of a node, the newest.
const MaxStops = 200

// Nodes reads and writes the records inside its caller's transactions. What
// happens in this process wakes who waits; what other processes write does not.
type Nodes struct{ written, policy signal }

// New returns the nodes of a store.
func New() *Nodes { return new(Nodes) }

// Written returns a channel that is closed when a record is written next.
func (n *Nodes) Written() <-chan struct{} { return n.written.wait() }

// PolicyChanged returns a channel that is closed by the next NotePolicy.
func (n *Nodes) PolicyChanged() <-chan struct{} { return n.policy.wait() }

// NotePolicy says that policy has changed.
func (n *Nodes) NotePolicy() { n.policy.fire() }

// ErrLost: another process has the name, or the lease is over.
var ErrLost = errors.New("node: the lease of this node is lost")

// Begin takes the lease of a node, also from a process before it.
func (n *Nodes) Begin(tx store.Tx, r Record) error { return n.put(tx, r) }

// Renew writes the record of a node whose session holds the lease, and what it has
// stopped since; ErrLost if another process has taken the lease.
func (n *Nodes) Renew(tx store.Tx, r Record, stops ...Stop) error {
	held, ok, err := get(tx, r.Name)
	switch {
	case err != nil:
		return err
	case !ok || held.Session != r.Session:
		return ErrLost
	}
	if err := addStops(tx, r.Name, stops); err != nil {
		return err
	}
	return n.put(tx, r)
}

func addStops(tx store.Tx, name string, more []Stop) error {
	if len(more) == 0 {
		return nil
	}
	var all []Stop
	b, err := space.Get(tx, stopsPrefix+name)
	switch {
	case errors.Is(err, store.ErrNotFound):
		err = nil
	case err == nil:
		err = json.Unmarshal(b, &all)
	}
	all = append(all, more...)
	if err == nil {
		b, err = json.Marshal(all[max(0, len(all)-MaxStops):])
	}
	if err == nil {
		err = space.Put(tx, stopsPrefix+name, b)
	}
	if err != nil {
		return fmt.Errorf("node: stops of %s: %w", name, err)
	}
	return nil
}

// End gives the lease of a session back. What it stopped stays on record.
func (n *Nodes) End(tx store.Tx, name, session string) error {
	held, ok, err := get(tx, name)
	if err != nil || !ok || held.Session != session {
		return err
	}
	held.Until = time.Time{}
	return n.put(tx, held)
}

// Holds returns ErrLost unless the session holds its lease for longer than Margin.
func (n *Nodes) Holds(tx store.Tx, name, session string) error {
	r, ok, err := get(tx, name)
	if err == nil && (!ok || r.Session != session || !tx.Now().Add(Margin).Before(r.Until)) {
		err = ErrLost
	}
	return err
}

// Waiting returns the nodes that have not applied epoch yet and may still be live,
// and what those that have it stopped for it or later.
func (n *Nodes) Waiting(tx store.Tx, epoch uint64) (waiting []string, stops []Stop, err error) {
	err = space.Scan(tx, store.Prefix(prefix), func(key string, b []byte) error {
		var r Record
		if err := json.Unmarshal(b, &r); err != nil {
			return fmt.Errorf("node: read %s: %w", key, err)
		}
		if r.Applied < epoch && !r.Until.IsZero() && tx.Now().Before(r.Until.Add(Grace)) {
			waiting = append(waiting, r.Name)
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	err = space.Scan(tx, store.Prefix(stopsPrefix), func(key string, b []byte) error {
		var all []Stop
		if err := json.Unmarshal(b, &all); err != nil {
			return fmt.Errorf("node: read %s: %w", key, err)
		}
		for _, s := range all {
			if s.Epoch >= epoch {
				stops = append(stops, s)
			}
		}
		return nil
	})
	return waiting, stops, err
}

func get(tx store.Tx, name string) (r Record, ok bool, err error) {
	b, err := space.Get(tx, prefix+name)
	if errors.Is(err, store.ErrNotFound) {
		return r, false, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err != nil {
		return r, false, fmt.Errorf("node: read %s: %w", name, err)
	}
	return r, true, nil
}

func (n *Nodes) put(tx store.Tx, r Record) error {
	if r.Name == "" || r.Session == "" {
		return errors.New("node: a record needs a name and a session")
	}
	b, err := json.Marshal(r)
	if err == nil {
		err = space.Put(tx, prefix+r.Name, b)
	}
	if err != nil {
		return fmt.Errorf("node: write %s: %w", r.Name, err)
	}
	tx.AfterCommit(n.written.fire)
	return nil
}
