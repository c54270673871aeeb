package message

import (
	"strings"
	"testing"
)

// Where readers may see different things the approver is shown that they may.
func TestReviewShowsWhatAStyleSheetMayDo(t *testing.T) {
	for name, html := range map[string]string{
		"text in foreign content": `<p>Hello</p><svg><style><p>EVIL</p></style></svg>`,
		"a style that is shown":   `<p>Hello</p><style style=display:block>EVIL</style>`,
		"a word taken away":       `<style>.n{display:none}</style>Do <i class=n>not</i> pay`,
		"a word added by a sheet": `<style>p::after{content:"EVIL"}</style><p>Hello</p>`,
	} {
		text := "Hello"
		if strings.Contains(html, "pay") {
			text = "Do not pay"
		}
		raw := "From: a@b.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=x\r\n\r\n" +
			"--x\r\n\r\n" + text + "\r\n--x\r\nContent-Type: text/html\r\n\r\n" + html + "\r\n--x--\r\n"
		if r := NewReview([]byte(raw)); !r.Differ || !strings.Contains(codes(r), string(WarnHidden)) ||
			!strings.Contains(pageSaid(r), "style") || strings.Contains(r.HTML(), "EVIL") || strings.Contains(r.HTML(), "not") {
			t.Errorf("%s: page %q, differ %v", name, pageSaid(r), r.Differ)
		}
	}
}

func TestReviewDoubtsWhatIsReadInMoreThanOneWay(t *testing.T) {
	for name, head := range map[string]string{
		"two boundaries":           "multipart/mixed; boundary=A; boundary*=us-ascii''B",
		"an escape in a boundary":  `multipart/mixed; boundary="A\B"`,
		"a charset nobody decodes": "text/plain; charset=iso-2022-kr",
		"another one":              "text/plain; charset=replacement",
		"octets without an order":  "text/plain; charset=utf-16",
	} {
		raw := "From: a@b.test\r\nMIME-Version: 1.0\r\nContent-Type: " + head + "\r\n\r\n--A\r\n\r\nHarmless.\r\n--A--\r\n"
		doubted := false
		for _, p := range NewReview([]byte(raw)).Parts {
			doubted = doubted || !p.Reviewable && p.Why != ""
		}
		if !doubted {
			t.Errorf("%s is not doubted", name)
		}
	}
}
