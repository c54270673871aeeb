package audit_test

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
	"github.com/multimail/multimail/mail"
)

var replayed = audit.Options{Replay: step.Check}

// life makes the entries of a mail by the step itself.
type life struct {
	id    string
	facts step.Facts
	rev   int
}

func (l *life) next(e step.Event, change func(f *step.Facts)) audit.Record {
	if change != nil {
		change(&l.facts)
	}
	f, out := l.facts, step.Step(l.facts, e)
	if out.Answer != step.Done {
		panic(fmt.Sprint(e, " on ", f, ": ", out.Answer))
	}
	l.rev++
	l.facts.State, l.facts.Basis = out.State, out.Basis
	facts := map[string]string{
		"table": strconv.Itoa(step.Version), "direction": f.Direction.String(), "notice": strconv.FormatBool(f.Notice),
		"event": e.String(), "from": f.State.String(), "to": out.State.String(), "mode": f.Mode.String(),
		"basis": f.Basis.String(), "basis_after": out.Basis.String(), "delivered": strconv.Itoa(int(f.Delivered)),
	}
	for name, v := range map[string]bool{
		"frozen": f.Frozen, "listed": f.Listed, "due": f.Due, "late": f.Late, "intact": f.Intact,
		"match": f.Match, "self": f.Self, "pending": f.Pending, "owed": f.Owed, "copy_only": out.CopyOnly,
		"unverified": f.Unverified, "overdue": f.Overdue, "spam": f.Spam, "kept": f.Kept,
		"deferred": f.Deferred,
	} {
		facts[name] = strconv.FormatBool(v)
	}
	if out.Kind == step.MailSubmit {
		facts["door"], facts["agent"] = "smtp", "demo"
	}
	return audit.Record{Kind: audit.Kind(out.Kind), Mail: l.id, Rev: l.rev, Digest: strings.Repeat("ab", 32),
		Actor: system, Facts: facts}
}

// lives are two mails: one approved, retried and sent, one let pass and held.
func lives() (all []audit.Record) {
	one := &life{id: "M1", facts: step.Facts{Mode: mail.GatedSend, Due: true, Intact: true, Pending: true}}
	two := &life{id: "M2", facts: step.Facts{Mode: mail.Autonomous, Due: true, Intact: true, Pending: true}}
	return []audit.Record{
		one.next(step.Submit, nil),
		one.next(step.Approve, func(f *step.Facts) { f.Match = true }),
		two.next(step.Submit, nil),
		one.next(step.Claim, nil),
		one.next(step.Settle, nil),
		two.next(step.Hold, nil),
		one.next(step.Claim, nil),
		one.next(step.Settle, func(f *step.Facts) { f.Pending, f.Delivered = false, step.All }),
		two.next(step.Expire, func(f *step.Facts) { f.Late = true }),
	}
}

func lived(t testing.TB) (*storetest.Memory, *audit.Log, []string) {
	db, l := newMemory(), audit.New("node")
	appendAll(t, db, l, lives()...)
	return db, l, export(t, db)
}

var prevField = regexp.MustCompile(`"prev":"[0-9a-f]{64}"`)
var seqField = regexp.MustCompile(`"seq":[0-9]+`)

// forged gives entries the numbers and hashes that a chain needs, as who holds
// the store could.
func forged(t testing.TB, lines []string) []string {
	prev := strings.Repeat("0", 64)
	out := make([]string, 0, len(lines))
	for i, line := range lines {
		w := take(t, line)
		w.Leaf = prevField.ReplaceAllString(w.Leaf, `"prev":"`+prev+`"`)
		w.Leaf = seqField.ReplaceAllString(w.Leaf, fmt.Sprintf(`"seq":%d`, i))
		h := tlog.RecordHash([]byte(w.Leaf))
		w.Hash = fmt.Sprintf("%x", h[:])
		prev = w.Hash
		out = append(out, w.line(t))
	}
	return out
}

func verifyForged(t testing.TB, lines []string) (audit.Report, error) {
	t.Helper()
	lines = forged(t, lines)
	if _, err := audit.Verify(strings.NewReader(whole(lines)), audit.Options{}); err != nil {
		t.Fatalf("the forgery is no chain: %v", err)
	}
	return audit.Verify(strings.NewReader(whole(lines)), replayed)
}

func TestTheDecisionsOfEveryMailAreReplayed(t *testing.T) {
	_, _, lines := lived(t)
	r, err := audit.Verify(strings.NewReader(whole(lines)), replayed)
	if err != nil || r.Mails != 2 || r.Entries != 9 {
		t.Fatalf("%+v %v", r, err)
	}
	if want := "1 chain, 9 entries, 2 mails replayed, 2031-05-04T12:00:00Z to 2031-05-04T12:00:00Z"; r.String() != want {
		t.Errorf("it says %q", r)
	}
}

// Whoever writes the chain anew from a changed fact on is found by what the
// fact would have done.
func TestAFactThatWouldHaveDecidedOtherwiseIsFoundInARewrittenChain(t *testing.T) {
	_, _, lines := lived(t)
	const submit, approve, claim, settle, sent = 0, 1, 3, 4, 7
	for _, c := range []struct {
		entry    int
		from, to string
	}{
		{submit, `"mode":"gated_send"`, `"mode":"read_only"`},
		{submit, `"mode":"gated_send"`, `"mode":"autonomous"`},
		{submit, `"frozen":"false"`, `"frozen":"true"`},
		{submit, `"listed":"false"`, `"listed":"true"`},
		{submit, `"from":"new"`, `"from":"held"`},
		{submit, `"to":"held"`, `"to":"ready"`},
		{submit, `"event":"submit"`, `"event":"hold"`},
		{submit, `"rev":1`, `"rev":2`},
		{approve, `"self":"false"`, `"self":"true"`},
		{approve, `"match":"true"`, `"match":"false"`},
		{approve, `"late":"false"`, `"late":"true"`},
		{approve, `"mode":"gated_send"`, `"mode":"read_only"`},
		{approve, `"kind":"mail.approve"`, `"kind":"mail.reject"`},
		{approve, `"mail":"M1"`, `"mail":"M3"`},
		{approve, `"digest":"abab`, `"digest":"cdab`},
		{claim, `"frozen":"false"`, `"frozen":"true"`},
		{claim, `"due":"true"`, `"due":"false"`},
		{claim, `"intact":"true"`, `"intact":"false"`},
		{claim, `"basis":"approved"`, `"basis":"none"`},
		{claim, `"basis_after":"approved"`, `"basis_after":"open"`},
		{claim, `"copy_only":"false"`, `"copy_only":"true"`},
		{claim, `"unverified":"false"`, `"unverified":"true"`},
		{claim, `"rev":3`, `"rev":4`},
		{settle, `"pending":"true"`, `"pending":"false"`},
		{sent, `"pending":"false"`, `"pending":"true"`},
		{sent, `"delivered":"2"`, `"delivered":"0"`},
		{sent, `"delivered":"2"`, `"delivered":"3"`},
		{sent, `"owed":"false",`, ``},
		{sent, `"owed":"false"`, `"owed":"no"`},
		{8, `"late":"true"`, `"late":"false"`},
	} {
		l := slices.Clone(lines)
		l[c.entry] = edit(t, l[c.entry], c.from, c.to, false)
		if _, err := verifyForged(t, l); err == nil {
			t.Errorf("entry %d: %s became %s and passes", c.entry, c.from, c.to)
		}
	}
}

// Every fact of every entry, in every value: what passes is what the step gives.
func TestNoFactOfARewrittenChainPassesUnlessItIsConsistent(t *testing.T) {
	_, _, lines := lived(t)
	pair := regexp.MustCompile(`"([a-z_]+)":"(true|false)"`)
	all := lives()
	for i := range lines {
		leaf := take(t, lines[i]).Leaf
		for _, m := range pair.FindAllStringSubmatch(leaf, -1) {
			other := map[string]string{"true": "false", "false": "true"}[m[2]]
			facts := map[string]string{}
			for k, v := range all[i].Facts {
				facts[k] = v
			}
			facts[m[1]] = other
			l := slices.Clone(lines)
			l[i] = edit(t, l[i], m[0], fmt.Sprintf(`"%s":"%s"`, m[1], other), false)
			want := step.Check(string(all[i].Kind), facts) == nil
			if _, err := verifyForged(t, l); (err == nil) != want {
				t.Errorf("entry %d: %s as %s: %v", i, m[1], other, err)
			}
		}
	}
}

func TestNoEntryOfAMailCanBeTakenOutAndTheRestRenumbered(t *testing.T) {
	_, _, lines := lived(t)
	for i := range lines {
		if i == 7 || i == 8 {
			continue // the last of a mail: the records show that
		}
		if r, err := verifyForged(t, slices.Delete(slices.Clone(lines), i, i+1)); err == nil {
			t.Errorf("without entry %d: %s", i, r)
		}
	}
}

// An approval cut out with every trace but its effect.
func TestAReleaseThatClaimsAnApprovalNeedsItsEntry(t *testing.T) {
	_, _, lines := lived(t)
	l := slices.Delete(slices.Clone(lines), 1, 2)
	for i := range l {
		if w := take(t, l[i]); i > 0 && strings.Contains(w.Leaf, `"mail":"M1"`) {
			rev := regexp.MustCompile(`"rev":([0-9])`)
			n, _ := strconv.Atoi(rev.FindStringSubmatch(w.Leaf)[1])
			w.Leaf = rev.ReplaceAllString(w.Leaf, fmt.Sprintf(`"rev":%d`, n-1))
			l[i] = w.line(t)
		}
	}
	l[0] = edit(t, l[0], `"to":"held"`, `"to":"ready"`, false)
	l[0] = edit(t, l[0], `"basis_after":"none"`, `"basis_after":"approved"`, false)
	if r, err := verifyForged(t, l); err == nil {
		t.Errorf("it passes: %s", r)
	}
}

func TestRecordsAndLogAreComparedBothWays(t *testing.T) {
	db, l, _ := lived(t)
	good := []audit.Standing{
		{Mail: "M1", Rev: 6, State: "sent", Basis: "approved", Digest: strings.Repeat("ab", 32)},
		{Mail: "M2", Rev: 3, State: "expired", Basis: "none", Digest: strings.Repeat("ab", 32)},
	}
	verify := func(db *storetest.Memory, records []audit.Standing) error {
		o := replayed
		o.Records = func(_ store.Tx, after string, limit int) (page []audit.Standing, err error) {
			for _, m := range records {
				if m.Mail > after && len(page) < min(limit, 1) {
					page = append(page, m)
				}
			}
			return page, nil
		}
		_, err := l.Verify(ctx, db, o)
		return err
	}
	if err := verify(db, good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(m *audit.Standing){
		"older":          func(m *audit.Standing) { m.Rev-- },
		"newer":          func(m *audit.Standing) { m.Rev++ },
		"another state":  func(m *audit.Standing) { m.State = "ready" },
		"another basis":  func(m *audit.Standing) { m.Basis = "open" },
		"another digest": func(m *audit.Standing) { m.Digest = strings.Repeat("cd", 32) },
		"another mail":   func(m *audit.Standing) { m.Mail = "M9" },
		"damaged":        func(m *audit.Standing) { m.Damage = "not JSON" },
	} {
		records := slices.Clone(good)
		change(&records[1])
		if err := verify(db, records); err == nil {
			t.Errorf("a record that is %s passes", name)
		}
	}
	if err := verify(db, good[:1]); err == nil || !strings.Contains(err.Error(), "M2") {
		t.Errorf("a record that is gone: %v", err)
	}
	if err := verify(newMemory(), good); err == nil {
		t.Error("mails without any chain pass")
	}
	if err := verify(newMemory(), nil); err != nil {
		t.Errorf("an empty store: %v", err)
	}
}

func TestAnOpeningThatIsGoneIsAFault(t *testing.T) {
	for key, why := range map[string]string{
		"audit-open/node/0000000000000001": "entry 1: an opening is gone", // of a login
		"audit-open/node/0000000000000003": "entry 3: an opening is gone", // of a decision
	} {
		db, l := sampleLog(t, "node")
		db.Edit(func(kv map[string][]byte) { delete(kv, key) })
		if _, err := l.Verify(ctx, db, audit.Options{}); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", key, err)
		}
	}
	db, _ := sampleLog(t, "node")
	lines := export(t, db)
	lines[3] = reopen(t, lines[3], func(o map[string]map[string]string) { delete(o, "reason") })
	if _, err := audit.Verify(strings.NewReader(whole(lines)), audit.Options{}); err == nil {
		t.Error("one opening of two is gone and it passes")
	}
}

func TestAnExportThatIsCutAnywhereIsIncomplete(t *testing.T) {
	db, l := sampleLog(t, "node")
	var b strings.Builder
	if err := l.Export(ctx, db, &b, audit.ExportOptions{Openings: true}); err != nil {
		t.Fatal(err)
	}
	all := b.String()
	for n := range all {
		var e audit.Ending
		e.Write([]byte(all[:n]))
		_, err := audit.Verify(strings.NewReader(all[:n]), audit.Options{})
		if n < len(all)-1 && err == nil || e.Whole() {
			t.Fatalf("cut after %d of %d octets: %v, whole: %v", n, len(all), err, e.Whole())
		}
	}
	var e audit.Ending
	for i := range all {
		e.Write([]byte(all[i : i+1]))
	}
	if !e.Whole() {
		t.Error("the whole export is not whole")
	}
}

func TestAnExportSinceATimeIsTakenForWhatItIs(t *testing.T) {
	db, l := newMemory(), audit.New("node")
	all := lives()
	appendAll(t, db, l, all[:4]...)
	db.Time = db.Time.Add(time.Hour)
	appendAll(t, db, l, all[4:]...)
	since := func(at time.Time) string {
		var b strings.Builder
		if err := l.Export(ctx, db, &b, audit.ExportOptions{Openings: true, Since: at}); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	text := since(zone.Add(time.Minute))
	r, err := audit.Verify(strings.NewReader(text), replayed)
	if err != nil || r.Chains[0].Start != 4 || r.Chains[0].Size != 9 || r.Entries != 5 ||
		!strings.Contains(r.String(), "since 2031-05-04T12:01:00Z") {
		t.Errorf("%+v %v", r, err)
	}
	r, err = audit.Verify(strings.NewReader(since(zone.Add(2*time.Hour))), replayed)
	if err != nil || r.Chains[0].Start != 9 || r.Entries != 0 {
		t.Errorf("nothing since: %+v %v", r, err)
	}
	full := mustVerify(t, export(t, db))
	lines := strings.SplitAfter(text, "\n")
	anchor := take(t, export(t, db)[3]).Hash
	for name, forged := range map[string]string{
		"another anchor":       strings.Replace(text, anchor, strings.Repeat("ab", 32), 1),
		"an anchor before":     strings.Replace(text, `"size":4`, `"size":3`, 1),
		"no anchor":            lines[0] + strings.Join(lines[2:], ""),
		"two anchors":          lines[0] + lines[1] + strings.Join(lines[1:], ""),
		"not since":            strings.Replace(text, `"since":`, `"until":`, 1),
		"another recorded end": strings.Replace(text, full.Head.String(), strings.Repeat("ab", 32), 1),
	} {
		if r, err := audit.Verify(strings.NewReader(forged), replayed); err == nil {
			t.Errorf("%s: %s", name, r)
		}
	}
	o := audit.Options{Known: []audit.Checkpoint{{Chain: "node", Size: 9, Root: full.Root}}}
	if _, err := audit.Verify(strings.NewReader(text), o); err == nil {
		t.Error("it cannot be held against a checkpoint, and is")
	}
}

func TestTheRecordedEndsAreComparedBothWays(t *testing.T) {
	for name, damage := range map[string]func(kv map[string][]byte){
		"another hash": func(kv map[string][]byte) {
			kv["audit-head/node"] = []byte(`{"size":6,"hash":"` + strings.Repeat("ab", 32) + `"}`)
		},
		"a longer chain": func(kv map[string][]byte) {
			kv["audit-head/node"] = []byte(`{"size":7,"hash":"` + strings.Repeat("ab", 32) + `"}`)
		},
		"no size": func(kv map[string][]byte) { kv["audit-head/node"] = []byte(`{}`) },
		"a chain of no one": func(kv map[string][]byte) {
			kv["audit-head/other"] = []byte(`{"size":1,"hash":"` + strings.Repeat("ab", 32) + `"}`)
		},
		"an empty chain": func(kv map[string][]byte) { kv["audit-head/other"] = []byte(`{"size":0}`) },
	} {
		db, l := sampleLog(t, "node")
		db.Edit(damage)
		if r, err := l.Verify(ctx, db, audit.Options{}); err == nil {
			t.Errorf("%s: %s", name, r)
		}
		var b strings.Builder
		if err := l.Export(ctx, db, &b, audit.ExportOptions{}); err != nil {
			t.Fatal(err)
		}
		if r, err := audit.Verify(strings.NewReader(b.String()), audit.Options{}); err == nil {
			t.Errorf("%s: the export passes: %s", name, r)
		}
	}
}
