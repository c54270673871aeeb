package mailtest

import (
	"os"
	"regexp"
	"testing"

	"github.com/multimail/multimail/mail"
)

// errorRow is a row of docs/errors.md: word, kind or temporary, SMTP, HTTP.
var errorRow = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| `?([a-z_]+)`? \\| ([^|]+) \\| ([^|]+) \\|")

// The columns of docs/errors.md that hold the codes of a door.
const (
	ColumnSMTP = 3
	ColumnHTTP = 4
)

// ErrorCodes compares the codes of a door with its column of docs/errors.md, which
// stands at page. reason says whether the door has a row of its own for a reason.
func ErrorCodes(
	t *testing.T, page string, column int, kind func(mail.Kind) string, reason func(mail.Reason) (codes string, ok bool),
) {
	t.Helper()
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for _, m := range errorRow.FindAllStringSubmatch(string(b), -1) {
		rows[m[1]] = m
	}
	check := func(word, second, codes string) {
		if r := rows[word]; r == nil || r[2] != second || r[column] != codes {
			t.Errorf("%s: the table has %s, %s; docs/errors.md %q", word, second, codes, r)
		}
		delete(rows, word)
	}
	for _, k := range mail.Kinds() {
		check(k.String(), map[bool]string{true: "yes", false: "no"}[k.Temporary()], kind(k))
	}
	for r, k := range mail.Reasons() {
		codes, ok := reason(r)
		if !ok {
			t.Errorf("%s has no row", r)
		}
		check(string(r), k.String(), codes)
	}
	for word := range rows {
		t.Errorf("docs/errors.md describes %q, which package mail does not declare", word)
	}
}
