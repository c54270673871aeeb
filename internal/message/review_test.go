package message

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/multimail/multimail/mail"
)

var update = flag.Bool("update", false, "rewrite testdata/*.want")

// sample reads a mail from testdata, where lines end with LF for the editor.
func sample(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n"))
}

func samples(t testing.TB) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.eml")
	if err != nil || len(paths) == 0 {
		t.Fatal("no samples", err)
	}
	return paths
}

// describe writes what Read and NewReview make of a mail.
func describe(raw []byte) string {
	var b strings.Builder
	m, err := Read(raw, readOptions)
	if err != nil {
		return err.Error() + "\n"
	}
	fmt.Fprintf(&b, "header: %+v\n", m.Header)
	v := reflect.ValueOf(*NewReview(m.Raw))
	for i := range v.NumField() {
		name, f := v.Type().Field(i).Name, v.Field(i)
		switch {
		case f.IsZero():
		case f.Kind() == reflect.Slice:
			for j := range f.Len() {
				s := strings.Replace(fmt.Sprintf("%+v", f.Index(j)), " AlsoNamed:[]", "", 1)
				fmt.Fprintf(&b, "%s: %s\n", strings.ToLower(name), strings.ReplaceAll(s, "\n", "\n  | "))
			}
		default:
			s := fmt.Sprint(f)
			fmt.Fprintf(&b, "%s: %s\n", strings.ToLower(name), strings.ReplaceAll(s, "\n", "\n  | "))
		}
	}
	return b.String()
}

func TestApproverSeesWhatTheSamplesHold(t *testing.T) {
	for _, path := range samples(t) {
		got := describe(sample(t, path))
		wantPath := strings.TrimSuffix(path, ".eml") + ".want"
		if *update {
			if err := os.WriteFile(wantPath, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(wantPath)
		if err != nil || got != string(want) {
			t.Errorf("%s: %v\ngot:\n%s\nwant:\n%s", path, err, got, want)
		}
	}
}

// mailWith puts a header that Read takes before the given MIME header and body.
func mailWith(rest string) []byte {
	return []byte("Message-ID: <1@a.test>\r\nDate: x\r\nFrom: bot@a.test\r\n" +
		strings.ReplaceAll(rest, "\n", "\r\n"))
}

// alternatives is a message with a text and an HTML part.
func alternatives(text, page string) []byte {
	return mailWith("Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain; charset=utf-8\n\n" +
		text + "\n--b\nContent-Type: text/html; charset=utf-8\n\n" + page + "\n--b--\n")
}

func TestDifferSaysWhetherTextAndHTMLSayTheSame(t *testing.T) {
	for _, tt := range []struct {
		name, text, page string
		differ, shown    bool
	}{
		{"same words", "Hello, World!\n\none", "<p>Hello, <strong>World</strong>!</p><p>one", false, false},
		{"other spacing", "Hello\n world", "<p>Hello&nbsp;world", false, false},
		{"other case", "HELLO", "<p>Hello", true, true},
		{"one more word", "pay 10", "<p>pay 100</p>", true, true},
		{"another currency", "pay $10", "<p>pay €10</p>", true, true},
		{"per cent", "grew 5", "<p>grew 5%</p>", true, true},
		{"a link", "click: https://x.test/a b", "<a href=https://x.test/a>click</a>: b", true, true},
		{"hidden words that the text has", "a b", "<p>a <span style='display:none'>b</span></p>", true, true},
		{"hidden words that the text has not", "a", "<p>a <span hidden>b</span></p>", true, true},
		{"a comment", "a", "<p>a<!-- b --></p>", true, true},
		{"Markdown and its page", "1. a\n2. b\n\n[c](http://x.test)\n", htmlFrame("<ol>\n<li>a</li>\n<li>b</li>\n</ol>\n" +
			"<p><a href=\"http://x.test\">c</a></p>\n"), false, false},
		{"Markdown and a page like it", "[c](http://x.test)", htmlFrame("<p><a href=\"http://y.test\">c</a></p>\n"), true,
			true},
		{"empty text", "", "<p>a</p>", true, true},
		{"empty page", "a", "", true, true},
	} {
		r := NewReview(alternatives(tt.text, tt.page))
		if r.Differ != tt.differ || (r.HTML() != "") != (tt.shown && tt.page != "") {
			t.Errorf("%s: differ %v, want %v; HTML %q", tt.name, r.Differ, tt.differ, r.HTML())
		}
	}
}

func TestNoShownPartEscapesTheApprover(t *testing.T) {
	text := func(s string) string { return "--b\nContent-Type: text/plain\n\n" + s + "\n" }
	page := func(s string) string { return "--b\nContent-Type: text/html\n\n<p>" + s + "</p>\n" }
	nest := func(kind, parts string) string {
		return "--b\nContent-Type: multipart/" + kind + "; boundary=c\n\n" +
			strings.ReplaceAll(parts, "--b", "--c") + "--c--\n"
	}
	for _, tt := range []struct {
		name, kind, parts string
		differ            bool
	}{
		{"text only", "mixed", text("alpha beta"), false},
		{"page only", "mixed", page("alpha beta"), false},
		{"text, then a page with other words", "mixed", text("alpha") + page("beta"), true},
		{"alternatives, then a page", "mixed", nest("alternative", text("alpha")+page("alpha")) + page("beta"), false},
		{"alternatives, then text", "mixed", nest("alternative", text("alpha")+page("alpha")) + text("beta"), false},
		{"a page alone among alternatives, then text", "mixed", nest("alternative", page("alpha")) + text("beta"), false},
		{"two pages", "alternative", page("alpha") + page("beta"), true},
		{"two texts", "alternative", text("alpha") + text("beta"), true},
		{"the page inside related", "alternative", text("alpha") + nest("related", page("beta")), true},
		{"a page behind nested alternatives", "alternative",
			text("alpha") + nest("alternative", page("alpha")+page("beta")), true},
		{"HTML that calls itself inline", "mixed", "--b\nContent-Type: text/html\nContent-Disposition: inline;\n" +
			" filename=x.html\n\n<p>beta</p>\n" + text("alpha"), true},
		{"calendar text", "alternative", text("alpha") + "--b\nContent-Type: text/calendar\n\nbeta\n", true},
		{"an attached message", "mixed", text("alpha") +
			"--b\nContent-Type: message/rfc822\n\nContent-Type: text/html\n\n<p>beta\n", false},
		{"a preamble", "mixed", "beta\n" + text("alpha"), false},
	} {
		raw := mailWith("Content-Type: multipart/" + tt.kind + "; boundary=b\n\n" + tt.parts + "--b--\n")
		r := NewReview(raw)
		all := ""
		for _, s := range r.Segments {
			all += s.Text + "\n"
		}
		for _, word := range []string{"alpha", "beta"} {
			if strings.Contains(string(raw), word) && !strings.Contains(all, word) {
				t.Errorf("%s: %q is not shown in %q", tt.name, word, all)
			}
		}
		if r.Differ != tt.differ {
			t.Errorf("%s: differ %v", tt.name, r.Differ)
		}
	}
}

func TestPartsThatReadersDisagreeAboutAreNotReviewable(t *testing.T) {
	for _, tt := range []struct{ name, mime, why string }{
		{"sound text", "Content-Type: text/plain\n\nx\n", ""},
		{"sound UTF-8 without a charset", "\ncaf\xc3\xa9\n", ""},
		{"sound Latin 1", "Content-Type: text/plain; charset=iso-8859-1\n\ncaf\xe9\n", ""},
		{"octets outside UTF-8", "Content-Type: text/plain; charset=utf-8\n\ncaf\xe9\n", "not in its charset"},
		{"octets without a charset", "\ncaf\xe9\n", "not in its charset"},
		{"UTF-7", "Content-Type: text/html; charset=utf-7\n\n+ADw-b+AD4-\n", "charset is unknown"},
		{"unknown encoding", "Content-Transfer-Encoding: x-enc\n\nx\n", "transfer encoding is unknown"},
		{"damaged base64", "Content-Transfer-Encoding: base64\n\nYQ=!\n", "base64 is damaged"},
		{"two base64 texts in one", "Content-Transfer-Encoding: base64\n\nYQ==\nYQ==\n", "base64 is damaged"},
		{"damaged quoted-printable", "Content-Transfer-Encoding: quoted-printable\n\n=78\x1b\n",
			"quoted-printable is damaged"},
		{"Content-Type with two charsets", "Content-Type: text/plain; charset=utf-8; charset=utf-7\n\nx\n",
			"Content-Type is malformed"},
		{"two boundaries", "Content-Type: multipart/mixed; boundary=a; boundary=b\n\n--a\n\nx\n--a--\n",
			"Content-Type is malformed"},
		{"no boundary", "Content-Type: multipart/mixed\n\nx\n", "no boundary"},
		{"boundary that never comes", "Content-Type: multipart/mixed; boundary=b\n\nx\n", "never appears"},
		{"last boundary missing", "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n", "last boundary is missing"},
		{"boundary line with a tail", "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b tail\n\ny\n--b--\n",
			"looks like a boundary"},
		{"encoded multipart",
			"Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n\n--b\n\nx\n--b--\n",
			"must not have a transfer encoding"},
		{"part header without a colon", "Content-Type: multipart/mixed; boundary=b\n\n--b\nshown?\n\nx\n--b--\n",
			"header is malformed"},
		{"part with two encodings", "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Transfer-Encoding: 7bit\n" +
			"Content-Transfer-Encoding: base64\n\nYQ==\n--b--\n", "more than one Content-Transfer-Encoding"},
		{"malformed file name", "Content-Disposition: attachment; filename=a b.pdf\n\nx\n",
			"Content-Disposition is malformed"},
		{"message in pieces", "Content-Type: message/partial; id=x; number=1; total=2\n\nx\n", "elsewhere"},
		{"opaque signature", "Content-Type: application/pkcs7-mime\n\nx\n", "encrypted or signed"},
		{"winmail.dat", "Content-Type: application/ms-tnef\n\nx\n", "container"},
	} {
		r := NewReview(mailWith(tt.mime))
		why := ""
		for _, p := range r.Parts {
			if p.Reviewable == (p.Why != "") {
				t.Errorf("%s: %+v", tt.name, p)
			}
			why += p.Why
		}
		if !strings.Contains(why, tt.why) || (why == "") != (tt.why == "") {
			t.Errorf("%s: why %q, want %q", tt.name, why, tt.why)
		}
		if strings.Contains(tt.mime, "\nx\n") && !strings.Contains(r.Text(), "x") && len(r.Parts) > 0 &&
			!r.Parts[0].Attachment {
			t.Errorf("%s: the text is not shown: %+v", tt.name, r)
		}
	}
}

func TestEveryNameOfAnAttachmentIsShown(t *testing.T) {
	for _, tt := range []struct{ name, header, want string }{
		{"plain", `Content-Disposition: attachment; filename="a.pdf"`, "a.pdf"},
		{"in Content-Type", `Content-Type: image/png; name=a.png`, "a.png"},
		{"continued", "Content-Disposition: attachment; filename*0=\"inv\";\n filename*1=\".exe\"", "inv.exe"},
		{"continued and encoded", "Content-Disposition: attachment;\n filename*0*=utf-8''inv%2e; filename*1=exe", "inv.exe"},
		{"encoded-word", `Content-Disposition: attachment; filename="=?utf-8?q?inv=2Eexe?="`, "inv.exe"},
		{"two forms", `Content-Disposition: attachment; filename="a.pdf"; filename*=utf-8''b.exe`,
			"b.exe (also named a.pdf)"},
		{"two fields", "Content-Type: x/y; name=\"b.exe\"\nContent-Disposition: attachment; filename=a.pdf",
			"a.pdf (also named b.exe)"},
		{"the same twice", "Content-Type: x/y; name=\"a.pdf\"\nContent-Disposition: attachment; filename=a.pdf", "a.pdf"},
		{"direction override", `Content-Disposition: attachment; filename*=utf-8''inv%E2%80%AEfdp.exe`, `inv\u202efdp.exe`},
		{"line break", `Content-Disposition: attachment; filename*=utf-8''a%0D%0Ab`, `a\x0d\x0ab`},
		{"malformed", "Content-Disposition: attachment; filename=a b.exe", "a b.exe (also named a)"},
		{"semicolon in quotes", `Content-Disposition: attachment; x="; filename=b.exe"; filename=a.pdf`, "a.pdf"},
		{"raw UTF-8", "Content-Disposition: attachment; filename=\"\xc3\xa9.pdf\"", "é.pdf"},
	} {
		r := NewReview(mailWith("Content-Type: multipart/mixed; boundary=b\n\n--b\n" + tt.header + "\n\nx\n--b--\n"))
		if p := r.Parts[0]; named(p) != tt.want || !p.Attachment {
			t.Errorf("%s: %+v, want %q", tt.name, p, tt.want)
		}
	}
}

func TestReviewShowsAddressesAsReadersWouldAndNothingHides(t *testing.T) {
	r := NewReview(mailWith("To: =?utf-8?q?J=C3=B6rg?= <j@x.test>, \"A, B\" <ab@x.test>,\n" +
		" =?utf-8?q?boss=40b.test?= <x@y.test>, (c) odd@x.test, Team: t@x.test;\n" +
		"Return-Receipt-To: spy@x.test\nErrors-To: e@x.test\nMail-Followup-To: f@x.test\n" +
		"Cc: \x1b[2J\nSubject: see http://s.test/\n\n"))
	got := fmt.Sprintf("%q %q %q %q", r.To, r.Receipt, r.ReplyTo, r.Cc)
	want := `["Jörg <j@x.test>" "\"A, B\" <ab@x.test>" "=?utf-8?q?boss=40b.test?= <x@y.test>" "(c) odd@x.test"` +
		` "Team:" "t@x.test"] ["spy@x.test" "e@x.test"] ["f@x.test"] ["\\x1b[2J"]`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if fmt.Sprint(targets(r)) != "[http://s.test/]" {
		t.Errorf("links %q", r.Links)
	}
}

func TestLinksAreListedOnceInOrderWithTheTrueHost(t *testing.T) {
	r := NewReview(alternatives("see HTTP://a.test/x, (mailto:m@a.test) www.b.test. ftp://c.test/?q=1&r=2 http:// x://",
		`<a href=" http://pаypal.com/ ">x</a><a href="javascript:alert(1)">y</a>`+
			`<img srcset="http://i.test/1 1x, http://i.test/2 2x">`+
			`<p style="background:url('http://s.test/s')"><a href="HTTP://a.test/x">z</a><base href=//base.test>`+
			`<meta http-equiv=refresh content="0; URL='http://r.test/'"> http://bare.test`))
	want := []string{"HTTP://a.test/x", "mailto:m@a.test", "www.b.test", "ftp://c.test/?q=1&r=2",
		"http://pаypal.com/ (xn--pypal-4ve.com)", "javascript:alert(1)", "http://i.test/1", "http://i.test/2",
		"http://s.test/s", "//base.test", "http://r.test/", "http://bare.test"}
	if got := targets(r); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func targets(r *Review) (out []string) {
	for _, l := range r.Links {
		out = append(out, l.Target)
	}
	return out
}

// checkNeutral fails if any string of the review would act on a terminal.
func checkNeutral(t *testing.T, r *Review) {
	t.Helper()
	lines := []string{r.Subject}
	for _, l := range [][]string{r.From, r.Sender, r.To, r.Cc, r.ReplyTo, r.Receipt} {
		lines = append(lines, l...)
	}
	for _, l := range r.Links {
		lines = append(lines, l.Target, l.Text, l.Why)
	}
	for _, p := range r.Parts {
		lines = append(lines, p.Path, p.Name, p.Type, p.Why, p.SHA256)
	}
	for _, f := range r.Fields {
		lines = append(lines, f.Part, f.Name, f.Value, f.Decoded)
	}
	for _, w := range r.Warnings {
		lines = append(lines, w.Part, w.Text)
	}
	for _, s := range lines {
		if strings.ContainsAny(s, "\n\t") || mail.Neutralise(s) != s || !utf8.ValidString(s) {
			t.Fatalf("%q is not neutral", s)
		}
	}
	for _, s := range r.Segments {
		if mail.Neutralise(s.Text) != s.Text || mail.NeutralLine(s.Note) != s.Note || s.Depth < 0 {
			t.Fatalf("%+v is not neutral", s)
		}
	}
}

func FuzzReview(f *testing.F) {
	for _, path := range samples(f) {
		f.Add(sample(f, path))
	}
	f.Add(alternatives("a", "<p style='color:#fff'>b<a href=http://x>c</p></a><title>"))
	f.Add([]byte("From: a\r\nno colon\r\n\r\n"))
	f.Add([]byte("Content-Type: multipart/digest; boundary=\"b \"\r\n\r\n--b \r\n\r\nSubject: x\r\n\r\n--b --"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := NewReview(raw)
		checkNeutral(t, r)
		if len(r.Parts) == 0 {
			t.Fatal("no part is listed")
		}
		for _, p := range r.Parts {
			if p.Reviewable != (p.Why == "") {
				t.Fatalf("%+v", p)
			}
		}
	})
}

// What a segment is stands in its kind: no body can write itself a mark.
func TestNoBodyPassesForAnotherKindOfSegment(t *testing.T) {
	forged := "Hello\n\n[attached message, from boss@a.test, subject: approved]\n\n" +
		"[outside the parts, hidden by most mail programs:]\n\n[hidden: no]"
	r := NewReview(mailWith("Content-Type: multipart/mixed; boundary=b\n\n--b\n\n" + forged +
		"\n--b\nContent-Type: message/rfc822\n\nFrom: boss@a.test\nSubject: approved\n\n" + forged + "\n--b--\nbehind\n"))
	want := []Segment{
		{Kind: SegmentText, Part: "1", Text: forged},
		{Kind: SegmentAttached, Part: "2", Depth: 1, Text: "From: boss@a.test\nSubject: approved"},
		{Kind: SegmentText, Part: "2.1", Depth: 1, Text: forged},
		{Kind: SegmentOutside, Text: "behind"},
	}
	if !reflect.DeepEqual(r.Segments, want) {
		t.Errorf("got  %+v\nwant %+v", r.Segments, want)
	}
}
