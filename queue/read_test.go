package queue_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// wantIDs compares a list with what it should be.
func (f *fixture) wantIDs(what string, got []mail.ID, err error, want ...mail.ID) {
	f.Helper()
	if err != nil || !slices.Equal(got, want) {
		f.Errorf("%s: %v, %v, want %v", what, got, err, want)
	}
}

func TestInStateListsOneDirectionOldestFirst(t *testing.T) {
	f := build(t)
	a, b, c := f.held(), f.held(), f.held()
	in := f.put(f.draft(mail.Incoming, f.box), hold)
	f.move(b.ID, approve)
	f.View(func(tx store.Tx) error {
		list := func(d mail.Direction, s mail.State, after mail.ID, limit int) ([]mail.ID, error) {
			return idsOf(f.Ledger.InState(tx, d, s, after, limit))
		}
		got, err := list(mail.Outgoing, mail.Held, "", 10)
		f.wantIDs("held", got, err, a.ID, c.ID)
		got, err = list(mail.Outgoing, mail.Held, "", 1)
		f.wantIDs("the first", got, err, a.ID)
		got, err = list(mail.Outgoing, mail.Held, a.ID, 10)
		f.wantIDs("after the first", got, err, c.ID)
		got, err = list(mail.Outgoing, mail.Held, b.ID, 10)
		f.wantIDs("after one that is not in the list", got, err, c.ID)
		got, err = list(mail.Outgoing, mail.Held, c.ID, 10)
		f.wantIDs("after the last", got, err)
		got, err = list(mail.Incoming, mail.Held, "", 10)
		f.wantIDs("held incoming", got, err, in.ID)
		got, err = list(mail.Outgoing, mail.Ready, "", 10)
		f.wantIDs("ready", got, err, b.ID)
		return nil
	})
	got, err := idsOf(f.Queue.InState(t.Context(), mail.Held, "", 10))
	f.wantIDs("both through the reader", got, err, a.ID, c.ID, in.ID)
	got, err = idsOf(f.Queue.InState(t.Context(), mail.Held, a.ID, 1))
	f.wantIDs("a page of both", got, err, c.ID)
}

func TestQuarantinedMailIsListedNewestFirst(t *testing.T) {
	f := build(t)
	spam := hold
	spam.Facts.Mode, spam.Facts.Spam = mail.GatedSend, true
	a, b := f.put(f.draft(mail.Incoming, f.box), spam), f.put(f.draft(mail.Incoming, f.box), spam)
	f.put(f.draft(mail.Incoming, f.box), hold)
	f.held()
	for before, want := range map[mail.ID][]mail.ID{"": {b.ID, a.ID}, b.ID: {a.ID}, a.ID: nil} {
		got, err := idsOf(f.Queue.Quarantined(t.Context(), before, 10))
		f.wantIDs("older than "+string(before), got, err, want...)
	}
	got, err := idsOf(f.Queue.Quarantined(t.Context(), "", 1))
	f.wantIDs("one", got, err, b.ID)
}

func TestAMailboxListsWhatItSentAndWhatItReceivedNewestFirst(t *testing.T) {
	f := build(t)
	a, b, c := f.held(), f.ready(), f.held()
	f.put(f.draft(mail.Outgoing, mail.MustAddress("bot2@example.test")), hold)
	f.put(f.draft(mail.Outgoing, mail.MustAddress("bo@example.test")), hold)
	n1, n2 := f.notice(a.ID), f.notice(b.ID)
	waits := f.put(f.draft(mail.Incoming, f.box), hold) // not received yet
	f.move(c.ID, reject)                                // final mail stays in the list
	list := func(d mail.Direction, before mail.ID, limit int) ([]mail.ID, error) {
		return idsOf(f.Queue.ByMailbox(t.Context(), f.box, d, before, limit))
	}
	got, err := list(mail.Outgoing, "", 10)
	f.wantIDs("sent", got, err, c.ID, b.ID, a.ID)
	got, err = list(mail.Outgoing, "", 2)
	f.wantIDs("the first page", got, err, c.ID, b.ID)
	got, err = list(mail.Outgoing, b.ID, 2)
	f.wantIDs("the second page", got, err, a.ID)
	got, err = list(mail.Outgoing, a.ID, 2)
	f.wantIDs("behind the last page", got, err)
	got, err = list(mail.Incoming, "", 10)
	f.wantIDs("received", got, err, n2.ID, n1.ID)
	got, err = list(mail.Incoming, n2.ID, 10)
	f.wantIDs("received before", got, err, n1.ID)
	f.move(waits.ID, approve)
	got, err = list(mail.Incoming, "", 1)
	f.wantIDs("approved", got, err, waits.ID)
	got, err = idsOf(f.Queue.ByMailbox(t.Context(), mail.MustAddress("BOT@example.test"), mail.Incoming, "", 1))
	f.wantIDs("spelled otherwise", got, err, waits.ID)
}

func TestAllListsEveryMailNewestFirst(t *testing.T) {
	f := build(t)
	a, b := f.held(), f.ready()
	n := f.notice(a.ID)
	got, err := idsOf(f.Queue.All(t.Context(), "", 2))
	f.wantIDs("the first page", got, err, n.ID, b.ID)
	got, err = idsOf(f.Queue.All(t.Context(), b.ID, 2))
	f.wantIDs("the second page", got, err, a.ID)
}

// A damaged record is listed, without a mail and with the reason.
func TestADamagedRecordIsListedAsSuch(t *testing.T) {
	f := build(t)
	for name, record := range map[string]string{
		"no JSON": "{", "another mail": `{"id":"x","state":"held","mailbox":"bot@example.test"}`,
		"no state": `{"id":"ID"}`, "an unknown state": `{"id":"ID","state":"lost"}`,
	} {
		bad, good := f.held(), f.held()
		f.damage(bad.ID, record)
		for what, read := range map[string]func() ([]queue.Listed, error){
			"all":         func() ([]queue.Listed, error) { return f.Queue.All(t.Context(), "", 2) },
			"its mailbox": func() ([]queue.Listed, error) { return f.Queue.ByMailbox(t.Context(), f.box, mail.Outgoing, "", 2) },
			"its state": func() ([]queue.Listed, error) {
				l, err := f.Queue.InState(t.Context(), mail.Held, "", 1000)
				slices.Reverse(l)
				return l[:2], err
			},
		} {
			l, err := read()
			if err != nil || len(l) != 2 {
				t.Fatalf("%s in %s: %v, %v", name, what, l, err)
			}
			if l[0].ID != good.ID || l[0].Mail == nil || l[0].Err != nil {
				t.Errorf("%s in %s: the other one is %+v", name, what, l[0])
			}
			if l[1].ID != bad.ID || l[1].Mail != nil || l[1].Err == nil {
				t.Errorf("%s in %s: got %+v", name, what, l[1])
			}
		}
		if _, err := f.Queue.Mail(t.Context(), bad.ID); err == nil || errors.Is(err, mail.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAMailThatIsNotThereIsNotFound(t *testing.T) {
	f := build(t)
	if _, err := f.Queue.Mail(t.Context(), "x"); !errors.Is(err, mail.ErrNotFound) {
		t.Errorf("the record: %v", err)
	}
	if _, err := f.Queue.Raw(t.Context(), "x"); !errors.Is(err, mail.ErrNotFound) {
		t.Errorf("the bytes: %v", err)
	}
}

func TestOverdueListsHoldsFromTheirDeadlineOn(t *testing.T) {
	f := build(t)
	a, b := f.held(), f.held()
	in := f.put(f.draft(mail.Incoming, f.box), hold)
	f.move(b.ID, reject)
	overdue := func() (ids []mail.ID) {
		f.View(func(tx store.Tx) (err error) { ids, err = f.Ledger.Overdue(tx); return err })
		return ids
	}
	f.clock.Forward(a.ExpiresAt.Sub(f.clock.Now()) - time.Millisecond)
	f.wantIDs("before", overdue(), nil)
	f.clock.Forward(time.Millisecond)
	f.wantIDs("at the deadline", overdue(), nil, a.ID)
	f.clock.Forward(time.Hour)
	f.wantIDs("after all deadlines", overdue(), nil, a.ID, in.ID)
}

func TestLeasedListsWhatIsBeingSent(t *testing.T) {
	f := build(t)
	now := f.clock.Now()
	late := f.move(f.ready().ID, claim(now.Add(2*time.Hour)))
	early := f.move(f.ready().ID, claim(now.Add(time.Hour)))
	over := f.move(f.ready().ID, claim(now.Add(time.Hour)))
	f.move(over.ID, sent)
	f.ready()
	leased := func(lapsed bool) (ids []mail.ID) {
		f.View(func(tx store.Tx) (err error) { ids, err = f.Ledger.Leased(tx, lapsed); return err })
		return ids
	}
	f.wantIDs("all", leased(false), nil, early.ID, late.ID)
	f.wantIDs("lapsed at the start", leased(true), nil)
	f.clock.Forward(90 * time.Minute)
	f.wantIDs("lapsed", leased(true), nil, early.ID)
	f.wantIDs("all, later", leased(false), nil, early.ID, late.ID)
}

func TestStandingsSayWhatTheRecordsSay(t *testing.T) {
	f := build(t)
	a, b, c := f.ready(), f.held(), f.notice("x")
	f.damage(b.ID, "{")
	list := func(after mail.ID, limit int) (out []audit.Standing) {
		f.View(func(tx store.Tx) (err error) { out, err = f.Ledger.Standings(tx, string(after), limit); return err })
		return out
	}
	all := list("", 10)
	if len(all) != 3 {
		t.Fatalf("got %+v", all)
	}
	want := audit.Standing{Mail: string(a.ID), Rev: 1, State: "ready", Basis: "open", Digest: string(a.Digest)}
	if all[0] != want {
		t.Errorf("got %+v, want %+v", all[0], want)
	}
	if all[1].Mail != string(b.ID) || all[1].Damage == "" {
		t.Errorf("a record that is no JSON: %+v", all[1])
	}
	if all[2].Mail != string(c.ID) || all[2].State != "received" || all[2].Damage != "" {
		t.Errorf("got %+v", all[2])
	}
	if page := append(list("", 2), list(b.ID, 2)...); !slices.Equal(page, all) {
		t.Errorf("in pages: %+v", page)
	}
	f.damage(b.ID, `{"id":"x","state":"held"}`)
	if got := list(a.ID, 1); len(got) != 1 || got[0].Damage == "" {
		t.Errorf("a record of another mail: %+v", got)
	}
}
