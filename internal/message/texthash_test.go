package message

import (
	"strings"
	"testing"
)

func TestTextHashIsEqualForMailsThatSayTheSame(t *testing.T) {
	hash := func(rest string) string {
		m, err := Read(mailWith(rest), readOptions)
		if err != nil {
			t.Fatal(err)
		}
		return m.TextHash
	}
	base := hash("Subject: a\n\nPlease pay $10, now.\n")
	long := strings.Repeat("word word word word word word word word word word word word word word\n", 20000)
	for _, tt := range []struct {
		name, rest string
		same       bool
	}{
		{"another subject, case, spacing and signs", "Subject: b\n\nPLEASE  pay\n$10 - now!\n", true},
		{"another encoding", "Content-Transfer-Encoding: base64\n\nUGxlYXNlIHBheSAkMTAsIG5vdy4=\n", true},
		{"HTML", "Content-Type: text/html\n\n<p>Please <b>pay</b> $10, now.</p>\n", true},
		{"another attachment", "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nPlease pay $10, now.\n--b\n" +
			"Content-Disposition: attachment; filename=a\n\nx\n--b--\n", true},
		{"another sum", "\nPlease pay $100, now.\n", false},
		{"another currency", "\nPlease pay €10, now.\n", false},
		{"words run together", "\nPleasepay $10, now.\n", false},
		{"one word more", "\nPlease pay $10, now, twice.\n", false},
	} {
		if tt.name == "another currency" {
			tt.rest = "Content-Type: text/plain; charset=utf-8\n" + tt.rest
		}
		if got := hash(tt.rest); (got == base) != tt.same {
			t.Errorf("%s: same is %v", tt.name, got == base)
		}
	}
	if got := hash("\n !\n"); got != "" {
		t.Errorf("a mail that says nothing has %s", got)
	}
	if hash("\n"+long+"one\n") == hash("\n"+long+"two\n") {
		t.Error("the end of a long text does not count")
	}
}
