package message

import (
	"fmt"
	"strings"
	"testing"

	"github.com/multimail/multimail/internal/mailtest"
)

// styled are pages of about n octets that are expensive for a careless judge of
// styles, or for one who closes elements as browsers do.
var styled = map[string]func(n int) string{
	"one class, many rules": func(n int) string {
		return "<style>" + strings.Repeat(".a{color:#000}\n", n/30) + "</style>" + strings.Repeat("<p class=a>x\n", n/26)
	},
	"descendants": func(n int) string {
		return "<style>" + strings.Repeat("b b b b b .a{color:#000}\n", n/50) + "</style>" + strings.Repeat("<b>", 200) +
			strings.Repeat("<i class=a>x</i>\n", n/34)
	},
	"every element": func(n int) string {
		return "<style>" + strings.Repeat("*{color:#000}\n", n/28) + "</style>" + strings.Repeat("<p>x\n", n/10)
	},
	"many classes": func(n int) string {
		var b strings.Builder
		for i := range n / 20 {
			fmt.Fprintf(&b, "<p class='%s'>", strings.Repeat("a ", i%10))
		}
		return b.String()
	},
	"ends of nothing": func(n int) string {
		return strings.Repeat("<span>", 250) + strings.Repeat("</i>\n", n/5)
	},
	"formatting in paragraphs": func(n int) string {
		return strings.Repeat("<p><b><i><u>x</p>\n", n/18)
	},
	"formatting around blocks": func(n int) string {
		return strings.Repeat("<b><div>x</b>\n", n/14)
	},
	"a long style, read again": func(n int) string {
		return strings.Repeat("<b>", 100) + "<div style='" +
			strings.Repeat("a:b;", n/8) + "'>" + strings.Repeat("</b>\n", n/10)
	},
	"links": func(n int) string {
		return strings.Repeat("<a href=http://x.test/>x</a>\n", n/29)
	},
	"open links": func(n int) string {
		return strings.Repeat("<a href=http://x.test/>x\n", n/25)
	},
	"lists": func(n int) string {
		return strings.Repeat("<ul><li>x\n", n/10)
	},
	"quotations": func(n int) string {
		return strings.Repeat("<blockquote>x\n", n/14)
	},
	"media": func(n int) string {
		return "<style>" + strings.Repeat("@media screen{", n/14) + "</style>x"
	},
	"selectors": func(n int) string {
		return "<style>" + strings.Repeat("a,", n/2) + "{color:red}</style><a>x"
	},
	"attributes": func(n int) string {
		return "<style>" + strings.Repeat("[a*=b]{color:red}", n/17) + "</style><p a=b>x"
	},
	"comments": func(n int) string {
		return strings.Repeat("<!--[if x]>a<b<![endif]-->\n", n/28)
	},
	"uuencode": func(n int) string {
		return strings.Repeat("<br>begin 644 a\n", n/16)
	},
	"zero widths": func(n int) string {
		return strings.Repeat("x\u200b\n", n/5)
	},
}

func TestStylesOfAnyCompositionAreReadAtACostThatGrowsWithTheirSize(t *testing.T) {
	for name, make := range styled {
		var jobs [3]func()
		for i := range jobs {
			raw := mailWith("Content-Type: text/html; charset=utf-8\n\n" + make(10_000<<i) + "\n")
			jobs[i] = func() { NewReading(raw, ReadingLimits{}) }
		}
		costs, why := mailtest.Grow(jobs)
		if why != "" {
			t.Errorf("%s: %s", name, why)
		}
		if costs[2].CPU > 1e9 {
			t.Errorf("%s: 40,000 octets cost %d ms", name, costs[2].CPU/1e6)
		}
	}
}
