package step

import (
	"testing"

	"github.com/multimail/multimail/mail"
)

// What its author wants to be asked about later waits on nothing, and somebody is asked before
// it leaves.
func TestInvariantsOfDeferredQuestions(t *testing.T) {
	waits := 0
	every(func(f Facts, e Event) {
		o := Step(f, e)
		fail := func(what string) { t.Fatalf("%s: %s on %+v gives %+v", what, e, f, o) }

		if f.State == mail.New && o.State == mail.Ready && o.Basis == mail.NoBasis {
			waits++
			if !f.Deferred || f.Spam || f.Frozen || f.Mode == mail.ReadOnly || e != Submit {
				fail("only what is to be asked about later waits on nothing")
			}
		}
		if f.State == mail.New && f.Deferred && o.State == mail.Ready && o.Basis != mail.NoBasis &&
			f.Mode <= mail.GatedAll {
			fail("gated_all lets nothing pass because it is asked about later")
		}
		if f.State == mail.Ready && f.Basis == mail.NoBasis && o.State == mail.Sending && !o.CopyOnly {
			fail("what waits on nothing is asked about before it leaves")
		}
	})
	if waits == 0 {
		t.Error("nothing waits")
	}
}
