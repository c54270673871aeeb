package message

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestFileNamesAreMadeSafe(t *testing.T) {
	long := strings.Repeat("x", 300)
	for name, want := range map[string]string{
		"a.pdf":               "a.pdf",
		"../../etc/passwd":    "passwd",
		`C:\x\..\evil.exe`:    "evil.exe",
		"CON":                 "_CON",
		"con.txt":             "_con.txt",
		"LPT1.log":            "_LPT1.log",
		"COM¹":                "_COM1",
		"a.pdf. . ":           "a.pdf",
		" .bashrc":            "bashrc",
		"-rf":                 "rf",
		"":                    "attachment",
		"...":                 "attachment",
		"\u202efdp.exe":       "_fdp.exe",
		"a\x00.pdf":           "a_.pdf",
		"a\r\nb":              "a__b",
		"a:b|c*?.txt":         "a_b_c__.txt",
		"%2e%2e%2fx":          "_2e_2e_2fx",
		"résumé.pdf":          "résumé.pdf",
		"資料.docx":             "資料.docx",
		"／etc／x":              "x",
		"a\xff.txt":           "a_.txt",
		"=?utf-8?q?x?=":       "__utf-8_q_x__",
		long + ".pdf":         long[:196] + ".pdf",
		"💥.txt":               "_.txt",
		"invoice   .exe .pdf": "invoice .exe .pdf", // blanks push no ending out of sight
	} {
		got := SafeFileName(name)
		if got != want || SafeFileName(got) != got || CheckFileName(got) != "" {
			t.Errorf("%q: %q, want %q; %s", name, got, want, CheckFileName(got))
		}
	}
}

func FuzzSafeFileName(f *testing.F) {
	f.Add("a\u0301\u0301.pdf.")
	f.Add("-\u0301.con")
	f.Fuzz(func(t *testing.T, name string) {
		got := SafeFileName(name)
		if got == "" || SafeFileName(got) != got || CheckFileName(got) != "" || len(got) > maxSafeName+1 {
			t.Fatalf("%q: %q %q %s", name, got, SafeFileName(got), CheckFileName(got))
		}
	})
}

func TestAttachmentsHaveDistinctNamesAndTheirOctets(t *testing.T) {
	part := func(header, s string) string { return "--b\n" + header + "\n\n" + s + "\n" }
	raw := mailWith("Content-Type: multipart/mixed; boundary=b\n\n" + part("Content-Type: text/plain", "x") +
		part("Content-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64", "QUJD") +
		part("Content-Disposition: attachment; filename=A.PDF", "DEF") +
		part("Content-Disposition: attachment; filename=\"../../a.pdf\"", "GHI") +
		part("Content-Type: image/png\nContent-Disposition: attachment", "png") +
		part("Content-Type: message/rfc822", "Subject: the plan\nFrom: a@x.test\n\nhello") +
		part("Content-Type: application/ms-tnef; name=winmail.dat", "tnef") +
		part("Content-Type: text/plain", "see\nbegin 644 cat.txt\n#0V%T\n`\nend\nbye") + "--b--\n")
	r := NewReading(raw, ReadingLimits{})
	var got []string
	for _, a := range r.Attachments {
		_, data, err := FindAttachment(raw, a.Name)
		if err != nil {
			t.Error(err)
		}
		got = append(got, fmt.Sprintf("%s=%s:%q", a.Name, a.ContentType, data))
	}
	want := []string{`a.pdf=application/pdf:"ABC"`, `A-2.PDF=text/plain:"DEF"`, `a-3.pdf=text/plain:"GHI"`,
		`attachment.png=image/png:"png"`, `the plan.eml=message/rfc822:"Subject: the plan\r\nFrom: a@x.test\r\n\r\nhello"`,
		`winmail.dat=application/ms-tnef:"tnef"`, `cat.txt=application/octet-stream:"Cat"`}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if r.Text != "x\n\nsee\nbye" {
		t.Errorf("%q", r.Text)
	}
	if _, data, err := FindAttachment(raw, "2"); err != nil || string(data) != "DEF" {
		t.Errorf("by number: %q %v", data, err)
	}
	for _, name := range []string{"", "0", "8", "b.pdf", "../../a.pdf"} {
		if _, _, err := FindAttachment(raw, name); err == nil {
			t.Errorf("%q is found", name)
		}
	}
}
