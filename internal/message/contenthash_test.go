package message

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/multimail/multimail/internal/mailtest"
)

// contentVector is one entry of docs/vectors/content.json.
type contentVector struct {
	Group, Name string
	Mail        string // one character for each octet
	Plain, HTML string
	Files       []string
	TH          *string
}

// octets returns the mail.
func (v contentVector) octets(t *testing.T) []byte {
	t.Helper()
	var out []byte
	for _, r := range v.Mail {
		if r > 0xff {
			t.Fatalf("%s: %U is no octet", v.Name, r)
		}
		out = append(out, byte(r))
	}
	return out
}

func contentVectors(t *testing.T) []contentVector {
	t.Helper()
	b, err := os.ReadFile("../../docs/vectors/content.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []contentVector }
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	return file.Vectors
}

// The frames of the vectors were written by hand, and their hashes computed by
// another program.
func TestContentHashIsThatOfThePublishedVectors(t *testing.T) {
	groups := map[string]int{}
	with := map[string]int{}
	for _, v := range contentVectors(t) {
		groups[v.Group]++
		raw := v.octets(t)
		if err := CheckForm(raw); err != nil && v.TH != nil {
			t.Errorf("%s: not what a door lets pass: %v", v.Name, err)
		}
		got, err := ContentHash(raw)
		if v.TH == nil {
			if got != "" || err == nil {
				t.Errorf("%s: %s, %v; want none", v.Name, got, err)
			}
			continue
		}
		with[v.Group]++
		var c contentReader
		if err := c.entity(raw, 0); err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		frames := []string{
			strings.Join(c.plain, "\n"), strings.Join(c.html, "\n"), hex.EncodeToString([]byte(c.attachments())),
		}
		for i, want := range []string{v.Plain, v.HTML, strings.Join(v.Files, "")} {
			if frames[i] != want {
				t.Errorf("%s: frame %d\n%q\nwant\n%q", v.Name, i, frames[i], want)
			}
		}
		if got != *v.TH || err != nil {
			t.Errorf("%s: %s, %v; want %s", v.Name, got, err, *v.TH)
		}
	}
	all := 0
	for _, n := range with {
		all += n
	}
	if all < 40 || 3*with["HTML only"] < all || groups["no th: HTML"] < 20 || groups["no th: MIME"] < 20 {
		t.Errorf("%d vectors with th: %v of %v", all, with, groups)
	}
}

func TestContentHashCostsWhatTheOctetsCost(t *testing.T) {
	const head = "From: a@b.test\r\nContent-Type: "
	const html, text = head + "text/html\r\n\r\n", head + "text/plain; charset=utf-8\r\n\r\n"
	const parts = head + "multipart/mixed; boundary=b\r\n"
	for name, form := range map[string][3]string{ // what stands before, what is repeated, what follows
		"tags":               {html, "x <y z=\"1\">\r\n", ""},
		"ampersands":         {html, "&ab&ab&ab\r\n", ""},
		"comments":           {html, "<!-- <!-- -->\r\n", ""},
		"a comment, no end":  {html, "<!-- <!-- \r\n", ""},
		"a style sheet":      {html + "<style>", "</styl </\r\n", "</style>"},
		"quotes":             {html + "<p a=\"", "'<p b='\r\n", "\">"},
		"marks":              {text, "a\u0301\u0323\r\n", ""},
		"vowels":             {text, "ㅠㅠㅠㅠ", ""},
		"lines of a header":  {parts, "A: b\r\n c\r\n", "\r\n--b\r\n\r\n--b--"},
		"lines of one field": {parts + "\r\n--b\r\nContent-Type: text/plain;\r\n", " a\r\n", "\r\nx\r\n--b--"},
		"no boundaries":      {parts + "\r\n", "--c\r\n-- b\r\n", "--b--"},
		"one part":           {parts + "\r\n--b\r\n\r\n", "x\r\n", "--b--"},
		"base64":             {head + "a/b\r\nContent-Transfer-Encoding: base64\r\n\r\n", "QUJD\r\n", ""},
	} {
		var jobs [3]func()
		for i := range jobs {
			raw := []byte(form[0] + strings.Repeat(form[1], 20000<<i) + form[2])
			jobs[i] = func() { _, _ = ContentHash(raw) }
		}
		if cost, why := mailtest.Grow(jobs); why != "" {
			t.Errorf("%s: %s: %v", name, why, cost)
		}
	}
}

// Whatever the text, its transfer encoding and its place in a multipart do not
// count, and one more word does.
func FuzzContentHash(f *testing.F) {
	f.Add("See you on Monday.", false)
	f.Add("<p>a&nbsp;b &amp; c</p><style>d</style>", true)
	f.Add("a\u0301\u0323 ㅠㅠ \u00a0 =3D <b", true)
	f.Fuzz(func(t *testing.T, text string, page bool) {
		head := "Content-Type: text/plain; charset=utf-8\r\n"
		if page {
			head = "Content-Type: text/html; charset=utf-8\r\n"
		}
		in64 := func(text string) string {
			return head + "Content-Transfer-Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString([]byte(text))
		}
		want, err := ContentHash([]byte(in64(text)))
		if err != nil {
			return
		}
		for name, mail := range map[string]string{
			"as it stands": head + "\r\n" + text,
			"in a part":    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + in64(text) + "\r\n--b--\r\n",
			"with blanks":  in64(" \n" + text + "\r\n\t"),
		} {
			if got, err := ContentHash([]byte(mail)); got != want || err != nil {
				t.Errorf("%q %s: %s, %v; want %s", text, name, got, err, want)
			}
		}
		if got, err := ContentHash([]byte(in64("word " + text))); got == want || err != nil {
			t.Errorf("%q with a word more: %s, %v", text, got, err)
		}
	})
}
