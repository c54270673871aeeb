package delivery

import (
	"testing"
	"time"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// slots is a hop some of whose destinations have no slot.
type slots struct {
	open
	full  map[string]bool // by domain
	lost  int             // reservations that fail although a slot was free
	asked int
}

func (s *slots) Free(m *mail.Mail) bool {
	s.asked++
	for _, a := range m.Recipients(mail.Pending) {
		if s.full[a.Domain()] {
			return false
		}
	}
	return true
}

func (s *slots) Reserve(m *mail.Mail) (func(), bool) {
	if s.lost > 0 {
		s.lost--
		s.full[m.Envelope.Rcpts[0].Addr.Domain()] = true
		return nil, false
	}
	return func() {}, true
}

// to submits a mail of a mailbox to one address in each of these domains.
func (f *fixture) to(domains ...string) mail.ID {
	f.Helper()
	f.now = f.now.Add(time.Millisecond) // ids of one millisecond are in no order
	box := mail.MustAddress("a@x.test")
	s := gate.Submission{Mailbox: box, Door: "smtp", Envelope: mail.Envelope{From: box},
		Raw: []byte("From: a@x.test\r\nTo: ada@dest.test\r\nSubject: Hello\r\n\r\nHello.\r\n")}
	for _, d := range domains {
		s.Envelope.Rcpts = append(s.Envelope.Rcpts, mail.Rcpt{Addr: mail.MustAddress("ada@" + d)})
	}
	r, err := f.Gate.Submit(f.Context(), f.agent(box), s)
	if err != nil {
		f.Fatal(err)
	}
	return r.Mail.ID
}

func buildSlots(t *testing.T, full ...string) (*fixture, *slots) {
	f, s := build(t), &slots{full: map[string]bool{}}
	for _, d := range full {
		s.full[d] = true
	}
	f.d.hop = s
	return f, s
}

func (f *fixture) picks(want mail.ID) {
	f.Helper()
	switch p := f.next(); {
	case p == nil && want != "":
		f.Errorf("nothing was picked, want %s", want)
	case p != nil && p.m.ID != want:
		f.Errorf("%s was picked, want %q", p.m.ID, want)
	}
}

// Mails to one destination wait for the same slot: only the first is read.
func TestADestinationWithoutASlotIsAskedOnceAndKeepsNobodyElseWaiting(t *testing.T) {
	f, s := buildSlots(t, "full.test")
	for range 5 {
		f.to("full.test")
	}
	f.picks("")
	if s.asked != 1 {
		t.Errorf("asked %d times for one slot", s.asked)
	}
	other := f.to("other.test")
	f.picks(other)
	first := mail.ID("")
	f.View(func(tx store.Tx) error {
		list, err := f.Ledger.InState(tx, mail.Outgoing, mail.Ready, "", 1)
		first = list[0].ID
		return err
	})
	s.full["full.test"] = false
	f.picks(first)
}

// Of the mails with several destinations each may need other slots.
func TestAMailWithSeveralDestinationsKeepsNoOtherOneWaiting(t *testing.T) {
	f, _ := buildSlots(t, "full.test")
	f.to("full.test", "a.test")
	free := f.to("a.test", "b.test")
	f.picks(free)
}

// However many wait in vain, a reading ends, and the next group has its turn.
func TestAGroupLosesItsTurnWhenTooManyOfItsMailsWaitForSlots(t *testing.T) {
	f, s := buildSlots(t, "full.test")
	for range maxBusy + 10 {
		f.to("full.test", "a.test")
	}
	other := f.to("b.test")
	f.picks(other)
	if s.asked != maxBusy+1 {
		t.Errorf("asked %d times, want %d", s.asked, maxBusy+1)
	}
}

func TestASlotThatIsTakenMeanwhileMakesTheDispatcherLookFurther(t *testing.T) {
	f, s := buildSlots(t)
	s.lost = 1
	f.to("a.test")
	b := f.to("b.test")
	f.picks(b)
}
