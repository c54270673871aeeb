package queue_test

import (
	"maps"
	"testing"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// Nodes share a store and no counter: what there is is their sum.
func TestTheCountersOfTwoNodesSumUp(t *testing.T) {
	f := build(t)
	here, there := f.Ledger, f.NewLedger("other")
	a, b, c := f.held(), f.held(), f.held()
	f.Ledger = there
	f.move(a.ID, approve)
	f.move(b.ID, approve)
	f.move(c.ID, reject)
	if got := f.counts(); !maps.Equal(got, map[mail.State]int{mail.Ready: 2, mail.Rejected: 1}) {
		t.Errorf("counted %v", got)
	}
	if got := f.tally(mail.Outgoing, mail.Held); got != (queue.Tally{}) {
		t.Errorf("held: %+v", got)
	}
	if got := f.tally(mail.Outgoing, mail.Ready); got != (queue.Tally{Count: 2, Octets: 200}) {
		t.Errorf("ready: %+v", got)
	}
	keys := f.keys()
	for key, want := range map[string]string{
		"count/held/node": "3", "count/held/other": "-3", "count/ready/other": "2", "count/rejected/other": "1",
		"tally/held/bot@example.test\x00node": "3 300", "tally/held/bot@example.test\x00other": "-3 -300",
		"tally/out/bot@example.test\x00other": "2 200",
	} {
		if keys[key] != want {
			t.Errorf("%q is %q, want %q", key, keys[key], want)
		}
	}

	f.Ledger = here // an empty counter of a mailbox goes, one of a state stays
	f.move(a.ID, cancel)
	f.Ledger = there
	f.move(b.ID, cancel)
	if got := f.tally(mail.Outgoing, mail.Ready); got != (queue.Tally{}) {
		t.Errorf("ready: %+v", got)
	}
	if got := f.counts()[mail.Cancelled]; got != 2 {
		t.Errorf("%d cancelled", got)
	}
}

func TestTalliesPartDirectionsAndMailboxes(t *testing.T) {
	f := build(t)
	in := f.draft(mail.Incoming, f.box)
	in.Size = 7
	f.put(in, hold)
	f.held()
	f.put(f.draft(mail.Outgoing, mail.MustAddress("bot2@example.test")), hold)
	f.put(f.draft(mail.Outgoing, mail.MustAddress("BOT@example.test")), hold) // the same mailbox, spelled otherwise
	f.move(f.ready().ID, claim(f.clock.Now()))
	f.notice(in.ID)
	for _, c := range []struct {
		d    mail.Direction
		s    mail.State
		want queue.Tally
	}{
		{mail.Outgoing, mail.Held, queue.Tally{Count: 2, Octets: 200}},
		{mail.Incoming, mail.Held, queue.Tally{Count: 1, Octets: 7}},
		{mail.Outgoing, mail.Ready, queue.Tally{Count: 1, Octets: 100}},
		{mail.Outgoing, mail.Sending, queue.Tally{Count: 1, Octets: 100}}, // ready and sending together
	} {
		if got := f.tally(c.d, c.s); got != c.want {
			t.Errorf("%s %s: %+v, want %+v", c.d, c.s, got, c.want)
		}
	}
}

// One node counts for all, what it finds: a damaged record is in no count.
func TestRecountFindsWhatIsThere(t *testing.T) {
	f := build(t)
	there := f.NewLedger("other")
	a, b := f.held(), f.ready()
	f.Ledger = there
	f.move(a.ID, approve)
	f.put(f.draft(mail.Incoming, f.box), hold)
	sum := f.counts()
	recount := func() {
		f.Helper()
		f.Update(func(tx store.Tx) error { return f.Ledger.Recount(tx) })
	}
	recount()
	if got := f.counts(); !maps.Equal(got, sum) {
		t.Errorf("counted %v, want %v", got, sum)
	}
	keys := f.keys()
	for _, key := range []string{"count/held/node", "count/ready/node", "tally/out/bot@example.test\x00node"} {
		if v, ok := keys[key]; ok {
			t.Errorf("the counter %q of another node is still there: %q", key, v)
		}
	}
	f.damage(b.ID, "{")
	recount()
	if got := f.counts()[mail.Ready]; got != 1 {
		t.Errorf("%d are ready", got)
	}
	if got := f.tally(mail.Outgoing, mail.Ready); got.Count != 1 {
		t.Errorf("ready: %+v", got)
	}
}

func TestAMoveThatIsRolledBackCountsNothing(t *testing.T) {
	f := build(t)
	m := f.held()
	before := f.keys()
	f.undo(func(tx store.Tx) error {
		_, err := f.Ledger.Move(tx, f.copyOf(tx, m.ID), full(mail.Outgoing, approve))
		return err
	})
	if !maps.Equal(f.keys(), before) {
		t.Error("something is left")
	}
}
