package smtpd

import (
	"fmt"
	"maps"

	"testing"

	"github.com/multimail/multimail/internal/mailtest"
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

// A kind or reason without a row in the table of this door, or with another one
// in docs/errors.md, is found here.
func TestEveryErrorHasItsDocumentedCodes(t *testing.T) {
	mailtest.ErrorCodes(t, "../docs/errors.md", mailtest.ColumnSMTP,
		func(k mail.Kind) string { return written(kindStatus[k]) },
		func(r mail.Reason) (string, bool) { s, ok := reasonStatus[r]; return written(s), ok })
}

func written(s status) string { return fmt.Sprintf("%d %s", s.code, dotted(s.enhanced)) }
