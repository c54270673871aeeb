package search

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/systemtest"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// fixture is a ledger and an index of it. Nobody decides here: the tests make the
// steps, and note them as the daemon does.
type fixture struct {
	*systemtest.System
	clock *systemtest.Clock
	path  string
	x     *Index
}

var bot, eve = mail.MustAddress("bot@example.test"), mail.MustAddress("eve@example.test")

func build(t testing.TB) *fixture { return buildIn(t, t.TempDir()) }

func buildIn(t testing.TB, dir string) *fixture {
	clock := systemtest.NewClock(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC), 0)
	s := systemtest.New(t, systemtest.Options{Now: clock.Now, Dir: dir})
	f := &fixture{System: s, clock: clock, path: filepath.Join(s.Dir, "search.db")}
	f.open()
	t.Cleanup(func() { f.x.shut() })
	return f
}

// open makes another index of the same file.
func (f *fixture) open() {
	f.x = New(Options{Path: f.path, DB: f.DB, Ledger: f.Ledger, Read: read, Log: systemtest.Quiet})
}

// read takes apart the messages of these tests: To is a list of names and addresses.
func read(m *mail.Mail, raw []byte) Content {
	head, body, _ := strings.Cut(string(raw), "\r\n\r\n")
	c := Content{Authors: []string{m.Header.FromName, m.Header.From.String()}, Text: body}
	if strings.HasPrefix(body, "panic") {
		panic("a fault of the reader")
	}
	_, to, _ := strings.Cut(head, "To: ")
	c.Recipients, c.Attachments = []string{to}, m.Header.Attachments > 0
	return c
}

// letter is what a test puts into a mailbox.
type letter struct {
	box                           mail.Address
	name, from, to, subject, text string
	files                         int
	incoming                      bool
}

// put stores a letter that its mailbox sees.
func (f *fixture) put(l letter) mail.ID {
	f.Helper()
	return f.store(l, step.Facts{Mode: mail.Autonomous})
}

// store stores a letter with the facts of its first step.
func (f *fixture) store(l letter, facts step.Facts) mail.ID {
	f.Helper()
	f.clock.Forward(time.Second)
	m, raw := f.draft(l)
	c := queue.Change{Event: step.Submit, Facts: facts, Actor: audit.System}
	if !l.incoming {
		c.Extra = map[string]string{"door": "smtp", "agent": "bot"}
	}
	f.change(func(tx store.Tx) (step.Outcome, error) {
		out, err := f.Ledger.Put(tx, m, store.Inline(queue.RawKey(m.ID), raw), c)
		if err == nil {
			err = Note(tx, m.ID)
		}
		return out, err
	})
	return m.ID
}

func (f *fixture) draft(l letter) (*mail.Mail, []byte) {
	m := &mail.Mail{ID: mail.NewID(f.clock.Now()), Direction: mail.Outgoing, Mailbox: l.box, Agent: "bot", Size: 100,
		Digest: mail.Digest(strings.Repeat("d", 64)), ExpiresAt: f.clock.Now().Add(time.Hour), NextAttempt: f.clock.Now(),
		Header: mail.Header{Subject: l.subject, FromName: l.name, Attachments: l.files},
		Envelope: mail.Envelope{From: l.box,
			Rcpts: []mail.Rcpt{{Addr: mail.MustAddress("ada@dest.test"), Standing: mail.Pending}}}}
	if m.Mailbox.IsZero() {
		m.Mailbox = bot
	}
	if l.from != "" {
		m.Header.From = mail.MustAddress(l.from)
	}
	if l.incoming {
		m.Direction, m.Agent, m.Author = mail.Incoming, "", "world:world"
		m.Arrival = &mail.Arrival{Helo: "mx.dest.test"}
	}
	return m, []byte("To: " + l.to + "\r\n\r\n" + l.text)
}

// move makes a step with a mail.
func (f *fixture) move(id mail.ID, e step.Event, facts step.Facts) {
	f.Helper()
	f.change(func(tx store.Tx) (step.Outcome, error) {
		m, err := f.Ledger.Load(tx, id)
		if err != nil {
			return step.Outcome{}, err
		}
		out, err := f.Ledger.Move(tx, m, queue.Change{Event: e, Facts: facts, Actor: audit.System})
		if err == nil {
			err = Note(tx, id)
		}
		return out, err
	})
}

func (f *fixture) change(fn func(store.Tx) (step.Outcome, error)) {
	f.Helper()
	f.Update(func(tx store.Tx) error {
		out, err := fn(tx)
		if err == nil && out.Answer != step.Done {
			f.Fatalf("the step: %s", out.Answer)
		}
		return err
	})
}

// follow does what there is to do.
func (f *fixture) follow() {
	f.Helper()
	for range 1000 {
		more, err := f.x.step(f.Context())
		if err != nil && !errors.Is(err, errDamaged) {
			f.Fatal(err)
		}
		if !more && err == nil {
			return
		}
	}
	f.Fatal("the index comes to no end")
}

// search returns what a query finds, which must be a good one.
func (f *fixture) search(box mail.Address, query string) []mail.ID {
	f.Helper()
	ids, err := f.x.Search(f.Context(), box, query, "", 1000)
	if err != nil {
		f.Fatalf("%q: %v", query, err)
	}
	return ids
}

func (f *fixture) finds(box mail.Address, query string, want ...mail.ID) {
	f.Helper()
	if got := f.search(box, query); !slices.Equal(got, want) {
		f.Errorf("%q finds %v, want %v", query, got, want)
	}
}

// holds returns which of the files of the index have an octet string in them.
func (f *fixture) holds(word string) (names []string) {
	f.Helper()
	for _, p := range paths(f.path) {
		b, err := readFile(p)
		if err != nil {
			f.Fatal(err)
		}
		if bytes.Contains(b, []byte(word)) {
			names = append(names, filepath.Base(p))
		}
	}
	return names
}

// todo returns how much mail is noted.
func (f *fixture) todo() int {
	f.Helper()
	n, _, err := Backlog(f.Context(), f.DB)
	if err != nil {
		f.Fatal(err)
	}
	return n
}

// rows returns how many mails the index has.
func (f *fixture) rows() (n int) {
	f.Helper()
	err := f.x.use(f.Context(), func(file *file) error {
		return file.db.QueryRowContext(context.Background(), "SELECT count(*) FROM doc").Scan(&n)
	})
	if err != nil {
		f.Fatal(err)
	}
	return n
}
