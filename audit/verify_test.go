package audit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/multimail/multimail/audit"
)

// wire is a line of an export, taken apart and put together by hand, as whoever
// forges it would.
type wire struct {
	Hash string                       `json:"hash"`
	Leaf string                       `json:"leaf"`
	Open map[string]map[string]string `json:"open,omitempty"`
}

func take(t testing.TB, line string) (w wire) {
	t.Helper()
	if err := json.Unmarshal([]byte(line), &w); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w wire) line(t testing.TB) string {
	t.Helper()
	b, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// edit changes the leaf of a line; with rehash it gets the hash it then needs.
func edit(t testing.TB, line, from, to string, rehash bool) string {
	t.Helper()
	w := take(t, line)
	if strings.Count(w.Leaf, from) < 1 {
		t.Fatalf("%q is not in %s", from, w.Leaf)
	}
	w.Leaf = strings.Replace(w.Leaf, from, to, 1)
	if rehash {
		h := tlog.RecordHash([]byte(w.Leaf))
		w.Hash = fmt.Sprintf("%x", h[:])
	}
	return w.line(t)
}

// reopen changes the openings of a line.
func reopen(t testing.TB, line string, change func(open map[string]map[string]string)) string {
	t.Helper()
	w := take(t, line)
	if w.Open == nil {
		w.Open = map[string]map[string]string{}
	}
	change(w.Open)
	return w.line(t)
}

// mutation is one way to damage the export of the story, which has the entries
// 0 to 5 on the lines 1 to 6, and where that must be found.
type mutation struct {
	name   string
	change func(t testing.TB, l []string) []string
	line   int
	seq    uint64
	why    string
}

// at makes a change of one line.
func at(i int, change func(t testing.TB, line string) string) func(testing.TB, []string) []string {
	return func(t testing.TB, l []string) []string {
		l[i] = change(t, l[i])
		return l
	}
}

var chainMutations = []mutation{
	{"an entry was edited", at(3, func(t testing.TB, l string) string {
		return edit(t, l, "mail.approve", "mail.reject", false)
	}), 4, 3, "does not have its hash"},
	{"an entry was edited and hashed again", at(3, func(t testing.TB, l string) string {
		return edit(t, l, "mail.approve", "mail.reject", true)
	}), 5, 4, "does not follow"},
	{"the hash of an entry was changed", at(2, func(t testing.TB, l string) string {
		w := take(t, l)
		w.Hash = strings.Repeat("0", 64)
		return w.line(t)
	}), 3, 2, "does not have its hash"},
	{"an entry names another one before it", at(2, func(t testing.TB, l string) string {
		leaf := take(t, l).Leaf
		i := strings.Index(leaf, `"prev":"`) + len(`"prev":"`)
		return edit(t, l, leaf[i:i+64], strings.Repeat("ab", 32), true)
	}), 3, 2, "does not follow"},
	{"the first entry follows something", at(0, func(t testing.TB, l string) string {
		return edit(t, l, strings.Repeat("0", 64), strings.Repeat("ab", 32), true)
	}), 1, 0, "does not follow"},
	{"an entry in the middle is gone", func(_ testing.TB, l []string) []string {
		return slices.Delete(l, 2, 3)
	}, 3, 3, "entry 2 belongs here: entries are missing"},
	{"the first entry is gone", func(_ testing.TB, l []string) []string {
		return l[1:]
	}, 1, 1, "entry 0 belongs here: entries are missing"},
	{"two entries changed places", func(_ testing.TB, l []string) []string {
		l[2], l[3] = l[3], l[2]
		return l
	}, 3, 3, "entry 2 belongs here: entries are missing or out of order"},
	{"an entry stands there twice", func(_ testing.TB, l []string) []string {
		return slices.Insert(l, 3, l[2])
	}, 4, 2, "entry 3 belongs here: entries are repeated"},
	{"two entries have one number", at(3, func(t testing.TB, l string) string {
		return edit(t, l, `"seq":3`, `"seq":2`, true)
	}), 4, 2, "entry 3 belongs here: entries are repeated"},
	{"an entry went over to another chain", at(3, func(t testing.TB, l string) string {
		return edit(t, l, `"chain":"node"`, `"chain":"edon"`, true)
	}), 4, 3, "entry 0 belongs here"},
	{"an entry has an unknown kind", at(5, func(t testing.TB, l string) string {
		return edit(t, l, "mail.sent", "mail.lost", true)
	}), 6, 5, `kind "mail.lost" is unknown`},
}

var openingMutations = []mutation{
	{"another value was put in an opening", at(3, func(t testing.TB, l string) string {
		return reopen(t, l, func(o map[string]map[string]string) { o["reason"]["value"] = "evil" })
	}), 4, 3, `"reason" does not open`},
	{"another approver was put in an opening", at(3, func(t testing.TB, l string) string {
		return reopen(t, l, func(o map[string]map[string]string) { o["actor"]["value"] = "approver:eve" })
	}), 4, 3, `"actor" does not open`},
	{"another salt was put in an opening", at(3, func(t testing.TB, l string) string {
		return reopen(t, l, func(o map[string]map[string]string) { o["reason"]["salt"] = strings.Repeat("0", 32) })
	}), 4, 3, `"reason" does not open`},
	{"a part of the salt moved into the value", at(3, func(t testing.TB, l string) string {
		return reopen(t, l, func(o map[string]map[string]string) {
			s := o["reason"]["salt"]
			o["reason"]["salt"], o["reason"]["value"] = s[:31], s[31:]+o["reason"]["value"]
		})
	}), 4, 3, `"reason" does not open`},
	{"two openings changed places", at(2, func(t testing.TB, l string) string {
		return reopen(t, l, func(o map[string]map[string]string) {
			o["rcpts"], o["subject"] = o["subject"], o["rcpts"]
		})
	}), 3, 2, `"rcpts" does not open`},
	{"an opening has no commitment", at(4, func(t testing.TB, l string) string {
		return reopen(t, l, func(o map[string]map[string]string) { o["reason"] = map[string]string{} })
	}), 5, 4, `"reason" does not open`},
	{"an opening holds nothing", at(3, func(t testing.TB, l string) string {
		return reopen(t, l, func(o map[string]map[string]string) { o["reason"] = nil })
	}), 4, 3, `"reason" does not open`},
}

var lineMutations = []mutation{
	{"the last line was cut", at(5, func(_ testing.TB, l string) string { return l[:len(l)/2] }), 6, 0, "not an entry"},
	{"a line in the middle was cut", at(2, func(_ testing.TB, l string) string { return l[:len(l)-1] }), 3, 0, "not an entry"},
	{"two lines became one", func(_ testing.TB, l []string) []string {
		l[2] += l[3]
		return slices.Delete(l, 3, 4)
	}, 3, 0, "not an entry"},
	{"a line is empty", func(_ testing.TB, l []string) []string { return slices.Insert(l, 2, "") }, 3, 0, "not an entry"},
	{"a line is null", func(_ testing.TB, l []string) []string { return slices.Insert(l, 2, "null") }, 3, 0, "the leaf"},
	{"a line is a list", at(2, func(_ testing.TB, l string) string { return "[" + l + "]" }), 3, 0, "not an entry"},
	{"the export broke off", func(_ testing.TB, l []string) []string {
		return append(l, `{"error":"the export broke off"}`)
	}, 7, 0, `"error" is not a field`},
	{"a line is too long", at(2, func(_ testing.TB, l string) string { return l + strings.Repeat(" ", 8<<20) }), 3, 0, "longer than"},
	{"a line has two leaves", at(2, func(_ testing.TB, l string) string {
		return strings.Replace(l, `"leaf":`, `"leaf":"a lie","leaf":`, 1)
	}), 3, 0, `"leaf" stands there twice`},
	{"a line has two leaves in two spellings", at(2, func(_ testing.TB, l string) string {
		return strings.Replace(l, `"leaf":`, `"Leaf":"a lie","leaf":`, 1)
	}), 3, 0, `"Leaf" is not a field`},
	{"an opening has two values", at(3, func(_ testing.TB, l string) string {
		return strings.Replace(l, `"value":"fine"`, `"value":"evil","value":"fine"`, 1)
	}), 4, 0, `"value" stands there twice`},
	{"a field is opened twice", at(3, func(_ testing.TB, l string) string {
		return strings.Replace(l, `"open":{`, `"open":{"reason":{},`, 1)
	}), 4, 0, `"reason" stands there twice`},
	{"a remark was added", at(3, func(_ testing.TB, l string) string { return `{"note":"x",` + l[1:] }), 4, 0, `"note" is not a field`},
	{"a remark was added to an opening", at(3, func(_ testing.TB, l string) string {
		return strings.Replace(l, `"salt":`, `"note":"x","salt":`, 1)
	}), 4, 0, `"note" is not a field`},
	{"a leaf has a blank", at(2, func(t testing.TB, l string) string { return edit(t, l, `,"seq"`, `, "seq"`, true) }), 3, 0, "one form"},
	{"a leaf says a field twice", at(2, func(t testing.TB, l string) string {
		return edit(t, l, `"kind":`, `"kind":"mail.sent","kind":`, true)
	}), 3, 0, "one form"},
	{"a leaf has a field more", at(2, func(t testing.TB, l string) string { return edit(t, l, `,"seq"`, `,"x":1,"seq"`, true) }), 3, 0, "one form"},
	{"a leaf has a line more", at(2, func(t testing.TB, l string) string { return edit(t, l, `}}`, "}}\n{}", true) }), 3, 0, "the leaf"},
	{"a leaf is not escaped", at(2, func(t testing.TB, l string) string { return edit(t, l, `gated`, "g\u00e4ted", true) }), 3, 0, "one form"},
	{"a leaf has the format of another time", at(2, func(t testing.TB, l string) string { return edit(t, l, `"v":1`, `"v":2`, true) }), 3, 0, "format 2"},
	{"a leaf has no time", at(2, func(t testing.TB, l string) string { return edit(t, l, `"2031-`, `"31-`, true) }), 3, 0, "time"},
	{"a leaf has no chain", at(0, func(t testing.TB, l string) string { return edit(t, l, `"chain":"node"`, `"chain":""`, true) }), 1, 0, "name a chain"},
	{"a leaf is none", at(2, func(t testing.TB, l string) string {
		w := take(t, l)
		w.Leaf = "mail M1 was sent"
		return w.line(t)
	}), 3, 0, "the leaf is not one"},
}

func TestVerifyNamesTheFirstFault(t *testing.T) {
	db, _ := told(t, "node")
	for _, m := range slices.Concat(chainMutations, openingMutations, lineMutations) {
		t.Run(m.name, func(t *testing.T) {
			lines := m.change(t, slices.Clone(export(t, db)))
			r, err := audit.Verify(strings.NewReader(strings.Join(lines, "\n")))
			var f *audit.Fault
			if !errors.As(err, &f) {
				t.Fatalf("got %v, %+v", err, r)
			}
			if f.Line != m.line || f.Seq != m.seq || !strings.Contains(f.Why, m.why) {
				t.Errorf("got line %d, entry %d: %s; want line %d, entry %d: %s", f.Line, f.Seq, f.Why, m.line, m.seq, m.why)
			}
			if !strings.Contains(err.Error(), fmt.Sprintf("line %d: ", m.line)) {
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
	db, l := told(t, "node")
	lines := export(t, db)
	c := mustVerify(t, lines)
	known := audit.Checkpoint{Chain: "node", Size: c.Size, Root: c.Root}
	early := mustVerify(t, lines[:2])
	older := audit.Checkpoint{Chain: "node", Size: 2, Root: early.Root}
	appendAll(t, db, l, story()...)
	longer := export(t, db)
	forged, _ := told(t, "node")
	elsewhere, _ := told(t, "edon")
	for _, m := range []struct {
		name  string
		lines []string
		known []audit.Checkpoint
		why   string // "" when nothing is wrong
	}{
		{"the same log", lines, []audit.Checkpoint{known, older}, ""},
		{"the log grew", longer, []audit.Checkpoint{older, known}, ""},
		{"nothing was known", lines, nil, ""},
		{"nothing was there", lines, []audit.Checkpoint{{Chain: "node"}}, ""},
		{"the tail was cut", lines[:5], []audit.Checkpoint{known}, "after 5 of 6"},
		{"the tail was cut down to an older checkpoint", lines[:2], []audit.Checkpoint{older, known}, "after 2 of 6"},
		{"everything is gone", nil, []audit.Checkpoint{known}, "after 0 of 6"},
		{"the chain is gone", export(t, elsewhere), []audit.Checkpoint{known}, "after 0 of 6"},
		{"the log was written anew", export(t, forged), []audit.Checkpoint{known}, "rewritten"},
		{"the log was written anew and grew", append(export(t, forged), "x"), []audit.Checkpoint{known}, "rewritten"},
		{"the newest entry was edited and hashed again",
			append(slices.Clone(lines[:5]), edit(t, lines[5], "mail.sent", "mail.failed", true)),
			[]audit.Checkpoint{known}, "rewritten"},
	} {
		t.Run(m.name, func(t *testing.T) {
			text := strings.Join(m.lines, "\n")
			if _, err := audit.Verify(strings.NewReader(strings.TrimSuffix(text, "\nx"))); err != nil {
				t.Errorf("by itself: %v", err)
			}
			_, err := audit.VerifyAgainst(strings.NewReader(text), m.known...)
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
		if json.Unmarshal(line, &w) == nil {
			out = append(out, w)
		}
	}
	return out
}

func TestNoSingleOctetOfAnExportChangesUnnoticed(t *testing.T) {
	db, l := newMemory(), audit.New("node")
	appendAll(t, db, l, story()[2:5]...)
	whole := []byte(strings.Join(export(t, db), "\n") + "\n")
	want := contents(whole)
	accepted := 0
	for i := range whole {
		for _, flip := range []byte{0x01, 0x20, 0x80} {
			b := bytes.Clone(whole)
			b[i] ^= flip
			if _, err := audit.Verify(bytes.NewReader(b)); err != nil {
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
	db, _ := told(t, "node")
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
	a, _ := told(t, "a")
	b, _ := told(t, "b")
	one, two := export(t, a), export(t, b)
	var mixed []string
	for i := range one {
		mixed = append(mixed, one[i], two[i])
	}
	r, err := audit.Verify(strings.NewReader(strings.Join(mixed, "\n")))
	if err != nil || len(r.Chains) != 2 || r.Chains[0] != mustVerify(t, one) || r.Chains[1] != mustVerify(t, two) {
		t.Errorf("%+v %v", r, err)
	}
}

func TestALogOfNothingIsWhole(t *testing.T) {
	r, err := audit.Verify(strings.NewReader(""))
	if b, _ := json.Marshal(r); err != nil || string(b) != `{"chains":[]}` {
		t.Errorf("%s %v", b, err)
	}
}

type broken struct{ io.Reader }

func (b broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		err = errDisk
	}
	return n, err
}

func TestAReaderThatFailsIsNoFaultOfTheLog(t *testing.T) {
	db, _ := told(t, "node")
	r, err := audit.Verify(broken{strings.NewReader(strings.Join(export(t, db), "\n") + "\n")})
	var f *audit.Fault
	if !errors.Is(err, errDisk) || errors.As(err, &f) || r.Chains[0].Size != 6 || !strings.Contains(err.Error(), "line 6") {
		t.Errorf("%+v %v", r, err)
	}
}

func TestVerifyOfAStoreFindsWhatAnExportWouldHide(t *testing.T) {
	const last, middle = "audit/node/0000000000000005", "audit/node/0000000000000003"
	replace := func(kv map[string][]byte, key, from, to string) {
		kv[key] = bytes.Replace(kv[key], []byte(from), []byte(to), 1)
	}
	for _, m := range []struct {
		name   string
		damage func(kv map[string][]byte)
		why    string
	}{
		{"nothing", func(map[string][]byte) {}, ""},
		{"the newest entry was edited", func(kv map[string][]byte) { replace(kv, last, "mail.sent", "mail.failed") }, "recorded end"},
		{"the newest entry is gone", func(kv map[string][]byte) { delete(kv, last) }, "after 5 of 6"},
		{"all entries are gone", func(kv map[string][]byte) {
			for k := range kv {
				if strings.HasPrefix(k, "audit/") {
					delete(kv, k)
				}
			}
		}, "after 0 of 6"},
		{"the head is gone", func(kv map[string][]byte) { delete(kv, "audit-head/node") }, "behind the recorded end"},
		{"the head is damaged", func(kv map[string][]byte) { kv["audit-head/node"] = []byte("x") }, "audit-head/node"},
		{"the head was set back", func(kv map[string][]byte) { replace(kv, "audit-head/node", `"size":6`, `"size":5`) }, "recorded end"},
		{"an entry was edited", func(kv map[string][]byte) { replace(kv, middle, "mail.approve", "mail.reject") }, "entry 4: it does not follow"},
		{"an entry is gone", func(kv map[string][]byte) { delete(kv, middle) }, "entry 3 belongs here"},
		{"an entry is damaged", func(kv map[string][]byte) { kv[middle] = kv[middle][:50] }, "node/0000000000000003: the leaf"},
		{"an entry stands in another place", func(kv map[string][]byte) { kv[middle] = kv[last] }, "it belongs to node/0000000000000005"},
		{"an opening was edited", func(kv map[string][]byte) {
			replace(kv, "audit-open/node/0000000000000003", "fine", "evil")
		}, `"reason" does not open`},
		{"an opening is damaged", func(kv map[string][]byte) {
			kv["audit-open/node/0000000000000003"] = []byte("x")
		}, "openings of node/0000000000000003"},
	} {
		t.Run(m.name, func(t *testing.T) {
			db, l := told(t, "node")
			m.damage(db.kv)
			r, err := l.Verify(ctx, db)
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
	db, _ := told(f, "node")
	lines := export(f, db)
	f.Add([]byte(strings.Join(lines, "\n")))
	f.Add([]byte(strings.Join(lines[:3], "\n")))
	f.Add([]byte("{\"hash\":\"\",\"leaf\":\"{}\",\"open\":{\"a\":null}}\n[[[[\n\n"))
	f.Add([]byte(`{"leaf":"{\"v\":1}","LEAF":"","hash":"` + strings.Repeat("0", 64) + `"}`))
	for _, m := range slices.Concat(chainMutations, openingMutations) {
		f.Add([]byte(strings.Join(m.change(f, slices.Clone(lines)), "\n")))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := audit.Verify(bytes.NewReader(b))
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
		if size == 0 {
			return
		}
		twice := append(append(bytes.Clone(b), '\n'), b...)
		if _, err := audit.Verify(bytes.NewReader(twice)); err == nil {
			t.Fatal("every entry may stand there twice")
		}
		last := r.Chains[len(r.Chains)-1]
		known := audit.Checkpoint{Chain: last.Chain, Size: last.Size, Root: last.Root}
		if _, err := audit.VerifyAgainst(bytes.NewReader(b), known); err != nil {
			t.Fatalf("against its own checkpoint: %v", err)
		}
		known.Size++
		if _, err := audit.VerifyAgainst(bytes.NewReader(b), known); err == nil {
			t.Fatal("a longer log was known and nothing is missing")
		}
	})
}
