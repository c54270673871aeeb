package mail_test

import (
	"testing"

	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/mail"
)

// oversight is how much a mode oversees mail of one kind, from outgoing mail that leaves and
// incoming mail that is received undecided (0) to mail that is not taken at all. A copy counts
// for more than none, and for less than a decision.
func oversight(m mail.Mode, f step.Facts) int {
	f.Mode, f.State = m, mail.New
	out := step.Step(f, step.Submit)
	switch {
	case out.Answer != step.Done:
		return 3
	case out.State == mail.Held || out.State == mail.Quarantined || out.Basis == mail.NoBasis:
		return 2
	case f.Direction == mail.Outgoing && m == mail.Monitored: // as gate.grounds adds it
		return 1
	}
	return 0
}

// The table of package mail is no opinion: it says what the step does with each kind of mail.
func TestAModeTightensToThoseThatOverseeNoKindOfMailLess(t *testing.T) {
	var mails []step.Facts
	for _, f := range []step.Facts{{}, {Direction: mail.Incoming}, {Direction: mail.Incoming, Notice: true}} {
		for _, f.Listed = range []bool{false, true} {
			for _, f.Spam = range []bool{false, true} {
				for _, f.Frozen = range []bool{false, true} {
					for _, f.Deferred = range []bool{false, true} {
						mails = append(mails, f)
					}
				}
			}
		}
	}
	pairs := 0
	for _, from := range mail.Modes {
		for _, to := range mail.Modes {
			want := from != to
			for _, f := range mails {
				want = want && oversight(to, f) >= oversight(from, f)
			}
			if from.TightensTo(to) != want {
				t.Errorf("from %s to %s tightens: %t, want %t", from, to, from.TightensTo(to), want)
			}
			if want {
				pairs++
			}
		}
	}
	if pairs != 8 {
		t.Errorf("%d pairs tighten, want 8", pairs)
	}
}
