package message

import (
	"strings"
	"testing"
)

func TestContentIsTheTextAndTheFilesOfAMail(t *testing.T) {
	raw := strings.ReplaceAll(`From: a@a.example
Subject: s
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: multipart/alternative; boundary=c

--c
Content-Type: text/plain; charset=utf-8

Good morning.
--c
Content-Type: text/html; charset=utf-8

<p>Good evening.</p>
--c--
--b
Content-Type: application/pdf; name="offer.pdf"
Content-Disposition: attachment; filename="offer.pdf"
Content-Transfer-Encoding: base64

AAECAw==
--b--
`, "\n", "\r\n")
	c := NewContent([]byte(raw), 100)
	if c.Text != "Good morning." || c.Cut {
		t.Errorf("text %q, cut %v", c.Text, c.Cut)
	}
	if len(c.Files) != 1 || c.Files[0] != (File{"offer.pdf", "application/pdf", 4}) {
		t.Errorf("files %+v", c.Files)
	}
	if c := NewContent([]byte(raw), 4); c.Text != "Good" || !c.Cut {
		t.Errorf("cut to 4 octets: %+v", c)
	}
	page := "From: a@a.example\r\nContent-Type: text/html\r\n\r\n<p>Only this.</p>\r\n"
	if c := NewContent([]byte(page), 100); c.Text != "Only this." {
		t.Errorf("a page alone: %q", c.Text)
	}
}
