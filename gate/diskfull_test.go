package gate_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// fullDisk is a store whose disk takes no more at one step of the way in.
type fullDisk struct {
	store.Store
	at string // "" has room everywhere
}

func (d *fullDisk) fails(at string) error {
	if d.at != at {
		return nil
	}
	return &fs.PathError{Op: "write", Path: "/var/lib/x", Err: syscall.ENOSPC}
}

func (d *fullDisk) Healthy() error { return errors.Join(d.fails("health"), d.Store.Healthy()) }

func (d *fullDisk) Fits(n int64) error {
	if d.at == "behind" {
		return store.ErrBehind
	}
	return errors.Join(d.fails("room"), d.Store.Fits(n))
}

func (d *fullDisk) Stage(ctx context.Context, key string, b []byte) (store.Staged, error) {
	if err := d.fails("body"); err != nil {
		return store.Staged{}, err
	}
	return d.Store.Stage(ctx, key, b)
}

func (d *fullDisk) Update(ctx context.Context, fn func(store.Tx) error) error {
	return d.Store.Update(ctx, func(tx store.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		if err := d.fails("commit"); err != nil {
			return fmt.Errorf("%w: %w", store.ErrAborted, err)
		}
		if err := d.fails("doubt"); err != nil {
			return fmt.Errorf("%w: %w", store.ErrUnknown, err)
		}
		return nil
	})
}

// Whichever step of the way in finds the disk full, the other server hears that and tries again;
// nothing of the mail stays, what was taken before stays, and with room the same mail is taken.
func TestADiskThatIsFullAtAnyStepOfTheWayInLosesNothing(t *testing.T) {
	large := strings.Repeat(strings.Repeat("x", 76)+"\r\n", 2000) // has a file of its own
	for _, c := range []struct{ at, rcpt, word string }{
		{"health", "disk_full", "disk_full"}, {"room", "disk_full", "disk_full"},
		{"behind", "unavailable", "unavailable"}, {"body", "", "disk_full"}, {"commit", "", "disk_full"},
		{"doubt", "", "unavailable"}, // it may be in force: nothing is claimed
	} {
		for _, text := range []string{"", large} {
			h := build(t)
			disk := &fullDisk{Store: h.DB}
			h.Gate = h.NewGate(disk, gate.Options{})
			d := brought(h.Box.String(), "abuse@example.test")
			d.Raw = append(d.Raw, text...)
			before, err := h.Gate.Receive(h.ctx, d)
			if err != nil {
				t.Fatal(err)
			}
			files := len(bodies(t, h.Dir))
			disk.at = c.at
			if _, err := h.Gate.AdmitDelivery(h.ctx, d.From, h.Box, int64(len(d.Raw))); mail.WordOf(err) != c.rcpt {
				t.Errorf("%s: at RCPT %v, want %q", c.at, err, c.rcpt)
			}
			_, err = h.Gate.Receive(h.ctx, d)
			var e *mail.Error
			if !errors.As(err, &e) || e.Word() != c.word || strings.Contains(e.Public, "/") {
				t.Errorf("%s: %v, want %s", c.at, err, c.word)
			}
			all, err := h.Queue.All(h.ctx, "", 10)
			if err != nil || len(all) != len(before) || len(h.inboxed()) != 1 || len(bodies(t, h.Dir)) != files {
				t.Errorf("%s: %d mails of %d, %d files of %d, %v", c.at, len(all), len(before), len(bodies(t, h.Dir)), files, err)
			}
			disk.at = ""
			if _, err := h.Gate.Receive(h.ctx, d); err != nil || len(h.inboxed()) != 2 {
				t.Errorf("%s: with room again: %v, %d mails", c.at, err, len(h.inboxed()))
			}
			h.Intact()
		}
	}
}
