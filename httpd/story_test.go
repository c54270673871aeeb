package httpd

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/search"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/systemtest"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/mcpbridge"
)

// story is one run of a mailbox's life: with mail that its agent may not see, or without
// it. It stands in a synctest bubble. Nothing in it is random or depends on a clock of the
// machine: before each step the source of randomness is seeded with the number of the step
// and both clocks move by one second. What only one run does takes no step. So ids, keys,
// nonces, tickets and times of both runs are the same, and their answers can be compared
// as they are.
type story struct {
	*fixture
	full bool // with the mail that nobody may see
	step int

	secrets uint64    // seeds of what takes no step: none of those of a step
	seen    []mail.ID // what its agent may see, or could, in the order it came
	dark    []mail.ID // what it may not; in the bare run these ids never were
	told    []mail.ID // in the bare run: those of the other one
	kept    []mail.ID // of them, what an approver may still let in; nothing in the bare run
	last    []mail.ID // of what it may see, a mail that came and one that it sent
	tickets []string  // that the agent was given
	waits   int       // how often somebody began to wait for mail
	said    []exchange
	good    map[string]bool // what was answered with something else than a refusal
}

// exchange is a question of an agent and everything that it got for an answer.
type exchange struct{ asked, answered string }

// filed files mail as the daemon does: in threads, and for the search index.
type filed struct{ gate.Filer }

func (f filed) File(tx store.Tx, m *mail.Mail) error {
	if err := f.Filer.File(tx, m); err != nil {
		return err
	}
	return search.Note(tx, m.ID)
}

func (f filed) Unfile(tx store.Tx, m *mail.Mail) error {
	if err := f.Filer.Unfile(tx, m); err != nil {
		return err
	}
	return search.Note(tx, m.ID)
}

// Limits of the story, low enough for its agent to reach them.
const (
	storyHeld = 60      // mails that wait for a decision
	storyRate = 80      // mails a minute
	storyKeep = 2 << 20 // octets of received mail
)

// newStory begins a run. dark are the ids of the mail of the other run that is not to be
// seen; nil for the run that has it.
func newStory(t *testing.T, dark []mail.ID) *story {
	s := &story{full: dark == nil, told: dark, good: map[string]bool{}}
	cryptotest.SetGlobalRandom(t, 0)
	clock := systemtest.NewClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), 0)
	s.fixture = newFixtureWith(t, clock, func(h *fixture) {
		h.Gate = h.NewGate(h.DB, gate.Options{Filter: h.judge, Filer: filed{h.Inbox}, Now: clock.Now,
			HeldCount: storyHeld, SubmissionsPerMinute: storyRate, RetentionSize: storyKeep})
		index := search.New(search.Options{Path: filepath.Join(h.Dir, "search.db"), DB: h.DB, Ledger: h.Ledger,
			Read: searched, Log: systemtest.Quiet})
		h.words = index
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() { defer close(ended); index.Run(ctx) }()
		t.Cleanup(func() { cancel(); <-ended })
	})
	s.s.o.Queue = waited{s.s.o.Queue, s}
	bridge, err := mcpbridge.New(api.Operations, mcpbridge.Tools(), "1")
	if err != nil {
		t.Fatal(err)
	}
	s.s.o.MCP = func(dial func(string) api.Caller) http.Handler { return bridge.Handler(dial, 1<<20) }
	s.s.base.Store("https://mail.a.example")
	return s
}

// hold says how long a mail that comes from now on waits for a decision.
func (s *story) hold(d time.Duration) {
	s.Helper()
	s.next()
	s.want(200, "approver", "PATCH", "/v1/mailboxes/"+bot, fmt.Sprintf(`{"hold_seconds":%d}`, int(d.Seconds())))
}

// searched is what is searched of a mail.
func searched(m *mail.Mail, raw []byte) search.Content {
	seen := message.NewReading(raw, message.ReadingLimits{Text: search.MaxText})
	return search.Content{Authors: []string{m.Header.From.String()}, Text: seen.Text,
		Recipients: []string{m.Mailbox.String()}, Attachments: len(seen.Attachments) > 0}
}

// waited counts who begins to wait, or begins again because something woke it.
type waited struct {
	Reader
	s *story
}

func (c waited) WatchInbox(box mail.Address) (<-chan struct{}, func()) {
	c.s.waits++
	return c.Reader.WatchInbox(box)
}

func (c waited) WatchMail(id mail.ID) (<-chan struct{}, func()) {
	c.s.waits++
	return c.Reader.WatchMail(id)
}

// next begins a step, which both runs make.
func (s *story) next() {
	s.Helper()
	s.step++
	s.pass(time.Second)
	cryptotest.SetGlobalRandom(s.t, uint64(s.step))
}

// pass lets time pass, and the index do all its work in it.
func (s *story) pass(d time.Duration) {
	s.Helper()
	s.clock.Forward(d)
	time.Sleep(d)
	synctest.Wait()
	if n, _, err := search.Backlog(context.Background(), s.DB); err != nil || n > 0 {
		s.Fatalf("the index has not looked at %d mails, %v", n, err)
	}
}

// secret is a mail that only the full run has. The other run knows its id.
func (s *story) secret(make func() *mail.Mail) {
	s.Helper()
	if !s.full && len(s.dark) == len(s.told) {
		s.Fatal("the run with hidden mail has ended early")
	}
	if !s.full {
		s.dark = append(s.dark, s.told[len(s.dark)])
		return
	}
	m := s.hidden(make)
	s.dark = append(s.dark, m.ID)
	if !m.State.Final() {
		s.kept = append(s.kept, m.ID)
	}
}

// hidden makes a mail that may not be seen. It takes no step.
func (s *story) hidden(make func() *mail.Mail) *mail.Mail {
	s.Helper()
	s.secrets--
	cryptotest.SetGlobalRandom(s.t, s.secrets)
	m, err := s.Queue.Mail(s.t.Context(), make().ID)
	if err != nil || m.Visible() {
		s.Fatalf("a mail is to be hidden: %v, %v", m, err)
	}
	return m
}

// letter is a mail of the world.
type letter struct {
	from, subject, id, refs, text string
	size                          int // octets of its attachment; 0: a few
}

func (l letter) raw() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nSubject: %s\r\nDate: Fri, 02 Jan 2026 03:04:05 +0000\r\nMessage-ID: <%s>\r\n",
		l.from, bot, l.subject, l.id)
	if l.refs != "" {
		fmt.Fprintf(&b, "In-Reply-To: <%s>\r\nReferences: <%s>\r\n", strings.Fields(l.refs)[0],
			strings.ReplaceAll(l.refs, " ", "> <"))
	}
	b.WriteString("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: text/plain\r\n\r\n" + l.text + "\r\n" +
		"--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=plan.pdf\r\n\r\n" +
		strings.Repeat(strings.Repeat("x", 70)+"\r\n", 1+l.size/72) + "--b--\r\n")
	return []byte(b.String())
}

// bring brings a letter to the mailbox of the agent.
func (s *story) bring(l letter) *mail.Mail {
	s.Helper()
	from := mail.MustAddress(l.from)
	list, err := s.Gate.Receive(s.t.Context(), gate.Delivery{From: from, To: []mail.Address{mail.MustAddress(bot)},
		Raw: l.raw(), Door: "smtp-in", Arrival: mail.Arrival{Helo: "mx", Remote: "192.0.2.1", Auth: mail.Authentication{
			SPF: mail.Check{Result: "pass"}, DMARC: mail.Check{Result: "pass", Domain: from.Domain()}}}})
	if err != nil {
		s.Fatal(err)
	}
	return list[0]
}

// shown brings a letter that the agent sees.
func (s *story) shown(l letter) mail.ID {
	s.Helper()
	s.next()
	m := s.bring(l)
	if !m.Visible() {
		s.Fatalf("%s is to be seen: %s", m.ID, m.State)
	}
	s.seen = append(s.seen, m.ID)
	return m.ID
}

// quarantined brings a letter that the filter takes for spam.
func (s *story) quarantined(l letter) *mail.Mail {
	s.Helper()
	s.filter = func(context.Context, *mail.Mail, []byte) (mail.Spam, error) {
		return mail.Spam{Verdict: mail.SpamQuarantined, Score: 20, Reasons: []string{"secretword"}}, nil
	}
	defer func() { s.filter = nil }()
	return s.bring(l)
}

func (s *story) mode(m mail.Mode) {
	s.Helper()
	s.next()
	if _, err := s.Gate.SetMode(s.t.Context(), s.Operator, mail.MustAddress(bot), m); err != nil {
		s.Fatal(err)
	}
}

func (s *story) decide(id mail.ID, yes bool) {
	s.Helper()
	m, err := s.Queue.Mail(s.t.Context(), id)
	if err == nil {
		_, err = s.Gate.Decide(s.t.Context(), s.principal("approver"), id,
			gate.Decision{Approve: yes, Digest: m.Digest, Reason: "because"})
	}
	if err != nil {
		s.Fatal(err)
	}
}

func (s *story) report(id mail.ID) {
	s.Helper()
	if _, err := s.Gate.ReportSpam(s.t.Context(), s.principal("approver"), id); err != nil {
		s.Fatal(err)
	}
}

func (s *story) erase(id mail.ID) {
	s.Helper()
	if err := s.Gate.Erase(s.t.Context(), id); err != nil {
		s.Fatal(err)
	}
}

// late lets two hours pass: what is held expires, and what is too much goes.
func (s *story) late() {
	s.Helper()
	s.next()
	s.pass(2 * time.Hour)
	if err := errors.Join(s.Gate.Expire(s.t.Context()), s.Gate.Retain(s.t.Context())); err != nil {
		s.Fatal(err)
	}
}

// written is a mail of the agent that an approver lets leave.
func (s *story) written(body string) string {
	s.Helper()
	s.next()
	r := into[api.Receipt](s.fixture, s.want(202, "sender", "POST", "/v1/mailboxes/"+bot+"/send", body))
	s.seen = append(s.seen, mail.ID(r.ID))
	s.next()
	s.want(200, "approver", "POST", "/v1/oversight/decide",
		`{"email_id":"`+r.ID+`","action":"approve","digest":"`+r.Digest+`"}`)
	m, err := s.Queue.Mail(s.t.Context(), mail.ID(r.ID))
	if err != nil {
		s.Fatal(err)
	}
	return strings.Trim(m.Header.MessageID, "<>")
}

// The Message-IDs of mail that is kept from the agent, some of which later mail names.
var darkIDs = []string{"talk@b.example", "held@b.example", "big@c.example", "fresh@c.example", "gone@b.example"}

// tell tells the story: a conversation that carol would be part of if she were let in.
func (s *story) tell() {
	s.Helper()
	const first = "first@b.example"
	s.hold(time.Hour)
	own := s.written(draft)
	s.shown(letter{from: ada, subject: "Plans", id: first, text: "Shall we meet? budget"})
	s.shown(letter{from: ada, subject: "Re: Hello", id: "hello@b.example", refs: own, text: "Good morning too"})
	s.mode(mail.GatedAll)
	s.gatedAll(letter{from: "carol@c.example", subject: "Re: Plans", id: darkIDs[0], refs: first,
		text: "budget secretword"}, own)
	s.mode(mail.GatedSend)
	s.gatedSend(first)
	s.endings(first)
	// What comes after it must not show that anything was there.
	s.shown(letter{from: "carol@c.example", subject: "Re: Plans", id: "late@c.example", refs: darkIDs[0],
		text: "I am new here"})
	s.shown(letter{from: "carol@c.example", subject: "Re: Fresh start", id: "subject@c.example", text: "by subject alone"})
	s.shown(letter{from: ada, subject: "Re: Plans", id: "end@b.example", refs: first + " " + darkIDs[1], text: "budget"})
	id := s.shown(letter{from: ada, subject: "Plans again", id: darkIDs[2], text: "the Message-ID of a hidden mail"})
	s.written(draft)
	s.last = []mail.ID{id, s.seen[len(s.seen)-1]}
	s.ticket(id)
}

// gatedAll is what comes while everything is held.
func (s *story) gatedAll(carol letter, own string) {
	s.Helper()
	s.secret(func() *mail.Mail { m := s.bring(carol); s.decide(m.ID, false); return m })
	s.secret(func() *mail.Mail { m := s.bring(carol); s.decide(m.ID, false); s.erase(m.ID); return m })
	expires := len(s.kept)
	s.secret(func() *mail.Mail { return s.bring(carol) })
	s.secret(func() *mail.Mail { return s.quarantined(carol) })
	s.late()
	s.kept = s.kept[:expires]
	s.hold(30 * 24 * time.Hour)
	s.secret(func() *mail.Mail { return s.bring(carol) })
	s.secret(func() *mail.Mail {
		return s.bring(letter{from: ada, subject: "Re: Hello", id: darkIDs[1], refs: own, text: "secretword, yes"})
	})
	s.secret(func() *mail.Mail {
		return s.bring(letter{from: "carol@c.example", subject: "Big", id: darkIDs[2], text: "secretword",
			size: storyKeep + 1<<20})
	})
	for n := range storyHeld / 2 { // half of what its own mail may have waiting; nobody asks for each
		if s.full {
			s.hidden(func() *mail.Mail {
				return s.bring(letter{from: "carol@c.example", subject: "Flood", id: fmt.Sprintf("flood%d@c.example", n)})
			})
		}
	}
	s.next() // this one is let in, after a while in which nobody knows of it
	m := s.bring(letter{from: ada, subject: "Re: Plans", id: "wait@b.example", refs: "first@b.example",
		text: "let in late, budget"})
	for range 3 {
		s.next()
	}
	s.decide(m.ID, true)
	s.seen = append(s.seen, m.ID)
}

// gatedSend is what comes while a filter alone keeps mail away.
func (s *story) gatedSend(first string) {
	s.Helper()
	s.secret(func() *mail.Mail {
		return s.quarantined(letter{from: ada, subject: "Re: Plans", id: "x@b", refs: first, text: "secretword"})
	})
	s.secret(func() *mail.Mail {
		return s.quarantined(letter{from: "carol@c.example", subject: "Fresh start", id: darkIDs[3], text: "secretword"})
	})
	s.secret(func() *mail.Mail {
		m := s.quarantined(letter{from: ada, subject: "Re: Plans", id: darkIDs[4]})
		s.decide(m.ID, false)
		s.erase(m.ID)
		return m
	})
}

// endings is mail that the agent has seen, used and answered and that is there no longer.
// How it went makes no difference: what is in quarantine in one run is erased in the other.
func (s *story) endings(first string) {
	s.Helper()
	ends := []func(mail.ID){s.report, func(id mail.ID) { s.report(id); s.decide(id, false) }, s.report, s.erase}
	s.hold(time.Hour)
	var gone []mail.ID
	for n := range ends {
		id := s.shown(letter{from: fmt.Sprintf("dave%d@d.example", n), subject: "Re: Plans",
			id: fmt.Sprintf("gone%d@d.example", n), refs: first, text: "budget goneword", size: 60_000})
		gone = append(gone, id)
		path := "/v1/mailboxes/" + bot + "/emails/" + string(id)
		s.ask("sender", "GET", path, "")
		s.ask("sender", "PUT", path+"/tags", `{"tags":{"topic":"goneword"}}`)
		s.ask("sender", "PATCH", path, `{"status":"archived"}`)
		s.ticket(id)
	}
	s.ask("sender", "POST", "/v1/mailboxes/"+bot+"/reply/"+string(gone[0]), `{"markdown":"Yes, dave."}`)
	s.shown(letter{from: "dave1@d.example", subject: "Re: Plans", id: "dave@d.example", refs: "gone1@d.example",
		text: "stays"})
	for n, id := range gone {
		s.next()
		s.end(id, ends[n])
		for i, t := range s.tickets { // while they are good
			if r := s.ask("nobody", "GET", "/v1/files/"+t, ""); (r.status == 404) != (i <= n) {
				s.Fatalf("a ticket is good for %d %s", r.status, r.body)
			}
		}
	}
	s.late() // the report of two of them expires
	s.hold(30 * 24 * time.Hour)
}

// ticket has the agent ask for the address of an attachment.
func (s *story) ticket(id mail.ID) {
	s.Helper()
	r := s.ask("sender", "GET", "/v1/mailboxes/"+bot+"/emails/"+string(id)+"/attachments/plan.pdf/url", "")
	at := into[api.AttachmentURL](s.fixture, r).URL
	s.tickets = append(s.tickets, at[strings.LastIndexByte(at, '/')+1:])
}

// end ends a mail in one way in the full run, and erases it in the other.
func (s *story) end(id mail.ID, how func(mail.ID)) {
	s.Helper()
	if s.full {
		how(id)
	} else {
		s.erase(id)
	}
}

// listed notes what else the agent may see: the notices about its own mail.
func (s *story) listed() {
	s.Helper()
	r := s.ask("sender", "GET", "/v1/mailboxes/"+bot+"/emails?limit=100", "")
	for _, e := range into[api.Emails](s.fixture, r).Emails {
		if !slices.Contains(s.seen, mail.ID(e.ID)) {
			s.seen = append(s.seen, mail.ID(e.ID))
		}
	}
}

// ids are those of every mail, whether it may be seen or not.
func (s *story) ids() []mail.ID { return slices.Concat(s.seen, s.dark) }
