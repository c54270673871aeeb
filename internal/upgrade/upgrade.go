// Package upgrade brings a store of an earlier format to the one that this
// program writes.
//
// The number of the format stands in the store. Each step takes it one further,
// in transactions of bounded size that may be repeated: a start that was cut off
// goes on where it ended. Nothing else runs on the store meanwhile.
package upgrade

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	"github.com/multimail/multimail/internal/inbox"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/queue"
)

// Format is the number of the format that this program reads and writes.
//
//	0  before the number was kept: notices were records of the inbox alone
//	1  notices are incoming mail of the ledger; counters by node
//	2  domains have a challenge, and a time at which they were last verified
//	3  received mail is counted by mailbox
//	4  every mail is filed in a thread, and what was read is said there
const Format = 4

const formatKey = "format"

var space = store.NewSpace(formatKey, itemPrefix, unreadPrefix, readPrefix)

// Upgrader knows what the steps write to.
type Upgrader struct {
	DB     store.Store
	Ledger *queue.Ledger
	Inbox  *inbox.Inbox
	// Registry gives the domains what they have had since format 2.
	Registry *registry.Registry
	Log      *slog.Logger
}

// steps are the ways from each format to the next.
var steps = [Format]func(Upgrader, context.Context) error{
	Upgrader.fromZero, Upgrader.fromOne, Upgrader.fromTwo, Upgrader.fromThree,
}

// Run brings the store to Format. It refuses a store of a later format, of which
// it has changed nothing.
func (u Upgrader) Run(ctx context.Context) error {
	at, err := u.format(ctx)
	if err != nil {
		return err
	}
	if at > Format {
		return fmt.Errorf("the data was written by a newer multimail (format %d, this program knows %d): "+
			"start that version, or restore a backup from before it", at, Format)
	}
	for ; at < Format; at++ {
		if err := steps[at](u, ctx); err != nil {
			return fmt.Errorf("upgrade of the data from format %d: %w", at, err)
		}
		next := []byte(strconv.Itoa(at + 1))
		err := u.DB.Update(ctx, func(tx store.Tx) error { return space.Put(tx, formatKey, next) })
		if err != nil {
			return fmt.Errorf("upgrade of the data from format %d: %w", at, err)
		}
		u.Log.Info("upgraded", "format", at+1)
	}
	return nil
}

func (u Upgrader) format(ctx context.Context) (at int, err error) {
	err = u.DB.View(ctx, func(tx store.Tx) error {
		b, err := space.Get(tx, formatKey)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err == nil {
			at, err = strconv.Atoi(string(b))
		}
		if err == nil && at < 0 {
			err = strconv.ErrRange
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("format of the data: %w", err)
	}
	return at, nil
}
