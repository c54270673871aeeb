package message

import (
	"strings"

	"golang.org/x/net/html"
)

// tokenUser takes the tokens of a page in their order.
type tokenUser interface {
	text(s string)
	start(t html.Token)
	end(name string)
	comment(s string, bogus bool) // bogus: in <! > without the dashes
	doctype(s string)
	unclosed(s string) // a tag without its end, the last thing in a page
}

// eachToken cuts a page into tokens. What the approver is shown and what a
// reader of the page gets rest on this cut alone.
func eachToken(source string, user tokenUser) {
	z := html.NewTokenizer(strings.NewReader(source))
	read := 0
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			if read < len(source) {
				user.unclosed(source[read:])
			}
			return
		}
		read += len(z.Raw())
		switch kind {
		case html.TextToken:
			user.text(string(z.Text()))
		case html.StartTagToken, html.SelfClosingTagToken:
			t := z.Token()
			if t.Data == "noscript" { // mail programs run no script, so they read what is inside
				z.NextIsNotRawText()
			}
			user.start(t)
		case html.EndTagToken:
			name, _ := z.TagName()
			user.end(string(name))
		case html.CommentToken:
			user.comment(string(z.Text()), !strings.HasPrefix(source[read-len(z.Raw()):], "<!--"))
		case html.DoctypeToken:
			user.doctype(strings.TrimSpace(string(z.Text())))
		}
	}
}
