package audit_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/bolt"
	"github.com/multimail/multimail/internal/store/storetest"
)

func TestARecordIsReadBackAsItWasWritten(t *testing.T) {
	db, l := sampleLog(t, "node")
	got := list(t, db, l, 0, 100)
	slices.Reverse(got)
	want := sample()
	if len(got) != len(want) {
		t.Fatalf("%d entries, want %d", len(got), len(want))
	}
	var prev audit.Hash
	for i, e := range got {
		r := e.Record()
		if want[i].Private == nil {
			want[i].Private = map[string]string{}
		}
		if !reflect.DeepEqual(r, want[i]) {
			t.Errorf("entry %d:\ngot  %+v\nwant %+v", i, r, want[i])
		}
		if e.Seq() != uint64(i) || e.Chain() != "node" || e.Prev() != prev || !e.Time().Equal(zone) {
			t.Errorf("entry %d: seq %d of %s after %s at %s", i, e.Seq(), e.Chain(), e.Prev(), e.Time())
		}
		prev = e.Hash
	}
	err := db.View(ctx, func(tx store.Tx) error {
		size, hash, err := l.Head(tx)
		if size != uint64(len(want)) || hash != prev {
			t.Errorf("head: %d %s", size, hash)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPersonalDataStandsInNoLeaf(t *testing.T) {
	secrets := []string{"ann", "root", "uid-1000", "alle", "bob@far.test", "192.0.2.7", "fine"}
	db, l := sampleLog(t, "node")
	appendAll(t, db, l,
		by(audit.Actor{Kind: "admin", ID: "admin:root"}, record(audit.Freeze)),
		by(audit.Actor{Kind: "socket", ID: "socket:uid-1000"}, record(audit.Thaw)),
		by(audit.Actor{Kind: "visitor", ID: "uid-1000"}, record(audit.Thaw)))
	for k, v := range db.All() {
		if strings.HasPrefix(k, "audit-open/") {
			continue
		}
		for _, s := range secrets {
			if strings.Contains(k, s) || strings.Contains(string(v), s) {
				t.Errorf("%q is in %s: %s", s, k, v)
			}
		}
	}
	top := list(t, db, l, 0, 3)
	for i, want := range []string{"uid-1000", "socket:uid-1000", "admin:root"} {
		if got := top[i].Record().Actor.ID; got != want {
			t.Errorf("actor of the entry from the end %d: %q, want %q", i, got, want)
		}
	}
	if e := list(t, db, l, 3, 1)[0]; !strings.Contains(e.Leaf, `"actor":{"kind":"agent","id":"agent:demo"}`) {
		t.Errorf("the name of an agent is not in its leaf: %s", e.Leaf)
	}
}

func TestEqualRecordsHaveDifferentHashesAndCommitments(t *testing.T) {
	db, l := newMemory(), audit.New("node")
	r := by(system, record(audit.AuthFail), "ip", "192.0.2.7", "user", "192.0.2.7")
	appendAll(t, db, l, r, r)
	seen := map[string]bool{}
	for _, e := range list(t, db, l, 0, 2) {
		var leaf struct{ Nonce string }
		if err := json.Unmarshal([]byte(e.Leaf), &leaf); err != nil || len(leaf.Nonce) != 32 {
			t.Errorf("nonce %q: %v", leaf.Nonce, err)
		}
		all := append(slices.Collect(maps.Values(e.Commit())), e.Hash.String(), leaf.Nonce)
		for _, o := range e.Open {
			if len(o.Salt) != 32 {
				t.Errorf("salt %q has not 128 bits", o.Salt)
			}
			all = append(all, o.Salt)
		}
		for _, s := range all {
			if seen[s] {
				t.Errorf("%s twice", s)
			}
			seen[s] = true
		}
	}
	if len(seen) != 12 {
		t.Errorf("%d values, want 12", len(seen))
	}
}

func TestAppendRefusesWhatItCouldNotReadBack(t *testing.T) {
	with := func(r audit.Record, change func(r *audit.Record)) audit.Record {
		change(&r)
		return r
	}
	facts := func(r audit.Record, name, value string) audit.Record {
		return with(r, func(r *audit.Record) { r.Facts[name] = value })
	}
	of := func(r audit.Record, mail string) audit.Record {
		return with(r, func(r *audit.Record) { r.Mail = mail })
	}
	freeze, sent, refused := record(audit.Freeze), record(audit.MailSent), record(audit.DecideRefuse)
	for name, c := range map[string]struct {
		node string
		r    audit.Record
	}{
		"a kind that is not in the vocabulary":   {"node", audit.Record{Kind: "mail.edit", Mail: "M1"}},
		"no kind":                                {"node", audit.Record{}},
		"a kind with a blank":                    {"node", with(sent, func(r *audit.Record) { r.Kind = "mail.sent " })},
		"a change of no mail":                    {"node", of(sent, "")},
		"a mail id that reaches into other keys": {"node", of(refused, "M1/x")},
		"a mail id with NUL":                     {"node", of(refused, "M1\x00")},
		"a fact whose name is not UTF-8":         {"node", facts(record(audit.Freeze), "\xff", "1")},
		"a fact without a name":                  {"node", facts(record(audit.Freeze), "", "1")},
		"a fact of another kind":                 {"node", facts(record(audit.Freeze), "door", "1")},
		"a fact that must be there is not":       {"node", audit.Record{Kind: audit.Freeze}},
		"a private field with a quote":           {"node", by(system, freeze, `a"`, "1")},
		"a private field of another kind":        {"node", by(system, record(audit.Thaw), "reason", "1")},
		"a private field as a fact":              {"node", facts(record(audit.Freeze), "reason", "1")},
		"a number that is none":                  {"node", by(system, sent, "rcpt1x", "1")},
		"a number that is missing":               {"node", by(system, sent, "rcpt", "1")},
		"a number without end":                   {"node", by(system, sent, "rcpt"+strings.Repeat("1", 129), "1")},
		"another actor beside the actor":         {"node", by(person, freeze, "actor", "eve")},
		"a person where the actor is none":       {"node", by(system, freeze, "actor", "eve")},
		"a chain without a name":                 {"", freeze},
		"a chain that reaches into other chains": {"a/b", freeze},
		"an entry too large to be verified":      {"node", by(system, sent, many(1200)...)},
		"facts too large to be verified":         {"node", facts(record(audit.Freeze), "domain", strings.Repeat(`"`, 3<<20))},
	} {
		t.Run(name, func(t *testing.T) {
			db := newMemory()
			err := db.Update(ctx, func(tx store.Tx) error {
				_, err := audit.New(c.node).Append(tx, c.r)
				return err
			})
			if err == nil || len(db.All()) != 0 {
				t.Errorf("error %v, %d keys", err, len(db.All()))
			}
		})
	}
}

func TestTheLargestMailFitsAndVerifies(t *testing.T) {
	r := by(system, record(audit.MailSent), "rcpt1000", strings.Repeat("\x01", 256<<10)) // each becomes six octets
	for i := range 1000 {
		r = by(system, r, fmt.Sprint("rcpt", i), strings.Repeat("x", 1500))
	}
	db, l := newMemory(), audit.New("node")
	appendAll(t, db, l, r, sample()[0])
	if c := mustVerify(t, export(t, db)); c.Size != 2 || len(r.Private) != 1001 {
		t.Errorf("%d entries, %d fields", c.Size, len(r.Private))
	}
}

// Append's calls of the store are failed one after the other.
func TestWithoutItsEntryAChangeDoesNotHappen(t *testing.T) {
	for n := 1; ; n++ {
		db, l := sampleLog(t, "node")
		before := db.All()
		db.Fail = n
		err := db.Update(ctx, func(tx store.Tx) error {
			_, err := l.Append(tx, sample()[2])
			return err
		})
		if err == nil {
			if n < 7 {
				t.Errorf("an append makes %d calls only: something is not written", n-1)
			}
			return
		}
		if !errors.Is(err, storetest.ErrFault) || !reflect.DeepEqual(db.All(), before) {
			t.Errorf("call %d failed: %v; %d keys, had %d", n, err, len(db.All()), len(before))
		}
	}
}

func TestAnEntryIsNeverWrittenOver(t *testing.T) {
	for name, damage := range map[string]func(kv map[string][]byte){
		"the head is gone":  func(kv map[string][]byte) { delete(kv, "audit-head/node") },
		"the head is empty": func(kv map[string][]byte) { kv["audit-head/node"] = []byte("{}") },
		"the head was cut":  func(kv map[string][]byte) { kv["audit-head/node"] = kv["audit-head/node"][:20] },
		"the head was set back": func(kv map[string][]byte) {
			kv["audit-head/node"] = regexp.MustCompile(`"size":6`).ReplaceAll(kv["audit-head/node"], []byte(`"size":4`))
		},
		"the head and the first entries are gone": func(kv map[string][]byte) {
			delete(kv, "audit-head/node")
			delete(kv, "audit/node/0000000000000000")
			delete(kv, "audit/node/0000000000000001")
		},
	} {
		t.Run(name, func(t *testing.T) {
			db, l := sampleLog(t, "node")
			db.Edit(damage)
			before := db.All()
			err := db.Update(ctx, func(tx store.Tx) error {
				_, err := l.Append(tx, sample()[0])
				return err
			})
			if err == nil || !reflect.DeepEqual(db.All(), before) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestAClosureThatRunsAgainWritesOneEntry(t *testing.T) {
	db, l := newMemory(), audit.New("node")
	db.Twice = true
	appendAll(t, db, l, sample()...)
	if c := mustVerify(t, export(t, db)); c.Size != 6 {
		t.Errorf("%d entries", c.Size)
	}
}

func TestConcurrentAppendsKeepTheChainWhole(t *testing.T) {
	db, err := bolt.Open(bolt.Options{Dir: t.TempDir(), Create: true, Now: func() time.Time { return zone }})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	l := audit.New("node")
	const writers, each = 8, 20
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				err := db.Update(ctx, func(tx store.Tx) error {
					if _, err := l.Append(tx, sample()[2]); err != nil {
						return err
					}
					if (w+i)%5 == 0 {
						return storetest.ErrFault // a change that fails after its entry
					}
					return nil
				})
				if err != nil && !errors.Is(err, storetest.ErrFault) {
					t.Error(err)
				}
			}
		})
	}
	all.Go(func() {
		for range 10 {
			if _, err := l.Verify(ctx, db, audit.Options{}); err != nil {
				t.Errorf("while others write: %v", err)
			}
		}
	})
	all.Wait()
	r, err := l.Verify(ctx, db, audit.Options{})
	if err != nil || len(r.Chains) != 1 || r.Chains[0].Size != writers*each*4/5 {
		t.Errorf("%+v: %v", r, err)
	}
	if n := len(byMail(t, db, l, "M1")); n != writers*each*4/5 {
		t.Errorf("the index has %d entries", n)
	}
}

// The table of all steps is the data of gate/step: what it writes and what the
// vocabulary calls mail.* are the same.
func TestEveryTransitionOfAMailHasItsKindAndNoOther(t *testing.T) {
	table, err := os.ReadFile("../gate/step/testdata/table-" + strconv.Itoa(step.Version) + ".tsv")
	if err != nil {
		t.Fatal(err)
	}
	written := map[audit.Kind]bool{}
	for _, m := range regexp.MustCompile(`\bkind=(\S+)`).FindAllStringSubmatch(string(table), -1) {
		written[audit.Kind(m[1])] = true
	}
	declared, named := map[audit.Kind]bool{}, map[audit.Kind]bool{}
	for _, k := range audit.Kinds() {
		if k.Transition() {
			declared[k] = true
		}
	}
	for _, k := range step.Kinds {
		named[audit.Kind(k)] = true
	}
	if !maps.Equal(written, declared) || !maps.Equal(named, declared) || len(declared) != 16 {
		t.Errorf("steps write %v, gate/step names %v, the vocabulary has %v", written, named, declared)
	}
}

// hostile are texts from outside that some log somewhere took for the end of
// a record.
var hostile = []string{
	"\n", "\r\n", "a\nb\n", `"},{"`, `"}` + "\n" + `{"kind":"mail.approve"`, "\\", `\`, `\n`, `\u000a`, `"`, "\x00",
	"\x1b[2J", "\v\f\x1c\x1d\x1e", "\x7f", "\u0085", "\u2028", "\u2029", "\u202e", "\ufeff", "\ufffd",
	"😀 \U0010ffff", "é", "\xff\xfe", "a\xc3", "\xed\xa0\x80", "</script>&amp;", "mail.approve", "{}", "null", " ",
}

func TestNoTextFromOutsideMakesASecondRecord(t *testing.T) {
	for _, s := range hostile {
		db, l := newMemory(), audit.New("node")
		r := by(audit.Actor{Kind: "agent", ID: s}, record(audit.Freeze, "scope", s), "mailbox", s, "reason", s+s)
		r.Digest = s
		appendAll(t, db, l, r, by(audit.Actor{Kind: "admin", ID: s}, record(audit.Freeze)))
		var b strings.Builder
		if err := l.Export(ctx, db, &b, audit.ExportOptions{Openings: true}); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(b.String(), "\n"); n != 4 || !strings.HasSuffix(b.String(), "\n") {
			t.Errorf("%q: %d lines", s, n)
		}
		if i := strings.IndexFunc(b.String(), func(r rune) bool { return r != '\n' && (r < ' ' || r > '~') }); i >= 0 {
			t.Errorf("%q: octet %#x stands in the export", s, b.String()[i])
		}
		if r, err := audit.Verify(strings.NewReader(b.String()), audit.Options{}); err != nil || r.Chains[0].Size != 2 {
			t.Errorf("%q: %+v %v", s, r, err)
		}
		r = list(t, db, l, 1, 1)[0].Record()
		want, all := string([]rune(s)), strings.ToValidUTF8(s, "\ufffd")
		if r.Facts["scope"] != want || r.Digest != want || r.Actor.ID != want ||
			r.Private["mailbox"] != all || len(r.Private) != 2 {
			t.Errorf("%q came back as %+v", s, r)
		}
	}
}

// many is n private fields and their values, each as long as one is kept.
func many(n int) (fields []string) {
	for i := range n {
		fields = append(fields, fmt.Sprint("rcpt", i), strings.Repeat("x", 8<<10))
	}
	return fields
}
