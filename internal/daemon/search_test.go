package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/mail"
)

// Mail that an agent sends is found by its words, also when the index was deleted
// while the daemon runs: it is made anew from the store.
func TestMailIsFoundByItsWordsThroughTheDaemon(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	d, err := NewDev(DevOptions{Data: data, FreePorts: true, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	err = runOnce(t, d, func() error {
		info, _, err := ReadDev(data)
		if err != nil {
			return err
		}
		c := api.New(info.HTTP, info.AgentKey)
		sent, err := api.Call(t.Context(), c, api.SendEmail, api.SendRequest{Mailbox: info.Mailbox, Draft: api.Draft{
			To: []string{"ada@dest.test"}, Subject: "Crème brûlée", Markdown: "The recipe of 東京都."}})
		if err != nil {
			return err
		}
		for _, query := range []string{"creme recipe", "to:ada 京都"} {
			if err := found(t.Context(), c, info.Mailbox, query, sent.ID); err != nil {
				return err
			}
		}
		if err := os.Remove(filepath.Join(data, searchFile)); err != nil {
			return err
		}
		return found(t.Context(), c, info.Mailbox, "subject:brulee", sent.ID)
	})
	if err != nil {
		t.Error(err)
	}
}

// Recipients are found by the names that a mail gives them, as its author is.
func TestNamesOfRecipientsAreSearched(t *testing.T) {
	raw := "From: Bob <bob@dest.test>\r\n" +
		"To: =?utf-8?q?Zo=C3=AB?= Lovelace <zoe@dest.test>\r\nCc: Max <max@dest.test>\r\n\r\nHi.\r\n"
	m := &mail.Mail{Header: mail.Header{To: []mail.Address{mail.MustAddress("zoe@dest.test")}}}
	got := strings.Join(searched(m, []byte(raw)).Recipients, "\n")
	for _, want := range []string{"Zoë Lovelace", "Max", "zoe@dest.test"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
}

// found asks until a query finds one mail.
func found(ctx context.Context, c *api.Client, box, query, id string) error {
	for {
		l, err := api.Call(ctx, c, api.CheckInbox,
			api.EmailQuery{MailboxRef: api.MailboxRef{Mailbox: box}, Query: query, Limit: 10})
		var e *api.Error
		if err != nil && (!errors.As(err, &e) || e.Status != 503) {
			return err
		}
		if len(l.Emails) == 1 && l.Emails[0].ID == id {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond): // a key has 1,200 requests a minute
		}
	}
}
