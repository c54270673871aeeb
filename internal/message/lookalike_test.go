package message

import (
	"strings"
	"testing"
)

func TestANameThatPassesForAnotherIsFlagged(t *testing.T) {
	for name, want := range map[string]string{
		"":                         "",
		"Ann Miller":               "",
		"Müller & Söhne GmbH":      "",
		"Dr. J.R. Smith, Ph.D.":    "",
		"Иван Петров":              "",
		"Ελένη Παπαδοπούλου":       "",
		"山田 太郎 Yamada":             "",
		"김철수 Kim":                  "",
		"Acme v1.10":               "",
		"bot@y.test":               "", // its own address
		"y.test Support":           "", // its own domain
		"boss＠acme.example":        "at sign",
		"boss﹫acme.example":        "at sign",
		"boss @ acme":              "at sign",
		"ⓐcme boss":                "at sign",
		"acme.example billing":     "names the domain acme.example",
		"acme。example":             "looks like acme.example",
		"ａｃｍｅ．ｅｘａｍｐｌｅ":             "looks like acme.example",
		"аcme.example":             "several scripts",
		"Асме Billing":             "several scripts", // Cyrillic word, Latin word
		"Αcme":                     "several scripts",
		"ACМE":                     "several scripts",
		"асме":                     "looks like acme.example",
		"𝐚𝐜𝐦𝐞 billing":             "looks like acme.example",
		"acrne support":            "looks like acme.example",
		"Acme\u200b.example sales": "looks like acme.example",
		"paypal.com":               "names the domain paypal.com",
	} {
		got := lookAlike(name, "bot@y.test", "acme.example")
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestADomainThatLooksLikeOursIsFlaggedInEveryAddressField(t *testing.T) {
	for field, want := range map[string]bool{
		"To: x@acme1.test":                          true,
		"Cc: Ann <x@ACME1.test>":                    true,
		"Reply-To: x@acmeI.test":                    true,
		"Disposition-Notification-To: x@acme1.test": true,
		"To: x@xn--cmel-43d.test":                   true, // Cyrillic a
		"To: x@acmel.test":                          false,
		"To: x@other.test":                          false,
	} {
		r := NewReview([]byte("From: bot@acmel.test\r\n" + field + "\r\n\r\nx\r\n"))
		got := false
		for _, w := range r.Warnings {
			got = got || w.Code == WarnLookAlike
		}
		if got != want {
			t.Errorf("%s: %v in %+v", field, got, r.Warnings)
		}
	}
}

func TestALinkWhoseHostLooksLikeOursIsFlagged(t *testing.T) {
	for link, want := range map[string]bool{
		"https://acme1.test/login": true, "http://www.acmeI.test": true, "https://u:p@acme1.test:8080/": true,
		"www.acme1.test": true, "https://аcmel.test/": true, "mailto:x@acme1.test": true,
		"https://acmel.test/": false, "https://other.test/acme1.test": false, "https://www.acmel.test": false,
	} {
		r := NewReview([]byte("From: bot@acmel.test\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nsee " + link + "\r\n"))
		if got := strings.Contains(codes(r), string(WarnLookAlike)); got != want {
			t.Errorf("%s: %v in %+v", link, got, r.Warnings)
		}
	}
}
