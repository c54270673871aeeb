package message

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	gomail "github.com/emersion/go-message/mail"

	"github.com/multimail/multimail/mail"
)

func draft() Draft {
	return Draft{From: mail.MustAddress("bot@a.test"), To: []mail.Address{mail.MustAddress("ann@x.test")},
		Subject: "Hi", Markdown: "Hello *Ann*\n"}
}

func composed(t *testing.T, d Draft) []byte {
	t.Helper()
	raw, err := Compose(d)
	if err != nil {
		t.Fatalf("%+v: %v", d, err)
	}
	m, err := Read(raw, readOptions)
	if err != nil || !bytes.HasSuffix(m.Raw, raw) {
		t.Fatalf("Read does not take what Compose wrote as it is: %v\n%s", err, raw)
	}
	if again, err := Read(m.Raw, ReadOptions{}); err != nil || !bytes.Equal(again.Raw, m.Raw) {
		t.Fatalf("read again it is not the same: %v\n%s", err, raw)
	}
	return m.Raw
}

func TestComposedMailSaysWhatTheDraftSays(t *testing.T) {
	d := draft()
	d.FromName = "Bot, Größe & Co."
	d.To = append(d.To, mail.MustAddress(`"b b"@y.test`))
	d.Cc = []mail.Address{mail.MustAddress("cc@x.test")}
	d.Subject = "Grüße aus " + strings.Repeat("Köln ", 40) + "!"
	d.Markdown = "# Title\n\nHello *Ann*, see [this](https://x.test/a).\nBye,\nBot & Söhne\n"
	d.InReplyTo, d.References = "1@x.test", "<0@x.test> 1@x.test"
	d.Attachments = []Attachment{
		{Name: "Rechnung März 2026.pdf", Type: "application/pdf", Data: bytes.Repeat([]byte{0, 13, 10, 255}, 500)},
		{Name: `a"b.txt`, Type: "text/plain; charset=utf-8", Data: nil},
	}
	raw := composed(t, d)
	r := NewReview(raw)
	text := strings.TrimSpace(d.Markdown)
	if r.Text() != text || r.Differ || r.HTML() != "" || fmt.Sprint(targets(r)) != "[https://x.test/a]" {
		t.Errorf("text %q, differ %v, HTML %q, links %q", r.Text(), r.Differ, r.HTML(), r.Links)
	}
	got := fmt.Sprintf("%v %v %v %s", r.From, r.To, r.Cc, r.Subject)
	want := `["Bot, Größe & Co." <bot@a.test>] [ann@x.test "b b"@y.test] [cc@x.test] ` + d.Subject
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for i, a := range d.Attachments {
		if p := r.Parts[2+i]; p.Name != a.Name || p.Size != int64(len(a.Data)) || !p.Attachment || !p.Reviewable {
			t.Errorf("part %+v of %q", p, a.Name)
		}
	}
	if refs := Fields(raw, "References"); refs[0] != "<0@x.test> <1@x.test>" ||
		Fields(raw, "In-Reply-To")[0] != "<1@x.test>" {
		t.Errorf("references %q", refs)
	}
}

// Another implementation must find the same fields and files.
func TestComposedMailIsReadByGoMessage(t *testing.T) {
	d := draft()
	d.FromName, d.Subject = "Jürgen (Bot)", "a  b =?x?= "+strings.Repeat("w", 90)+" ü"
	d.Attachments = []Attachment{{Name: "é.bin", Data: []byte("x\r\ny")}}
	mr, err := gomail.CreateReader(bytes.NewReader(composed(t, d)))
	if err != nil {
		t.Fatal(err)
	}
	from, err := mr.Header.AddressList("From")
	if err != nil || from[0].Name != d.FromName || from[0].Address != "bot@a.test" {
		t.Errorf("from %v %v", from, err)
	}
	if s, err := mr.Header.Subject(); err != nil || s != d.Subject {
		t.Errorf("subject %q %v", s, err)
	}
	var seen []string
	for {
		p, err := mr.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(p.Body)
		if err != nil {
			t.Fatal(err)
		}
		switch h := p.Header.(type) {
		case *gomail.InlineHeader:
			kind, _, _ := h.ContentType()
			seen = append(seen, kind)
		case *gomail.AttachmentHeader:
			name, _ := h.Filename()
			seen = append(seen, fmt.Sprintf("%s %q", name, body))
		}
	}
	if got := fmt.Sprint(seen); got != `[text/plain text/html é.bin "x\r\ny"]` {
		t.Error(got)
	}
}

func TestComposeKeepsUnusualTextToTheOctet(t *testing.T) {
	for _, s := range []string{
		"", "a", " a ", "a  b", strings.Repeat("ä", 200), strings.Repeat("word ", 80), strings.Repeat("x", 500),
		"=?utf-8?q?not=20one?=", "tab is refused elsewhere", "a:b;c,d@e <f>", `"quoted" \ back`,
		"日本語の件名です" + strings.Repeat("あ", 60), "trailing ", "emoji 👩‍💻 family",
	} {
		d := draft()
		d.Subject = s
		if got := decodeWords(Fields(composed(t, d), "Subject")[0]); got != s && strings.TrimSpace(s) != got {
			t.Errorf("subject %q came out as %q", s, got)
		}
		if strings.ContainsAny(s, "<>@") || strings.Contains(s, "=?") {
			continue // no display name
		}
		d = draft()
		d.FromName = s
		name, _, why := parseMailbox(Fields(composed(t, d), "From")[0])
		if why != "" || name != s {
			t.Errorf("name %q came out as %q (%s)", s, name, why)
		}
	}
	for _, s := range []string{
		"", "a", "a\r\nb", "a\nb\rc", "From x\n.\n..\n", strings.Repeat("x", 3000), "trailing blank \n\t\n",
		"ä" + strings.Repeat("x", 300),
		strings.Repeat("ä", 3000), "--=_\n", "\x1b[2J", strings.Repeat("a b ", 300), "no end of line",
	} {
		d := draft()
		d.Markdown = s
		want := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s)
		if got := NewReview(composed(t, d)).Text(); got != mail.Neutralise(strings.TrimSpace(want)) {
			t.Errorf("text %q came out as %q", want, got)
		}
	}
}

func TestReviewOfAComposedMailNeverDiffers(t *testing.T) {
	for _, s := range []string{
		"1. a\n1. b\n3. c", "- [x] done\n- [ ] todo", "| a | b |\n|---|---|\n| 1 | 2 |", "```go\nfunc()\n```", "    code",
		"[ref][1]\n\n[1]: http://x.test 'title'", "![alt](http://x.test/i.png)", "<b>raw</b> <script>x</script>",
		"a &amp; b &copy;", "~~gone~~ `code` ***x***", "> quote\n> more", "# H\n---\n***", "[x](javascript:alert(1))",
		"https://x.test/a_b_c and mail@x.test", "\\*not\\* emphasised", "<!-- comment -->", "", "footnote[^1]\n\n[^1]: x",
		"Ünïcödé “quotes”",
	} {
		d := draft()
		d.Markdown = s
		raw := composed(t, d)
		r := NewReview(raw)
		if r.Differ {
			t.Errorf("%q: text %q and HTML %q differ", s, r.Text(), r.HTML())
		}
		if bytes.Contains(raw, []byte("<script")) && bytes.Count(raw, []byte("<script")) > strings.Count(s, "<script") {
			t.Errorf("%q: raw HTML passed", s)
		}
	}
}

// The renderer alone would take minutes over each of these.
func TestIntricateMarkdownIsSentAsItIsWritten(t *testing.T) {
	for name, s := range map[string]string{
		"emphasis":   strings.Repeat("*a_", 80000),
		"brackets":   strings.Repeat("[a](", 60000),
		"quotations": strings.Repeat("> ", 100000),
		"lists":      strings.Repeat("1. ", 60000) + "x",
		"cells":      strings.Repeat("|a", 9000) + "|\n" + strings.Repeat("|-", 9000) + "|\n" + strings.Repeat("|b\n", 9000),
		"references": "[a]: /" + strings.Repeat("u", 9000) + "\n\n" + strings.Repeat("[a] ", 9000),
		"length":     strings.Repeat("word word word\n\n", 20000),
	} {
		page, err := renderMarkdown(s)
		if err != nil || !strings.HasPrefix(page, "<pre>") || len(page) > 6*len(s) {
			t.Errorf("%s: %d octets, %.60q, %v", name, len(page), page, err)
		}
		d := draft()
		d.Markdown = s
		if len(s) < 30000 && NewReview(composed(t, d)).Differ {
			t.Errorf("%s: text and page differ", name)
		}
	}
	row := "| a | b | *c* | [d](http://x.test/a_b_c) |\n"
	page, err := renderMarkdown("|a|b|c|d|\n|-|-|-|-|\n" + strings.Repeat(row, 300) + "\n" + strings.Repeat("- x\n", 500))
	if err != nil || !strings.Contains(page, "<table>") {
		t.Errorf("a table of common size: %.60q, %v", page, err)
	}
}

func TestRawHTMLAndScriptLinksStayOutOfThePage(t *testing.T) {
	d := draft()
	d.Markdown = "<img src=x onerror=alert(1)> [x](javascript:alert(1)) <script>alert(1)</script>"
	root, _ := parseMIME(composed(t, d), newBudget(1<<20))
	source, why := root.parts[1].decode(newBudget(1 << 20))
	if why != "" || root.parts[1].kind != "text/html" || !bytes.Contains(source, []byte("&lt;script&gt;")) {
		t.Fatalf("no page with the script as text: %s\n%s", why, source)
	}
	z := html.NewTokenizer(bytes.NewReader(source))
	for z.Next() != html.ErrorToken {
		tag := z.Token()
		if tag.Type == html.TextToken || tag.Type == html.DoctypeToken {
			continue
		}
		if !set("html head meta body p pre a br")[tag.Data] {
			t.Errorf("the page holds %s:\n%s", tag, source)
		}
		for _, a := range tag.Attr {
			if a.Key != "charset" && (a.Key != "href" || strings.Contains(strings.ToLower(a.Val), "javascript")) {
				t.Errorf("the page holds %s:\n%s", tag, source)
			}
		}
	}
}

func TestComposeRefusesControlsAndNamesTheField(t *testing.T) {
	for _, bad := range []string{"a\rb", "a\nb", "a\r\nBcc: x@y.test", "a\x00b", "a\tb", "a\x7f", "a\u0085b", "a\u2028b",
		"a\xffb", "\x1b[2J"} {
		for field, set := range map[string]func(*Draft){
			"from name":       func(d *Draft) { d.FromName = bad },
			"subject":         func(d *Draft) { d.Subject = bad },
			"in-reply-to":     func(d *Draft) { d.InReplyTo = bad },
			"references":      func(d *Draft) { d.References = bad },
			"attachment name": func(d *Draft) { d.Attachments = []Attachment{{Name: bad}} },
			"attachment type": func(d *Draft) { d.Attachments = []Attachment{{Type: bad}} },
		} {
			wantRefusal(t, field, bad, set)
		}
	}
	for _, tt := range []struct {
		field string
		value string
		set   func(*Draft)
	}{
		{"from name", "ceo@b.test", func(d *Draft) { d.FromName = "ceo@b.test" }},
		{"from name", "angle", func(d *Draft) { d.FromName = "x <y>" }},
		{"from name", "override", func(d *Draft) { d.FromName = "\u202ex" }},
		{"In-Reply-To", "two in one", func(d *Draft) { d.InReplyTo = "<a@b>,<c@d>" }},
		{"References", "no id", func(d *Draft) { d.References = "<a@b> <>" }},
		{"References", "too long", func(d *Draft) { d.References = strings.Repeat("a", 600) + "@b" }},
		{"attachment name", "path", func(d *Draft) { d.Attachments = []Attachment{{Name: "../../x"}} }},
		{"attachment name", "other path", func(d *Draft) { d.Attachments = []Attachment{{Name: `C:\x`}} }},
		{"attachment name", "long", func(d *Draft) { d.Attachments = []Attachment{{Name: strings.Repeat("n", 256)}} }},
		{"attachment name", "override", func(d *Draft) { d.Attachments = []Attachment{{Name: "inv\u202efdp.exe"}} }},
		{"attachment type", "no type", func(d *Draft) { d.Attachments = []Attachment{{Type: "pdf"}} }},
		{"attachment type", "container", func(d *Draft) { d.Attachments = []Attachment{{Type: "multipart/mixed"}} }},
		{"attachment type", "long", func(d *Draft) {
			d.Attachments = []Attachment{{Type: "a/b; c=" + strings.Repeat("d", 1000)}}
		}},
		{"markdown", "NUL", func(d *Draft) { d.Markdown = "a\x00" }},
		{"markdown", "not UTF-8", func(d *Draft) { d.Markdown = "a\xff" }},
		{"from", "missing", func(d *Draft) { d.From = mail.Address{} }},
		{"to or cc", "empty", func(d *Draft) { d.Cc = []mail.Address{{}} }},
	} {
		wantRefusal(t, tt.field, tt.value, tt.set)
	}
}

func wantRefusal(t *testing.T, field, value string, set func(*Draft)) {
	t.Helper()
	d := draft()
	set(&d)
	raw, err := Compose(d)
	var e *mail.Error
	if raw != nil || !errors.As(err, &e) || e.Word() != "invalid" || !strings.HasPrefix(e.Public, field) {
		t.Errorf("%s = %q: %v", field, value, err)
	}
}

func TestComposeIsDeterministicAndNamesTheGivenRecipientsAlone(t *testing.T) {
	d := draft()
	a, b := composed(t, d), composed(t, d)
	if !bytes.Equal(a, b) {
		t.Error("one draft gave two messages")
	}
	d.To = nil
	raw := composed(t, d)
	if to := Fields(raw, "To"); fmt.Sprint(to) != "[undisclosed-recipients:;]" {
		t.Errorf("to %q", to)
	}
	d.Cc = []mail.Address{mail.MustAddress("cc@x.test")}
	if raw = composed(t, d); Fields(raw, "To") != nil || fmt.Sprint(Addresses(raw, "Cc")) != "[cc@x.test]" {
		t.Errorf("%s", raw)
	}
}

func TestAttachedMessageIsSentAsOctets(t *testing.T) {
	d := draft()
	d.Attachments = []Attachment{{Name: "m.eml", Type: "message/rfc822", Data: []byte("Bcc: x@y.test\n\nhi\n")},
		{Data: []byte("x")}}
	r := NewReview(composed(t, d))
	if p := r.Parts[2]; p.Type != "application/octet-stream" || p.Name != "m.eml" || p.Size != 18 {
		t.Errorf("%+v", p)
	}
	if p := r.Parts[3]; p.Name != "attachment" {
		t.Errorf("%+v", p)
	}
}

// Two programs that answer each other never end (RFC 3834).
func TestComposedMailSaysThatAProgramWroteIt(t *testing.T) {
	for answer, want := range map[bool]string{false: "auto-generated", true: "auto-replied"} {
		raw, err := Compose(Draft{From: mail.MustAddress("bot@a.test"), To: []mail.Address{mail.MustAddress("ann@x.test")},
			Subject: "s", Markdown: "m", InReplyTo: "1@x.test", Answer: answer})
		if err != nil {
			t.Fatal(err)
		}
		msg, err := Read(raw, ReadOptions{Now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := OneField(msg.Raw, "Auto-Submitted"); got != want || err != nil {
			t.Errorf("answer %v: got %q, %v", answer, got, err)
		}
		if got := ReadIncoming(msg.Raw).Header.Auto; got != want {
			t.Errorf("answer %v: whoever gets it reads %q", answer, got)
		}
	}
}

func TestPrecedenceOfBulkMailIsRead(t *testing.T) {
	for value, want := range map[string]bool{
		"bulk": true, "Junk": true, "list (of x)": true, "first-class": false, "": false, "bulky": false,
	} {
		raw := []byte("From: a@b.test\r\nPrecedence: " + value + "\r\n\r\nx\r\n")
		if got := ReadIncoming(raw).Header.Bulk; got != want {
			t.Errorf("%q: %v", value, got)
		}
	}
}
