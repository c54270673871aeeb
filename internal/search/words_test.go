package search

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestWordsOfAText(t *testing.T) {
	for _, c := range []struct{ text, indexed, asked string }{
		{"", "", ""},
		{"Hello, World! 42", "hello world 42", "hello world 42"},
		{"ada.lovelace@dest.test", "ada lovelace dest test", "ada lovelace dest test"},
		{"Crème Brûlée", "creme brulee", "creme brulee"},
		{"cre\u0300me", "creme", "creme"},
		{"STRASSE Straße", "strasse strasse", "strasse strasse"},
		{"Øresund Łódź İstanbul ıssız", "oresund lodz istanbul issiz", "oresund lodz istanbul issiz"},
		{"ΟΔΟΣ οδός", "οδοσ οδοσ", "οδοσ οδοσ"},
		{"Москва ё й", "москва е и", "москва е и"},
		{"שָׁלוֹם", "שלום", "שלום"},
		{"مُحَمَّد", "محمد", "محمد"},
		{"हिन्दी", "हिन्दी", "हिन्दी"},
		{"日本語", "日本 本語 日 本 語", "日本 本語"},
		{"日", "日 日", "日"},
		{"東京 で", "東京 で 東 京 で", "東京 で"},
		{"カー", "カー カ ー", "カー"},
		{"ｶﾞ", "ガ ガ", "ガ"},
		{"한국어를", "한국 국어 어를 한 국 어 를", "한국 국어 어를"},
		{"abc日本def", "abc 日本 def 日 本", "abc 日本 def"},
		{"ภาษา", "ภา าษ ษา ภ า ษ", "ภา าษ ษา"},
		{"ﬁne ½ ①", "fine 1 2 1", "fine 1 2 1"},
		{"soft\u00adhyphen zero\u200bwidth \u202ebidi", "softhyphen zerowidth bidi", "softhyphen zerowidth bidi"},
		{"a\x00b\xffc\xed\xa0\x80d", "a b c d", "a b c d"},
		{"😀 👍🏽", "", ""},
		{strings.Repeat("x", 100), strings.Repeat("x", 64), strings.Repeat("x", 64)},
		{strings.Repeat("я", 100), strings.Repeat("я", 32), strings.Repeat("я", 32)},
	} {
		if got := words(c.text); got != c.indexed {
			t.Errorf("words(%q) = %q, want %q", c.text, got, c.indexed)
		}
		if got := phrase(c.text); got != c.asked {
			t.Errorf("phrase(%q) = %q, want %q", c.text, got, c.asked)
		}
	}
}

// What FTS5 reads must be words and blanks alone, whatever a stranger wrote.
func FuzzWords(f *testing.F) {
	for _, s := range []string{"Crème 日本語 a\u0300\u0301", "\"*^:()-+{}", "ß" + strings.Repeat("\u0301", 100),
		"\xff\xed\xa0\x80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		indexed, asked := words(s), phrase(s)
		for _, out := range []string{indexed, asked} {
			if !utf8.ValidString(out) || strings.ContainsFunc(out, func(r rune) bool {
				return r != ' ' && !unicode.In(r, unicode.L, unicode.N, unicode.M)
			}) {
				t.Fatalf("%q has more than words: %q", s, out)
			}
			for word := range strings.SplitSeq(out, " ") {
				if len(word) > maxWord || word == "" && out != "" {
					t.Fatalf("%q has the word %q", s, word)
				}
			}
		}
		if !strings.HasPrefix(indexed, asked) {
			t.Fatalf("%q is indexed as %q and asked for as %q", s, indexed, asked)
		}
		if again := phrase(asked); again != asked && !strings.ContainsFunc(asked, isDense) {
			t.Fatalf("the words of %q are %q, and theirs %q", s, asked, again)
		}
	})
}
