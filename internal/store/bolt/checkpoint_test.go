package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
)

// bank is a store with accounts between which writers move money: every snapshot has the same
// sum, whichever part of it is in the file, on its way there, or in the journal alone.
type bank struct {
	t  *testing.T
	db *DB
}

const accounts, each = 40, 100

func account(i int) string { return fmt.Sprintf("account/%02d", i) }

// move takes one from an account and gives it to another.
func (b bank) move(from, to int) {
	err := b.db.Update(context.Background(), func(tx store.Tx) error {
		r := storetest.Records(tx)
		for _, c := range []struct{ account, by int }{{from, -1}, {to, 1}} {
			v, err := r.Get(account(c.account))
			if err != nil {
				return err
			}
			n, err := strconv.Atoi(string(v))
			if err := errors.Join(err, r.Put(account(c.account), []byte(strconv.Itoa(n+c.by)))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.t.Error(err)
	}
}

func (b bank) check(reverse bool) {
	sum, n := 0, 0
	err := b.db.View(context.Background(), func(tx store.Tx) error {
		r := store.Prefix("account/")
		r.Reverse = reverse
		return storetest.Records(tx).Scan(r, func(_ string, v []byte) error {
			x, err := strconv.Atoi(string(v))
			sum, n = sum+x, n+1
			return err
		})
	})
	if err != nil || sum != accounts*each || n != accounts {
		b.t.Errorf("%d in %d accounts, %v", sum, n, err)
	}
}

func TestACheckpointTearsNoSnapshot(t *testing.T) {
	b := bank{t, mustOpen(t, Options{Dir: t.TempDir(), Create: true, Backlog: 2000, Segment: 64 << 10})}
	for i := range accounts {
		mustPut(t, b.db, account(i), strconv.Itoa(each))
	}
	stop := make(chan struct{})
	var writers, readers sync.WaitGroup
	for w := range 4 {
		rnd := rand.New(rand.NewPCG(1, uint64(w)))
		writers.Go(func() {
			for range 300 {
				b.move(rnd.IntN(accounts), rnd.IntN(accounts))
			}
		})
	}
	for r := range 3 {
		readers.Go(func() {
			for reverse := r%2 == 0; !t.Failed(); reverse = !reverse {
				select {
				case <-stop:
					return
				default:
					b.check(reverse)
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	if n := b.db.state.Load().turn; n < 10 {
		t.Errorf("%d turns of checkpoints only", n)
	}
}

func TestWhatIsInTheJournalAloneIsMovedBeforeLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, err := Open(Options{Dir: t.TempDir(), Create: true, Segment: 64 << 10})
		if err != nil {
			t.Fatal(err)
		}
		mustPut(t, db, "k", "1")
		for _, c := range []struct {
			after time.Duration
			there bool
		}{{checkpointAge - 1, false}, {1, true}} {
			time.Sleep(c.after)
			synctest.Wait()
			if got := inFile(t, db, "k"); got != c.there {
				t.Errorf("it is in the file: %t, want %t", got, c.there)
			}
		}
		mustClose(t, db)
	})
}

func inFile(t *testing.T, db *DB, key string) (there bool) {
	t.Helper()
	err := db.bolt.View(func(tx *bbolt.Tx) error {
		there = tx.Bucket(recordBucket).Get([]byte(key)) != nil
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return there
}

// A change may be larger than a segment, and is whole or not there.
func TestAChangeOfManySegments(t *testing.T) {
	const segment = 64 << 10
	dir := t.TempDir()
	db := mustOpen(t, Options{Dir: dir, Create: true, Segment: segment})
	large := bytes.Repeat([]byte("x"), 20<<10)
	put := func(n int, key string) error {
		return db.Update(t.Context(), func(tx store.Tx) (err error) {
			for i := range n {
				err = errors.Join(err, storetest.Records(tx).Put(fmt.Sprint(key, i), large))
			}
			return err
		})
	}
	count := func() (n int) {
		err := db.View(t.Context(), func(tx store.Tx) error {
			return storetest.Records(tx).Scan(store.Range{}, func(string, []byte) error { n++; return nil })
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if err := put(4, "a"); err != nil {
		t.Fatal(err)
	}
	for range 3 { // more than the journal
		if err := put(50, "b"); !errors.Is(err, store.ErrAborted) || !store.Full(err) {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"c", "d", "e"} {
		if err := put(4, key); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(); n != 16 {
		t.Errorf("%d keys", n)
	}
	// As a killed process leaves it.
	copied := copyOf(t, dir)
	mustClose(t, db)
	db = mustOpen(t, Options{Dir: copied})
	if n := count(); n != 16 {
		t.Errorf("%d keys after a kill", n)
	}
}

func TestNewMailWaitsForACheckpointButResultsDoNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		slow := func(tx *bbolt.Tx) error { <-stuck; return tx.Commit() }
		o := Options{Dir: t.TempDir(), Create: true, Segment: 64 << 10, Backlog: 1000, Reserve: 1}
		db, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		db.o.commit = slow
		mustPut(t, db, "k", string(make([]byte, 2000)))
		begun := time.Now()
		if err := db.Fits(1); !errors.Is(err, store.ErrBehind) || time.Since(begun) != backlogWait {
			t.Errorf("Fits: %v after %s", err, time.Since(begun))
		}
		mustPut(t, db, "result", "1")
		go func() {
			time.Sleep(backlogWait / 2)
			close(stuck)
		}()
		if err := db.Fits(1); err != nil {
			t.Errorf("Fits once a checkpoint has ended: %v", err)
		}
		mustClose(t, db)
	})
}

func TestASnapshotThatIsReadForTooLongEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, err := Open(Options{Dir: t.TempDir(), Create: true, Segment: 64 << 10})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			mustPut(t, db, fmt.Sprintf("k%02d", i), "1")
		}
		n := 0
		err = db.View(t.Context(), func(tx store.Tx) error {
			return storetest.Records(tx).Scan(store.Range{}, func(string, []byte) error {
				n++
				time.Sleep(time.Second)
				return nil
			})
		})
		if !errors.Is(err, errSlow) || n < 10 || n > 11 {
			t.Errorf("%v after %d records", err, n)
		}
		mustClose(t, db)
	})
}
