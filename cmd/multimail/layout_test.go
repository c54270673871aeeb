package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/multimail/multimail/httpd/api"
)

// laidOut prints segments on a page of n columns.
func laidOut(n int, list ...api.Segment) []string {
	var b bytes.Buffer
	p := &printer{w: &b, columns: n}
	for _, s := range list {
		p.segment(s)
	}
	return splitLines(b.String())
}

// A body that holds what this program prints for another kind looks different
// from the real one, however it is cut into lines.
func TestNoTextPrintsAsAnotherKind(t *testing.T) {
	for kind, bar := range bars {
		real := laidOut(60, api.Segment{Kind: kind, Part: "2", Depth: 1, Note: "why", Text: "pay now"})
		for other, otherBar := range bars {
			text := strings.Join(real, "\n") + "\n" + strings.Repeat("x ", 29) + strings.Join(real, " ")
			lines := laidOut(60, api.Segment{Kind: other, Text: text})
			for _, l := range lines[2:] {
				if !strings.HasPrefix(l+" ", otherBar) || slices.Contains(real, l) && l != "" {
					t.Errorf("%q in a %s passes for %s (%q)", l, other, kind, bar)
				}
			}
		}
	}
}

func TestEveryKindHasABarOfItsOwn(t *testing.T) {
	seen := map[string]string{"> ": "depth", "! ": "unknown"}
	for kind, bar := range bars {
		if seen[bar] != "" || len(bar) != 2 || titles[kind] == "" || !strings.Contains(legend, `"`+bar+`"`) {
			t.Errorf("%s has %q, as has %s", kind, bar, seen[bar])
		}
		seen[bar] = kind
	}
}

func TestLongLinesAreWrappedBehindTheirBar(t *testing.T) {
	for name, text := range map[string]string{
		"one word":         strings.Repeat("x", 500),
		"words":            strings.Repeat("pay the bill ", 50),
		"wide letters":     strings.Repeat("漢", 200),
		"combining marks":  strings.Repeat("e\u0301", 200),
		"pictures":         strings.Repeat("\u2764\ufe0f", 200),
		"tabs":             strings.Repeat("\tx", 200),
		"invisible spaces": strings.Repeat("a\u200b", 100),
	} {
		for _, n := range []int{40, 80, 100} {
			got := ""
			for _, l := range laidOut(n, api.Segment{Kind: "hidden", Depth: 2, Text: text})[2:] {
				used := 0
				for _, r := range l {
					used += cells(r)
				}
				if used > n || !strings.HasPrefix(l, "> > ? ") {
					t.Errorf("%s, %d columns: %d in %q", name, n, used, l)
				}
				got += strings.TrimPrefix(l, "> > ? ")
			}
			if blanks := strings.NewReplacer(" ", ""); blanks.Replace(got) != blanks.Replace(printable(text)) {
				t.Errorf("%s, %d columns: the text became %q", name, n, got)
			}
		}
	}
}

// A value goes on under itself, never in the first column where the names of
// this page stand.
func TestALongValueNeverReachesTheFirstColumn(t *testing.T) {
	for _, value := range []string{
		strings.Repeat("x", 48) + "Digest:     0000", strings.Repeat("x ", 24) + "Digest:     0000",
		"a\nDigest:     0000", "a\rDigest:     0000", "a\u2028Digest:     0000", strings.Repeat("漢", 24) + "Digest:     0000",
		strings.Repeat("e\u0301\u0302", 48) + "Digest:     0000",
	} {
		var b bytes.Buffer
		p := &printer{w: &b, columns: 60}
		p.field("Subject", value)
		p.line("%s", value)
		if err := (&environment{out: &b}).wrapped(printable(value)); err != nil {
			t.Fatal(err)
		}
		for _, l := range splitLines(b.String()) {
			if strings.HasPrefix(l, "Digest:") {
				t.Errorf("%q makes %q", value, l)
			}
		}
	}
}
