package audit_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
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

// mutation is one way to damage the export of the sample, which has the entries
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

// rehashed edits the leaf of one line, which gets the hash that it then needs.
func rehashed(i int, from, to string) func(testing.TB, []string) []string {
	return at(i, func(t testing.TB, line string) string { return edit(t, line, from, to, true) })
}

var chainMutations = []mutation{
	{"an entry was edited", at(3, func(t testing.TB, l string) string {
		return edit(t, l, "mail.approve", "mail.reject", false)
	}), 4, 3, "does not have its hash"},
	{"an entry was edited and hashed again", rehashed(3, "mail.approve", "mail.reject"), 5, 4, "does not follow"},
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
	{"the first entry follows something",
		rehashed(0, strings.Repeat("0", 64), strings.Repeat("ab", 32)), 1, 0, "does not follow"},
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
	{"two entries have one number", rehashed(3, `"seq":3`, `"seq":2`), 4, 2, "entry 3 belongs here: entries are repeated"},
	{"an entry went over to another chain", rehashed(3, `"chain":"node"`, `"chain":"edon"`), 4, 3, "entry 0 belongs here"},
	{"an entry has an unknown kind", rehashed(5, "mail.sent", "mail.lost"), 6, 5, `kind "mail.lost" is unknown`},
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
	{"a line in the middle was cut", at(2, func(_ testing.TB, l string) string {
		return l[:len(l)-1]
	}), 3, 0, "not an entry"},
	{"two lines became one", func(_ testing.TB, l []string) []string {
		l[2] += l[3]
		return slices.Delete(l, 3, 4)
	}, 3, 0, "not an entry"},
	{"a line is empty", func(_ testing.TB, l []string) []string { return slices.Insert(l, 2, "") }, 3, 0, "not an entry"},
	{"a line is null", func(_ testing.TB, l []string) []string { return slices.Insert(l, 2, "null") }, 3, 0, "the leaf"},
	{"a line is a list", at(2, func(_ testing.TB, l string) string { return "[" + l + "]" }), 3, 0, "not an entry"},
	{"the export broke off", func(_ testing.TB, l []string) []string {
		return append(l, `{"error":"the export broke off"}`)
	}, 7, 0, "the server could not go on"},
	{"a line is too long", at(2, func(_ testing.TB, l string) string {
		return l + strings.Repeat(" ", 8<<20)
	}), 3, 0, "longer than"},
	{"a line has two leaves", at(2, func(_ testing.TB, l string) string {
		return strings.Replace(l, `"leaf":`, `"leaf":"another","leaf":`, 1)
	}), 3, 0, `"leaf" stands there twice`},
	{"a line has two leaves in two spellings", at(2, func(_ testing.TB, l string) string {
		return strings.Replace(l, `"leaf":`, `"Leaf":"another","leaf":`, 1)
	}), 3, 0, `"Leaf" is not a field`},
	{"an opening has two values", at(3, func(_ testing.TB, l string) string {
		return strings.Replace(l, `"value":"fine"`, `"value":"evil","value":"fine"`, 1)
	}), 4, 0, `"value" stands there twice`},
	{"a field is opened twice", at(3, func(_ testing.TB, l string) string {
		return strings.Replace(l, `"open":{`, `"open":{"reason":{},`, 1)
	}), 4, 0, `"reason" stands there twice`},
	{"a remark was added", at(3, func(_ testing.TB, l string) string {
		return `{"note":"x",` + l[1:]
	}), 4, 0, `"note" is not a field`},
	{"a remark was added to an opening", at(3, func(_ testing.TB, l string) string {
		return strings.Replace(l, `"salt":`, `"note":"x","salt":`, 1)
	}), 4, 0, `"note" is not a field`},
	{"a leaf has a blank", rehashed(2, `,"seq"`, `, "seq"`), 3, 0, "one form"},
	{"a leaf says a field twice", rehashed(2, `"kind":`, `"kind":"mail.sent","kind":`), 3, 0, "one form"},
	{"a leaf has a field more", rehashed(2, `,"seq"`, `,"x":1,"seq"`), 3, 0, "one form"},
	{"a leaf has a line more", rehashed(2, `}}`, "}}\n{}"), 3, 0, "the leaf"},
	{"a leaf is not escaped", rehashed(2, `gated`, "g\u00e4ted"), 3, 0, "one form"},
	{"a leaf has the format of another time", rehashed(2, `"v":1`, `"v":2`), 3, 0, "format 2"},
	{"a leaf has no time", rehashed(2, `"2031-`, `"31-`), 3, 0, "time"},
	{"a leaf has no chain", rehashed(0, `"chain":"node"`, `"chain":""`), 1, 0, "name a chain"},
	{"a leaf is none", at(2, func(t testing.TB, l string) string {
		w := take(t, l)
		w.Leaf = "mail M1 was sent"
		return w.line(t)
	}), 3, 0, "the leaf is not one"},
}
