package message

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestEveryWarningCodeIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[WarningCode]bool{}
	for _, c := range WarningCodes {
		if seen[c] || strings.Count(string(doc), "\n| `"+string(c)+"` |") != 1 {
			t.Errorf("%s has no row of its own in docs/cli.md", c)
		}
		seen[c] = true
	}
}

func codes(r *Review) string {
	var out []string
	for _, w := range r.Warnings {
		out = append(out, string(w.Code)+"@"+w.Part)
	}
	return strings.Join(out, " ")
}

func TestWhatIsUnusualIsWarnedOf(t *testing.T) {
	for _, tt := range []struct{ name, header, want string }{
		{"a mail as programs write it",
			"To: a@x.test\nSubject: s\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n" +
				"Content-Transfer-Encoding: 8bit\nIn-Reply-To: <a@b.test>\nReferences: <a@b.test> <c@d.test>\n\nx\n", ""},
		{"an unknown field", "X-Priority: 1\n\nx\n", "unusual_field@"},
		{"a trace field of the agent's", "Received: from x by y; z\n\nx\n", "unusual_field@"},
		{"a usual field with an unusual value", "MIME-Version: 2.0\n\nx\n", "unusual_field@"},
		{"an unusual parameter", "Content-Type: text/plain; x-style=hidden\n\nx\n", "unusual_field@"},
		{"a usual field twice", "X-Mailer: a\nX-Mailer: b\n\nx\n", "unusual_field@"},
		{"an answer that is none", "In-Reply-To: your mail of Monday\n\nx\n", "unusual_field@"},
		{"a field of a part",
			"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Location: http://x.test/\n\nx\n--b--\n",
			"unusual_field@1"},
		{"the header of an attached message",
			"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n" +
				"X-Priority: 1\nReceived: x\n\nx\n--b--\n", ""},
		{"answers elsewhere", "Reply-To: a@x.test, bot@a.test\n\nx\n", "reply_elsewhere@"},
		{"answers to the sender", "Reply-To: Bot <BOT@a.test>\n\nx\n", ""},
		{"a receipt", "Return-Receipt-To: a@x.test\n\nx\n", "receipt_request@"},
		{"a part out of sight", "Content-Type: text/plain; charset=x-none\n\nx\n", "not_reviewable@1"},
		{"text behind the end", "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\nmore\n", "outside_parts@"},
	} {
		date := "Date: Wed, 04 Mar 2026 11:00:00 +0000\r\nFrom: bot@a.test\r\n"
		r := NewReview([]byte(date + strings.ReplaceAll(tt.header, "\n", "\r\n")))
		if got := codes(r); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// A list that is too long is cut, and no flood of one kind buries another.
func TestListsOfTheViewAreBoundedAndSaySo(t *testing.T) {
	var b strings.Builder
	b.WriteString("From: bot@a.test\r\n")
	for i := range 1500 {
		fmt.Fprintf(&b, "X-%d: y\r\n", i)
	}
	b.WriteString("Reply-To: eve@x.test\r\nContent-Type: text/html\r\n\r\n")
	for i := range 1500 {
		fmt.Fprintf(&b, "<a href=http://%d.test>x</a>\r\n", i)
	}
	r := NewReview([]byte(b.String()))
	if len(r.Fields) != maxListed || len(r.Links) != maxListed || len(r.Warnings) > 100 {
		t.Fatalf("%d fields, %d links, %d warnings", len(r.Fields), len(r.Links), len(r.Warnings))
	}
	all := fmt.Sprint(r.Warnings)
	for _, want := range []string{"reply_elsewhere", "1500 links, of which 1000 are shown", "of which 1000 are shown",
		"and 1480 more of this kind"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in %s", want, all)
		}
	}
}

func TestTextInAnAttachmentIsShownAsText(t *testing.T) {
	r := NewReview(mailWith("Content-Type: multipart/mixed; boundary=b\n\n--b\n\ncover\n" +
		"--b\nContent-Type: text/plain\nContent-Disposition: attachment; filename=order.txt\n\npay eve at http://x.test/\n" +
		"--b\nContent-Type: text/html\nContent-Disposition: attachment; filename=o.html\n\n<p>wire it</p>\n--b--\n"))
	got := fmt.Sprintf("%+v %q", r.Segments, targets(r))
	want := "[{Kind:text Part:1 Depth:0 Note: Text:cover} " +
		"{Kind:text Part:2 Depth:0 Note:attachment order.txt Text:pay eve at http://x.test/}" +
		" {Kind:html Part:3 Depth:0 Note:attachment o.html Text:wire it}] [\"http://x.test/\"]"
	if got != want || r.Differ {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
