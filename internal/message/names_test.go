package message

import (
	"fmt"
	"strings"
	"testing"

	"github.com/multimail/multimail/mail"
)

// partOf is what the approver sees of a part with that header.
func partOf(header, body string) (Part, *Review) {
	r := NewReview(mailWith("Content-Type: multipart/mixed; boundary=b\n\n--b\n" + header + "\n\n" + body + "\n--b--\n"))
	return r.Parts[0], r
}

// named writes every name of a part on one line.
func named(p Part) string {
	if len(p.AlsoNamed) == 0 {
		return p.Name
	}
	return p.Name + " (also named " + strings.Join(p.AlsoNamed, ", ") + ")"
}

// What other programs show was tried with Python's email (both policies).
func TestFileNamesAreThoseOfRecipientsPrograms(t *testing.T) {
	const file = "Content-Disposition: attachment; "
	for _, tt := range []struct {
		name, header, want string
		clear              bool
	}{
		{"a legacy charset", file + "filename*=koi8-r''%F0%D2%C9.exe", "При.exe", true},
		{"an eastern charset", file + "filename*=iso-2022-jp''%1B%24B%25%22%1B%28B.exe", "ア.exe", true},
		{"gb18030", file + "filename*=gb18030''%B2%E2.exe", "测.exe", true},
		{"an unknown charset", file + "filename*=x-none''inv%2eexe", "inv.exe", true},
		{"an unknown charset with 8-bit octets", file + "filename*=x-none''%E9%2eexe", `\xe9.exe (also named é.exe)`, false},
		{"no charset", file + "filename*=''inv%2Eexe", "inv.exe", true},
		{"no charset, UTF-8", file + "filename*=''%C3%A9.exe", "é.exe (also named Ã©.exe)", false},
		{"no quotes of RFC 2231", file + "filename*=inv%2Eexe", "inv.exe", false},
		{"no asterisk", file + "filename=utf-8''inv%2Eexe", "utf-8''inv%2Eexe (also named inv.exe, utf-8)", false},
		{"quoted octets", file + `filename*="utf-8''inv%2Eexe"`, "inv.exe", false},
		{"a bad escape", file + "filename*=utf-8''a%zz.exe", "a%zz.exe", false},
		{"a letter cut between sections", file + "filename*0*=utf-8''%C3; filename*1*=%A9.exe", "é.exe", true},
		{"plain behind encoded", file + "filename*0*=utf-8''a%2e; filename*1=pdf", "a.pdf", true},
		{"escapes behind encoded", file + "filename*0*=utf-8''a; filename*1=%2eexe", "a%2eexe (also named a.exe)", false},
		{"sections out of order", file + "filename*1=.exe; filename*0=a", "a.exe (also named .exea)", false},
		{"a section is missing", file + "filename*0=a.pdf; filename*2=.exe", "a.pdf.exe (also named a.pdf)", false},
		{"the first section is missing", file + "filename*1=a.exe", "a.exe", false},
		{"a section twice", file + "filename*0=a; filename*0=b; filename*1=.exe", "ab.exe (also named a.exe)", false},
		{"both forms", file + "filename=a.pdf; filename*0=b; filename*1=.exe", "b.exe (also named a.pdf)", false},
		{"the name twice", file + "filename=a.pdf; filename=b.exe", "a.pdf (also named b.exe)", false},
		{"encoded in Content-Type", "Content-Type: image/png; name*=utf-8''a%2eexe", "a.exe", true},
		{"name in Content-Disposition", file + "name=a.exe", "a.exe", true},
		{"filename in Content-Type", "Content-Type: image/png; filename=a.exe", "a.exe", true},
		{"blanks", file + "filename=a b.exe", "a b.exe (also named a)", false},
		{"a comment", file + "filename=a.exe (b)", "a.exe (also named a.exe (b))", false},
		{"a comment before the name", file + "(c) filename=a.exe", "a.exe", false},
		{"a semicolon in a comment", file + "filename=a.pdf (; filename=b.exe)",
			"a.pdf ( (also named a.pdf, b.exe), b.exe)", false},
		{"single quotes", file + "filename='a.exe'", "'a.exe' (also named a.exe)", false},
		{"no semicolon", `Content-Disposition: attachment filename="a.exe"`, "a.exe", false},
		{"no semicolon between two", file + `filename="a.pdf" filename="b.exe"`,
			`a.pdf (also named a.pdffilename="b.exe", b.exe)`, false},
		{"words behind the quotes", file + `filename="a.pdf".exe`, "a.pdf (also named a.pdf.exe)", false},
		{"no closing quote", file + `filename="a.exe; x=y`, `a.exe (also named "a.exe, a.exe; x=y)`, false},
		{"a quoted quote", file + `filename="a.pdf\".exe"`, `a.pdf".exe (also named a.pdf\)`, false},
		{"a quoted letter", file + `filename="a\b.exe"`, `a\b.exe (also named ab.exe)`, false},
		{"a value without a name", file + `"a.exe"`, `"a.exe"`, false},
		{"a quoted encoded-word", file + `filename="=?utf-8?b?aW52LmV4ZQ?="`,
			"inv.exe (also named =?utf-8?b?aW52LmV4ZQ?=)", false},
		{"an encoded-word in octets", file + `filename*=utf-8''%3D?utf-8?q?a=2Eexe?%3D`,
			"=?utf-8?q?a=2Eexe?= (also named a.exe)", false},
		{"a letter cut between two encoded-words", file + `filename="=?utf-8?q?=C3?= =?utf-8?q?=A9.exe?="`,
			"é.exe (also named =?utf-8?q?=C3?= =?utf-8?q?=A9.exe?=)", false},
		{"a bare encoded-word", file + "filename==?utf-8?q?a=2Eexe?=", "a.exe", false},
		{"raw 8-bit octets", file + "filename=\"\xe9.exe\"", `é.exe (also named \xe9.exe)`, false},
		{"raw UTF-8", file + "filename=\"\xc3\xa9.exe\"", "é.exe", true},
	} {
		p, _ := partOf(tt.header, "x")
		if named(p) != tt.want || p.Reviewable != tt.clear {
			t.Errorf("%s: %q %v %q, want %q", tt.name, named(p), p.Reviewable, p.Why, tt.want)
		}
	}
}

func TestAParameterThatIsReadInTwoWaysIsDoubted(t *testing.T) {
	for _, value := range []string{
		"text/plain; charset=utf-8; charset=utf-7",
		"text/plain; charset=utf-8; charset*=us-ascii''utf-7",
		"text/plain; charset*0=utf-8; charset*1=x; charset=utf-8",
		`text/plain; charset="utf-\8"`,
		"text/plain; charset=utf-8 (utf-7)",
		"text/plain; (charset=utf-7;) charset=utf-8",
		"text/plain (; charset=utf-7)",
		"text/plain; charset='utf-8'",
		`text/plain; charset="utf-8"7`,
		`text/plain; charset="utf-8; x=y`,
		`text/plain; charset="=?utf-8?q?utf-8?="`,
		"text/plain; format=flowed; format=fixed",
		"text/plain; x=a b",
		"text/plain charset=utf-7",
		"text/plain; charset=utf-8 charset=utf-7",
		"text/html/x", "text", "; charset=utf-8", "text/plain x",
	} {
		if p, _ := partOf("Content-Type: "+value, "x"); p.Reviewable || p.Why == "" {
			t.Errorf("%s is not doubted: %+v", value, p)
		}
	}
	for _, value := range []string{
		"text/plain; charset=utf-8", `TEXT/PLAIN ; Charset = "UTF-8" ;`, "text/plain;charset=utf-8; format=flowed; delsp=yes",
		"text/plain; charset=utf-8; charset=utf-8", `text/plain; charset*0=utf-8`, "text/plain; charset*=us-ascii'en'utf-8",
	} {
		if p, _ := partOf("Content-Type: "+value, "x"); !p.Reviewable {
			t.Errorf("%s is doubted: %+v", value, p)
		}
	}
}

// shownTexts are the readings of a part, in their order.
func shownTexts(r *Review) string {
	var out []string
	for _, s := range r.Segments {
		out = append(out, strings.ReplaceAll(s.Text, "\n", " "))
	}
	return strings.Join(out, " | ")
}

func TestTextIsShownInEveryReading(t *testing.T) {
	const plain, page = "Content-Type: text/plain; charset=", "Content-Type: text/html; charset="
	const b64, qp = "Content-Transfer-Encoding: base64", "Content-Transfer-Encoding: quoted-printable"
	for _, tt := range []struct{ name, header, body, want string }{
		{"two charsets", plain + "koi8-r; charset=windows-1251", "\xf0\xd2\xc9", "При | рТЙ"},
		{"UTF-7", plain + "utf-7", "a+AOk-b", "aéb"},
		{"a charset and UTF-7", plain + "utf-8; charset=utf-7", "+AFAAQQBZ-", "+AFAAQQBZ- | PAY"},
		{"Windows under the name of Latin 1", plain + "iso-8859-1", "\x93a\x94", "“a” | \\x93a\\x94"},
		{"8-bit octets without a charset", "Content-Type: text/plain", "caf\xe9", "café"},
		{"a page that contradicts", page + "iso-8859-1", "<meta charset=koi8-r>\xf0\xd2\xc9", "ðÒÉ | При"},
		{"a page that declares UTF-7", page + "utf-8",
			"<meta http-equiv=Content-Type content='text/html; charset=utf-7'>+AFAAQQBZ-",
			"+AFAAQQBZ- | PAY"},
		{"a page whose octets are the same", page + "us-ascii", "<meta charset=utf-8>abc", "abc"},
		{"a byte order mark that contradicts", plain + "windows-1252", "\xef\xbb\xbf\xc3\xa9", "ï»¿Ã© | \\ufeffé"},
		{"text behind padding", b64, "YQ==\nYWI=", "aab | a"},
		{"no padding", b64, "YWI", "ab"},
		{"foreign characters", b64, "YW!Jj", "abc"},
		{"text behind foreign characters", b64, "YWJj-ZGVm", "abcdef | abc"},
		{"a comment behind the encoding", "Content-Transfer-Encoding: base64 (x)", "YWJj", "abc | YWJj"},
		{"a quoted encoding", `Content-Transfer-Encoding: "base64"`, "YWJj", "abc | YWJj"},
		{"a bad escape", qp, "=41=ZZ=42", "A=ZZB | A"},
		{"a control character", qp, "=41\x1b=42", `A\x1bB | A`},
		{"a soft break with blanks", qp, "a= \t\nb=3d", "ab="},
	} {
		p, r := partOf(tt.header, tt.body)
		if got := shownTexts(r); got != tt.want && !strings.HasPrefix(got, tt.want+" | ") {
			t.Errorf("%s: %q, want %q; %+v", tt.name, got, tt.want, p)
		}
		if doubted := strings.Contains(shownTexts(r), " | "); doubted && p.Reviewable {
			t.Errorf("%s: it is not doubted", tt.name)
		}
	}
	for _, text := range []string{
		"begin 644 x.exe\n#0V%T\n`\nend", "begin  0644  x", "=ybegin line=128 size=1 name=x", "-----BEGIN PGP MESSAGE-----",
		"(This file must be converted with BinHex 4.0)",
	} {
		if p, r := partOf("", "Hello\n"+text); p.Reviewable || !strings.Contains(r.Text(), "Hello") {
			t.Errorf("%q is not doubted: %+v", text, p)
		}
	}
	for _, name := range []string{"uuencode", "x-uuencode", "x-uue", "binhex", "mac-binhex40", "x-yenc"} {
		if p, r := partOf("Content-Transfer-Encoding: "+name, "shown"); p.Reviewable || r.Text() != "shown" {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

func TestEncodedWordsAreReadAsLenientAndAsStrictProgramsDo(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"sound", "=?utf-8?q?a_b?= =?utf-8?b?Yw==?=", `["a bc"]`},
		{"no padding", "=?utf-8?b?YQ?=", `["a" "=?utf-8?b?YQ?="]`},
		{"blanks inside", "=?utf-8?b?YW Jj?= =?utf-8?q?a b?=", `["abca b" "=?utf-8?b?YW Jj?= =?utf-8?q?a b?="]`},
		{"an underscore in base64", "=?utf-8?b?YW_Jj?=", `["abc" "=?utf-8?b?YW_Jj?="]`},
		{"a letter cut in two", "=?utf-8?q?=C3?= =?utf-8?q?=A9?=", `["é" "=?utf-8?q?=C3?= =?utf-8?q?=A9?="]`},
		{"a letter cut in two, base64", "=?UTF-8?b?4pg=?= =?utf-8?B?gw==?=", `["☃" "=?UTF-8?b?4pg=?= =?utf-8?B?gw==?="]`},
		{"a letter cut over two encodings", "=?utf-8?q?=C3?= =?utf-8?b?qQ==?=", `["é" "=?utf-8?q?=C3?= =?utf-8?b?qQ==?="]`},
		{"base64 cut between words", "=?utf-8?b?YWJ?= =?utf-8?b?j?=", `["abc" "ab" "=?utf-8?b?YWJ?= =?utf-8?b?j?="]`},
		{"no end", "=?utf-8?q?=41=42 c", `["AB c" "=?utf-8?q?=41=42 c"]`},
		{"half an end", "=?utf-8?q?a?", `["a" "=?utf-8?q?a?"]`},
		{"no blank between", "=?utf-8?q?a?==?utf-8?q?b?=", `["ab" "=?utf-8?q?a?==?utf-8?q?b?="]`},
		{"in a word", "Re:=?utf-8?q?a?=", `["Re:a" "Re:=?utf-8?q?a?="]`},
		{"in quotes", `"=?utf-8?q?a?="`, `["\"a\"" "\"=?utf-8?q?a?=\""]`},
		{"a question mark inside", "=?utf-8?q?a?b?=", `["a?b" "=?utf-8?q?a?b?="]`},
		{"an unknown charset", "=?x-none?q?=41?=", `["A" "=?x-none?q?=41?="]`},
		{"octets outside the charset", "=?utf-8?q?=FF?=", `["\xff" "=?utf-8?q?=FF?="]`},
		{"windows-1251", "=?windows-1251?q?=CF?=", `["П"]`},
		{"iso-2022-jp", "=?iso-2022-jp?b?GyRCJSIbKEI=?=", `["ア"]`},
		{"gb18030", "=?gb18030?b?suI=?=", `["测"]`},
		{"big5", "=?big5?b?tPo=?=", `["測"]`},
		{"euc-kr", "=?euc-kr?b?sKE=?=", `["가"]`},
		{"koi8-r", "=?koi8-r?b?8A==?=", `["П"]`},
		{"cp932", "=?cp932?b?g0E=?=", `["ア"]`},
		{"utf-7", "=?utf-7?q?+AOk-?=", `["é" "=?utf-7?q?+AOk-?="]`},
		{"lower case hex", "=?utf-8?q?=c3=a9?=", `["é"]`},
		{"bad hex", "=?utf-8?q?=4x?=", `["=4x" "=?utf-8?q?=4x?="]`},
	} {
		if got := fmt.Sprintf("%q", readWords(tt.in)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		raw := mailWith("Subject: " + tt.in + "\n\nx\n")
		m, err := Read(raw, readOptions)
		if err != nil || m.Header.Subject != NewReview(raw).Subject {
			t.Errorf("%s: the list and the view differ: %v", tt.name, err)
		}
	}
}

func TestOtherReadingsOfHeaderFieldsAreShown(t *testing.T) {
	r := NewReview(mailWith("To: \"=?utf-8?q?boss?=\" <x@y.test>, =?utf-8?q?=C3?= =?utf-8?q?=A9?= <z@y.test>\n" +
		"Reply-To: =?utf-8?b?Ym9zcw?= <e@y.test>\nSubject: =?utf-8?b?YQ?=\nContent-Type: message/rfc822\n\n" +
		"Subject: =?utf-8?b?Yg?=\n\nx\n"))
	var got []string
	for _, s := range r.Segments {
		if s.Kind == SegmentReading {
			got = append(got, fmt.Sprintf("%d %s: %s", s.Depth, s.Note, s.Text))
		}
	}
	want := []string{"0 Subject: =?utf-8?b?YQ?=", "0 Reply-To: boss <e@y.test>", `0 To: "boss" <x@y.test>`,
		"0 To: é <z@y.test>", "1 Subject: =?utf-8?b?Yg?="}
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if !warns(r, WarnReading) {
		t.Errorf("no warning in %v", r.Warnings)
	}
}

func warns(r *Review, code WarningCode) bool {
	for _, w := range r.Warnings {
		if w.Code == code {
			return true
		}
	}
	return false
}

func TestAFromThatIsReadInTwoWaysIsRefused(t *testing.T) {
	for _, from := range []string{
		"=?utf-8?q?=C3?= =?utf-8?q?=A9?= <bot@a.test>", "=?utf-8?b?YQ?= <bot@a.test>", "=?x-none?q?a?= <bot@a.test>",
		"=?utf-8?q?=FF?= <bot@a.test>",
	} {
		if _, err := Read([]byte("From: "+from+"\r\n\r\nx\r\n"), readOptions); err == nil {
			t.Errorf("%s is accepted", from)
		}
	}
	for from, want := range map[string]string{
		"=?iso-2022-jp?b?GyRCJSIbKEI=?= <bot@a.test>":     "ア <bot@a.test>",
		"=?utf-8?q?a?= =?windows-1251?q?=CF?= <b@a.test>": "aП <b@a.test>",
	} {
		raw := []byte("From: " + from + "\r\n\r\nx\r\n")
		if _, err := Read(raw, readOptions); err != nil || NewReview(raw).From[0] != want {
			t.Errorf("%s: %q %v", from, NewReview(raw).From, err)
		}
	}
}

func TestABareCRInTheHeaderOfAPartIsDoubted(t *testing.T) {
	inner := "Content-Disposition: attachment;\r filename=a.exe\r\n\r\nx\r\n"
	r := NewReview(mailWith("Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n" + wrap64([]byte(inner))))
	for _, p := range r.Parts {
		if p.Path == "1" && !p.Reviewable {
			return
		}
	}
	t.Errorf("%+v", r.Parts)
}

func TestAFileNameThatIsAPathADeviceOrOverLongIsFlaggedOnEveryDoor(t *testing.T) {
	for _, name := range []string{
		"../a", "/etc/passwd", `a\b`, "C:a", "a.txt:b.exe", "..", ".", "...", " ",
		"..%2fa", "a%5Cb", "a／b", "a＼b", "a∕b",
		"a：b", "CON", "con.txt", "nul", "Aux .pdf", "COM1", "com¹.txt", "LPT9.pdf", "CONIN$", "prn.",
		strings.Repeat("a", 256), "a.exe.", "a.exe ", " a.exe", "a\u202efdp.exe", "=?utf-8?q?a=2Eexe?=",
	} {
		if CheckFileName(name) == "" {
			t.Errorf("%q is not flagged", name)
		}
		d := Draft{From: mail.MustAddress("bot@a.test"), Attachments: []Attachment{{Name: name, Data: []byte("x")}}}
		if _, err := Compose(d); err == nil {
			t.Errorf("%q is composed", name)
		}
		var escaped strings.Builder
		for _, c := range []byte(name) {
			fmt.Fprintf(&escaped, "%%%02X", c)
		}
		p, r := partOf("Content-Type: application/pdf; name*=utf-8''"+escaped.String(), "x")
		if p.Reviewable || p.Name == "" || !warns(r, WarnFileName) {
			t.Errorf("%q: %+v %v", name, p, r.Warnings)
		}
	}
	for _, name := range []string{"a.pdf", "Why?.pdf", "console.txt", "com.txt", "com10",
		"a..b", ".profile", "50% off.pdf", "é ü.pdf", "it's.pdf", `a"b.pdf`, "a*b", strings.Repeat("é", 127)} {
		if why := CheckFileName(name); why != "" {
			t.Errorf("%q %s", name, why)
		}
		raw, err := Compose(Draft{From: mail.MustAddress("bot@a.test"),
			Attachments: []Attachment{{Name: name, Data: []byte("x")}}})
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		parts := NewReview(raw).Parts
		if p := parts[len(parts)-1]; p.Name != name || !p.Reviewable {
			t.Errorf("%q: %+v", name, p)
		}
	}
}
