package throttle

import "testing"

func TestBytesAreBoundedAndComeBack(t *testing.T) {
	b := NewBytes(16 * chunk)
	var all []*Hold
	for i := range 4 { // four owners with a quarter each
		h := b.Hold(string(rune('a' + i)))
		if !h.Reach(1) || !h.Reach(3*chunk+1) {
			t.Fatalf("owner %d is refused", i)
		}
		all = append(all, h)
	}
	if b.Used() != 16*chunk {
		t.Errorf("%d octets are held", b.Used())
	}
	more := b.Hold("e")
	if more.Reach(1) {
		t.Error("more than the budget is held")
	}
	all[0].Release()
	all[0].Release()
	if !more.Reach(4 * chunk) {
		t.Error("what was released is not there")
	}
	more.Release()
	for _, h := range all {
		h.Release()
	}
	if b.Used() != 0 || len(b.by) != 0 {
		t.Errorf("%d octets of %d owners are left", b.Used(), len(b.by))
	}
}

// One owner has a quarter, or one message of any size that fits.
func TestOneOwnerCannotHoldEverything(t *testing.T) {
	b := NewBytes(16 * chunk)
	large := b.Hold("a")
	if !large.Reach(10 * chunk) {
		t.Error("one message is refused")
	}
	if b.Hold("a").Reach(1) {
		t.Error("a second message beside one of more than a quarter")
	}
	if !b.Hold("b").Reach(4 * chunk) {
		t.Error("another owner is kept out")
	}
	large.Release()
	for i := range 4 {
		if !b.Hold("a").Reach(chunk) {
			t.Errorf("message %d within the quarter is refused", i)
		}
	}
	if b.Hold("a").Reach(1) {
		t.Error("a message beyond the quarter")
	}
}

// The owners of a part cannot take from the owners of the whole what is beyond the part.
func TestAPartOfABudgetLeavesTheRest(t *testing.T) {
	b := NewBytes(16 * chunk)
	part := b.Part(8 * chunk)
	var all []*Hold
	for i := range 8 {
		h := part.Hold(string(rune('a' + i)))
		if got, want := h.Reach(2*chunk), i < 4; got != want {
			t.Errorf("stranger %d holds: %t", i, got)
		}
		all = append(all, h)
	}
	if b.Used() != 8*chunk || part.Used() != 8*chunk {
		t.Errorf("%d of the whole and %d of the part are held", b.Used(), part.Used())
	}
	one, two := b.Hold("one"), b.Hold("two")
	if !one.Reach(4*chunk) || !two.Reach(4*chunk) {
		t.Error("the rest is not there")
	}
	all[0].Release()
	if more := part.Hold("x"); !more.Reach(2 * chunk) {
		t.Error("what was released is not there")
	} else if more.Release(); b.Used() != 14*chunk {
		t.Errorf("%d octets are held", b.Used())
	}
	full := b.Hold("three")
	if !full.Reach(2 * chunk) {
		t.Error("the whole is not filled")
	}
	if part.Hold("y").Reach(1) {
		t.Error("a part goes beyond the whole")
	}
}
