package message

import (
	"strings"

	"github.com/tdewolff/parse/v2"
	"github.com/tdewolff/parse/v2/css"
)

// cssToken is a token of CSS Syntax, section 4, as it is written.
type cssToken struct {
	kind css.TokenType
	text string
}

// cssTokens cuts CSS into tokens. Comments stay: they part what is around them.
func cssTokens(source string) []cssToken {
	source = strings.NewReplacer("\x00", "\ufffd", "\r\n", "\n", "\r", "\n", "\f", "\n").Replace(source)
	lexer := css.NewLexer(parse.NewInputString(source))
	var out []cssToken
	for at := 0; ; {
		kind, data := lexer.Next()
		if kind == css.ErrorToken {
			return out
		}
		out = append(out, cssToken{kind, source[at : at+len(data)]})
		at += len(data)
	}
}

// isBlankToken reports whether a token says nothing.
func (t cssToken) isBlank() bool { return t.kind == css.WhitespaceToken || t.kind == css.CommentToken }

// isDelim reports whether a token is that one character.
func (t cssToken) isDelim(c string) bool { return t.kind == css.DelimToken && t.text == c }

// isIdent reports whether a token is a name.
func (t cssToken) isIdent() bool {
	return t.kind == css.IdentToken || t.kind == css.CustomPropertyNameToken
}

// skipBlank leaves out the white space and the comments in front.
func skipBlank(tokens []cssToken) []cssToken {
	for len(tokens) > 0 && tokens[0].isBlank() {
		tokens = tokens[1:]
	}
	return tokens
}

// closers are the tokens that end what a token begins.
var closers = map[css.TokenType]css.TokenType{
	css.LeftBraceToken: css.RightBraceToken, css.LeftBracketToken: css.RightBracketToken,
	css.LeftParenthesisToken: css.RightParenthesisToken, css.FunctionToken: css.RightParenthesisToken,
}

// scan returns the index of the first token of one of the kinds that stands in no
// brackets, or len(tokens). Brackets are those of CSS Syntax, section 5.4.8: one
// that ends nothing is a token like others.
func scan(tokens []cssToken, kinds ...css.TokenType) int {
	var open []css.TokenType
	for i, t := range tokens {
		if len(open) == 0 {
			for _, k := range kinds {
				if t.kind == k {
					return i
				}
			}
		} else if t.kind == open[len(open)-1] {
			open = open[:len(open)-1]
			continue
		}
		if end, ok := closers[t.kind]; ok {
			open = append(open, end)
		}
	}
	return len(tokens)
}

// cutBlock cuts tokens, the first of which opens brackets, where these end.
func cutBlock(tokens []cssToken) (inside, after []cssToken) {
	end := scan(tokens[1:], closers[tokens[0].kind]) + 1
	if end == len(tokens) {
		return tokens[1:], nil
	}
	return tokens[1:end], tokens[end+1:]
}

// notUnderstood is the value of what is not read.
const notUnderstood = `\`

// cssValue writes a value in one form: in lower case, strings and targets without
// what they say, one blank between words, and none around commas, slashes, colons and
// inside of parentheses.
func cssValue(tokens []cssToken) string { return writeValue(tokens, false) }

// writeValue does it, and keeps the names of fonts in quotes where named is set.
func writeValue(tokens []cssToken, named bool) string {
	var b strings.Builder
	blank := false
	for _, t := range tokens {
		text := t.text
		switch {
		case t.isBlank():
			blank = true
			continue
		case t.kind == css.BadStringToken, t.kind == css.BadURLToken, t.kind == css.UnicodeRangeToken:
			return notUnderstood
		case t.kind == css.StringToken && strings.HasPrefix(lowerASCII(cutQuotes(t.text)), "data:"):
			text = "data"
		case t.kind == css.StringToken:
			if text = `""`; named {
				text = `"` + fontName(cutQuotes(t.text)) + `"`
			}
		case t.kind == css.URLToken:
			if text = "url()"; strings.Contains(lowerASCII(t.text), "data:") {
				text = "url(data)"
			}
		case strings.Contains(text, `\`):
			return notUnderstood
		}
		last := byte('(')
		if b.Len() > 0 {
			last = b.String()[b.Len()-1]
		}
		if blank && !strings.ContainsRune("(,/:", rune(last)) && !strings.Contains(",/:)", text[:1]) {
			b.WriteByte(' ')
		}
		blank = false
		b.WriteString(lowerASCII(text))
	}
	return b.String()
}

// fontName writes the name of a font with its letters, digits and dashes alone.
func fontName(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x80 && (isLetter(byte(r)) || r >= '0' && r <= '9') {
			return r
		}
		return '-'
	}, s)
}

// splitWords splits a value at the blanks that stand in no parentheses.
func splitWords(v string) []string { return splitOutside(v, ' ') }

// splitOutside splits a value at the separators that stand in no parentheses.
func splitOutside(v string, sep byte) (out []string) {
	depth, from := 0, 0
	for i := range len(v) {
		switch v[i] {
		case '(':
			depth++
		case ')':
			depth--
		case sep:
			if depth == 0 {
				out = append(out, v[from:i])
				from = i + 1
			}
		}
	}
	return append(out, v[from:])
}
