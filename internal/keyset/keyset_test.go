package keyset

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// in returns a life in each state, with that reason if it is revoked.
func in(s State, r Reason) Life {
	l := Life{Created: noon, Published: noon}
	if s == Current || s == Retired {
		l.Activated = noon.Add(time.Hour)
	}
	if s == Retired {
		l.Retired = noon.Add(2 * time.Hour)
	}
	if s == Revoked {
		l.Revoked, l.Reason = noon.Add(2*time.Hour), r
	}
	return l
}

// Every pair of states stands here with its answer, so that none is forgotten.
func TestTheTableOfTransitionsIsClosed(t *testing.T) {
	allowed := map[string]bool{
		"next current": true, "next revoked": true, "current retired": true, "current revoked": true,
		"retired revoked": true,
	}
	states, n := []State{Next, Current, Retired, Revoked}, 0
	for _, from := range states {
		for _, to := range states {
			if from == Revoked && to == Revoked {
				continue // depends on the reason: see below
			}
			l := in(from, Superseded)
			if l.State() != from {
				t.Fatalf("%s: the fixture is %s", from, l.State())
			}
			before, reason := l, Reason("")
			if to == Revoked {
				reason = Compromised
			}
			err := l.move(to, reason, noon.Add(3*time.Hour))
			switch ok := allowed[string(from)+" "+string(to)]; {
			case ok && (err != nil || l.State() != to):
				t.Errorf("%s to %s: %v, now %s", from, to, err, l.State())
			case !ok && (!errors.Is(err, ErrTransition) || l != before):
				t.Errorf("%s to %s: %v, now %s", from, to, err, l.State())
			}
			n++
		}
	}
	if n != 15 {
		t.Fatalf("%d pairs", n)
	}
	for from, want := range map[Reason]Reason{Superseded: Compromised, Ceased: Compromised, Compromised: ""} {
		for _, to := range Reasons {
			l := in(Revoked, from)
			at := l.Revoked
			err := l.move(Revoked, to, noon.Add(9*time.Hour))
			if (err == nil) != (to == want) || !l.Revoked.Equal(at) {
				t.Errorf("revoked as %s, then as %s: %v, at %s", from, to, err, l.Revoked)
			}
		}
	}
	l := in(Current, "")
	if err := l.move(Revoked, "because", noon); err == nil {
		t.Error("a reason that nobody knows was taken")
	}
}

func TestTimesThatContradictEachOtherAreRefused(t *testing.T) {
	for name, l := range map[string]Life{
		"no creation":             {Activated: noon},
		"retired without use":     {Created: noon, Retired: noon},
		"revoked for no reason":   {Created: noon, Revoked: noon},
		"a reason, not revoked":   {Created: noon, Reason: Ceased},
		"a reason nobody knows":   {Created: noon, Revoked: noon, Reason: "stolen"},
		"a reason in other case":  {Created: noon, Revoked: noon, Reason: "Compromised"},
		"retired, revoked, unset": {Created: noon, Retired: noon, Revoked: noon, Reason: Ceased},
	} {
		if l.Check() == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestASwitchRetiresTheKeyBeforeAndLeavesOtherAlgorithmsAlone(t *testing.T) {
	keys := Set{
		{"a", "rsa", in(Current, "")}, {"b", "rsa", in(Next, "")}, {"c", "ed25519", in(Current, "")},
	}
	at := noon.Add(50*time.Hour + 300*time.Millisecond)
	if err := keys.Switch("b", at); err != nil {
		t.Fatal(err)
	}
	if a, b, c := keys[0].Life, keys[1].Life, keys[2].Life; a.State() != Retired || b.State() != Current ||
		c.State() != Current || !b.Activated.Equal(noon.Add(50*time.Hour)) || a.Retired.Sub(b.Activated) != overlap {
		t.Errorf("%+v\n%+v\n%+v", a, b, c)
	}
	for name, want := range map[string]error{"b": ErrTransition, "a": ErrTransition, "x": ErrNoKey} {
		if err := keys.Switch(name, at); !errors.Is(err, want) {
			t.Errorf("switch to %s: %v", name, err)
		}
	}
	if err := keys.Revoke("x", Ceased, at); !errors.Is(err, ErrNoKey) {
		t.Errorf("%v", err)
	}
	if err := keys.Check(); err != nil {
		t.Error(err)
	}
}

func TestASetThatCouldNotSignInOneWayIsRefused(t *testing.T) {
	rsa := func(lives ...Life) (keys Set) {
		for i, l := range lives {
			keys = append(keys, &Key{strings.Repeat("k", i+1), "rsa", l})
		}
		return keys
	}
	next, current, retired := in(Next, ""), in(Current, ""), in(Retired, "")
	revoked := in(Revoked, Compromised)
	for name, tt := range map[string]struct {
		keys Set
		ok   bool
	}{
		"one that signs":             {rsa(current), true},
		"one of each":                {rsa(next, current, retired, revoked), true},
		"many that signed":           {rsa(current, retired, retired, revoked, revoked), true},
		"revoked, and next waits":    {rsa(next, revoked), true},
		"two that sign":              {rsa(current, current), false},
		"two next":                   {rsa(next, next, current), false},
		"none that signs, and why?":  {rsa(next, retired), false},
		"a next one alone":           {rsa(next), false},
		"one with a life of nothing": {rsa(current, Life{}), false},
		"two of one name":            {Set{{"a", "rsa", current}, {"a", "rsa", retired}}, false},
	} {
		if err := tt.keys.Check(); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKeysAreSortedByStateThenByAge(t *testing.T) {
	old := in(Retired, "")
	old.Retired = noon.Add(-time.Hour)
	keys := Set{{"e", "", in(Revoked, Ceased)}, {"d", "", old}, {"c", "", in(Retired, "")},
		{"b", "", in(Current, "")}, {"a", "", in(Next, "")}}
	slices.SortStableFunc(keys, Compare)
	var names []string
	for _, k := range keys {
		names = append(names, k.Name)
	}
	if !slices.Equal(names, []string{"a", "b", "c", "d", "e"}) {
		t.Error(names)
	}
	if !old.EndedBefore(noon) || old.EndedBefore(old.Retired) || keys[0].EndedBefore(noon.Add(Wait)) {
		t.Error("what ended before")
	}
}

func TestAKeyIsDueWhenItWasPublishedForLongEnough(t *testing.T) {
	unseen := in(Next, "")
	unseen.Published = time.Time{}
	for _, tt := range []struct {
		life  Life
		after time.Duration
		due   bool
	}{
		{in(Next, ""), Wait - time.Second, false},
		{in(Next, ""), Wait, true},
		{unseen, 1000 * Wait, false},
		{in(Current, ""), Wait, false},
		{in(Revoked, Ceased), Wait, false},
	} {
		if tt.life.Due(noon.Add(tt.after)) != tt.due {
			t.Errorf("%s after %s: want %t", tt.life.State(), tt.after, tt.due)
		}
	}
}
