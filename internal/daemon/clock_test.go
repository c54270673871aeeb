package daemon

import (
	"io"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/clock"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/bolt"
)

// A daemon that starts knows when it last stored something: a clock that was
// set while it was down is in doubt, and stays so over restarts until somebody
// accepts it.
func TestAClockThatWasSetWhileTheDaemonWasDownIsInDoubt(t *testing.T) {
	dir := t.TempDir()
	wall, boot, id := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC), time.Hour, "one"
	log := audit.New("node")
	kinds := func(db store.Store) (out []string) {
		err := db.View(t.Context(), func(tx store.Tx) error {
			list, err := log.List(tx, 0, 100)
			for _, e := range list {
				out = append(out, string(e.Record().Kind))
			}
			slices.Reverse(out)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	run := func(create, trusted bool, then func(*clockwork), want ...string) {
		t.Helper()
		c := clock.New(clock.Options{Wall: func() time.Time { return wall }, Boot: func() time.Duration { return boot },
			Synced: func() bool { return false }, BootID: id, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
		db, err := bolt.Open(bolt.Options{Dir: dir, Create: create, Now: c.Now, Reserve: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		w, err := startClock(t.Context(), c, db, log)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Trusted(); got != trusted {
			t.Errorf("trusted %v: %s", got, c.Doubt())
		}
		if then != nil {
			then(w)
			if err := w.record(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := kinds(db); !slices.Equal(got, want) {
			t.Errorf("entries %v, want %v", got, want)
		}
	}
	run(true, true, nil)
	wall, boot = wall.Add(time.Hour), boot+time.Hour
	run(false, true, nil) // time passed
	wall = wall.Add(time.Hour)
	run(false, false, nil, "clock.doubt") // and here it was set
	run(false, false, func(w *clockwork) { w.Accept() }, "clock.doubt", "clock.doubt", "clock.trust")
	run(false, true, nil, "clock.doubt", "clock.doubt", "clock.trust")

	// Another run of the machine, whose clock is behind the last entry.
	id, boot, wall = "two", time.Minute, wall.Add(-time.Hour)
	run(false, false, nil, "clock.doubt", "clock.doubt", "clock.trust", "clock.doubt")
	wall = wall.Add(2 * time.Hour)
	run(false, true, nil, "clock.doubt", "clock.doubt", "clock.trust", "clock.doubt")
}
