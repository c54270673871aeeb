package step

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/multimail/multimail/mail"
)

var update = flag.Bool("update", false, "write the tables anew")

var (
	bases   = []mail.Basis{mail.NoBasis, mail.Open, mail.Allowlist, mail.Approved}
	degrees = []Progress{None, Some, All}
)

// kinds of mail: direction, and whether it is a notice.
var kinds = []Facts{{}, {Direction: mail.Incoming}, {Direction: mail.Incoming, Notice: true}}

// everyFacts calls fn for all facts there are, but for a legal hold and a question that is
// deferred: see every.
func everyFacts(fn func(Facts)) {
	for _, f := range kinds {
		for _, f.State = range mail.States {
			for _, f.Mode = range mail.Modes {
				for _, f.Basis = range bases {
					for _, f.Delivered = range degrees {
						for bits := range 4096 {
							bit := func(i int) bool { return bits>>i&1 == 1 }
							f.Frozen, f.Listed, f.Due, f.Late = bit(0), bit(1), bit(2), bit(3)
							f.Intact, f.Match, f.Self, f.Pending, f.Owed = bit(4), bit(5), bit(6), bit(7), bit(8)
							f.Unverified, f.Overdue, f.Spam = bit(9), bit(10), bit(11)
							fn(f)
						}
					}
				}
			}
		}
	}
}

// every calls fn for each input there is. A legal hold is read by Erase alone and a deferred
// question by Submit, as TestStepEqualsItsTableOnEveryInput shows; the other events come without.
func every(fn func(Facts, Event)) {
	everyFacts(func(f Facts) {
		for _, e := range Events {
			fn(f, e)
		}
		held, deferred := f, f
		held.Kept, deferred.Deferred = true, true
		fn(held, Erase)
		fn(deferred, Submit)
	})
}

// live lists the states in which an event can change something.
var live = map[mail.Direction]map[Event][]mail.State{
	mail.Outgoing: {
		Submit: {mail.New}, Approve: {mail.Held}, Reject: {mail.Held}, Hold: {mail.Ready},
		Expire: {mail.Held, mail.Ready}, Claim: {mail.Ready}, Settle: {mail.Sending}, Lapse: {mail.Sending},
		Cancel: {mail.Held, mail.Ready}, Erase: over, Bounce: {mail.Held, mail.Ready, mail.Sending, mail.Sent,
			mail.Rejected, mail.Cancelled, mail.Expired},
	},
	mail.Incoming: {
		Submit: {mail.New}, Approve: waiting, Reject: waiting, Expire: waiting, Cancel: waiting,
		Report: {mail.Received}, Clear: {mail.Received}, Erase: over,
	},
}

var (
	waiting = []mail.State{mail.Held, mail.Quarantined}
	over    = []mail.State{mail.Sent, mail.Failed, mail.Rejected, mail.Cancelled, mail.Expired, mail.Received}
)

// reads lists the facts an event may look at, and only those: that two inputs
// that agree on them have one outcome is itself part of the contract.
var reads = map[mail.Direction]map[Event]string{
	mail.Outgoing: {
		Submit: "mode frozen listed spam deferred", Approve: "mode self match late", Reject: "basis self match",
		Bounce: "basis delivered", Erase: "basis kept",
		Cancel: "basis owed", Hold: "owed", Lapse: "basis", Expire: "basis late unverified overdue",
		Claim: "mode basis frozen listed due intact owed unverified spam", Settle: "basis delivered pending",
	},
	mail.Incoming: {
		Submit: "notice mode frozen spam", Approve: "frozen self match late", Reject: "basis self match",
		Report: "notice", Clear: "notice basis self match", Erase: "basis kept",
		Cancel: "basis", Expire: "basis late",
	},
}

// input is an input reduced to what its event may look at; the other facts are zero.
type input struct {
	Facts
	Event Event
	dead  bool // nothing can change in this state
}

func reduce(f Facts, e Event) input {
	kept := input{Facts{Direction: f.Direction, State: f.State}, e, false}
	for _, keep := range keepers[f.Direction][e] {
		keep(&kept.Facts, f)
	}
	return kept
}

// keepers copy the facts that reads names.
var keepers = func() map[mail.Direction][len(Events)][]keeper {
	out := map[mail.Direction][len(Events)][]keeper{}
	for d, events := range reads {
		var list [len(Events)][]keeper
		for e, names := range events {
			list[e] = keepersOf(names)
		}
		out[d] = list
	}
	return out
}()

type keeper func(to *Facts, f Facts)

func keepersOf(names string) (out []keeper) {
	for name := range strings.FieldsSeq(names) {
		k, ok := map[string]keeper{
			"notice":     func(to *Facts, f Facts) { to.Notice = f.Notice },
			"mode":       func(to *Facts, f Facts) { to.Mode = f.Mode },
			"basis":      func(to *Facts, f Facts) { to.Basis = f.Basis },
			"delivered":  func(to *Facts, f Facts) { to.Delivered = f.Delivered },
			"frozen":     func(to *Facts, f Facts) { to.Frozen = f.Frozen },
			"unverified": func(to *Facts, f Facts) { to.Unverified = f.Unverified },
			"overdue":    func(to *Facts, f Facts) { to.Overdue = f.Overdue },
			"listed":     func(to *Facts, f Facts) { to.Listed = f.Listed },
			"due":        func(to *Facts, f Facts) { to.Due = f.Due },
			"late":       func(to *Facts, f Facts) { to.Late = f.Late },
			"intact":     func(to *Facts, f Facts) { to.Intact = f.Intact },
			"match":      func(to *Facts, f Facts) { to.Match = f.Match },
			"self":       func(to *Facts, f Facts) { to.Self = f.Self },
			"pending":    func(to *Facts, f Facts) { to.Pending = f.Pending },
			"owed":       func(to *Facts, f Facts) { to.Owed = f.Owed },
			"spam":       func(to *Facts, f Facts) { to.Spam = f.Spam },
			"kept":       func(to *Facts, f Facts) { to.Kept = f.Kept },
			"deferred":   func(to *Facts, f Facts) { to.Deferred = f.Deferred },
		}[name]
		if !ok {
			panic(name)
		}
		out = append(out, k)
	}
	return out
}

// columns writes the named facts as a row of a table has them.
func columns(f Facts, names string) string {
	all := map[string]any{
		"notice": f.Notice, "mode": f.Mode, "basis": f.Basis, "delivered": f.Delivered, "frozen": f.Frozen,
		"listed": f.Listed, "due": f.Due, "late": f.Late, "intact": f.Intact, "match": f.Match,
		"self": f.Self, "pending": f.Pending, "owed": f.Owed, "unverified": f.Unverified, "overdue": f.Overdue,
		"spam": f.Spam, "kept": f.Kept, "deferred": f.Deferred,
	}
	var cols []string
	for name := range strings.FieldsSeq(names) {
		cols = append(cols, fmt.Sprintf("%s=%v", name, all[name]))
	}
	return strings.Join(cols, " ")
}

func (i input) row() string {
	row := i.Event.String() + " " + i.State.String()
	if i.Direction == mail.Incoming {
		row = "incoming " + row
	}
	if i.dead {
		return row + " *"
	}
	return row + " " + columns(i.Facts, reads[i.Direction][i.Event])
}

// outcome is an outcome to compare: an unchanged basis is as good as none, so
// that inputs whose event does not look at the basis have one result.
type outcome struct {
	Outcome
	same bool // the basis stayed as it was
}

func result(f Facts, o Outcome) outcome {
	if o.Answer != Done && o.Basis == f.Basis {
		o.Basis = mail.NoBasis
		return outcome{o, true}
	}
	return outcome{o, false}
}

func (o outcome) String() string {
	basis := o.Basis.String()
	if o.same {
		basis = "="
	}
	kind := string(o.Kind)
	if o.CopyOnly {
		kind += " copy-only"
	}
	return fmt.Sprintf("%s %s basis=%s kind=%s", o.Answer, o.State, basis, kind)
}

// same compares a table with the file that a person has read.
func same(t *testing.T, name string, lines []string) {
	t.Helper()
	sort.Strings(lines)
	text := strings.Join(lines, "\n") + "\n"
	if *update {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != text {
		t.Errorf("the code and %s differ; read the change row by row before you run with -update", name)
	}
}

func TestStepEqualsItsTableOnEveryInput(t *testing.T) {
	rows := map[input]outcome{}
	everyFacts(func(f Facts) {
		for _, e := range Events {
			o := Step(f, e)
			held, deferred := f, f
			held.Kept, deferred.Deferred = true, true
			if (e != Submit || f.Direction == mail.Incoming) && Step(deferred, e) != o {
				t.Fatalf("%s reads a deferred question: %+v gives %+v", e, f, o)
			}
			if e == Submit && f.Direction == mail.Outgoing {
				check(t, rows, deferred, e, Step(deferred, e))
			}
			if e != Erase && Step(held, e) != o {
				t.Fatalf("%s reads a legal hold: %+v gives %+v", e, f, o)
			}
			check(t, rows, f, e, o)
			if e == Erase {
				check(t, rows, held, e, Step(held, e))
			}
		}
	})
	var lines []string
	var fourth []string
	before := map[string]bool{}
	for r, v := range rows {
		line := r.row() + "\t" + v.String()
		lines = append(lines, line)
		if r.Deferred {
			continue
		}
		line = strings.Replace(line, " deferred=false", "", 1)
		fourth = append(fourth, line)
		if r.known3() {
			before[ofVersion3(line)] = true
		}
	}
	same(t, fmt.Sprintf("testdata/table-%d.tsv", Version), lines)
	same(t, "testdata/table-4.tsv", fourth)
	earlier(t, slices.Collect(maps.Keys(before)))
}

// check compares an outcome with that of the input reduced to what its event may look at,
// and keeps the row.
func check(t *testing.T, rows map[input]outcome, f Facts, e Event, o Outcome) {
	if !slices.Contains(live[f.Direction][e], f.State) {
		none := Facts{Direction: f.Direction, State: f.State}
		if want := Step(none, e); o.Answer != want.Answer || o.State != want.State || o.Answer == Done {
			t.Fatalf("%s of %s depends on a fact: %+v gives %+v", e, f.State, f, o)
		}
		if f == none {
			rows[input{none, e, true}] = result(f, o)
		}
		return
	}
	r, v := reduce(f, e), result(f, o)
	if v != result(r.Facts, Step(r.Facts, e)) {
		t.Fatalf("%s\n depends on a fact that its row does not name: %+v gives %q", r.row(), f, v)
	}
	if r.Facts == f {
		rows[r] = v
	}
}

// earlier checks that what the earlier versions decided, this one decides alike: see
// rules. rows are those that version 3 knew.
func earlier(t *testing.T, rows []string) {
	third := slices.Clone(rows)
	second, first := map[string]bool{}, []string(nil)
	for _, line := range rows {
		if !strings.Contains(line, "unverified=true") {
			second[ofVersion2(line)] = true
		}
	}
	for line := range second {
		if !strings.HasPrefix(line, "incoming ") && !strings.Contains(strings.SplitN(line, "\t", 2)[0], " received") {
			first = append(first, line)
		}
	}
	same(t, "testdata/table-3.tsv", third)
	same(t, "testdata/table-2.tsv", slices.Collect(maps.Keys(second)))
	same(t, "testdata/table-1.tsv", first)
}

// known3 reports whether version 3 knew the input: no spam, no erasure, no report of what
// became of a mail after it was sent.
func (i input) known3() bool {
	return i.Event < Report && !i.Spam && i.State < mail.Quarantined
}

func ofVersion3(line string) string { return strings.Replace(line, " spam=false", "", 1) }

// ofVersion2 is a row of a verified domain as version 2 had it, which knew no other
// and where nothing expired in ready.
func ofVersion2(line string) string {
	for _, fact := range []string{" unverified=false", " overdue=false", " overdue=true"} {
		line = strings.Replace(line, fact, "", 1)
	}
	if strings.HasPrefix(line, "expire ready ") {
		_, result, _ := strings.Cut(line, "\t")
		return "expire ready *\t" + result
	}
	return line
}

// The invariants below are written down a second time, from the plan and not
// from the code: a wrong table cannot satisfy them.
func TestInvariants(t *testing.T) {
	every(func(f Facts, e Event) {
		o := Step(f, e)
		fail := func(what string) { t.Fatalf("%s: %s on %+v gives %+v", what, e, f, o) }

		if o.Answer != Done && (o.State != f.State || o.Basis != f.Basis || o.Kind != "") {
			fail("a refusal changes nothing")
		}
		if o.Answer == Done && !f.State.CanFollow(o.State) {
			fail("every step is an edge of the state table")
		}
		if o.Answer == Done && !slices.Contains(Kinds[:], o.Kind) {
			fail("every step has an audit entry")
		}
		if f.State.Final() && o.Answer == Done && e != Erase && e != Report && e != Bounce && e != Clear {
			fail("where nothing is waited for, only a reader's or an approver's word, a bounce or an erasure changes anything")
		}
		if o.State == mail.Sending && f.State != mail.Sending {
			open := !f.Spam && (f.Mode == mail.Monitored || f.Mode == mail.Autonomous) && o.Basis == mail.Open
			listed := !f.Spam && f.Mode == mail.GatedSend && f.Listed && o.Basis == mail.Allowlist
			approved := f.Mode != mail.ReadOnly && f.Basis == mail.Approved && o.Basis == mail.Approved
			copied := o.CopyOnly && f.Owed
			if e != Claim || f.Frozen || !f.Intact || !f.Due || !(open || listed || approved || copied) {
				fail("nothing leaves without an approval, an open mode or a full allowlist match")
			}
		}
		if (f.State == mail.Held || f.State == mail.Quarantined) && (o.State == mail.Ready || o.State == mail.Received) &&
			(e != Approve || f.Self || !f.Match || f.Late || o.Basis != mail.Approved) {
			fail("only an approver's timely word about these bytes frees a held mail")
		}
		if o.State == mail.Held && f.State != mail.Held && o.Basis != mail.NoBasis {
			fail("going back to held voids the basis")
		}
		if o.State == mail.Ready && f.State == mail.New && f.Mode <= mail.GatedAll && !f.Deferred {
			fail("read_only and gated_all let nothing pass at the door")
		}
		if o.CopyOnly && !f.Owed {
			fail("only a copy that is owed goes alone")
		}
		if e == Cancel && f.Direction == mail.Outgoing && f.Owed && o.Answer == Done {
			fail("withdrawing the rest does not shed a copy")
		}
		if (e == Approve || e == Reject) && f.Self && o.Answer == Done {
			fail("the submitter never decides")
		}
		if f.Direction == mail.Incoming && (o.State == mail.Ready || o.State == mail.Sending) && o.State != f.State {
			fail("incoming mail is never attempted")
		}
		if o.State == mail.Received && f.State != mail.Received {
			passes := e == Submit && (f.Notice || !f.Frozen && !f.Spam && f.Mode != mail.GatedAll)
			approved := e == Approve && !f.Self && f.Match && !f.Late && !f.Frozen && o.Basis == mail.Approved
			if f.Direction != mail.Incoming || !passes && !approved {
				fail("a mailbox gets incoming mail that its mode lets pass or an approver approved")
			}
		}
		if f.Direction == mail.Incoming && f.State == mail.New && f.Notice && e == Submit && o.State != mail.Received {
			fail("a notice reaches its mailbox in every mode and under a freeze")
		}
	})
}

func TestInvariantsOfDomains(t *testing.T) {
	every(func(f Facts, e Event) {
		o := Step(f, e)
		fail := func(what string) { t.Fatalf("%s: %s on %+v gives %+v", what, e, f, o) }
		if f.Unverified && o.State == mail.Sending && f.State != mail.Sending {
			fail("nothing leaves a domain that is not verified")
		}
		if f.State == mail.Ready && o.State == mail.Held && e == Expire && !(f.Unverified && f.Overdue) {
			fail("only what has waited for its domain for longer than a hold is held again by time")
		}
		if f.State == mail.Ready && f.Direction == mail.Outgoing && f.Unverified && f.Overdue && e == Expire &&
			(o.State != mail.Held || o.Basis != mail.NoBasis) {
			fail("what has waited for its domain for longer than a hold needs a new decision")
		}
		if f.Unverified && e == Claim && f.Intact && o.Answer == Done {
			fail("what waits for its domain stays as it is")
		}
		if f.Unverified && Proceed(f) != Stop {
			fail("no attempt goes on for a domain that is not verified")
		}
	})
}

func TestInvariantsOfSpamAndErasure(t *testing.T) {
	every(func(f Facts, e Event) {
		o := Step(f, e)
		fail := func(what string) { t.Fatalf("%s: %s on %+v gives %+v", what, e, f, o) }
		if o.State == mail.Quarantined && f.State != mail.Quarantined {
			arrives := e == Submit && f.State == mail.New && f.Spam
			if f.Direction != mail.Incoming || f.Notice || !arrives && (e != Report || f.State != mail.Received) {
				fail("only incoming mail is quarantined: taken for spam at the door or by its reader")
			}
		}
		if f.Spam && f.State == mail.New && !f.Notice && (o.State == mail.Ready || o.State == mail.Received) {
			fail("what is taken for spam passes in no mode")
		}
		if o.State == mail.Erased && f.State != mail.Erased && (e != Erase || f.Kept || !f.State.Final()) {
			fail("only mail for which nothing is waited is erased, and none under a legal hold")
		}
		if e == Clear && o.Answer == Done && (f.Direction != mail.Incoming || f.Notice || f.State != mail.Received ||
			f.Self || !f.Match || o.State != f.State || o.Basis != f.Basis) {
			fail("only received mail is called clean, by an approver who saw these bytes, and it stays where it is")
		}
		if f.State == mail.Erased && o.Answer == Done {
			fail("what is erased stays so")
		}
		if e == Bounce && o.Answer == Done && (f.Direction != mail.Outgoing || f.State == mail.Sent &&
			(o.State == mail.Failed) != (f.Delivered == None)) {
			fail("a bounce makes a mail failed when nobody has it, and not before")
		}
		if e == Bounce && o.Answer == Done && f.State != mail.Sent && (o.State != f.State || o.Basis != f.Basis) {
			fail("a bounce changes nothing for the recipients that wait, and no end that is not the next hop's")
		}
	})
}

func TestEveryEdgeOfTheStateTableIsReached(t *testing.T) {
	seen := map[[2]mail.State]bool{}
	every(func(f Facts, e Event) {
		if o := Step(f, e); o.Answer == Done {
			seen[[2]mail.State{f.State, o.State}] = true
		}
	})
	for from, list := range mail.Edges {
		for _, to := range list {
			if !seen[[2]mail.State{from, to}] {
				t.Errorf("no event leads from %s to %s", from, to)
			}
		}
	}
}
