package message

import "testing"

func TestOrganizationIsOneLabelMoreThanAPublicSuffix(t *testing.T) {
	for domain, want := range map[string]string{
		"mail.bank.test": "bank.test", "bank.test": "bank.test", "a.b.example.co.uk": "example.co.uk",
		"co.uk": "co.uk", "test": "test", "": "", "me.github.io": "me.github.io", "x.me.github.io": "me.github.io",
	} {
		if got := Organization(domain); got != want {
			t.Errorf("%q: %q, want %q", domain, got, want)
		}
	}
}
