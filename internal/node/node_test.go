package node_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/node"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/bolt"
	"github.com/multimail/multimail/internal/store/storetest"
	"github.com/multimail/multimail/mail"
)

type fixture struct {
	*testing.T
	db    store.Store
	nodes *node.Nodes
	now   time.Time
}

func build(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{T: t, nodes: node.New(), now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	db, err := bolt.Open(bolt.Options{Dir: t.TempDir(), Create: true, Reserve: 1, Now: func() time.Time { return f.now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	f.db = db
	return f
}

func (f *fixture) update(fn func(store.Tx) error) error { return f.db.Update(f.Context(), fn) }

func (f *fixture) record(name, session string, applied uint64) node.Record {
	return node.Record{Name: name, Session: session, Applied: applied, Until: f.now.Add(node.LeaseTime)}
}

func (f *fixture) begin(r node.Record) {
	f.Helper()
	if err := f.update(func(tx store.Tx) error { return f.nodes.Begin(tx, r) }); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) holds(name, session string) (err error) {
	f.db.View(f.Context(), func(tx store.Tx) error {
		err = f.nodes.Holds(tx, name, session)
		return nil
	})
	return err
}

func (f *fixture) waiting(epoch uint64) (names []string, stops []node.Stop) {
	f.Helper()
	err := f.db.View(f.Context(), func(tx store.Tx) (err error) {
		names, stops, err = f.nodes.Waiting(tx, epoch)
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
	return names, stops
}

func TestALeaseHoldsUntilItsMargin(t *testing.T) {
	f := build(t)
	if err := f.holds("a", "1"); !errors.Is(err, node.ErrLost) {
		t.Errorf("without a record: %v", err)
	}
	f.begin(f.record("a", "1", 0))
	f.now = f.now.Add(node.LeaseTime - node.Margin - time.Millisecond)
	if err := f.holds("a", "1"); err != nil {
		t.Error(err)
	}
	f.now = f.now.Add(time.Millisecond)
	if err := f.holds("a", "1"); !errors.Is(err, node.ErrLost) {
		t.Errorf("within the margin: %v", err)
	}
	if err := f.update(func(tx store.Tx) error { return f.nodes.Renew(tx, f.record("a", "1", 0)) }); err != nil {
		t.Error(err)
	}
	if err := f.holds("a", "1"); err != nil {
		t.Errorf("renewed: %v", err)
	}
}

// A second process under the name of a node takes its lease; the first can
// neither send nor renew from then on.
func TestANameHasOneProcess(t *testing.T) {
	f := build(t)
	f.begin(f.record("a", "1", 0))
	f.begin(f.record("a", "2", 0))
	if err := f.holds("a", "1"); !errors.Is(err, node.ErrLost) {
		t.Errorf("the first: %v", err)
	}
	err := f.update(func(tx store.Tx) error { return f.nodes.Renew(tx, f.record("a", "1", 0)) })
	if !errors.Is(err, node.ErrLost) {
		t.Errorf("the first renews: %v", err)
	}
	if err := f.update(func(tx store.Tx) error { return f.nodes.End(tx, "a", "1") }); err != nil {
		t.Error(err)
	}
	if err := f.holds("a", "2"); err != nil {
		t.Errorf("the second: %v", err)
	}
	for _, r := range []node.Record{f.record("", "1", 0), f.record("a", "", 0)} {
		if err := f.update(func(tx store.Tx) error { return f.nodes.Begin(tx, r) }); err == nil {
			t.Errorf("%+v was taken", r)
		}
	}
}

func TestEveryLiveNodeIsWaitedFor(t *testing.T) {
	f := build(t)
	f.begin(f.record("a", "1", 7))
	f.begin(f.record("b", "1", 6))
	f.begin(f.record("gone", "1", 1))
	if err := f.update(func(tx store.Tx) error { return f.nodes.End(tx, "gone", "1") }); err != nil {
		t.Fatal(err)
	}
	if names, _ := f.waiting(7); fmt.Sprint(names) != "[b]" {
		t.Errorf("waiting: %v", names)
	}
	if names, _ := f.waiting(8); fmt.Sprint(names) != "[a b]" {
		t.Errorf("waiting: %v", names)
	}
	f.now = f.now.Add(node.LeaseTime + node.Grace - time.Millisecond)
	if names, _ := f.waiting(8); fmt.Sprint(names) != "[a b]" {
		t.Errorf("their leases may not be over: %v", names)
	}
	f.now = f.now.Add(time.Millisecond)
	if names, _ := f.waiting(8); len(names) != 0 {
		t.Errorf("their leases are over: %v", names)
	}
}

func TestStopsAreReportedToWhoWaitedForTheirEpoch(t *testing.T) {
	f := build(t)
	f.begin(f.record("a", "1", 3))
	for n := range node.MaxStops + 5 {
		stop := node.Stop{Mail: mail.ID(fmt.Sprint(n)), Epoch: uint64(n)}
		err := f.update(func(tx store.Tx) error { return f.nodes.Renew(tx, f.record("a", "1", 3), stop) })
		if err != nil {
			t.Fatal(err)
		}
	}
	f.begin(f.record("a", "2", 3)) // a restart forgets nothing
	_, stops := f.waiting(node.MaxStops + 3)
	if len(stops) != 2 || stops[1].Mail != mail.ID(fmt.Sprint(node.MaxStops+4)) {
		t.Errorf("got %+v", stops)
	}
	if _, stops := f.waiting(0); len(stops) != node.MaxStops {
		t.Errorf("%d stops are kept", len(stops))
	}
}

func TestADamagedRecordIsAnErrorAndNoFreeNode(t *testing.T) {
	f := build(t)
	f.begin(f.record("a", "1", 3))
	if err := f.update(func(tx store.Tx) error { return storetest.Records(tx).Put("node/a", []byte("{")) }); err != nil {
		t.Fatal(err)
	}
	if err := f.holds("a", "1"); err == nil {
		t.Error("a lease of nothing")
	}
	err := f.db.View(t.Context(), func(tx store.Tx) error { _, _, err := f.nodes.Waiting(tx, 1); return err })
	if err == nil {
		t.Error("nobody is waited for")
	}
}

func TestWhoWaitsIsWoken(t *testing.T) {
	n := node.New()
	first, second := n.PolicyChanged(), n.PolicyChanged()
	n.NotePolicy()
	for _, c := range []<-chan struct{}{first, second} {
		select {
		case <-c:
		default:
			t.Error("not woken")
		}
	}
	select {
	case <-n.PolicyChanged():
		t.Error("woken for nothing")
	default:
	}
	f := build(t)
	written := f.nodes.Written()
	f.begin(f.record("a", "1", 0))
	<-written
}
