package authserver_test

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/authserver"
	"github.com/multimail/multimail/internal/store"
)

// registers registers a client from a network.
func (h *house) registers(network string) (id string) {
	h.Helper()
	h.clock.Forward(time.Millisecond) // ids of one millisecond have no order
	r, err := h.server.Register(h.Context(), authserver.Metadata{Redirects: []string{callback},
		Method: authserver.MethodNone}, network)
	if err != nil {
		h.Fatalf("%s may not register: %v", network, err)
	}
	return r.ID
}

// known reports whether a client may ask for something.
func (h *house) known(id string) bool {
	_, err := h.server.Begin(h.Context(), h.query("read", func(q url.Values) { q.Set("client_id", id) }))
	return err == nil
}

// registered counts the clients that have registered themselves and are there.
func (h *house) registered() (n int) {
	h.View(func(tx store.Tx) error {
		all, err := h.server.Clients(tx)
		for _, c := range all {
			if c.Source == authserver.BySelf {
				n++
			}
		}
		return err
	})
	return n
}

func TestRegistrationsThatNobodyUsesLapse(t *testing.T) {
	h := newHouse(t, nil)
	used, idle := h.registers("203.0.113.1"), h.registers("203.0.113.1")
	h.client.ID = used
	h.tokens(anna, "read")
	h.clock.Forward(24*time.Hour + time.Second)
	if h.known(idle) || !h.known(used) {
		t.Error("the wrong registration lapses")
	}
	if h.registers("203.0.113.1"); h.registered() != 2 {
		t.Errorf("%d registrations are there", h.registered())
	}
}

// A stranger who registers without end takes the places of its own registrations.
func TestOneNetworkTakesNoPlaceOfAnother(t *testing.T) {
	h := newHouse(t, nil)
	other := h.registers("198.51.100.1")
	first := h.registers("203.0.113.1")
	for range 19 {
		h.registers("203.0.113.1")
	}
	if !h.known(first) {
		t.Error("the oldest of twenty is gone")
	}
	last := ""
	for range 600 {
		last = h.registers("203.0.113.1")
	}
	if h.registered() != 21 || !h.known(other) || !h.known(last) || h.known(first) {
		t.Errorf("%d are there; other %t, last %t, first %t", h.registered(), h.known(other), h.known(last), h.known(first))
	}
}

// Many networks take places of those that have the most, and no registration is refused.
func TestManyNetworksTakeThePlacesOfThoseThatHaveTheMost(t *testing.T) {
	h := newHouse(t, nil)
	used := h.registers("198.51.100.2")
	h.client.ID = used
	h.tokens(anna, "read")
	lone := h.registers("198.51.100.1")
	for i := range 50 {
		for range 11 {
			h.registers(fmt.Sprintf("203.0.113.%d", i))
		}
	}
	late := h.registers("198.51.100.3")
	if n := h.registered(); n != 501 || !h.known(lone) || !h.known(late) || !h.known(used) {
		t.Errorf("%d are there; lone %t, late %t, used %t", n, h.known(lone), h.known(late), h.known(used))
	}
}

// What strangers send is in the log when a person has let it in.
func TestARegistrationIsInTheLogWithItsFirstToken(t *testing.T) {
	h := newHouse(t, nil)
	added := func(id string) (n int) {
		h.View(func(tx store.Tx) error {
			list, err := h.Audit.List(tx, 0, 100)
			for _, e := range list {
				if r := e.Record(); r.Kind == audit.ClientAdd && r.Private["client"] == id && r.Facts["source"] == "self" {
					n++
				}
			}
			return err
		})
		return n
	}
	id := h.registers("203.0.113.1")
	if added(id) != 0 {
		t.Error("a stranger writes into the log")
	}
	h.client.ID = id
	h.tokens(anna, "read")
	h.tokens(anna, "read")
	if added(id) != 1 {
		t.Errorf("%d entries of a client that is used", added(id))
	}
}
