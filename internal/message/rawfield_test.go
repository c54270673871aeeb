package message

import (
	"bytes"
	"slices"
	"testing"
)

func TestRawFieldsAreTheWholeHeader(t *testing.T) {
	for name, tt := range map[string]struct {
		raw, header string
		names       []string
	}{
		"fields": {"A: 1\r\nB : 2\r\n\tmore\r\n\r\nC: 3\r\n", "A: 1\r\nB : 2\r\n\tmore\r\n", []string{"A", "B"}},
		"a line without a colon": {
			"A: 1\r\nno field\r\n x\r\nB: 2\r\n\r\n", "A: 1\r\nno field\r\n x\r\nB: 2\r\n", []string{"A", "", "B"},
		},
		"a first line that continues": {" A: 1\r\nB: 2\r\n\r\n", " A: 1\r\nB: 2\r\n", []string{"", "B"}},
		"no body":                     {"A: 1\r\n", "A: 1\r\n", []string{"A"}},
		"no header":                   {"\r\nA: 1\r\n", "", nil},
		"nothing":                     {"", "", nil},
		"no line end":                 {"A: 1", "A: 1", []string{"A"}},
		"no name":                     {": 1\r\n\r\n", ": 1\r\n", []string{""}},
	} {
		var names []string
		var all []byte
		for f := range RawFields([]byte(tt.raw)) {
			names, all = append(names, f.Name), append(all, f.Raw...)
		}
		if !slices.Equal(names, tt.names) || !bytes.Equal(all, []byte(tt.header)) {
			t.Errorf("%s: %q of %q", name, names, all)
		}
	}
}

func TestTheValueOfARawFieldIsUnfolded(t *testing.T) {
	for f := range RawFields([]byte("subject : a\r\n\tb \r\n\r\n")) {
		if !f.Is("Subject") || f.Is("Subjects") || f.Value() != "a\tb" {
			t.Errorf("%q: %q", f.Name, f.Value())
		}
	}
}

func TestTheAuthorIsTheOneThatIsShown(t *testing.T) {
	for _, from := range []string{
		"a@x.test", "A <a@x.test>", "A, B <a@x.test>", "a@x.test (A)", "=?utf-8?q?A?= <a@x.test>", "a@x.test, b@x.test",
		"a@x.test <b@y.test>", "", "nobody", "A <a@x.test> <b@y.test>", "g: a@x.test;",
	} {
		want := ReadIncoming([]byte("From: " + from + "\r\n\r\n")).Header.From
		if got := AuthorOf([]string{from}); got != want {
			t.Errorf("%q: %q, want %q", from, got, want)
		}
	}
	if got := AuthorOf([]string{"a@x.test", "a@x.test"}); !got.IsZero() {
		t.Errorf("two fields name %q", got)
	}
}
