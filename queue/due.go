package queue

import (
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// maxFresh is how many groups are noted; beyond, all of them are listed anew.
const maxFresh = 10_000

// fresh are the groups in which this process has written ready mail since it
// was last asked.
type fresh struct {
	mu     sync.Mutex
	groups map[Group]bool
	lost   bool
}

func (f *fresh) add(g Group) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.groups) >= maxFresh {
		f.groups, f.lost = nil, true
	}
	if f.groups == nil {
		f.groups = map[Group]bool{}
	}
	f.groups[g] = true
}

// FreshGroups returns the groups in which this process has written ready mail
// since the last call. lost says that there were too many to note: then
// DueGroups lists them all.
func (l *Ledger) FreshGroups() (groups []Group, lost bool) {
	f := &l.fresh
	f.mu.Lock()
	defer f.mu.Unlock()
	for g := range f.groups {
		groups = append(groups, g)
	}
	lost = f.lost
	f.groups, f.lost = nil, false
	return groups, lost
}

// DueGroups lists every group that has ready mail, with one seek for each.
func (l *Ledger) DueGroups(tx store.Tx) (out []Group, err error) {
	r := store.Prefix(duePrefix)
	for {
		found := ""
		err := space.Scan(tx, r, func(key string, _ []byte) error {
			found = key[:strings.LastIndexByte(key, 0)+1]
			return store.Stop
		})
		if err != nil || found == "" {
			return out, err
		}
		out = append(out, Group(found[len(duePrefix):]))
		r.From = store.Prefix(found).To
	}
}

// Due calls fn for the ready mails of a group in the order of their next
// attempt. It ends early, without an error, when fn returns store.Stop.
func (l *Ledger) Due(tx store.Tx, g Group, fn func(at time.Time, id mail.ID) error) error {
	prefix := duePrefix + string(g)
	return space.Scan(tx, store.Prefix(prefix), func(key string, _ []byte) error {
		rest := key[len(prefix):]
		at, ok := parseStamp(rest[:min(16, len(rest))])
		if !ok {
			return errors.New("queue: malformed due key")
		}
		return fn(at, mail.ID(rest[16:]))
	})
}
