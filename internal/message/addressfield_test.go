package message

import (
	"testing"

	"github.com/multimail/multimail/mail"
)

// Every octet that may stand in a quoted local part comes back from a header as
// it went in.
func TestQuotedLocalPartsComeBackFromAHeader(t *testing.T) {
	for c := byte(' '); c <= '~'; c++ {
		octet := string(c)
		switch c {
		case '<', '>':
			continue
		case '"', '\\':
			octet = `\` + octet
		}
		a := mail.MustAddress(`"a ` + octet + `b"@c.test`)
		got := Addresses([]byte("To: x@y.test, "+a.String()+", <"+a.String()+">\r\n\r\n"), "To")
		if len(got) != 3 || got[1] != a || got[2] != a {
			t.Errorf("%s in a header: %q", a, got)
		}
	}
}
