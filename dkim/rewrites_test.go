package dkim

import (
	"strings"
	"testing"

	"github.com/multimail/multimail/mail"
)

// What a relay replaces stands in no signature, and everything else does.
func TestFieldsThatARelayReplacesAreNotCovered(t *testing.T) {
	h := newFixture(t, Options{Algorithms: []string{RSA, Ed25519}})
	for _, tt := range []struct {
		rewrites mail.Rewrites
		replaced []string // fields whose change no signature notices
	}{
		{mail.Rewrites{}, nil},
		{mail.Rewrites{MessageID: true}, []string{"Message-ID"}},
		{mail.Rewrites{Date: true}, []string{"Date"}},
		{mail.Rewrites{MessageID: true, Date: true}, []string{"Message-ID", "Date"}},
	} {
		lines, err := NewStamper(h.keys).Rewriting(tt.rewrites).Stamp(t.Context(), released(), []byte(sample))
		if err != nil {
			t.Fatal(err)
		}
		eml := string(lines) + sample
		if got := h.verdicts(eml); got != "pass, pass" {
			t.Errorf("%+v: %s", tt.rewrites, got)
		}
		for _, name := range overSigned {
			at := strings.Index(eml, "\n"+name+": ")
			if at < 0 {
				continue
			}
			changed := eml[:at+len(name)+3] + "x" + eml[at+len(name)+3:]
			want := "fail, fail"
			for _, r := range tt.replaced {
				if r == name {
					want = "pass, pass"
				}
			}
			if got := h.verdicts(changed); got != want {
				t.Errorf("%+v, another %s: %s, want %s", tt.rewrites, name, got, want)
			}
		}
	}
}
