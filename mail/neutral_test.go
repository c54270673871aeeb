package mail

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestNeutraliseShowsWhatWouldActOrHide(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"plain text stays", "Grüße, 世界 👍\n\tx", "Grüße, 世界 👍\n\tx"},
		{"empty text stays", "", ""},
		{"terminal title", "\x1b]0;pwned\x07", `\x1b]0;pwned\x07`},
		{"clear screen", "\x1b[2J", `\x1b[2J`},
		{"carriage return", "good\rbad", `good\x0dbad`},
		{"NUL, DEL and backspace", "\x00\x7f\b", `\x00\x7f\x08`},
		{"C1 control", "\u009b2J", `\x9b2J`},
		{"octets that are not UTF-8", "a\xff\xc3", `a\xff\xc3`},
		{"right-to-left override", "inv\u202efdp.exe", `inv\u202efdp.exe`},
		{"isolates", "\u2066a\u2069", `\u2066a\u2069`},
		{"zero width", "a\u200bb\u200dc\ufeff", `a\u200bb\u200dc\ufeff`},
		{"soft hyphen", "pay\u00adpal", `pay\xadpal`},
		{"line and paragraph separator", "a\u2028b\u2029", `a\u2028b\u2029`},
		{"tag characters that carry hidden ASCII", "\U000e0041", `\U000e0041`},
		{"variation selectors that carry octets", "\ufe01\U000e0101", `\ufe01\U000e0101`},
		{"emoji style selector stays", "❤\ufe0f", "❤\ufe0f"},
		{"Hangul filler", "a\u3164b", `a\u3164b`},
		{"a real replacement character stays", "a\ufffdb", "a\ufffdb"},
	} {
		if got := Neutralise(tt.in); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestNeutralLineIsOneLine(t *testing.T) {
	if got := NeutralLine("a\nb\tc\x1b"); got != `a\x0ab c\x1b` {
		t.Errorf("%q", got)
	}
}

func TestNeutraliseLeavesNothingForASecondPass(t *testing.T) {
	for r := rune(0); r < 0xf0000; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		once := Neutralise(string(r))
		if Neutralise(once) != once {
			t.Fatalf("%U: %q", r, once)
		}
	}
}

// A mark takes no column: a pile of them, or one on nothing, would draw outside
// its line or on our own bars.
func TestCombiningMarksStandOnACharacterAndInNoPile(t *testing.T) {
	six := strings.Repeat("\u0301", maxPile)
	for in, want := range map[string]string{
		"cafe\u0301":                 "cafe\u0301",
		"1\ufe0f\u20e3 \u2764\ufe0f": "1\ufe0f\u20e3 \u2764\ufe0f",
		"ที่นี่ และ":                 "ที่นี่ และ",
		"e" + six:                    "e" + six,
		"e" + six + "\u0301\u20dd":   "e" + six + `\u0301\u20dd`,
		"\u0301a":                    `\u0301a`,
		"a\n\u0336b":                 "a\n" + `\u0336b`,
		"a \u0336\u0336b":            "a " + `\u0336\u0336b`,
		"a\u200b\u0301":              `a\u200b` + "\u0301",
		"e" + six + "e" + six + "x":  "e" + six + "e" + six + "x",
	} {
		if got := Neutralise(in); got != want || Neutralise(got) != got {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestPrintableASCIIRunsFromTheBlankToTheTilde(t *testing.T) {
	for s, want := range map[string]bool{
		"": true, " ~": true, "a\x1f": false, "\x7f": false, "\u00a0": false, "\xff": false, "\t": false,
	} {
		if got := AllPrintable(s); got != want {
			t.Errorf("%q: %t", s, got)
		}
	}
}
