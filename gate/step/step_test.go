package step

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/multimail/multimail/mail"
)

var update = flag.Bool("update", false, "write testdata/table.tsv anew")

var (
	bases    = []mail.Basis{mail.NoBasis, mail.Open, mail.Allowlist, mail.Approved}
	degrees  = []Progress{None, Some, All}
	tableTSV = "testdata/table.tsv"
)

// every calls fn for each input there is.
func every(fn func(Facts, Event)) {
	for _, s := range mail.States {
		for _, m := range mail.Modes {
			for _, b := range bases {
				for _, d := range degrees {
					for bits := range 512 {
						bit := func(i int) bool { return bits>>i&1 == 1 }
						f := Facts{
							State: s, Mode: m, Basis: b, Delivered: d,
							Frozen: bit(0), Listed: bit(1), Due: bit(2), Late: bit(3),
							Intact: bit(4), Match: bit(5), Self: bit(6), Pending: bit(7), Owed: bit(8),
						}
						for _, e := range Events {
							fn(f, e)
						}
					}
				}
			}
		}
	}
}

// row names an input by the facts its event may look at, and only those: that
// two inputs with one name must agree is itself part of the contract.
func row(f Facts, e Event) string {
	live := map[Event][]mail.State{
		Submit: {mail.New}, Approve: {mail.Held}, Reject: {mail.Held}, Hold: {mail.Ready},
		Expire: {mail.Held}, Claim: {mail.Ready}, Settle: {mail.Sending}, Lapse: {mail.Sending},
		Cancel: {mail.Held, mail.Ready},
	}
	cols := []string{e.String(), f.State.String()}
	add := func(name string, v any) { cols = append(cols, fmt.Sprintf("%s=%v", name, v)) }
	if !containsState(live[e], f.State) {
		return strings.Join(append(cols, "*"), " ")
	}
	switch e {
	case Submit:
		add("mode", f.Mode)
		add("frozen", f.Frozen)
		add("listed", f.Listed)
	case Approve:
		add("mode", f.Mode)
		add("self", f.Self)
		add("match", f.Match)
		add("late", f.Late)
	case Reject:
		add("basis", f.Basis)
		add("self", f.Self)
		add("match", f.Match)
	case Cancel:
		add("basis", f.Basis)
		add("owed", f.Owed)
	case Hold:
		add("owed", f.Owed)
	case Lapse:
		add("basis", f.Basis)
	case Expire:
		add("basis", f.Basis)
		add("late", f.Late)
	case Claim:
		add("mode", f.Mode)
		add("basis", f.Basis)
		add("frozen", f.Frozen)
		add("listed", f.Listed)
		add("due", f.Due)
		add("intact", f.Intact)
		add("owed", f.Owed)
	case Settle:
		add("basis", f.Basis)
		add("delivered", f.Delivered)
		add("pending", f.Pending)
	}
	return strings.Join(cols, " ")
}

func containsState(list []mail.State, s mail.State) bool {
	for _, t := range list {
		if s == t {
			return true
		}
	}
	return false
}

// result prints an outcome; an unchanged basis is written "=", so that rows
// whose event does not look at the basis have one result.
func result(f Facts, o Outcome) string {
	basis := o.Basis.String()
	if o.Verdict != Done && o.Basis == f.Basis {
		basis = "="
	}
	kind := string(o.Kind)
	if o.CopyOnly {
		kind += " copy-only"
	}
	return fmt.Sprintf("%s %s basis=%s kind=%s", o.Verdict, o.State, basis, kind)
}

func TestStepEqualsItsTableOnEveryInput(t *testing.T) {
	got := map[string]string{}
	every(func(f Facts, e Event) {
		r, v := row(f, e), result(f, Step(f, e))
		if before, ok := got[r]; ok && before != v {
			t.Fatalf("%s\n depends on a fact that its row does not name: %q and %q", r, before, v)
		}
		got[r] = v
	})
	lines := make([]string, 0, len(got))
	for r, v := range got {
		lines = append(lines, r+"\t"+v)
	}
	sort.Strings(lines)
	text := strings.Join(lines, "\n") + "\n"
	if *update {
		if err := os.WriteFile(tableTSV, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(tableTSV)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != text {
		t.Errorf("Step and %s differ; read the change row by row before you run with -update", tableTSV)
	}
}

// The laws below are written down a second time, from the plan and not from
// the code: a wrong table cannot satisfy them.
func TestLaws(t *testing.T) {
	every(func(f Facts, e Event) {
		o := Step(f, e)
		fail := func(law string) { t.Fatalf("%s: %s on %+v gives %+v", law, e, f, o) }

		if o.Verdict != Done && (o.State != f.State || o.Basis != f.Basis || o.Kind != "") {
			fail("a refusal changes nothing")
		}
		if o.Verdict == Done && !f.State.CanFollow(o.State) {
			fail("every step is an edge of the state table")
		}
		if o.Verdict == Done && !slices.Contains(Kinds[:], o.Kind) {
			fail("every step has an audit entry")
		}
		if f.State.Final() && o.Verdict == Done {
			fail("final states absorb")
		}
		if o.State == mail.Sending && f.State != mail.Sending {
			open := (f.Mode == mail.Monitored || f.Mode == mail.Autonomous) && o.Basis == mail.Open
			listed := f.Mode == mail.GatedSend && f.Listed && o.Basis == mail.Allowlist
			approved := f.Mode != mail.ReadOnly && f.Basis == mail.Approved && o.Basis == mail.Approved
			copied := o.CopyOnly && f.Owed
			if e != Claim || f.Frozen || !f.Intact || !f.Due || !(open || listed || approved || copied) {
				fail("nothing leaves without an approval, an open mode or a full allowlist match")
			}
		}
		if f.State == mail.Held && o.State == mail.Ready &&
			(e != Approve || f.Self || !f.Match || f.Late || o.Basis != mail.Approved) {
			fail("only an approver's timely word about these bytes frees a held mail")
		}
		if o.State == mail.Held && f.State != mail.Held && o.Basis != mail.NoBasis {
			fail("going back to held voids the basis")
		}
		if f.State == mail.New && f.Mode <= mail.GatedAll && o.State == mail.Ready {
			fail("read_only and gated_all let nothing pass at the door")
		}
		if o.CopyOnly && !f.Owed {
			fail("only a copy that is owed goes alone")
		}
		if e == Cancel && f.Owed && o.Verdict == Done {
			fail("withdrawing the rest does not shed a copy")
		}
		if (e == Approve || e == Reject) && f.Self && o.Verdict == Done {
			fail("the submitter never decides")
		}
	})
}

func TestEveryEdgeOfTheStateTableIsReached(t *testing.T) {
	seen := map[[2]mail.State]bool{}
	every(func(f Facts, e Event) {
		if o := Step(f, e); o.Verdict == Done {
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
