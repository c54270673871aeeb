package audit

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/multimail/multimail/internal/store"
)

// Settings are records other than mails that the log is compared with: what is
// in force must be what the newest entry about it says.
type Settings struct {
	// Stated returns what a record says of settings: their new values by name,
	// "" for one that is not there any more. What says nothing returns nil.
	Stated func(Record) map[string]string
	// Recorded returns records that state what the store has now.
	Recorded func(tx store.Tx) ([]Record, error)
}

// stated is the newest that the log says of a setting.
type stated struct {
	value string
	chain string
	at    time.Time
}

// state takes in what an entry says. Within a chain the later entry counts,
// between chains that of the later time.
func (v *verifier) state(into map[string]stated, e Entry) {
	if v.o.Settings == nil || e.parsed.Kind.Transition() {
		return
	}
	for name, value := range v.o.Settings.Stated(e.Record()) {
		if s, ok := into[name]; ok && s.chain != e.Chain() && s.at.After(e.Time()) {
			continue
		}
		into[name] = stated{value, e.Chain(), e.Time()}
	}
}

// CheckSettings compares the settings of the store with the log, which it does not
// verify. The error is a *Fault where they differ.
func (l *Log) CheckSettings(ctx context.Context, db store.Store, s *Settings) error {
	return newVerifier(Options{Settings: s}).checkSettings(ctx, db)
}

// checkSettings compares the settings of the store with the log, both ways. What
// was appended since the entries were read is read in the same transaction.
func (v *verifier) checkSettings(ctx context.Context, db store.Store) error {
	if v.o.Settings == nil {
		return nil
	}
	return db.View(ctx, func(tx store.Tx) error {
		log := maps.Clone(v.stated)
		if err := v.tail(ctx, tx, log); err != nil {
			return err
		}
		records, err := v.o.Settings.Recorded(tx)
		if err != nil {
			return fmt.Errorf("audit: settings: %w", err)
		}
		now := map[string]string{}
		for _, r := range records {
			r.Private = cut(r.Private) // as in an entry
			maps.Copy(now, v.o.Settings.Stated(r))
		}
		maps.DeleteFunc(now, func(_, value string) bool { return value == "" })
		v.settings = len(now)
		return differs(now, log)
	})
}

// tail takes in the entries behind those that were read.
func (v *verifier) tail(ctx context.Context, tx store.Tx, into map[string]stated) error {
	known, err := endsIn(tx)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		behind := store.Prefix(entryPrefix(name))
		if c := v.chains[name]; c != nil {
			behind.From = entryKey(name, c.tree.size)
		}
		err := space.Scan(tx, behind, func(key string, line []byte) error {
			if err := ctx.Err(); err != nil {
				return err // the log may be long
			}
			e, err := load(tx, key, line)
			if err == nil {
				v.state(into, e)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// differs names every setting that the records and the log have otherwise.
func differs(now map[string]string, log map[string]stated) error {
	quote := func(value string) string {
		if value == "" {
			return "nothing"
		}
		return fmt.Sprintf("%q", value)
	}
	names := maps.Clone(now)
	for name, s := range log {
		names[name] = s.value
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if has, said := now[name], log[name].value; has != said {
			all = append(all, fmt.Sprintf("%s: the record says %s, the log says %s", name, quote(has), quote(said)))
		}
	}
	if len(all) == 0 {
		return nil
	}
	return &Fault{Why: strings.Join(all, "; ")}
}
