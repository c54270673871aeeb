package mail

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
)

func TestWhatIsTemporaryIsAPropertyOfTheKind(t *testing.T) {
	temporary := []Kind{ErrInternal, ErrRateLimited, ErrFrozen, ErrUnavailable}
	for _, k := range Kinds() {
		if want := slices.Contains(temporary, k); k.Temporary() != want || k.Errorf("x").Temporary() != want {
			t.Errorf("%s temporary: %v", k, k.Temporary())
		}
	}
}

func TestEveryKindAndReasonHasAWordOfItsOwn(t *testing.T) {
	seen := map[string]bool{"": true}
	for _, k := range Kinds() {
		if seen[k.String()] {
			t.Errorf("kind %d: the word %q is taken", k, k)
		}
		seen[k.String()] = true
	}
	for r, k := range Reasons() {
		if seen[string(r)] {
			t.Errorf("reason %s: the word is taken", r)
		}
		seen[string(r)] = true
		if e := r.Errorf("x"); k == ErrInternal || e.Kind != k || e.Word() != string(r) {
			t.Errorf("reason %s is of kind %s, its error says %s", r, k, e.Kind)
		}
	}
}

func TestErrorsIsFindsTheKind(t *testing.T) {
	own := ErrNotFound.Errorf("no mailbox a@b.test")
	for _, c := range []struct {
		err, target error
		want        bool
	}{
		{own, ErrNotFound, true},
		{fmt.Errorf("gate: %w", own), ErrNotFound, true},
		{fmt.Errorf("queue: %w", ErrNotFound), ErrNotFound, true},
		{own, ErrStale, false},
		{ReasonSender.Errorf("x"), ErrForbidden, true},
		{ReasonSender.Errorf("x"), ReasonSender.Errorf("x").Because(io.EOF), true},
		{ReasonSender.Errorf("x"), ReasonSender.Errorf("y"), false},
		{ReasonSender.Errorf("x"), ReasonScope.Errorf("x"), false},
		{ErrUnavailable.Errorf("x").Because(ErrNotFound), ErrNotFound, true},
	} {
		if got := errors.Is(c.err, c.target); got != c.want {
			t.Errorf("%v is %v: %v", c.err, c.target, got)
		}
	}
}

func TestWordOfAnError(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, ""},
		{io.EOF, ""},
		{fmt.Errorf("x: %w", ErrStale), "stale"},
		{fmt.Errorf("x: %w", ErrFrozen.Errorf("y")), "frozen"},
		{ReasonScope.Errorf("y").Because(ErrStale), "scope"},
	} {
		if got := WordOf(c.err); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}
