package smtpd

import (
	"fmt"
	"maps"
	"os"
	"regexp"

	"testing"

	"github.com/multimail/multimail/mail"
)

// The audit log has what the client was answered.
func TestTheGateLearnsTheCodesOfThisDoor(t *testing.T) {
	srv, g := build(t, options())
	p := dial(t, srv, true).login()
	p.do("MAIL FROM:<ceo@example.test>", "550 5.7.1")
	want := map[string]string{"door": "smtp", "code": "550", "enhanced": "5.7.1"}
	if len(g.facts) != 1 || !maps.Equal(g.facts[0], want) {
		t.Errorf("at MAIL: %v", g.facts)
	}
	p.do("MAIL FROM:<"+mailbox+">", "250")
	p.do("RCPT TO:<a@dest.test>", "250")
	p.do("DATA", "354")
	p.send("a: b\r\n\r\n.\r\n")
	p.expect("250-")
	if s := g.stored(); len(s) != 1 || s[0].Codes(mail.ErrFrozen.Errorf("x"))["code"] != "451" {
		t.Errorf("a mail: %+v", s)
	}
}

// word, kind or temporary, SMTP, HTTP
var errorRow = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| `?([a-z_]+)`? \\| ([^|]+) \\| ([^|]+) \\|")

// A kind or reason without a row in the table of this door, or with another one
// in docs/errors.md, is found here.
func TestEveryErrorHasItsDocumentedCodes(t *testing.T) {
	page, err := os.ReadFile("../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for _, m := range errorRow.FindAllStringSubmatch(string(page), -1) {
		rows[m[1]] = m
	}
	check := func(word, second, codes string) {
		if r := rows[word]; r == nil || r[2] != second || r[3] != codes {
			t.Errorf("%s: the table has %s, %s; docs/errors.md %q", word, second, codes, r)
		}
		delete(rows, word)
	}
	for _, k := range mail.Kinds() {
		check(k.String(), map[bool]string{true: "yes", false: "no"}[k.Temporary()], written(kindStatus[k]))
	}
	for r, k := range mail.Reasons() {
		if _, ok := reasonStatus[r]; !ok {
			t.Errorf("%s has no row", r)
		}
		check(string(r), k.String(), written(reasonStatus[r]))
	}
	for word := range rows {
		t.Errorf("docs/errors.md describes %q, which package mail does not declare", word)
	}
}

func written(s status) string { return fmt.Sprintf("%d %s", s.code, dotted(s.enhanced)) }
