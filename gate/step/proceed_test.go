package step

import (
	"testing"

	"github.com/multimail/multimail/mail"
)

func TestProceedEqualsItsTableOnEveryInput(t *testing.T) {
	const names = "frozen unverified mode basis listed owed spam"
	keep := keepersOf(names)
	got := map[Facts]Permission{}
	everyFacts(func(f Facts) {
		if f.Direction == mail.Incoming {
			if p := Proceed(f); p != Stop {
				t.Fatalf("incoming mail goes on: %+v gives %s", f, p)
			}
			return
		}
		var r Facts
		for _, k := range keep {
			k(&r, f)
		}
		p := Proceed(f)
		if before, ok := got[r]; ok && before != p {
			t.Fatalf("%s\n depends on a fact that its row does not name: %s and %s", columns(r, names), before, p)
		}
		got[r] = p
	})
	var lines []string
	for r, p := range got {
		lines = append(lines, columns(r, names)+"\t"+p.String())
	}
	same(t, "testdata/proceed.tsv", lines)
}

func TestProceedAgreesWithTheClaim(t *testing.T) {
	everyFacts(func(f Facts) {
		f.State, f.Due, f.Intact = mail.Ready, true, true
		o, want := Step(f, Claim), Stop
		if o.State == mail.Sending {
			want = Go
			if o.CopyOnly {
				want = CopyOnly
			}
		}
		if p := Proceed(f); p != want {
			t.Fatalf("%+v: proceed says %s, the claim gives %+v", f, p, o)
		}
	})
}
