package message

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// costly are mails of about n octets that are cheap to send and, for a careless
// reader, expensive to show.
func costly(n int) map[string][]byte {
	fill := func(s string) string { return strings.Repeat(s, n/len(s)) }
	page := func(s string) []byte { return mailWith("Content-Type: text/html; charset=utf-8\n\n" + s + "\n") }
	header := func(s string) []byte {
		return []byte("From: bot@a.test\r\n" + s + "\r\n\r\nx\r\n")
	}
	short := func(name, s string) []byte { // a header of many folded lines
		line := "\r\n " + strings.Repeat(s, 900/len(s))
		return header(name + ":" + strings.Repeat(line, min(n, MaxHeader-2000)/len(line)))
	}
	deep := nested(50)
	return map[string][]byte{
		"plain text":               mailWith("\n" + fill("The quick brown fox jumps over the lazy dog.\n")),
		"links":                    mailWith("\n" + fill("http://a.test/ ")[:900] + "\n" + fill("://a www. mailto:\n")),
		"distinct links":           mailWith("\n" + distinct(n)),
		"base64":                   mailWith("Content-Transfer-Encoding: base64\n\n" + wrap64(make([]byte, n*3/4))),
		"quoted-printable":         mailWith("Content-Transfer-Encoding: quoted-printable\n\n" + fill("=41=42=\n")),
		"page":                     page(fill("<p style='color:red'>word <b>bold</b></p>\n")),
		"open elements":            page(fill("<div>\n")),
		"open elements, then ends": page(fill("<div>\n")[:n/12*6] + fill("</p>\n")[:n/10*5]),
		"hidden elements":          page(fill("<p hidden>\n")),
		"noscript in noscript":     page(fill("<noscript><iframe>\n")),
		"comments":                 page(fill("<!--\n")),
		"attributes":               page("<p" + fill(" title=x\n") + ">"),
		"style declarations":       page("<p style='" + fill("a:b;/*\n") + "'>"),
		"css links":                page("<style>" + fill("url(\n") + "</style>"),
		"entities":                 page(fill("&amp;&lt\n")),
		"50 levels": bytes.Replace(deep, []byte("\r\n\r\nx\r\n"),
			[]byte("\r\n\r\n"+strings.ReplaceAll(fill("--b\n"), "\n", "\r\n")), 1),
		"boundary of dashes": mailWith("Content-Type: multipart/mixed; boundary=" + strings.Repeat("-", 70) + "\n\n" +
			fill(strings.Repeat("-", 900)+"\n")),
		"boundary look-alikes": mailWith("Content-Type: multipart/mixed; boundary=b\n\n" + fill("--b x\n")),
		"alternatives": mailWith("Content-Type: multipart/alternative; boundary=b\n\n--b\n\n" +
			fill("*a* [b](c)\n")[:n/2] + strings.Repeat("\n--b\nContent-Type: text/html\n\n<p>\n", 900) + "--b--\n"),
		"nested alternatives": bytes.ReplaceAll(deep, []byte("mixed"), []byte("alternative")),
		"markdown":            alternatives(strings.Repeat("[", maxMarkdown-10), "x"),
		"markdown quotes": alternatives(strings.Repeat("> ", 400)+"\n"+strings.Repeat(strings.Repeat("*a_",
			300)+"\n", 280), "x"),
		"fields of a part": mailWith("Content-Type: multipart/mixed; boundary=b\n\n--b\n" + fill("a:\n") +
			"\nx\n--b--\n"),
		"encoded-words":             short("Subject", "=?a?q? "),
		"good encoded-words":        short("Subject", "=?utf-8?q?a?= "),
		"quotes in To":              short("To", `"(<`),
		"comments in To":            short("To", "(a)\\"),
		"addresses in To":           short("To", "a@b.test,"),
		"parameters":                short("Content-Type: text/plain", ";a=b"),
		"continued parameters":      header("Content-Type: text/plain" + parameters(min(n, MaxHeader-2000))),
		"semicolons":                short("Content-Disposition: attachment", ";"),
		"headers":                   header(strings.Repeat("a:\r\n", min(n, MaxHeader-2000)/4) + "b: c"),
		"messages in messages":      mailWith(strings.Repeat("Content-Type: message/rfc822\n\n", 50) + "\n" + fill("x\n")),
		"messages in base64 levels": mailWith(boxed(n/8, 8)),
	}
}

func distinct(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "http://h%d.test/\n", i)
	}
	return b.String()
}

func parameters(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, ";\r\n name*%d=a", i)
	}
	return b.String()
}

// boxed is a message of n octets inside levels of base64.
func boxed(n, levels int) string {
	inner := "\n" + strings.Repeat("x\n", n/2)
	for range levels {
		inner = "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n" +
			wrap64([]byte(strings.ReplaceAll(inner, "\n", "\r\n")))
	}
	return inner
}

// What they cost is in the table of TestCostGrowsWithTheSizeOfAMailAlone; here
// each is read or refused, and shown without an octet that acts.
func TestCostlyMailsAreReadAndReviewedAtAll(t *testing.T) {
	for name, raw := range costly(64 << 10) {
		if m, err := Read(raw, readOptions); (m == nil) == (err == nil) {
			t.Errorf("%s: %v %v", name, m, err)
		}
		checkNeutral(t, NewReview(raw))
	}
}

func BenchmarkReview(b *testing.B) {
	for name, raw := range costly(10 << 20) {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			for range b.N {
				NewReview(raw)
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	for name, raw := range costly(10 << 20) {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			for range b.N {
				Read(raw, readOptions)
			}
		})
	}
}
