package httpd

import (
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/multimail/multimail/mail"
)

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
		if r := rows[word]; r == nil || r[2] != second || r[4] != codes {
			t.Errorf("%s: the table has %s, %s; docs/errors.md %q", word, second, codes, r)
		}
		delete(rows, word)
	}
	for _, k := range mail.Kinds() {
		check(k.String(), map[bool]string{true: "yes", false: "no"}[k.Temporary()], strconv.Itoa(kindStatus[k]))
	}
	for r, k := range mail.Reasons() {
		if _, ok := reasonStatus[r]; !ok {
			t.Errorf("%s has no row", r)
		}
		check(string(r), k.String(), strconv.Itoa(reasonStatus[r]))
	}
	for word := range rows {
		t.Errorf("docs/errors.md describes %q, which package mail does not declare", word)
	}
}
