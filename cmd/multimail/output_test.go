package main

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"
	"unicode"
)

// harmless fails on every rune that a terminal would obey or hide.
func harmless(t *testing.T, text string) {
	t.Helper()
	for _, r := range text {
		if r != '\n' && (unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029') {
			t.Errorf("%U reached the terminal in\n%q", r, text)
			return
		}
	}
}

func TestPrintableIsOneHarmlessLine(t *testing.T) {
	for in, want := range map[string]string{
		"":                   "",
		"Grüße, 世界":          "Grüße, 世界",
		"a\nb\tc":            `a\nb c`,
		"\x1b[31mred":        `\x1b[31mred`,
		"a\u202eb\u200bc":    `a\u202eb\u200bc`,
		"\U000e0041":         `\U000e0041`,
		"\xff":               `\xff`,
		"a\r\nBcc: b@c.test": `a\x0d\nBcc: b@c.test`,
	} {
		if got := printable(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestJSONCarriesHiddenRunesAsEscapes(t *testing.T) {
	var b bytes.Buffer
	e := &environment{out: &b}
	in := "\x00\x1b[2J\x7f\u0085\u200b\u202e\u2028\U000e0041 <a&b> Grüße 😀\n\t"
	if err := e.json(map[string]string{"v": in}); err != nil {
		t.Fatal(err)
	}
	harmless(t, b.String())
	var got map[string]string
	if err := json.Unmarshal(b.Bytes(), &got); err != nil || got["v"] != in {
		t.Errorf("%v: %q came back as %q", err, in, got["v"])
	}
	if !strings.Contains(b.String(), "<a&b> Grüße 😀") {
		t.Errorf("what is harmless was escaped: %s", &b)
	}
}

func TestTablesHoldTheirColumnsWhateverACellSays(t *testing.T) {
	var b bytes.Buffer
	e := &environment{out: &b}
	if err := e.table("A\tB", [][]string{{"x\ty\nz", "\x1b]0;"}}); err != nil {
		t.Fatal(err)
	}
	if want := "A       B\nx y\\nz  \\x1b]0;\n"; b.String() != want {
		t.Errorf("got %q, want %q", &b, want)
	}
}

func TestQuotedTextIsOneWordForAShell(t *testing.T) {
	for _, s := range []string{"", "plain", "it's", `"$HOME" \ ` + "`id`", "a\nb", "*", "-n", "~", "$'x'", "a;b", "é"} {
		for _, word := range []string{quote(s), shellWord(s)} {
			out, err := exec.Command("sh", "-c", "printf '%s|' "+word).Output()
			if err != nil || string(out) != s+"|" {
				t.Errorf("%q as %s: %q, %v", s, word, out, err)
			}
		}
	}
	if got := shellWord("/usr/bin/multimail"); got != "/usr/bin/multimail" {
		t.Errorf("got %s", got)
	}
}

func TestLongSubjectsAreCutBetweenRunes(t *testing.T) {
	for in, want := range map[string]string{"": "", "abc": "abc", "abcd": "ab…", "ééé": "ééé", "éééé": "éé…"} {
		if got := cut(in, 3); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if short(time.Time{}) != "-" {
		t.Error("the zero time is shown as a time")
	}
}
