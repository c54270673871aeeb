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
