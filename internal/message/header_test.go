package message

import (
	"fmt"
	"testing"
)

func TestSplitHeaderCutsAtTheFirstEmptyLine(t *testing.T) {
	for _, tt := range []struct{ in, header, body string }{
		{"A: b\r\n\r\nbody\r\n\r\nmore", "A: b\r\n", "body\r\n\r\nmore"},
		{"A: b\r\n\r\n", "A: b\r\n", ""},
		{"A: b\r\n", "A: b\r\n", ""},
		{"\r\nbody", "", "body"},
		{"\r\n\r\nbody", "", "\r\nbody"},
		{"", "", ""},
		{"A: b\n\nbody", "A: b\n\nbody", ""},
	} {
		h, b := SplitHeader([]byte(tt.in))
		if string(h) != tt.header || string(b) != tt.body {
			t.Errorf("SplitHeader(%q) = %q, %q", tt.in, h, b)
		}
	}
}

func TestFieldsUnfoldsAndKeepsTheOrder(t *testing.T) {
	raw := "X-A: one\r\nb:two\r\nx-a:\r\n folded\r\n\t value \r\nX-AB: no\r\nX-A : spaced\r\n" +
		"no colon here\r\n\r\nX-A: in the body\r\n"
	got := fmt.Sprintf("%q", Fields([]byte(raw), "x-A"))
	if want := `["one" "folded\t value" "spaced"]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := Fields([]byte("\u017fubject: x\r\n\r\n"), "Subject"); got != nil {
		t.Errorf("a long s was taken for an s: %q", got)
	}
	if got := Fields([]byte(raw), "missing"); got != nil {
		t.Errorf("a missing field has values %q", got)
	}
	if got := Fields([]byte(" leading: x\r\nA: b\r\n\r\n"), "leading"); got != nil {
		t.Errorf("a continuation line at the top was taken for a field: %q", got)
	}
}

func TestAddressesOpensGroupsAndLeavesOutWhatIsNotPlain(t *testing.T) {
	raw := "To: Ann <ann@x.test>, \"Doe, John\" <john@x.test>,, bob@x.test (Bob),\r\n" +
		" Team: t1@x.test, T2 <t2@x.test>; , <@a.test:route@x.test>, last@X.test\r\n" +
		"Cc: undisclosed-recipients:;\r\nTo: (c, d) x@localhost, \"open <q@x.test>\r\n\r\n"
	got := fmt.Sprint(Addresses([]byte(raw), "to"))
	if want := "[ann@x.test john@x.test t1@x.test t2@x.test last@x.test]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := Addresses([]byte(raw), "Cc"); got != nil {
		t.Errorf("an empty group holds %v", got)
	}
}
