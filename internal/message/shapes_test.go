package message

import (
	"fmt"
	"strings"

	"github.com/multimail/multimail/mail"
)

// Shape is a kind of mail that grows: cheap to send and, for a careless reader,
// expensive to show.
type Shape struct {
	Name   string
	Octets int                // of the smallest size that is measured
	Header bool               // the header grows, so DKIM is measured too
	Mail   func(n int) []byte // of about n octets; nil when it is composed
	Draft  func(n int) Draft  // composed from about n octets
}

// Sizes of the smallest mail of a shape. Four times a field or a header still
// passes the limits of Read.
const (
	bodySize   = 48 << 10
	headerSize = 48 << 10
	fieldSize4 = 11 << 10
	draftSize  = 15 << 10
)

// Shapes returns all kinds of costly mail.
func Shapes() []Shape {
	var out []Shape
	made := map[int]map[string][]byte{}
	for name := range costly(1000) {
		out = append(out, Shape{Name: name, Octets: bodySize, Mail: func(n int) []byte {
			if made[n] == nil {
				made[n] = costly(n)
			}
			return made[n][name]
		}})
	}
	for i, s := range out {
		if growsInOneField[s.Name] {
			out[i].Octets, out[i].Header = fieldSize4, true
		}
	}
	for name, make := range bodies {
		out = append(out, Shape{Name: name, Octets: bodySize,
			Mail: func(n int) []byte { return mailWith(make(n) + "\n") }})
	}
	for name, s := range fieldsOf {
		out = append(out, Shape{Name: name, Octets: s.size, Header: true, Mail: func(n int) []byte {
			field := strings.TrimSuffix(s.make(n), "\n")
			return []byte("From: bot@a.test\r\n" + strings.ReplaceAll(field, "\n", "\r\n") + "\r\n\r\nx\r\n")
		}})
	}
	for name, make := range sources {
		out = append(out, Shape{Name: name, Octets: draftSize, Draft: func(n int) Draft {
			return Draft{From: mail.MustAddress("bot@a.test"), To: []mail.Address{mail.MustAddress("ann@x.test")},
				Markdown: make(n)}
		}})
	}
	return out
}

var growsInOneField = map[string]bool{
	"encoded-words": true, "good encoded-words": true, "quotes in To": true, "comments in To": true,
	"addresses in To": true, "parameters": true, "continued parameters": true, "semicolons": true, "headers": true,
}

// levels nests n multiparts, each with this preamble and epilogue of its own.
func levels(n int, boundary func(i int) string, preamble, epilogue string) string {
	var b strings.Builder
	ends := ""
	for i := range n {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=\"%s\"\n\n%s\n--%s\n", boundary(i), preamble, boundary(i))
		ends = "\n--" + boundary(i) + "--\n" + epilogue + "\n" + ends
	}
	return b.String() + "\nx\n" + ends
}

func numbered(i int) string { return fmt.Sprintf("b%d.", i) }

func typed(kind, body string) string { return "Content-Type: " + kind + "\n\n" + body }

// rows are n octets of s in long lines.
func rows(s string, n int) string { return repeat(repeat(s, 900)+"\n", n) }

// firstPart is a message whose first part has this header.
func firstPart(head string) string {
	return "Content-Type: multipart/mixed; boundary=b\n\n--b\n" + head + "\n\nx\n--b--"
}

func mixed(n int, head, body string) string {
	return "Content-Type: multipart/mixed; boundary=b\n\n" + repeat("--b\n"+head+"\n"+body+"\n", n) + "--b--"
}

// bodies make what follows the first fields of a mail whose body grows.
var bodies = map[string]func(n int) string{
	"messages in quoted-printable levels": func(n int) string { return quoted(n, 20) },
	"messages in binary levels": func(n int) string {
		return strings.Repeat("Content-Type: message/rfc822\n\n", 49) + "\n" + repeat("x\n", n)
	},
	"preamble in every level": func(n int) string { return levels(50, numbered, repeat("--x\n", n/50), "") },
	"epilogue in every level": func(n int) string { return levels(50, numbered, "", repeat("--b\n", n/50)) },
	"boundaries that begin alike": func(n int) string {
		alike := func(i int) string { return strings.Repeat("b", i+1) }
		return levels(40, alike, repeat("--"+strings.Repeat("b", 60)+"\n", n/40), "")
	},
	"levels that never end": func(n int) string {
		open, _, _ := strings.Cut(levels(50, numbered, "", ""), "\nx\n")
		return open + "\n" + repeat("--b\n", n)
	},
	"tiny parts":       func(n int) string { return mixed(n, "", "x") },
	"empty boundaries": func(n int) string { return typed("multipart/mixed; boundary=b", repeat("--b\n", n)) },
	"parts with file names": func(n int) string {
		const names = "filename*=utf-8''%41%42; filename=\"=?utf-8?q?ab?=\""
		return mixed(n, "Content-Disposition: attachment; "+names+"\n", "x")
	},
	"attached messages": func(n int) string {
		return mixed(n, "Content-Type: message/rfc822\n", "From: a@b.test\nTo: c@d.test\nSubject: =?utf-8?q?x?=\n\nx")
	},
	"digest": func(n int) string {
		return strings.Replace(mixed(n, "", "Subject: x\n\nx"), "mixed", "digest", 1)
	},
	"stray lines in a part":   func(n int) string { return mixed(n, strings.Repeat("a\nb:\n", 100), "x") },
	"one part of stray lines": func(n int) string { return firstPart(repeat("a\n", n)) },
	"addresses of a part": func(n int) string {
		return "Content-Type: message/rfc822\n\nTo: " + repeat("a@b.test,\n ", n) + "x\n\nx"
	},
	"parameters of a part": func(n int) string { return firstPart("Content-Type: text/plain" + repeat(";\n a=b", n)) },
	"semicolons of a part": func(n int) string {
		return firstPart("Content-Disposition: attachment" + repeat(";\n ;", n))
	},
	"octets outside UTF-8":    func(n int) string { return "\n" + rows("\xff\xfe\x80", n) },
	"controls":                func(n int) string { return "\n" + rows("\x01\x02\x7f", n) },
	"invisible characters":    func(n int) string { return typed("text/plain; charset=utf-8", rows("\u200b\u202e", n)) },
	"characters JSON escapes": func(n int) string { return "\n" + rows("<&>\"", n) },
	"a legacy charset": func(n int) string {
		return typed("text/plain; charset=windows-874", rows("\xb7\xb4\xca", n))
	},
	"UTF-16": func(n int) string {
		return "Content-Type: text/plain; charset=utf-16le\nContent-Transfer-Encoding: base64\n\n" +
			wrap64([]byte(repeat("a\x00\x71\x67", n*3/4)))
	},
	"ISO-2022-JP": func(n int) string {
		return typed("text/plain; charset=iso-2022-jp", repeat("\x1b$B%\x1b(Ba\n", n))
	},
	"blank lines": func(n int) string { return "\n" + repeat("\n", n/2) + "x" },
	"blanks":      func(n int) string { return "\n" + rows(" \t", n) },
	"runs of base64": func(n int) string {
		return "Content-Transfer-Encoding: base64\n\n" +
			repeat("QQ==\n", n)
	},
	"base64 that is none": func(n int) string {
		return "Content-Transfer-Encoding: base64\n\n" +
			repeat("=!=?\n", n)
	},
	"damaged quoted-printable": func(n int) string {
		return "Content-Transfer-Encoding: quoted-printable\n\n" +
			repeat("=4=\t \n", n)
	},
	"links without blanks": func(n int) string { return "\n" + repeat(repeat("http://", 980)+"\n", n) },
	"hosts in other letters": func(n int) string {
		return typed("text/plain; charset=utf-8", strings.ReplaceAll(distinct(n), ".test", "é.test"))
	},
	"page of links": func(n int) string {
		return typed("text/html", repeat("<a href=http://x.test/>http://y.test/</a>\n", n))
	},
	"page of hidden stretches": func(n int) string { return typed("text/html", repeat("a<s>b</s>\n", n)) },
	"page of unmatched ends":   func(n int) string { return typed("text/html", repeat("<li></div><dd></b>\n", n)) },
	"page of unknown attributes": func(n int) string {
		return typed("text/html", "<p "+repeat("a1=b ", n/80)+">"+repeat("<p x=y>z\n", n))
	},
	"page of inline styles": func(n int) string {
		return typed("text/html", repeat("<p style='margin:0;color:#000;x:y'>z\n", n))
	},
	"page of one style": func(n int) string {
		return typed("text/html", "<p style='"+repeat("margin:0;\n", n)+"'>z")
	},
	"page of one sheet": func(n int) string {
		return typed("text/html", "<style>"+repeat("a,.b{c:d}}/**/\n", n)+"</style>z")
	},
	"page of open links": func(n int) string {
		return typed("text/html", repeat("<a href=http://a.test>b.test\n", n))
	},
	"page of one link": func(n int) string {
		return typed("text/html", "<a href=http://a.test>"+repeat("b.test \n", n))
	},
	"page of conditional comment": func(n int) string { return typed("text/html", repeat("<!--[if a]><!-->b\n", n)) },
	"page of distinct links": func(n int) string {
		var b strings.Builder
		for i := 0; b.Len() < n; i++ {
			fmt.Fprintf(&b, "<a href=http://a%d.test/>b%d.test</a>\n", i, i)
		}
		return typed("text/html", b.String())
	},
	"page of nested tables": func(n int) string { return typed("text/html", repeat("<table><tr><td>\n", n)) },
	"page of unclosed tags": func(n int) string { return typed("text/html", repeat("<a <b \n", n)) },
	"page of styles":        func(n int) string { return typed("text/html", repeat("<style>a{b:url(c)}</style>\n", n)) },
	"pages that differ": func(n int) string {
		return typed("multipart/alternative; boundary=b", "--b\n\n"+repeat("a b\n", n/2)+
			"\n--b\n"+typed("text/html", repeat("b a\n", n/2)+"\n--b--"))
	},
}

// fieldsOf make headers that grow, in one field or in many.
var fieldsOf = map[string]struct {
	size int
	make func(n int) string
}{
	"one folded field": {fieldSize4, func(n int) string {
		return "X:" + repeat("\n a"+strings.Repeat("b", 60), n)
	}},
	"many folded fields": {headerSize, func(n int) string {
		return repeat("X:"+strings.Repeat("\n a", 990)+"\n", n)
	}},
	"short folds": {fieldSize4 / 5, func(n int) string { return "X:" + repeat("\n a", n) }},
	"references": {fieldSize4, func(n int) string {
		return "References:" + repeat("\n <0123456789.0123456789.0123456789@example.test>", n)
	}},
	"unsubscribe links": {fieldSize4, func(n int) string {
		return "List-Unsubscribe:" + repeat("\n <http://a.test/>,<http://b.test/>,<mailto:a@b.test>", n)
	}},
	"nested comments": {fieldSize4, func(n int) string {
		return "To:" + repeat("\n "+strings.Repeat("(", 60), n)
	}},
	"groups": {fieldSize4, func(n int) string {
		return "To:" + repeat("\n a:b@c.test;,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,", n)
	}},
	"brackets": {fieldSize4, func(n int) string {
		return "Cc:" + repeat("\n <<<<<<<<<<<<>>>>>>>>><@a,@b:c@d>", n)
	}},
	"receipts": {fieldSize4, func(n int) string { return repeat("Return-Receipt-To: a@b.test\n", n) }},
	"hops": {fieldSize4 / 4, func(n int) string {
		return repeat("Received: from a.test by b.test; Mon, 2 Mar 2026 10:00:00 +0000"+strings.Repeat("\n x", 40)+"\n", n)
	}},
	"signatures of others": {fieldSize4, func(n int) string {
		return repeat("DKIM-Signature: v=1; d=x.test; h=from:to; b=x\n", n)
	}},
	"names in a signature": {fieldSize4, func(n int) string {
		return "DKIM-Signature: v=1; d=x.test; b=x; h=from" + repeat(":from:to:cc\n ", n) + ":x"
	}},
	"tags of a signature": {fieldSize4, func(n int) string {
		return "DKIM-Signature: v=1; d=x.test" + repeat(";\n d=x.test", n)
	}},
	"half encoded-words": {fieldSize4, func(n int) string {
		return "Subject:" + repeat("\n =?utf-8?b?=?=?=?q?=?a?", n)
	}},
	"blanks in a field": {fieldSize4, func(n int) string {
		return "Subject: a" + repeat("\n"+strings.Repeat(" \t", 30)+"b", n)
	}},
	"file name in pieces": {fieldSize4, func(n int) string {
		return "Content-Disposition: attachment" +
			strings.ReplaceAll(strings.ReplaceAll(parameters(n), "name", "filename"), "\r", "")
	}},
}

// sources make Markdown that grows.
var sources = map[string]func(n int) string{
	"markdown of brackets":       func(n int) string { return repeat("[a](", n) },
	"markdown of emphasis":       func(n int) string { return repeat("*a_ ", n) },
	"markdown of backticks":      func(n int) string { return repeat("` `` ``` ```` ", n) },
	"markdown of blank lines":    func(n int) string { return "- a\n" + repeat("\n", n) + "b" },
	"markdown of quotations":     func(n int) string { return repeat("> ", n) },
	"markdown of lists in lists": func(n int) string { return repeat("- ", n) },
	"markdown of definitions":    func(n int) string { return repeat("[a]: /b\n", n) + "[a]" },
	"markdown of raw HTML":       func(n int) string { return repeat("<a <b and c> d>\n", n) },
	"markdown of tables":         func(n int) string { return repeat("|a|b|c|\n|-|-|-|\n|1|2|3|\n", n) },
	"markdown of entities":       func(n int) string { return repeat("&amp;&#x41;& ", n) },
	"markdown of links":          func(n int) string { return repeat("http://a.test/b www.c.test d@e.test ", n) },
	"markdown of backtick runs": func(n int) string {
		var b strings.Builder
		for i := 1; b.Len() < n; i = i%300 + 1 {
			b.WriteString(strings.Repeat("`", i) + " ")
		}
		return b.String()
	},
	"markdown of few backticks":         func(n int) string { return repeat("``a "+strings.Repeat("word ", 12), n) },
	"markdown of blank lines in lists":  func(n int) string { return repeat("- a\n  - b\n    - c\n\n\n\n\n\n\n\n", n) },
	"markdown of items and blank lines": func(n int) string { return repeat("- some words\n\n", n) },
	"markdown of images":                func(n int) string { return repeat("![a ", n) },
	"markdown of mixed emphasis":        func(n int) string { return repeat("*a **b ", n) },
	"markdown of underscores":           func(n int) string { return repeat("_a ", n) },
	"markdown of few underscores":       func(n int) string { return repeat("_a "+strings.Repeat("word ", 12), n) },
	"markdown of wide tables": func(n int) string {
		return repeat("|a", 200) + "|\n" + repeat("|-", 200) + "|\n" + repeat("|b\n", n)
	},
	"markdown of signs in a quotation": func(n int) string { return "> a " + repeat(">", n) },
	"markdown of angle brackets":       func(n int) string { return repeat("<", n) },
	"markdown of open autolinks":       func(n int) string { return repeat("<http:// ", n) },
	"markdown of ampersands":           func(n int) string { return repeat("&", n) },
	"markdown of tabs":                 func(n int) string { return repeat("\t", n) + "x" },
	"markdown of tabs in lists":        func(n int) string { return "-" + repeat("\t", n) + "x" },
	"markdown of blanks in a list":     func(n int) string { return "-" + repeat(" ", n) + "x" },
	"markdown of numbered items":       func(n int) string { return repeat("1. a\n", n) },
	"markdown of dots and colons":      func(n int) string { return repeat("a.b:c@d.e_", n) },
	"markdown of letters":              func(n int) string { return repeat("a", n) },
	"markdown of quoted lines":         func(n int) string { return repeat("> words and words\n", n) },
	"markdown of indented code":        func(n int) string { return repeat("    a\n\n", n) },
	"markdown of fences":               func(n int) string { return repeat("~~~\n", n) },
	"markdown of plain words":          func(n int) string { return repeat("words and more words\n", n) },
	"markdown of unclosed comment":     func(n int) string { return repeat("<!-- <![CDATA[ <? ", n) },
}
