package message

import (
	"slices"
	"strings"
	"testing"
)

func TestNamesOfRecipientsAreRead(t *testing.T) {
	long := "To: " + strings.Repeat("Ada <ada@dest.test>, ", MaxAddresses+50) + "x@dest.test\r\n\r\n"
	for _, c := range []struct {
		name, raw string
		want      []string
	}{
		{"names of To and Cc",
			"To: Ada Lovelace <ada@dest.test>, bob@dest.test\r\ncc: \"Crème, Zoë\" <zoe@dest.test>\r\n\r\n",
			[]string{"Ada Lovelace", "Crème, Zoë"}},
		{"encoded words", "To: =?utf-8?q?Zo=C3=AB?= <zoe@dest.test>\r\n\r\n", []string{"Zoë"}},
		{"not who sends, nor blind copies",
			"From: Ada <ada@x.test>\r\nBcc: Eve <eve@x.test>\r\n\r\nTo: Body <b@x.test>\r\n", nil},
		{"nothing", "", nil},
	} {
		if got := RecipientNames([]byte(c.raw)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if n := len(RecipientNames([]byte(long))); n > MaxAddresses {
		t.Errorf("%d names", n)
	}
}
