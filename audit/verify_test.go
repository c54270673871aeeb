package audit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store/storetest"
)

func TestVerifyNamesTheFirstFault(t *testing.T) {
	db, _ := sampleLog(t, "node")
	for _, m := range slices.Concat(chainMutations, openingMutations, lineMutations) {
		t.Run(m.name, func(t *testing.T) {
			lines := m.change(t, slices.Clone(export(t, db)))
			r, err := audit.Verify(strings.NewReader(whole(lines)), audit.Options{})
			var f *audit.Fault
			if !errors.As(err, &f) {
				t.Fatalf("got %v, %+v", err, r)
			}
			if f.Line != m.line+1 || f.Seq != m.seq || !strings.Contains(f.Why, m.why) {
				t.Errorf("got line %d, entry %d: %s; want line %d, entry %d: %s", f.Line, f.Seq, f.Why, m.line, m.seq, m.why)
			}
			if !strings.Contains(err.Error(), fmt.Sprintf("line %d: ", m.line+1)) {
				t.Errorf("the error does not name the line: %v", err)
			}
			if len(r.Chains) > 0 && r.Chains[0].Size > uint64(m.line-1) {
				t.Errorf("the report goes beyond the fault: %+v", r)
			}
		})
	}
}

// What a checkpoint is for: all of these are whole logs by themselves.
func TestOnlyACheckpointTellsACutTailOrAnotherLog(t *testing.T) {
	db, l := sampleLog(t, "node")
	lines := export(t, db)
	c := mustVerify(t, lines)
	known := audit.Checkpoint{Chain: "node", Size: c.Size, Root: c.Root}
	early := mustVerify(t, lines[:2])
	older := audit.Checkpoint{Chain: "node", Size: 2, Root: early.Root}
	appendAll(t, db, l, sample()...)
	longer := export(t, db)
	forged, _ := sampleLog(t, "node")
	elsewhere, _ := sampleLog(t, "edon")
	for _, m := range []struct {
		name  string
		lines []string
		known []audit.Checkpoint
		torn  bool
		why   string // "" when nothing is wrong
	}{
		{"the same log", lines, []audit.Checkpoint{known, older}, false, ""},
		{"the log grew", longer, []audit.Checkpoint{older, known}, false, ""},
		{"nothing was known", lines, nil, false, ""},
		{"nothing was there", lines, []audit.Checkpoint{{Chain: "node"}}, false, ""},
		{"the tail was cut", lines[:5], []audit.Checkpoint{known}, false, "after 5 of 6"},
		{"the tail was cut down to an older checkpoint", lines[:2], []audit.Checkpoint{older, known}, false, "after 2 of 6"},
		{"everything is gone", nil, []audit.Checkpoint{known}, false, "after 0 of 6"},
		{"the chain is gone", export(t, elsewhere), []audit.Checkpoint{known}, false, "after 0 of 6"},
		{"the log was written anew", export(t, forged), []audit.Checkpoint{known}, false, "rewritten"},
		{"the log was written anew and grew", append(export(t, forged), "x"), []audit.Checkpoint{known}, true, "rewritten"},
		{"the newest entry was edited and hashed again",
			append(slices.Clone(lines[:5]), edit(t, lines[5], "mail.sent", "mail.failed", true)),
			[]audit.Checkpoint{known}, false, "rewritten"},
	} {
		t.Run(m.name, func(t *testing.T) {
			text := whole(m.lines)
			if _, err := audit.Verify(strings.NewReader(text), audit.Options{}); err != nil && len(m.lines) > 0 && !m.torn {
				t.Errorf("by itself: %v", err)
			}
			_, err := audit.Verify(strings.NewReader(text), audit.Options{Known: m.known})
			var f *audit.Fault
			if m.why == "" && err != nil || m.why != "" && (!errors.As(err, &f) || !strings.Contains(f.Why, m.why)) {
				t.Errorf("got %v, want %q", err, m.why)
			}
		})
	}
}

// contents are what an export says, however it is spelled.
func contents(b []byte) (out []wire) {
	for _, line := range bytes.Split(b, []byte("\n")) {
		var w wire
		if json.Unmarshal(line, &w) == nil && w.Leaf != "" {
			out = append(out, w)
		}
	}
	return out
}

func TestNoSingleOctetOfAnExportChangesUnnoticed(t *testing.T) {
	db, l := newMemory(), audit.New("node")
	appendAll(t, db, l, sample()[2:5]...)
	all := []byte(whole(export(t, db)))
	want := contents(all)
	accepted := 0
	for i := range all {
		for _, flip := range []byte{0x01, 0x20, 0x80} {
			b := bytes.Clone(all)
			b[i] ^= flip
			if _, err := audit.Verify(bytes.NewReader(b), audit.Options{}); err != nil {
				continue
			}
			accepted++
			if !reflect.DeepEqual(contents(b), want) {
				t.Errorf("octet %d changed by %#x passes: %s", i, flip, b)
			}
		}
	}
	if accepted > 20 { // an escape may be spelled in capital letters, and the last line may end otherwise
		t.Errorf("%d changes passed", accepted)
	}
}

func TestAnotherProgramMayWriteTheLinesAnew(t *testing.T) {
	db, _ := sampleLog(t, "node")
	want := mustVerify(t, export(t, db))
	var lines []string
	for _, line := range export(t, db) {
		var any map[string]any // other order, other escapes
		if err := json.Unmarshal([]byte(line), &any); err != nil {
			t.Fatal(err)
		}
		b, err := json.MarshalIndent(any, "", "")
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.ReplaceAll(string(b), "\n", " ")+"\r")
	}
	if got := mustVerify(t, lines); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestVerifyReadsSeveralChainsInAnyMixture(t *testing.T) {
	a, _ := sampleLog(t, "a")
	b, _ := sampleLog(t, "b")
	one, two := export(t, a), export(t, b)
	var mixed []string
	for i := range one {
		mixed = append(mixed, one[i], two[i])
	}
	r, err := audit.Verify(strings.NewReader(whole(mixed)), audit.Options{})
	if err != nil || len(r.Chains) != 2 || r.Chains[0] != mustVerify(t, one) || r.Chains[1] != mustVerify(t, two) {
		t.Errorf("%+v %v", r, err)
	}
}

func TestNothingIsNoLog(t *testing.T) {
	for text, why := range map[string]string{
		"":         "there is nothing to check",
		"\n":       "no header line",
		whole(nil): "holds no entry",
		whole(nil)[:len(`{"export":{"version":1,"openings":true}}`)+1]: "no closing line",
	} {
		r, err := audit.Verify(strings.NewReader(text), audit.Options{})
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %+v %v, want %q", text, r, err, why)
		}
	}
}

type broken struct{ io.Reader }

func (b broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		err = storetest.ErrFault
	}
	return n, err
}

func TestAReaderThatFailsIsNoFaultOfTheLog(t *testing.T) {
	db, _ := sampleLog(t, "node")
	r, err := audit.Verify(broken{strings.NewReader(strings.TrimSuffix(whole(export(t, db)), "\n"))}, audit.Options{})
	var f *audit.Fault
	if !errors.Is(err, storetest.ErrFault) || errors.As(err, &f) || r.Chains[0].Size != 6 ||
		!strings.Contains(err.Error(), "line 8") {
		t.Errorf("%+v %v", r, err)
	}
}

// A kv is the records of a store.
type kv = map[string][]byte

// replaced, put and gone are damages to one record.
func replaced(key, from, to string) func(kv) {
	return func(kv kv) { kv[key] = bytes.Replace(kv[key], []byte(from), []byte(to), 1) }
}

func put(key, value string) func(kv) { return func(kv kv) { kv[key] = []byte(value) } }

func gone(prefix string) func(kv) {
	return func(kv kv) {
		maps.DeleteFunc(kv, func(key string, _ []byte) bool { return strings.HasPrefix(key, prefix) })
	}
}

func TestVerifyOfAStoreFindsWhatAnExportWouldHide(t *testing.T) {
	const last, middle = "audit/node/0000000000000005", "audit/node/0000000000000003"
	const head, opening = "audit-head/node", "audit-open/node/0000000000000003"
	for _, m := range []struct {
		name   string
		damage func(kv)
		why    string
	}{
		{"nothing", func(kv) {}, ""},
		{"the newest entry was edited", replaced(last, "mail.sent", "mail.failed"), "recorded end"},
		{"the newest entry is gone", gone(last), "after 5 of 6"},
		{"all entries are gone", gone("audit/"), "after 0 of 6"},
		{"the head is gone", gone(head), "behind the recorded end"},
		{"the head is damaged", put(head, "x"), "audit-head/node"},
		{"the head was set back", replaced(head, `"size":6`, `"size":5`), "recorded end"},
		{"an entry was edited", replaced(middle, "mail.approve", "mail.reject"), "entry 4: it does not follow"},
		{"an entry is gone", gone(middle), "entry 3 belongs here"},
		{"an entry is damaged", func(kv kv) { kv[middle] = kv[middle][:50] }, "node/0000000000000003: the leaf"},
		{"an entry stands in another place", func(kv kv) { kv[middle] = kv[last] }, "it belongs to node/0000000000000005"},
		{"an opening was edited", replaced(opening, "fine", "evil"), `"reason" does not open`},
		{"an opening is damaged", put(opening, "x"), "openings of node/0000000000000003"},
	} {
		t.Run(m.name, func(t *testing.T) {
			db, l := sampleLog(t, "node")
			db.Edit(m.damage)
			r, err := l.Verify(ctx, db, audit.Options{})
			if m.why == "" {
				if err != nil || len(r.Chains) != 1 || r.Chains[0] != mustVerify(t, export(t, db)) {
					t.Errorf("%+v %v", r, err)
				}
			} else if err == nil || !strings.Contains(err.Error(), m.why) {
				t.Errorf("got %v, want %q", err, m.why)
			}
		})
	}
}

// Whatever is accepted is a log: each line an entry, none of which may be taken
// away, put there again or moved.
func FuzzVerify(f *testing.F) {
	db, _ := sampleLog(f, "node")
	lines := export(f, db)
	f.Add([]byte(whole(lines)))
	f.Add([]byte(whole(lines[:3])))
	f.Add([]byte("{\"hash\":\"\",\"leaf\":\"{}\",\"open\":{\"a\":null}}\n[[[[\n\n"))
	f.Add([]byte(`{"leaf":"{\"v\":1}","LEAF":"","hash":"` + strings.Repeat("0", 64) + `"}`))
	for _, m := range slices.Concat(chainMutations, openingMutations) {
		f.Add([]byte(whole(m.change(f, slices.Clone(lines)))))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := audit.Verify(bytes.NewReader(b), audit.Options{})
		var size uint64
		for _, c := range r.Chains {
			size += c.Size
		}
		if err != nil {
			return
		}
		found := contents(b)
		if int(size) != len(found) {
			t.Fatalf("%d entries on %d lines", size, len(found))
		}
		twice := append(append(bytes.Clone(b), '\n'), b...)
		if _, err := audit.Verify(bytes.NewReader(twice), audit.Options{}); err == nil {
			t.Fatal("every entry may stand there twice")
		}
		last := r.Chains[len(r.Chains)-1]
		known := audit.Checkpoint{Chain: last.Chain, Size: last.Size, Root: last.Root}
		if _, err := audit.Verify(bytes.NewReader(b), audit.Options{Known: []audit.Checkpoint{known}}); err != nil {
			t.Fatalf("against its own checkpoint: %v", err)
		}
		known.Size++
		if _, err := audit.Verify(bytes.NewReader(b), audit.Options{Known: []audit.Checkpoint{known}}); err == nil {
			t.Fatal("a longer log was known and nothing is missing")
		}
	})
}
