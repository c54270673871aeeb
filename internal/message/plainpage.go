package message

import (
	"strings"

	"golang.org/x/net/html"
)

// standsFor reports whether text may be shown in the place of page: page is
// what Compose writes for text to the octet, or a plain page with the same
// words and signs in the same order. The lines of both end with LF. One text may
// have many pages beside it: what is done for each is bounded by the page.
func standsFor(text, page string) bool {
	if words, ok := plainPage(page); ok && sameWords(text, words) {
		return true
	}
	if len(text) > maxMarkdown && len(page) < len(text) {
		return false // the rest costs no more than the page
	}
	want, err := renderMarkdown(text)
	return err == nil && strings.TrimSpace(page) == strings.TrimSpace(htmlFrame(want))
}

func unixLines(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
}

// plainElements are shown as running text by every program, wherever they
// stand, and change neither a word nor its order; true starts a new word.
var plainElements = map[string]bool{
	"html": true, "head": true, "body": true, "p": true, "br": true, "pre": true,
	"h1": true, "h2": true, "h3": true, "h4": true, "h5": true, "h6": true,
	"strong": false, "em": false,
}

// plainPage returns what a page says, if it consists of text and of plain
// elements without attributes; <meta charset="utf-8"> may stand in it as well.
func plainPage(source string) (words string, ok bool) {
	var b strings.Builder
	z := html.NewTokenizer(strings.NewReader(source))
	read := 0
	for {
		kind := z.Next()
		if kind != html.ErrorToken {
			read += len(z.Raw())
		}
		switch kind {
		case html.ErrorToken: // an unfinished tag at the end is no text
			return b.String(), read == len(source)
		case html.TextToken:
			b.Write(z.Text())
		case html.StartTagToken, html.EndTagToken:
			t := z.Token()
			parts, plain := plainElements[t.Data]
			if t.Data == "meta" {
				plain = len(t.Attr) == 1 && t.Attr[0].Key == "charset" && strings.EqualFold(t.Attr[0].Val, "utf-8")
			} else {
				plain = plain && len(t.Attr) == 0
			}
			if !plain {
				return "", false
			}
			if parts {
				b.WriteByte(' ')
			}
		case html.DoctypeToken:
			if !strings.EqualFold(strings.TrimSpace(string(z.Text())), "html") {
				return "", false
			}
		default:
			return "", false
		}
	}
}

// sameWords reports whether a and b are equal but for their blanks: the
// number, not the place, of blanks may differ. U+00A0 is shown as a blank.
func sameWords(a, b string) bool {
	for {
		var x, y string
		x, a = nextWord(a)
		y, b = nextWord(b)
		if x != y {
			return false
		}
		if x == "" {
			return true
		}
	}
}

// nextWord cuts the first word, "" when there is none.
func nextWord(s string) (word, rest string) {
	s = strings.TrimLeft(s, blanks)
	if i := strings.IndexAny(s, blanks); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

const blanks = " \t\r\n\f\u00a0"
