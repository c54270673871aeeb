package message

import (
	"html"
	"math/rand/v2"
	"strings"
	"testing"
)

func written(s string) string { return "<pre>" + html.EscapeString(s) + "</pre>\n" }

// Rendering would drop, change or invent something.
func TestMarkdownThatRenderingWouldChangeIsSentAsItIsWritten(t *testing.T) {
	for _, s := range []string{
		"a &amp; b", "&#x41;", "&amp;amp;", "![alt](http://x.test/i.png)", "[x](/pay)", "[x](javascript:alert(1))", "[x]()",
		"[x](http://x.test 'title')", "[x](<http://x.test>)", "[](http://x.test)", "5*3*2", "5**3**", "5 \\* 3", "a\\\nb",
		"1. a\n1. b\n3. c", "2. a", "2026. text", "1) x", "- 500", "+ 5", "* 5", "- €5", "- **500**", "- EUR 500", "- .5",
		"- `5`", "-", "- - x", "#", "# a #", "# 5",
		"```go\nx\n```", "```\nx", "~~~ x\ny\n~~~", "|a|b|\n|-|-|\n|1|2|3|",
		"|a|b|\n|-|-|\n|1", "|a|\n|-|\n|1\\||", "> 500", "> a\n> 500", ">",
		"a`b`c", "b[a](http://x.test)", "[a](http://x.test)b", "*a*b", "**a*", "- - -", "http://x.test/ä",
		"[a](http://x.test/ä)", "[a](HTTP://x.test)", "<ftp://x.test>", "****", "a\n- 5\n", "03. x", "-\n  500",
		"- Rs. 500", "- kr 5", "2 *3* 4", "**5**.5", "1. a\n\n   2. b",
	} {
		if page, err := renderMarkdown(s); err != nil || page != written(s) {
			t.Errorf("%q is shown as %q, %v", s, page, err)
		}
	}
}

// The markup that may vanish.
func TestMarkdownThatSaysTheSameIsRendered(t *testing.T) {
	for _, s := range []string{
		"a\nb", "# Title\n\ntext", "*a* __b__ ***c***, (**d**).", "`code` and ``a ` b``", "- a\n- b\n  - c\n\n+ d",
		"1. a\n2. 5 b\n\n   c\n3. d",
		"> a\n> b\n>\n> c\n>\n\n> d\n> > e", "> lazy\nline",
		"[a b](http://x.test/?a=b&c=d) <http://y.test> http://z.test www.x.test a@b.test", "[*a*](https://x.test)",
		"```\na *b*\n\n> c\n```", "    code\n\n    more", "| a | b |\n|:--|--:|\n| 1 | *2* |\n| | 4 |\n\nx",
		"a | b\n--|--\n1 | 2", "a\n\n---\n\nb", "snake_case and 2 * 3 * 4", "~~a~~", "- [x] done\n- [ ] todo", "<b>raw</b>",
		"> - a\n> - b\n\nend", "a  \nb", "Größe *Köln*.",
	} {
		if page, err := renderMarkdown(s); err != nil || page == written(s) {
			t.Errorf("%q is not rendered: %v", s, err)
		}
	}
}

// lettersOf keeps what no markup consists of.
func lettersOf(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\n*_`#>-+|:[]()<~.0123456789", r) {
			return -1
		}
		return r
	}, s)
}

// keepsEveryCharacter compares by other means than the composer does: letters
// and signs in order, and the digits as a whole where no list is numbered.
func keepsEveryCharacter(t *testing.T, s string) {
	t.Helper()
	page, err := renderMarkdown(s)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(page, "<pre>") && page == written(s) {
		return
	}
	words, targets := renderHTML(page).words.String(), strings.Count(page, "<a ")
	if targets == 0 && lettersOf(s) != lettersOf(words) {
		t.Fatalf("%q is shown as %q\n%s", s, words, page)
	}
	digits := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r < '0' || r > '9' {
				return -1
			}
			return r
		}, s)
	}
	if targets == 0 && !strings.Contains(page, "<ol>") && digits(s) != digits(words) {
		t.Fatalf("%q is shown with other digits: %q", s, words)
	}
}

var markdownPieces = []string{"a", "b5", "not ", "5", " ", "\n", "\n\n", "    ", "\t", "*", "**", "_", "__",
	"`", "``", "```\n", "~~~\n", "~~", "#", "# ",
	"## ", "> ", ">", "- ", "+ ", "* ", "1. ", "2. ", "2) ", "[", "](", "](http://x.test)", ")", "]", "![", "<",
	"<http://x.test>", "<b>", "&amp;", "&#65;", "&",
	"\\", "|", "|-|-|\n", "---\n", "|a|b|\n", "http://x.test/", "www.x.test", "a@b.test", "===\n",
	"[a]: /b\n", "é", "\u00a0", "\"", "'", ".", ":", "!", "<!-- ", "€"}

func randomMarkdown(r *rand.Rand, n int, pieces []string) string {
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(pieces[r.IntN(len(pieces))])
	}
	return b.String()
}

func TestRandomMarkdownKeepsEveryCharacter(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		keepsEveryCharacter(t, randomMarkdown(r, 1+r.IntN(40), markdownPieces))
	}
}

func FuzzComposeKeepsEveryCharacter(f *testing.F) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		f.Add(randomMarkdown(r, 30, markdownPieces))
	}
	for _, s := range []string{"5**3*", "> a\n> 500", "- - x", "|a|b|\n|-|-|\n|1|2|3|",
		"```go\nx\n```", "[x](http://x.test)", "1. a\n1. b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { keepsEveryCharacter(t, unixLines(s)) })
}
