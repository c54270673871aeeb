package search

import (
	"fmt"
	"testing"

	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/mail"
)

// merging returns what is left to be done for mail that was struck out.
func (f *fixture) merging() (state string) {
	f.Helper()
	err := f.x.use(f.Context(), func(file *file) (err error) {
		state, err = file.progress(f.Context(), merging)
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
	return state
}

func (f *fixture) erase(ids []mail.ID) {
	f.Helper()
	for _, id := range ids {
		f.move(id, step.Erase, step.Facts{})
	}
}

func (f *fixture) step() (more bool) {
	f.Helper()
	more, err := f.x.step(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	return more
}

// sown puts n mails with a word into the index, each behind one without.
func (f *fixture) sown(n int, word string) (ids []mail.ID) {
	f.Helper()
	for i := range n {
		f.put(letter{subject: "common", text: fmt.Sprintf("stays%d", i), incoming: true})
		ids = append(ids, f.put(letter{subject: "common", text: fmt.Sprintf("%s%d", word, i), incoming: true}))
	}
	f.follow()
	if f.holds(word) == nil {
		f.Fatal("the words are not in the index: the test looks past them")
	}
	return ids
}

// Many mails are struck out first. Wherever the daemon ends then, the next one finishes it.
func TestErasureOfManyIsFinishedByTheNextStart(t *testing.T) {
	f := build(t)
	f.erase(f.sown(fewRemoved+1, "zqxgone"))
	f.step()
	if f.merging() != mergeFollow && f.merging() != mergeBegin || f.holds("zqxgone") == nil {
		t.Fatalf("after the first step: %q, and the words are in %v", f.merging(), f.holds("zqxgone"))
	}
	f.finds(bot, "zqxgone1")
	for n := 0; f.merging() != ""; n++ {
		if n == 20 {
			t.Fatal("it comes to no end")
		}
		f.x.shut()
		f.open()
		f.step()
	}
	if in := f.holds("zqxgone"); in != nil {
		t.Errorf("erased words are in %v", in)
	}
	if f.step() {
		t.Error("there is more to do")
	}
	f.hasAll(fewRemoved + 1)
}

// A merge that is under way when more mail is struck out must not count for it.
func TestErasureDuringAMergeBeginsAnew(t *testing.T) {
	f := build(t)
	first, second := f.sown(fewRemoved+1, "zqxfirst"), f.sown(fewRemoved+1, "zqxsecond")
	f.erase(first)
	f.step()
	if f.merging() != mergeFollow {
		t.Fatalf("after the first step: %q", f.merging())
	}
	f.erase(second)
	f.follow()
	for _, word := range []string{"zqxfirst", "zqxsecond"} {
		if in := f.holds(word); in != nil {
			t.Errorf("%s is in %v", word, in)
		}
	}
	f.hasAll(2 * (fewRemoved + 1))
}

func TestErasureOfFewIsDoneAtOnce(t *testing.T) {
	f := build(t)
	f.erase(f.sown(fewRemoved, "zqxgone"))
	f.step()
	if f.merging() != "" || f.holds("zqxgone") != nil {
		t.Errorf("%q is left to do, the words are in %v", f.merging(), f.holds("zqxgone"))
	}
}
