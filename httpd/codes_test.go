package httpd

import (
	"strconv"
	"testing"

	"github.com/multimail/multimail/internal/mailtest"
	"github.com/multimail/multimail/mail"
)

// A kind or reason without a row in the table of this door, or with another one
// in docs/errors.md, is found here.
func TestEveryErrorHasItsDocumentedCodes(t *testing.T) {
	mailtest.ErrorCodes(t, "../docs/errors.md", mailtest.ColumnHTTP,
		func(k mail.Kind) string { return strconv.Itoa(kindStatus[k]) },
		func(r mail.Reason) (string, bool) { s, ok := reasonStatus[r]; return strconv.Itoa(s), ok })
}
