package inbox_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/inbox"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// source is where a conversation gets its chances from: octets, then zeros.
type source struct {
	b    []byte
	used int
}

func (s *source) pick(n int) int {
	s.used++
	if s.used > len(s.b) {
		return 0
	}
	return int(s.b[s.used-1]) % n
}

func (s *source) flag() bool { return s.pick(2) == 1 }
func (s *source) left() bool { return s.used < len(s.b) }

// model is what should be in the inboxes, as plain values, beside what is.
type model struct {
	testing.TB
	*source
	tx     store.Tx
	ledger *queue.Ledger
	inbox  *inbox.Inbox
	boxes  []mail.Address
	now    time.Time
	mails  []*filed // in the order of their ids
	joins  map[inbox.Joined]int
}

// filed is one mail of the model.
type filed struct {
	m      *mail.Mail
	thread mail.ID
	joined inbox.Joined
	people []string
	status inbox.Status
	away   bool
	gone   bool // erased
}

// words of a conversation: few, so that they meet.
var (
	messageIDs = []string{"", "a@x", "b@x", "c@x", "a@y", strings.Repeat("long", 2500) + "@x", "<\x00>", "a@x0"}
	subjects   = []string{"", "Re:", "Plan", "Re: Plan", "Re: Plan", "AW: plan ", "RE[2]: Fwd: Plan",
		"Other", "回复：Plan", "Replan: x"}
	people  = []string{"ada@dest.test", "ADA@dest.test", "bob@dest.test", "eve@evil.test"}
	results = []string{"pass", "pass", "fail", "none", "", "PASS", "temperror"}
)

func (m *model) word(list []string) string { return list[m.pick(len(list))] }

// compose is a mail of either direction.
func (m *model) compose() *mail.Mail {
	m.now = m.now.Add(time.Duration(m.pick(256)) * 2 * time.Hour)
	box := m.boxes[m.pick(len(m.boxes))]
	v := &mail.Mail{ID: mail.NewID(m.now), Mailbox: box, Direction: mail.Incoming, SubmittedAt: m.now,
		Header: mail.Header{MessageID: m.word(messageIDs), Subject: m.word(subjects)}}
	switch m.pick(4) {
	case 1:
		v.Header.InReplyTo = m.word(messageIDs)
	case 2:
		v.Header.References = append(v.Header.References, m.word(messageIDs), m.word(messageIDs))
	}
	other := mail.MustAddress(m.word(people))
	v.Header.To = []mail.Address{mail.MustAddress(m.word(people))}
	if m.flag() {
		v.Direction, v.Header.From = mail.Outgoing, box
		v.Envelope = mail.Envelope{From: box, Rcpts: []mail.Rcpt{{Addr: other}}}
		return v
	}
	v.Header.From = other
	v.Envelope = mail.Envelope{From: other, Rcpts: []mail.Rcpt{{Addr: box, Standing: mail.Delivered}}}
	v.Arrival = &mail.Arrival{Auth: mail.Authentication{DMARC: mail.Check{Result: m.word(results)}}}
	if own := m.visible(box, mail.Outgoing); len(own) > 0 && m.pick(8) == 7 {
		v.Notice = &mail.Notice{About: own[m.pick(len(own))].m.ID, Action: "failed"}
		v.Arrival = nil
	}
	return v
}

// visible lists the mail of one mailbox that should be shown.
func (m *model) visible(box mail.Address, d ...mail.Direction) (out []*filed) {
	for _, f := range m.mails {
		if !f.away && !f.gone && f.m.Mailbox == box && (len(d) == 0 || d[0] == f.m.Direction) {
			out = append(out, f)
		}
	}
	return out
}

// join is the rule of the package, said as a search through everything.
func (m *model) join(v *mail.Mail) (mail.ID, inbox.Joined) {
	all := m.visible(v.Mailbox)
	byID := func(id string) mail.ID {
		for _, d := range []mail.Direction{mail.Outgoing, mail.Incoming} {
			for _, f := range all {
				if id != "" && f.m.Header.MessageID == id && f.m.Direction == d {
					return f.thread
				}
			}
		}
		return ""
	}
	if v.Notice != nil {
		for _, f := range m.mails {
			if f.m.ID == v.Notice.About {
				return f.thread, inbox.JoinedNotice
			}
		}
	}
	for _, id := range slices.Backward(v.Header.References) {
		if t := byID(id); t != "" {
			return t, inbox.JoinedReferences
		}
	}
	if t := byID(v.Header.InReplyTo); t != "" {
		return t, inbox.JoinedInReplyTo
	}
	base, answer := inbox.BaseSubject(v.Header.Subject)
	if v.Arrival == nil || v.Arrival.Auth.DMARC.Result != "pass" || !answer || base == "" {
		return v.ID, inbox.JoinedNew
	}
	for _, f := range slices.Backward(all) {
		b, _ := inbox.BaseSubject(f.m.Header.Subject)
		part := f.m.Direction == mail.Outgoing && f.m.Envelope.Rcpts[0].Addr.Key() == v.Header.From.Key() ||
			f.m.Arrival != nil && f.m.Arrival.Auth.DMARC.Passed() && f.m.Header.From.Key() == v.Header.From.Key()
		if b == base && part && f.m.ID.Time().Add(inbox.SubjectWindow).Compare(v.ID.Time()) >= 0 {
			return f.thread, inbox.JoinedSubject
		}
	}
	return v.ID, inbox.JoinedNew
}

var system = audit.Actor{Kind: "system", ID: "system"}

// must stops the test on an error.
func (m *model) must(err error) {
	m.Helper()
	if err != nil {
		m.Fatal(err)
	}
}

func (m *model) move(f *filed, e step.Event, facts step.Facts) {
	m.Helper()
	out, err := m.ledger.Move(m.tx, f.m, queue.Change{Event: e, Facts: facts, Actor: system})
	m.must(err)
	if out.Answer != step.Done {
		m.Fatalf("%s of a %s mail: %s", e, f.m.State, out.Answer)
	}
}

// arrive files a new mail.
func (m *model) arrive() {
	f := &filed{m: m.compose()}
	extra := map[string]string{}
	if f.m.Direction == mail.Outgoing {
		extra = map[string]string{"door": "smtp", "agent": "bot"}
	} else {
		f.status = inbox.Unread
	}
	_, err := m.ledger.Put(m.tx, f.m, store.Inline(queue.RawKey(f.m.ID), []byte("x")), queue.Change{
		Event: step.Submit, Facts: step.Facts{Mode: mail.GatedSend}, Extra: extra, Actor: system})
	m.must(err)
	f.thread, f.joined = m.join(f.m)
	m.must(m.inbox.File(m.tx, f.m))
	m.must(m.inbox.File(m.tx, f.m)) // a second time changes nothing
	m.joins[f.joined]++
	m.mails = append(m.mails, f)
	slices.SortFunc(m.mails, func(a, b *filed) int { return strings.Compare(string(a.m.ID), string(b.m.ID)) })
}

// change does something to a mail that is there.
func (m *model) change() {
	if len(m.mails) == 0 {
		return
	}
	f := m.mails[m.pick(len(m.mails))]
	box := f.m.Mailbox
	switch {
	case f.gone:
		return
	case f.away && m.flag():
		m.move(f, step.Approve, step.Facts{Match: true})
		m.must(m.inbox.File(m.tx, f.m))
		f.away, f.status = false, inbox.Unread
	case f.m.Direction == mail.Incoming && !f.away && m.pick(3) == 2:
		s := inbox.Statuses[m.pick(len(inbox.Statuses))]
		m.must(m.inbox.SetStatus(m.tx, box, f.m.ID, s))
		f.status = s
	case f.m.Direction == mail.Incoming && !f.away && f.m.Notice == nil && m.flag():
		m.move(f, step.Report, step.Facts{})
		m.must(m.inbox.Unfile(m.tx, f.m))
		m.must(m.inbox.Unfile(m.tx, f.m))
		f.away, f.status = true, ""
	case f.m.State.Final() && m.pick(4) == 3:
		m.move(f, step.Erase, step.Facts{})
		f.m.Header, f.m.Envelope = mail.Header{}, mail.Envelope{} // as an erased mail is
		m.must(m.inbox.Unfile(m.tx, f.m))
		f.gone = true
	}
}

// agree compares everything that can be asked.
func (m *model) agree() {
	m.Helper()
	for _, f := range m.mails {
		item, err := m.inbox.Item(m.tx, f.m.Mailbox, f.m.ID)
		if f.away || f.gone {
			if !errors.Is(err, mail.ErrNotFound) {
				m.Errorf("%s is shown: %v", f.m.ID, err)
			}
			continue
		}
		if err != nil || item.Thread != f.thread || item.Joined != f.joined || item.Status != f.status {
			m.Fatalf("%s: %+v, %v; want %s by %s, %q", f.m.ID, item, err, f.thread, f.joined, f.status)
		}
		for _, other := range m.boxes {
			if _, err := m.inbox.Item(m.tx, other, f.m.ID); other != f.m.Mailbox && !errors.Is(err, mail.ErrNotFound) {
				m.Errorf("%s has the mail of another: %v", other, err)
			}
		}
	}
	for _, box := range m.boxes {
		m.agreeLists(box)
		m.agreeThreads(box)
	}
}

func (m *model) agreeLists(box mail.Address) {
	m.Helper()
	for _, s := range append([]inbox.Status{""}, inbox.Statuses[:]...) {
		var want []mail.ID
		for _, f := range slices.Backward(m.visible(box, mail.Incoming)) {
			if f.status == s || s == "" && f.status != inbox.Deleted {
				want = append(want, f.m.ID)
			}
		}
		var got []mail.ID
		before := mail.ID("")
		for {
			page, err := m.inbox.List(m.tx, box, inbox.Filter{Status: s}, before, 3)
			m.must(err)
			for _, i := range page {
				got, before = append(got, i.ID), i.ID
			}
			if len(page) < 3 {
				break
			}
		}
		if !slices.Equal(got, want) {
			m.Fatalf("%s has %q mail %v, want %v", box, s, got, want)
		}
	}
}

func (m *model) agreeThreads(box mail.Address) {
	m.Helper()
	threads := map[mail.ID][]*filed{}
	for _, f := range m.mails {
		if f.m.Mailbox == box && threads[f.thread] == nil {
			threads[f.thread] = []*filed{}
		}
	}
	for _, f := range m.visible(box) {
		threads[f.thread] = append(threads[f.thread], f)
	}
	for id, list := range threads {
		t, err := m.inbox.Thread(m.tx, box, id)
		if len(list) == 0 {
			if !errors.Is(err, mail.ErrNotFound) {
				m.Errorf("a thread without mail is shown: %v", err)
			}
			continue
		}
		m.must(err)
		named := map[string]bool{}
		for _, f := range list {
			for _, a := range f.named() {
				named[a] = true
			}
		}
		got := []string{}
		for _, a := range t.Participants {
			got = append(got, strings.ToLower(a))
		}
		want := []string{}
		for a := range named {
			want = append(want, a)
		}
		slices.Sort(want)
		last := list[len(list)-1].m.ID
		if t.Count != len(list) || !slices.Equal(got, want) || t.LastActivity != last.Time() ||
			t.Unanswered != unanswered(list) {
			m.Fatalf("thread %s: %+v, want %d mails of %v, unanswered %t", id, t, len(list), want, unanswered(list))
		}
		items, err := m.inbox.InThread(m.tx, box, id, "", 1000)
		m.must(err)
		if len(items) != len(list) || items[0].ID != last {
			m.Fatalf("thread %s has %d mails, want %d", id, len(items), len(list))
		}
	}
}

// named are those whom a mail names, in lower case.
func (f *filed) named() (out []string) {
	if f.m.Notice != nil {
		return nil
	}
	out = append(out, f.m.Header.From.Key(), f.m.Header.To[0].Key())
	if f.m.Direction == mail.Outgoing {
		out = append(out, f.m.Envelope.Rcpts[0].Addr.Key())
	}
	return out
}

// unanswered reads a whole thread. No outgoing mail of the model fails.
func unanswered(list []*filed) bool {
	for _, f := range slices.Backward(list) {
		switch {
		case f.m.Direction == mail.Outgoing:
			return false
		case f.m.Notice == nil:
			return true
		}
	}
	return false
}

// converse runs a conversation and compares it with the model after each step.
func converse(t testing.TB, b []byte) *model {
	t.Helper()
	at := time.Date(2031, 5, 4, 12, 0, 0, 0, time.UTC)
	log := audit.New("node")
	m := &model{TB: t, source: &source{b: b}, ledger: queue.New(log, "node"), now: at, joins: map[inbox.Joined]int{},
		boxes: []mail.Address{mail.MustAddress("bot@example.test"), mail.MustAddress("bo@example.test")}}
	m.inbox = inbox.New(m.ledger)
	err := storetest.NewMemory(at).Update(t.Context(), func(tx store.Tx) error {
		m.tx = tx
		for m.left() && len(m.mails) < 60 {
			if m.pick(3) > 0 {
				m.arrive()
			} else {
				m.change()
			}
			if m.used%7 == 0 {
				m.agree()
			}
		}
		m.agree()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestThreadsAndListsAreThoseOfTheModel(t *testing.T) {
	joins, away := map[inbox.Joined]int{}, 0
	for seed := range 30 {
		r := rand.New(rand.NewPCG(1, uint64(seed)))
		b := make([]byte, 800)
		for i := range b {
			b[i] = byte(r.IntN(256))
		}
		m := converse(t, b)
		for j, n := range m.joins {
			joins[j] += n
		}
		for _, f := range m.mails {
			if f.away || f.gone {
				away++
			}
		}
	}
	for _, j := range []inbox.Joined{inbox.JoinedNew, inbox.JoinedReferences, inbox.JoinedInReplyTo,
		inbox.JoinedSubject, inbox.JoinedNotice} {
		if joins[j] < 8 {
			t.Errorf("%d mails joined by %s: the model shows too little", joins[j], j)
		}
	}
	if away < 20 {
		t.Errorf("%d mails were taken out", away)
	}
}

func FuzzThread(f *testing.F) {
	for seed := range 4 {
		f.Add([]byte(fmt.Sprintf("%d a conversation of some mails, %d", seed, seed*7919)))
	}
	f.Fuzz(func(t *testing.T, b []byte) { converse(t, b[:min(len(b), 600)]) })
}
