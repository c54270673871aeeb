package daemon

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/metrics"
	"github.com/multimail/multimail/internal/search"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// searchFile is the name of the search index in the data directory.
const searchFile = "search.db"

// makeSearch makes the index, which Run opens.
func (d *Daemon) makeSearch(m *metrics.Metrics) {
	d.search = search.New(search.Options{Path: filepath.Join(d.o.Config.Data, searchFile), DB: d.db, Ledger: d.ledger,
		Read: searched, Log: d.o.Log})
	m.Search(func() (int, float64) {
		n, since, err := search.Backlog(context.Background(), d.db)
		if err != nil {
			d.o.Log.Error("count", "err", err)
		}
		if n == 0 {
			return 0, 0
		}
		return n, max(time.Since(since).Seconds(), 0)
	})
}

// filers are told one after the other what a mailbox shows.
type filers []gate.Filer

// File tells each that a mailbox shows a mail.
func (f filers) File(tx store.Tx, m *mail.Mail) error {
	for _, one := range f {
		if err := one.File(tx, m); err != nil {
			return err
		}
	}
	return nil
}

// Unfile tells each that it does not any more.
func (f filers) Unfile(tx store.Tx, m *mail.Mail) error {
	for _, one := range f {
		if err := one.Unfile(tx, m); err != nil {
			return err
		}
	}
	return nil
}

// noter has the search index look at mail.
type noter struct{}

// File notes that a mailbox shows a mail.
func (noter) File(tx store.Tx, m *mail.Mail) error { return search.Note(tx, m.ID) }

// Unfile notes that it does not any more.
func (noter) Unfile(tx store.Tx, m *mail.Mail) error { return search.Note(tx, m.ID) }

// searched returns what of a mail is searched.
func searched(m *mail.Mail, raw []byte) search.Content {
	seen := message.NewReading(raw, message.ReadingLimits{Text: search.MaxText}) // what is hidden is not found
	c := search.Content{Attachments: len(seen.Attachments) > 0}
	var text strings.Builder
	for _, f := range seen.Attachments { // before the text, which may be longer than what is indexed
		text.WriteString(f.Name + "\n")
	}
	text.WriteString(seen.Text)
	c.Text = text.String()
	c.Authors = append(c.Authors, m.Header.FromName, m.Header.From.String(), m.Envelope.From.String())
	c.Recipients = message.RecipientNames(raw)
	for _, list := range [][]mail.Address{m.Header.To, m.Header.Cc} {
		for _, a := range list {
			c.Recipients = append(c.Recipients, a.String())
		}
	}
	for _, r := range m.Envelope.Rcpts {
		if !r.Watches() {
			c.Recipients = append(c.Recipients, r.Addr.String())
		}
	}
	return c
}
