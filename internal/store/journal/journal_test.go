package journal

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

const size = 16 * pageSize

func options(t *testing.T) Options {
	t.Helper()
	o := Options{Dir: filepath.Join(t.TempDir(), "journal"), Store: "store", Segments: 4, Size: size}
	if err := Create(o); err != nil {
		t.Fatal(err)
	}
	return o
}

func mustOpen(t *testing.T, o Options, from Position) (*Journal, Recovered) {
	t.Helper()
	j, r, err := Open(o, from)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j, r
}

func mustAppend(t *testing.T, j *Journal, data []byte) Position {
	t.Helper()
	end, err := j.Append(data)
	if err == nil {
		err = j.Sync()
	}
	if err != nil {
		t.Fatal(err)
	}
	return end
}

var begin = Position{Lap: 1}

func text(n, octets int) []byte { return bytes.Repeat([]byte{byte(n)}, octets) }

func TestBatchesComeBackInTheirOrder(t *testing.T) {
	o := options(t)
	j, r := mustOpen(t, o, begin)
	if len(r.Batches) != 0 || r.End != begin {
		t.Fatalf("a new journal holds %+v", r)
	}
	var want [][]byte
	var ends []Position
	for i, octets := range []int{0, 1, payloadSize - batchHead, payloadSize, pageSize, size/2 + 3, size / 2} {
		want = append(want, text(i, octets))
		ends = append(ends, mustAppend(t, j, want[i]))
	}
	_, r = mustOpen(t, o, begin)
	if !slices.EqualFunc(r.Batches, want, bytes.Equal) || r.End != j.End() || r.Cut != 0 {
		t.Errorf("%d batches of %d, end %s, cut %d", len(r.Batches), len(want), r.End, r.Cut)
	}
	for i, from := range ends {
		_, r = mustOpen(t, o, from)
		if !slices.EqualFunc(r.Batches, want[i+1:], bytes.Equal) {
			t.Errorf("from %s: %d batches, want %d", from, len(r.Batches), len(want)-i-1)
		}
	}
	// Whoever opens it goes on behind the end, however often.
	for range 3 {
		j, _ = mustOpen(t, o, ends[3])
		j.Free(j.End())
		ends[3] = j.End()
	}
	mustAppend(t, j, text(9, 9))
	_, r = mustOpen(t, o, ends[3])
	if len(r.Batches) != 1 || !bytes.Equal(r.Batches[0], text(9, 9)) {
		t.Errorf("after opening again: %d batches", len(r.Batches))
	}
}

func TestASegmentIsUsedAgainOnlyOnceItIsFree(t *testing.T) {
	o := options(t)
	j, _ := mustOpen(t, o, begin)
	large := text(1, Largest(size))
	if _, err := j.Append(append(large, 1)); !errors.Is(err, ErrTooLarge) {
		t.Fatalf("a batch larger than a segment: %v", err)
	}
	var ends []Position
	for range o.Segments {
		ends = append(ends, mustAppend(t, j, large))
	}
	if _, err := j.Append(large); !errors.Is(err, ErrFull) {
		t.Fatalf("without a free segment: %v", err)
	}
	if used := j.Used(); used != int64(o.Segments)*size {
		t.Errorf("%d octets are used", used)
	}
	j.Free(ends[0]) // its segment is that of a position that is still needed
	if _, err := j.Append(large); !errors.Is(err, ErrFull) {
		t.Fatalf("with the first segment needed for its end: %v", err)
	}
	j.Free(ends[1])
	mustAppend(t, j, text(2, 1))
	_, r := mustOpen(t, o, ends[1])
	if len(r.Batches) != 3 || !bytes.Equal(r.Batches[2], text(2, 1)) {
		t.Errorf("%d batches", len(r.Batches))
	}
	// A database from before that is too old for it.
	if _, _, err := Open(o, ends[0]); !errors.Is(err, ErrDamaged) {
		t.Errorf("from a position that was freed: %v", err)
	}
}

func TestNothingIsWrittenOrSyncedAfterAFailure(t *testing.T) {
	for name, fail := range map[string]func(o *Options, err *error){
		"write": func(o *Options, err *error) {
			o.Write = func(f *os.File, b []byte, at int64) (int, error) {
				if *err != nil {
					return 0, *err
				}
				return f.WriteAt(b, at)
			}
		},
		"sync": func(o *Options, err *error) { o.Sync = func(*os.File) error { return *err } },
	} {
		o, cause := options(t), error(nil)
		fail(&o, &cause)
		j, _ := mustOpen(t, o, begin)
		mustAppend(t, j, text(1, 1))
		cause = unix.EIO
		_, err := j.Append(text(2, 1))
		if err == nil {
			err = j.Sync()
		}
		if !errors.Is(err, unix.EIO) {
			t.Errorf("%s: %v", name, err)
		}
		cause = nil
		if _, err := j.Append(text(3, 1)); !errors.Is(err, ErrFailed) {
			t.Errorf("%s: Append afterwards: %v", name, err)
		}
		if err := j.Sync(); !errors.Is(err, ErrFailed) {
			t.Errorf("%s: Sync afterwards: %v", name, err)
		}
	}
}

func TestAFullDiskIsNoFailure(t *testing.T) {
	o := options(t)
	full := false
	o.Write = func(f *os.File, b []byte, at int64) (int, error) {
		if !full {
			return f.WriteAt(b, at)
		}
		n, _ := f.WriteAt(b[:len(b)-pageSize], at)
		return n, unix.ENOSPC
	}
	j, _ := mustOpen(t, o, begin)
	mustAppend(t, j, text(1, 1))
	full = true
	if _, err := j.Append(text(2, pageSize)); !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	_, r := mustOpen(t, o, begin)
	if len(r.Batches) != 1 || r.Cut != pageSize/sectorSize {
		t.Errorf("%d batches, %d sectors cut", len(r.Batches), r.Cut)
	}
	full = false
	mustAppend(t, j, text(3, 1))
	if _, r := mustOpen(t, o, begin); len(r.Batches) != 2 || !bytes.Equal(r.Batches[1], text(3, 1)) {
		t.Errorf("afterwards: %d batches", len(r.Batches))
	}
}

func TestOpenRefusesWhatIsNotItsJournal(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, o *Options, from *Position){
		"a segment is missing": func(t *testing.T, o *Options, _ *Position) { must(t, os.Remove(o.segment(2))) },
		"a segment is cut short": func(t *testing.T, o *Options, _ *Position) {
			must(t, os.Truncate(o.segment(2), size-1))
		},
		"a segment is filled with zeros": func(t *testing.T, o *Options, _ *Position) {
			must(t, os.WriteFile(o.segment(1), make([]byte, size), 0o600))
		},
		"another store's":            func(t *testing.T, o *Options, _ *Position) { o.Store = "other" },
		"older than the database":    func(t *testing.T, _ *Options, from *Position) { from.Lap += 4 },
		"behind its end":             func(t *testing.T, _ *Options, from *Position) { *from = Position{2, 10 * pageSize} },
		"beyond the end of segments": func(t *testing.T, _ *Options, from *Position) { from.Offset = 2 * size },
	} {
		o := options(t)
		j, _ := mustOpen(t, o, begin)
		from := mustAppend(t, j, text(1, 1))
		for range 20 { // into the second segment
			mustAppend(t, j, text(2, 1))
		}
		_, _, err := Open(o, from)
		must(t, err)
		damage(t, &o, &from)
		if _, _, err := Open(o, from); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// disk is what a power cut leaves: of what was written since the last sync each sector is
// there or not.
type disk struct {
	durable map[string][]byte
	pending map[string]map[int64]bool // sectors
}

func (d *disk) options(o Options) Options {
	d.durable, d.pending = map[string][]byte{}, map[string]map[int64]bool{}
	o.Write = func(f *os.File, b []byte, at int64) (int, error) {
		if d.durable[f.Name()] == nil {
			before, err := os.ReadFile(f.Name())
			if err != nil {
				return 0, err
			}
			d.durable[f.Name()], d.pending[f.Name()] = before, map[int64]bool{}
		}
		for s := at; s < at+int64(len(b)); s += sectorSize {
			d.pending[f.Name()][s] = true
		}
		return f.WriteAt(b, at)
	}
	o.Sync = func(f *os.File) error {
		now, err := os.ReadFile(f.Name())
		d.durable[f.Name()], d.pending[f.Name()] = now, map[int64]bool{}
		return err
	}
	return o
}

func (d *disk) cut(t *testing.T, rnd *rand.Rand) {
	t.Helper()
	chance := rnd.IntN(5) // of four: none, some or all of what was not synced is there
	for name, b := range d.durable {
		now, err := os.ReadFile(name)
		must(t, err)
		b = slices.Clone(b)
		var sectors []int64
		for s := range d.pending[name] {
			sectors = append(sectors, s)
		}
		slices.Sort(sectors)
		for _, s := range sectors {
			if rnd.IntN(4) < chance {
				copy(b[s:s+sectorSize], now[s:])
			}
		}
		must(t, os.WriteFile(name, b, 0o600))
	}
}

func TestAPowerCutLeavesEveryBatchThatWasDurable(t *testing.T) {
	for seed := range uint64(60) {
		rnd, d := rand.New(rand.NewPCG(seed, 1)), &disk{}
		o := d.options(options(t))
		from, kept := begin, 0 // what is needed begins behind so many batches
		var written [][]byte
		durable := 0
		for range 12 {
			j, r := mustOpen(t, o, from)
			have := kept + len(r.Batches)
			if have < durable || have > len(written) {
				t.Fatalf("seed %d: %d batches, %d were durable of %d", seed, have, durable, len(written))
			}
			if !slices.EqualFunc(r.Batches, written[kept:have], bytes.Equal) {
				t.Fatalf("seed %d: other batches", seed)
			}
			written, durable = written[:have], have
			if rnd.IntN(3) > 0 { // what was read is made durable elsewhere
				from, kept = r.End, have
				j.Free(from)
			}
			for range rnd.IntN(40) {
				b := []byte(fmt.Sprint(len(written), seed, text(1, rnd.IntN(3000))))
				_, err := j.Append(b)
				if errors.Is(err, ErrFull) {
					must(t, j.Sync())
					durable = len(written)
					from, kept = j.End(), durable
					j.Free(from)
					continue
				}
				must(t, err)
				written = append(written, b)
				if rnd.IntN(3) > 0 {
					must(t, j.Sync())
					durable = len(written)
				}
			}
			must(t, j.Close())
			d.cut(t, rnd)
			d = &disk{}
			o = d.options(o)
		}
	}
}

// A bit that is not what it was is seen, or was of nothing that is needed.
func TestAFlippedBitIsNeverALoss(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	o := options(t)
	j, _ := mustOpen(t, o, begin)
	var want [][]byte
	from := begin
	for i := range 40 { // some segments are used again
		batch := text(i, rnd.IntN(2*pageSize))
		want = append(want, batch)
		if end := mustAppend(t, j, batch); i == 20 {
			from, want = end, nil
			j.Free(from)
		}
	}
	refused := 0
	for n := range 400 {
		name := o.segment(rnd.IntN(o.Segments))
		good, err := os.ReadFile(name)
		must(t, err)
		b := slices.Clone(good)
		b[rnd.IntN(len(b))] ^= 1 << rnd.IntN(8)
		must(t, os.WriteFile(name, b, 0o600))
		j, r, err := Open(o, from)
		if errors.Is(err, ErrDamaged) {
			refused++
		} else if err != nil || !slices.EqualFunc(r.Batches, want, bytes.Equal) {
			t.Fatalf("%d: %d batches of %d, %v", n, len(r.Batches), len(want), err)
		} else {
			must(t, j.Close())
		}
		must(t, os.WriteFile(name, good, 0o600))
	}
	if refused == 0 || refused == 400 {
		t.Errorf("%d of 400 were refused", refused)
	}
}
