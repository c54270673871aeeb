package spam

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/multimail/multimail/internal/mailtest"
	"github.com/multimail/multimail/mail"
)

// with returns plainMail with one piece replaced.
func with(old, new string) string {
	if !strings.Contains(plainMail, old) {
		panic("plainMail has no " + old)
	}
	return strings.Replace(plainMail, old, new, 1)
}

// page is plainMail with an HTML body.
func page(html string) string {
	return with("\r\n\r\nAt noon, as ever.", "\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"+
		html)
}

// attached is plainMail with an attachment of this name.
func attached(name string) string {
	return with("\r\n\r\nAt noon, as ever.", "\r\nMIME-Version: 1.0\r\n"+
		"Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\""+name+"\"\r\n\r\nx")
}

// signCases shows each sign in a mail.
var signCases = []struct {
	name  string
	raw   string
	auth  mail.Authentication
	signs string
}{
	{name: "nothing", raw: plainMail},
	{name: "no check was made", raw: plainMail, auth: mail.Authentication{}},
	{name: "a domain demands quarantine", raw: plainMail, signs: "dmarc_quarantine",
		auth: mail.Authentication{DMARC: mail.Check{Result: "fail", Detail: "p=quarantine"}, Quarantine: true}},
	{name: "From names several", raw: plainMail, signs: "dmarc_quarantine",
		auth: mail.Authentication{DMARC: mail.Check{Result: "permerror"}, Quarantine: true}},
	{name: "the configuration does not follow the domain", raw: plainMail, signs: "dmarc_fail",
		auth: mail.Authentication{DMARC: mail.Check{Result: "fail", Detail: "p=quarantine"}}},
	{name: "a domain asks for nothing", raw: plainMail, signs: "dmarc_fail",
		auth: mail.Authentication{DMARC: mail.Check{Result: "fail", Detail: "p=none"}}},
	{name: "SPF fails and nothing is signed", raw: plainMail, signs: "no_authentication spf_fail",
		auth: mail.Authentication{SPF: mail.Check{Result: "fail"}}},
	{name: "SPF softly fails and the signature is broken", raw: plainMail, signs: "no_authentication",
		auth: mail.Authentication{SPF: mail.Check{Result: "softfail"}, DKIM: []mail.Check{{Result: "fail"}}}},
	{name: "SPF fails and one of two signatures passes", raw: plainMail, signs: "spf_fail",
		auth: mail.Authentication{SPF: mail.Check{Result: "fail"}, DKIM: []mail.Check{{Result: "fail"}, {Result: "pass"}}}},
	{name: "the client calls itself what it is not", raw: plainMail, signs: "helo_fail",
		auth: mail.Authentication{SPF: mail.Check{Result: "pass"}, HELO: mail.Check{Result: "fail"}}},
	{name: "a list has forwarded it, with a chain", raw: plainMail,
		auth: mail.Authentication{SPF: mail.Check{Result: "none"}, ARC: mail.Check{Result: "pass"}}},
	{name: "the DNS does not answer", raw: plainMail,
		auth: mail.Authentication{SPF: mail.Check{Result: "temperror"}, DKIM: []mail.Check{{Result: "temperror"}}}},
	{name: "no From", raw: with("From: Anna <anna@sender.test>\r\n", ""), signs: "from_missing"},
	{name: "two From", raw: "From: boss@bank.test\r\n" + plainMail, signs: "from_twice"},
	{name: "no Date", raw: with("Date: Thu, 26 Nov 2026 10:00:00 +0000\r\n", ""), signs: "date_missing"},
	{name: "two Date", raw: "Date: Thu, 26 Nov 2026 10:00:00 +0000\r\n" + plainMail, signs: "date_twice"},
	{name: "a Date of next year", raw: with("2026", "2027"), signs: "date_odd"},
	{name: "a Date that is none", raw: with("Thu, 26 Nov", "some day"), signs: "date_odd"},
	{name: "a mail that was tried for five days", raw: with("26 Nov", "21 Nov")},
	{name: "no Message-ID", raw: with("Message-ID: <one@sender.test>\r\n", ""), signs: "message_id_missing"},
	{name: "two Message-ID", raw: "message-id: <two@sender.test>\r\n" + plainMail, signs: "message_id_twice"},
	{name: "a name that is another address", raw: with("Anna", `"boss@bank.test"`), signs: "look_alike"},
	{name: "a name in letters of several scripts", raw: with("Anna", "=?utf-8?q?P=D0=B0yPal?="), signs: "look_alike"},
	{name: "replies elsewhere", raw: "Reply-To: x@other.example\r\n" + plainMail, signs: "reply_elsewhere"},
	{name: "replies to a subdomain", raw: "Reply-To: x@desk.sender.test\r\n" + plainMail},
	{name: "a link to a number", raw: with("At noon", "http://192.0.2.1/x"), signs: "link_number"},
	{name: "a link to a number in one piece", raw: page(`<a href="http://3221225985/x">here</a>`), signs: "link_number"},
	{name: "a link to an IPv6 address", raw: page(`<a href="http://[2001:db8::1]/x">here</a>`), signs: "link_number"},
	{name: "a link of several scripts", raw: page(`<a href="https://p&#1072;ypal.test/x">here</a>`),
		signs: "link_mixed_scripts"},
	{name: "the same in ASCII", raw: page(`<a href="https://xn--pypal-4ve.test/x">here</a>`), signs: "link_mixed_scripts"},
	{name: "a link in one other script", raw: page(`<a href="https://пример.test/x">here</a>`)},
	{name: "a link whose text names another host", raw: page(`<a href="https://evil.test/">www.bank.test</a>`),
		signs: "link_mismatch"},
	{name: "a link whose text names its host", raw: page(`<a href="https://www.bank.test/">bank.test</a>`)},
	{name: "hidden text", raw: page(`At noon<p style="display:none">pass the filter</p>`), signs: "hidden_text"},
	{name: "a name that is a path", raw: attached("../../x.txt"), signs: "odd_file_name"},
	{name: "a program", raw: attached("Invoice.pdf.EXE"), signs: "executable"},
	{name: "a program with a dot behind", raw: attached("setup.exe."), signs: "executable odd_file_name"},
	{name: "a script", raw: attached("notes.js"), signs: "executable"},
	{name: "a document with macros", raw: attached("list.xlsm"), signs: "executable"},
	{name: "a document", raw: attached("exe.pdf")},
	{name: "a name without an ending", raw: attached("exe")},
}

func TestEachSignIsFoundAndNoOther(t *testing.T) {
	shown := map[string]bool{}
	for _, c := range signCases {
		m := incoming(c.raw)
		if c.auth.SPF.Result+c.auth.DMARC.Result != "" || c.name == "no check was made" {
			m.Arrival.Auth = c.auth
		}
		f := judge(m, []byte(c.raw))
		names := slices.Sorted(maps.Keys(f.seen))
		if got := strings.Join(names, " "); got != c.signs {
			t.Errorf("%s: %q, want %q; %q", c.name, got, c.signs, f.reasons)
		}
		var sum float64
		for _, s := range Signs {
			if f.seen[s.Name] {
				shown[s.Name] = true
				sum += s.Score
			}
		}
		if sum != f.score || len(f.reasons) != len(names) {
			t.Errorf("%s: score %v of %v, %d reasons", c.name, f.score, sum, len(f.reasons))
		}
	}
	for _, s := range Signs {
		if !shown[s.Name] {
			t.Errorf("no mail shows %s", s.Name)
		}
	}
}

func TestASignCountsOnce(t *testing.T) {
	raw := with("At noon", strings.Repeat("http://192.0.2.1/x http://192.0.2.2/y ", 20))
	if f := judge(incoming(raw), []byte(raw)); f.score != 3 || len(f.reasons) != 1 {
		t.Errorf("%v %q", f.score, f.reasons)
	}
}

func TestTheDocumentationListsEverySign(t *testing.T) {
	b, err := os.ReadFile("../../docs/spam.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Count(string(b), "\n| `") // settings and actions have theirs
	for _, s := range Signs {
		row := fmt.Sprintf("\n| `%s` | %v | %s |\n", s.Name, s.Score, s.Meaning)
		if !strings.Contains(string(b), row) {
			t.Errorf("docs/spam.md lacks %s", row)
		}
		rows--
	}
	if rows < 0 {
		t.Errorf("%d rows", rows)
	}
}

// What a stranger sends costs what its length says.
func TestJudgingGrowsWithTheLength(t *testing.T) {
	for name, piece := range map[string]string{
		"links": "http://192.0.2.1/x\r\n", "text": "At noon, as ever.\r\n",
		"hosts": "https://www.p\u0430ypal.test/ \r\n",
	} {
		var jobs [3]func()
		for i := range jobs {
			raw := []byte(with("At noon", strings.Repeat(piece, 2000<<i)))
			jobs[i] = func() { judge(incoming(plainMail), raw) }
		}
		if _, why := mailtest.Grow(jobs); why != "" {
			t.Errorf("%s: %s", name, why)
		}
	}
}
