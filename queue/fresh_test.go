package queue

import (
	"strconv"
	"testing"
)

func TestTooManyFreshGroupsAreLost(t *testing.T) {
	l := New(nil, "node")
	for i := range maxFresh {
		l.fresh.add(Group(strconv.Itoa(i)))
	}
	if groups, lost := l.FreshGroups(); len(groups) != maxFresh || lost {
		t.Fatalf("%d groups, lost %t", len(groups), lost)
	}
	for i := range maxFresh + 1 {
		l.fresh.add(Group(strconv.Itoa(i)))
	}
	if groups, lost := l.FreshGroups(); len(groups) > maxFresh || !lost {
		t.Errorf("%d groups, lost %t", len(groups), lost)
	}
	if groups, lost := l.FreshGroups(); len(groups) != 0 || lost {
		t.Errorf("asked again: %d groups, lost %t", len(groups), lost)
	}
}

// Writing again in a group that is noted is nothing new.
func TestAGroupIsNotedOnce(t *testing.T) {
	l := New(nil, "node")
	for range 2 * maxFresh {
		l.fresh.add("a")
	}
	if groups, lost := l.FreshGroups(); len(groups) != 1 || lost {
		t.Errorf("%d groups, lost %t", len(groups), lost)
	}
}
