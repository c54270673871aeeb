package bolt

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
)

const (
	roleVariable = "MULTIMAIL_BOLT_TEST_ROLE"
	dirVariable  = "MULTIMAIL_BOLT_TEST_DIR"
)

// children are what the test binary can be besides itself.
var children = map[string]func(dir string) error{"writer": writer, "full": full}

func child(t *testing.T, role, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"="+role, dirVariable+"="+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

// writer stores keys, some with bodies, and deletes others, until it is killed.
// It prints what the store acknowledged: "+key" and "-key".
func writer(dir string) error {
	db, err := Open(Options{Dir: dir})
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				if err := write(db, fmt.Sprintf("%d/%d/%d", os.Getpid(), w, i), i); err != nil {
					panic(err)
				}
			}
		})
	}
	wg.Wait()
	return nil
}

func write(db *DB, key string, i int) error {
	ctx := context.Background()
	size := 300
	if i%8 == 7 {
		size = inlineMax + i
	}
	s, err := db.Stage(ctx, key, text(key, size))
	if err != nil {
		return err
	}
	err = db.Update(ctx, func(tx store.Tx) error {
		return errors.Join(storetest.Records(tx).Put(key, []byte(fmt.Sprint(size))), storetest.Records(tx).PutBody(s))
	})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(os.Stdout, "+%s\n", key); err != nil || i%3 != 0 {
		return err
	}
	if err := db.Update(ctx, func(tx store.Tx) error {
		return errors.Join(storetest.Records(tx).Delete(key), storetest.Records(tx).DeleteBody(key))
	}); err != nil {
		return err
	}
	_, err = fmt.Fprintf(os.Stdout, "-%s\n", key)
	return err
}

func text(key string, n int) []byte { return []byte(strings.Repeat(key+"\n", n/len(key)+1)[:n]) }

func TestWhatWasAcknowledgedSurvivesKill9(t *testing.T) {
	dir := t.TempDir()
	mustClose(t, mustOpen(t, Options{Dir: dir, Create: true}))
	acked, rnd := map[string]bool{}, rand.New(rand.NewPCG(1, 2))
	for kill := range 15 {
		cmd := child(t, "writer", dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for after := 1 + rnd.IntN(150); lines.Scan(); after-- {
			if after == 0 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			line := lines.Text()
			acked[line[1:]] = line[0] == '+'
		}
		_ = cmd.Wait()
		survived(t, dir, kill, acked)
		checkPages(t, dir)
	}
	if len(acked) < 100 {
		t.Errorf("%d keys only were acknowledged", len(acked))
	}
	t.Logf("15 kills, %d keys acknowledged", len(acked))
}

// survived opens the store and compares it with what was acknowledged. A key
// more is fine: its acknowledgement was on the way. A key whose deletion was on
// the way may be gone.
func survived(t *testing.T, dir string, kill int, acked map[string]bool) {
	t.Helper()
	db := mustOpen(t, Options{Dir: dir})
	defer mustClose(t, db)
	found := map[string]bool{}
	err := db.View(t.Context(), func(tx store.Tx) error {
		return storetest.Records(tx).Scan(store.Range{}, func(key string, size []byte) error {
			found[key] = true
			return nil
		})
	})
	if err != nil {
		t.Fatalf("kill %d: %v", kill, err)
	}
	bodies := 0
	for key := range found {
		b, err := db.Body(t.Context(), key)
		if err != nil || string(b) != string(text(key, len(b))) {
			t.Errorf("kill %d: body of %s: %d octets, %v", kill, key, len(b), err)
		}
		if len(b) >= inlineMax {
			bodies++
		}
	}
	if n := files(t, dir); n != bodies {
		t.Errorf("kill %d: %d body files for %d bodies", kill, n, bodies)
	}
	for key, there := range acked {
		deleting := strings.HasSuffix(key, "/0") || divisible(key)
		if there && !found[key] && !deleting || !there && found[key] {
			t.Errorf("kill %d: %s was acknowledged as there: %t, and is: %t", kill, key, there, found[key])
		}
	}
}

// divisible reports whether the writer deletes this key again.
func divisible(key string) bool {
	var pid, w, i int
	_, err := fmt.Sscanf(key, "%d/%d/%d", &pid, &w, &i)
	return err == nil && i%3 == 0
}

// full fills the database up to a limit of the system and works on when the
// limit is gone.
func full(dir string) error {
	ctx := context.Background()
	db, err := Open(Options{Dir: dir})
	if err != nil {
		return err
	}
	fi, err := os.Stat(filepath.Join(dir, fileName))
	if err != nil {
		return err
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	small := unix.Rlimit{Cur: uint64(fi.Size()), Max: limit.Max}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &small); err != nil {
		return err
	}
	value, stored := strings.Repeat("v", 256<<10), 0
	for ; err == nil && stored < 1000; stored++ {
		err = put(db, fmt.Sprintf("fill/%04d", stored), value)
	}
	stored--
	if !errors.Is(err, store.ErrAborted) || !errors.Is(err, unix.EFBIG) && !strings.Contains(err.Error(), "too large") {
		return fmt.Errorf("at the limit: %d stored, %w", stored, err)
	}
	if _, err := db.Stage(ctx, "body", make([]byte, fi.Size()+1)); !errors.Is(err, unix.EFBIG) {
		return fmt.Errorf("stage at the limit: %w", err)
	}
	if err := fillIntact(db, stored); err != nil {
		return fmt.Errorf("at the limit: %w", err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	if err := put(db, "after", value); err != nil {
		return fmt.Errorf("with the limit gone: %w", err)
	}
	if err := errors.Join(db.Healthy(), fillIntact(db, stored)); err != nil {
		return fmt.Errorf("with the limit gone: %w", err)
	}
	fmt.Println(stored)
	return db.Close()
}

func fillIntact(db *DB, stored int) error {
	return db.View(context.Background(), func(tx store.Tx) error {
		n := 0
		err := storetest.Records(tx).Scan(store.Prefix("fill/"), func(_ string, v []byte) error {
			if n++; len(v) != 256<<10 {
				return fmt.Errorf("a value of %d octets", len(v))
			}
			return nil
		})
		if err == nil && n != stored {
			err = fmt.Errorf("%d keys are there, %d were acknowledged", n, stored)
		}
		return err
	})
}

func TestAFullDiskLosesNothingAndIsOvercome(t *testing.T) {
	dir := filled(t)
	cmd := child(t, "full", dir)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("child: %v", err)
	}
	var stored int
	if _, err := fmt.Sscan(string(out), &stored); err != nil || stored < 1 {
		t.Fatalf("the child stored %q before the limit: %v", out, err)
	}
	checkPages(t, dir)
	db := mustOpen(t, Options{Dir: dir})
	if err := errors.Join(whole(t, db), fillIntact(db, stored)); err != nil {
		t.Error(err)
	}
	if got := get(t, db, "after"); len(got) != 256<<10 {
		t.Errorf("what was stored after the limit has %d octets", len(got))
	}
	if n := files(t, dir); n != 1 {
		t.Errorf("%d body files, want the one that was put", n)
	}
}
