package sign

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/message"
)

func TestAStampedMailIsValidAndEveryCheckSaysSo(t *testing.T) {
	v := newFixture(t).verify(newFixture(t).stamped())
	if v.Status != Invalid || failed(v) != "key" {
		t.Errorf("under the key of another operator: %+v", v)
	}
	h := newFixture(t)
	v = h.verify(h.stamped())
	var names []string
	for _, c := range v.Checks {
		names = append(names, c.Name)
		if !c.OK || c.Detail == "" || strings.ContainsAny(c.Detail, "\r\n") {
			t.Errorf("check %+v", c)
		}
	}
	want := "[message header from issuer key signature sender message_id body content recipients ai_generated date]"
	if v.Status != Valid || v.Err != nil || fmt.Sprint(names) != want || v.Claims.ID == "" {
		t.Errorf("%s, %v\nchecks %v\nwant   %v", v.Status, v.Err, names, want)
	}
}

func TestWhatHappensToTheMessageOnItsWay(t *testing.T) {
	h := newFixture(t)
	eml := h.stamped()
	token := tokenOf(t, eml)
	folded := strings.Replace(eml, token, token[:70]+"\r\n "+token[70:300]+"\r\n\t  "+token[300:], 1)
	for _, tt := range []struct{ name, eml, status, failed string }{
		{"nothing", eml, Valid, ""},
		{"other fields are added on top", "Received: from x\r\nX-MultiMail: y\r\n" + eml, Valid, ""},
		{"the header is folded", folded, Invalid, "header"},
		{"the file has lines that end with LF", strings.ReplaceAll(eml, "\r\n", "\n"), Valid, ""},
		{"blanks at the ends of lines are lost", strings.Replace(eml, "Dear Ann,", "Dear  Ann, \t", 1), Valid, ""},
		{"empty lines are added at the end", eml + "\r\n\r\n", Valid, ""},
		{"the name of a recipient changes", strings.Replace(eml, "To: Ann <", "To: Anna <", 1), Valid, ""},
		{"the subject changes, which is DKIM's business", strings.Replace(eml, "Offer", "[list] Offer", 1), Valid, ""},
		{"the header is lost", sample, None, ""},
		{"the header is in the body", sample + eml, None, ""},
		{"a list adds a footer", eml + "-- \r\nlist\r\n", Unbound, "body content"},
		{"the body is emptied", eml[:strings.Index(eml, "Dear")], Unbound, "body content"},
		{"a relay sets a new Message-ID", strings.Replace(eml, "<1@", "<2@", 1), Unbound, "message_id"},
		{"somebody else gets it", strings.Replace(eml, "bob@y", "eve@y", 1), Unbound, "recipients"},
		{"a recipient is added", strings.Replace(eml, "bob@y.test", "bob@y.test, eve@y.test", 1), Unbound, "recipients"},
		{"a recipient that nobody can read is added", strings.Replace(eml, "bob@y.test", "bob@y.test, eve@[::1]", 1),
			Unbound, "recipients"},
		{"a second To that names nobody is added", "To: Team:;\r\n" + eml, Invalid, "message"},
		{"a header too large to look at is added", strings.Repeat("X: y\r\n", message.MaxHeader/6) + eml, Invalid, "message"},
		{"the header is pasted over another text", HeaderName + ": " + token + "\r\n" +
			strings.NewReplacer("<1@", "<9@", "Dear", "Pay,", "bob@y", "eve@y").Replace(sample), Unbound,
			"message_id body content recipients"},
		{"the date is far off", strings.Replace(eml, "4 Mar 2026", "4 Mar 2025", 1), Valid, "date"},
		{"the date is after the release", strings.Replace(eml, "10:00:00", "12:11:00", 1), Valid, "date"},
		{"the date is lost", strings.Replace(eml, "Date:", "X-Date:", 1), Valid, "date"},
		{"two headers", HeaderName + ": " + token + "\r\n" + eml, Invalid, "header"},
		{"two headers in other spelling", "x-multimail-IDENTITY: x\r\n" + eml, Invalid, "header"},
		{"From is another mailbox", strings.Replace(eml, "<bot@", "<boss@", 1), Invalid, "sender"},
		{"From is in another domain", strings.Replace(eml, "<bot@example.com>", "<bot@example.org>", 1), Invalid, "issuer"},
		{"From is in a domain below", strings.Replace(eml, "<bot@", "<bot@mail.", 1), Invalid, "issuer"},
		{"From has two addresses", strings.Replace(eml, "From: ", "From: eve@example.com, ", 1), Invalid, "from"},
		{"From stands twice", "From: eve@example.com\r\n" + eml, Invalid, "message"},
		{"From stands twice, once with no address", "From: nobody\r\n" + eml, Invalid, "message"},
		{"From is lost", strings.Replace(eml, "From:", "X:", 1), Invalid, "from"},
		{"Message-ID is lost", strings.Replace(eml, "Message-ID:", "X:", 1), Invalid, "from"},
		{"Message-ID stands twice", "Message-ID: <1@example.com>\r\n" + eml, Invalid, "message"},
		{"the token is cut short", strings.Replace(eml, token, token[:len(token)-1], 1), Invalid, "header"},
	} {
		v := h.verify(tt.eml)
		if v.Status != tt.status || failed(v) != tt.failed {
			t.Errorf("%s: %s, failed %q; want %s, %q", tt.name, v.Status, failed(v), tt.status, tt.failed)
		}
		if (v.Claims.ID != "") != (v.Status == Valid || v.Status == ValidText || v.Status == Unbound) {
			t.Errorf("%s: %s with claims %+v", tt.name, v.Status, v.Claims)
		}
	}
}

// A gateway may change the form of a mail, and a thief its words.
func TestAnotherFormOfTheSameContentIsValidText(t *testing.T) {
	h := newFixture(t)
	eml := h.stamped()
	for _, tt := range []struct {
		name          string
		change        []string
		status, wrong string
	}{
		{"lines are broken elsewhere", []string{"here it", "here\r\nit"}, ValidText, "body"},
		{"the body is encoded", []string{"MIME-Version", "Content-Transfer-Encoding: base64\r\nMIME-Version",
			"Dear Ann,\r\n\r\nhere it is.", "RGVhciBBbm4sIGhlcmUgaXQgaXMu"}, ValidText, "body"},
		{"the text is put into a multipart", []string{"text/plain; charset=utf-8", "multipart/mixed; boundary=b",
			"Dear", "--b\r\n\r\nDear", "it is.", "it is.\r\n--b--"}, ValidText, "body"},
		{"a page is made of it", []string{"text/plain", "text/html", "Dear Ann,", "<p>Dear Ann,"}, Unbound, "body content"},
		{"another form for somebody else", []string{"here it", "here\r\nit", "bob@", "eve@"}, Unbound, "body recipients"},
		{"another form under another id", []string{"here it", "here\r\nit", "<1@", "<2@"}, Unbound, "message_id body"},
		{"a word more", []string{"it is", "it is not"}, Unbound, "body content"},
		{"the same body in another charset", []string{"utf-8", "utf-16"}, Unbound, "content"},
		{"the same body as a page", []string{"text/plain", "text/html"}, Unbound, "content"},
		{"the same body as a file", []string{"MIME-", "Content-Disposition: attachment\r\nMIME-"}, Unbound, "content"},
	} {
		v := h.verify(strings.NewReplacer(tt.change...).Replace(eml))
		if v.Status != tt.status || failed(v) != tt.wrong || v.Holds() != (tt.status == ValidText) {
			t.Errorf("%s: %s, failed %q; want %s, %q", tt.name, v.Status, failed(v), tt.status, tt.wrong)
		}
	}
}

// A style sheet can hide the words that were signed and show others. th does not
// cover it, so the report of such a mail has to say that.
func TestAReportOfValidTextSaysThatOtherWordsMayBeShown(t *testing.T) {
	h := newFixture(t)
	page := strings.NewReplacer("text/plain", "text/html",
		"Dear Ann,\r\n\r\nhere it is.", "<p>Here it is.</p>").Replace(sample)
	eml := h.stamp(released(t, page), page)
	shown := "<style>p{display:none} body::after{content:'Pay to DE00 1234.'}</style><p>Here"
	v := h.verify(strings.Replace(eml, "<p>Here", shown, 1))
	if says := v.Report("").Summary; v.Status != ValidText || !strings.Contains(says, "show others") {
		t.Errorf("%s: %s", v.Status, says)
	}
}

// Whoever changes a claim has not the key.
func TestTamperingWithAnyClaimBreaksTheSignature(t *testing.T) {
	h := newFixture(t)
	eml := h.stamped()
	token := tokenOf(t, eml)
	p := strings.Split(token, ".")
	claims := claimsOf(t, eml)
	if len(claims) != 16 {
		t.Fatalf("%d claims", len(claims))
	}
	for name, v := range claims {
		changed := claimsOf(t, eml)
		switch v := v.(type) {
		case string:
			changed[name] = v + "x"
		case bool:
			changed[name] = !v
		case float64:
			changed[name] = v - 1
		case []any:
			changed[name] = append(v, "reply")
		case map[string]any:
			changed[name].(map[string]any)["by"] = "human"
		}
		b, err := json.Marshal(changed)
		if err != nil {
			t.Fatal(err)
		}
		bad := p[0] + "." + encode(b) + "." + p[2]
		if v := h.verify(strings.Replace(eml, token, bad, 1)); v.Status != Invalid {
			t.Errorf("%s: %+v", name, v)
		}
	}
	for i := range token { // and every single character
		c := byte('A')
		if token[i] == c {
			c = 'B'
		}
		bad := token[:i] + string(c) + token[i+1:]
		if v := h.verify(strings.Replace(eml, token, bad, 1)); v.Status != Invalid {
			t.Fatalf("character %d: %+v", i, v)
		}
	}
}

// The domain's own key may sign nonsense too, by mistake or in other hands.
func TestClaimsAreComparedWithTheMessageEvenUnderAGoodSignature(t *testing.T) {
	h := newFixture(t)
	eml := h.stamped()
	head := part(t, tokenOf(t, eml), 0)
	for _, tt := range []struct {
		name, claim string
		value       any
		status      string
		failed      string
	}{
		{"issuer without its scheme", "iss", "example.com", Invalid, "issuer"},
		{"issuer with a path", "iss", "https://example.com/", Invalid, "issuer"},
		{"issuer with a port", "iss", "https://example.com:8443", Invalid, "issuer"},
		{"issuer with a user", "iss", "https://example.com@evil.test", Invalid, "issuer"},
		{"issuer without TLS", "iss", "http://example.com", Invalid, "issuer"},
		{"parent as issuer", "iss", "https://com", Invalid, "issuer"},
		{"issuer in upper case", "iss", "https://EXAMPLE.com", Invalid, "issuer"},
		{"another sender", "sub", "boss@example.com", Invalid, "sender"},
		{"another mail", "mid", shortHash("2@example.com"), Unbound, "message_id"},
		{"another body", "bh", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", ValidText, "body"},
		{"other words", "th", shortHash(""), Unbound, "content"},
		{"no hash of the words", "th", nil, Valid, ""},
		{"no mail in particular", "mid", nil, Valid, ""},
		{"other recipients", "rh", shortHash(""), Unbound, "recipients"},
		{"no recipients", "rh", nil, Valid, ""},
		{"no issuer", "iss", nil, Invalid, "header"},
		{"no body hash", "bh", nil, Invalid, "header"},
		{"no operator", "operator", "", Invalid, "header"},
		{"another service", "service", "other", Invalid, "header"},
		{"no time", "iat", nil, Invalid, "header"},
		{"time as text", "iat", "1772625600", Invalid, "header"},
		{"time with a fraction", "iat", 1772625600.5, Invalid, "header"},
		{"a claim of the future", "newer_claim", []int{1}, Valid, ""},
		{"a time after Date", "iat", noon.Add(90 * 24 * time.Hour).Unix(), Valid, "date"},
	} {
		claims := claimsOf(t, eml)
		claims[tt.claim] = tt.value
		if tt.value == nil {
			delete(claims, tt.claim)
		}
		b, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		v := h.verify(under(h.forge(head, string(b))))
		if v.Status != tt.status || failed(v) != tt.failed {
			t.Errorf("%s: %s, failed %q; want %s, %q", tt.name, v.Status, failed(v), tt.status, tt.failed)
		}
	}
}

func TestALookupThatFailsIsReportedApart(t *testing.T) {
	h := newFixture(t)
	down := errors.New("connection refused")
	asked := 0
	v := Verify([]byte(h.stamped()), Lookup{Document: func(iss, kid string) ([]byte, error) {
		asked++
		if iss != "https://example.com" || len(kid) != kidLength {
			t.Errorf("asked for %q, %q", iss, kid)
		}
		return nil, down
	}})
	if v.Status != Invalid || !errors.Is(v.Err, down) || failed(v) != "key" || asked != 1 {
		t.Errorf("asked %d times: %+v", asked, v)
	}
}

func TestDetailsDoNotActOnATerminal(t *testing.T) {
	h := newFixture(t)
	eml := h.stamped()
	claims := claimsOf(t, eml)
	claims["sub"] = "\x1b[2J\u202eeve\r\n"
	b, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	v := h.verify(under(h.forge(part(t, tokenOf(t, eml), 0), string(b))))
	w := Verify([]byte(eml), Lookup{Document: func(string, string) ([]byte, error) {
		return nil, errors.New("\x1b[2Jeve\r\n\u202e")
	}})
	for _, v := range []Verification{v, w} {
		d := v.Checks[len(v.Checks)-1].Detail
		if strings.ContainsAny(d, "\x1b\u202e\r\n") || !strings.Contains(d, "eve") {
			t.Errorf("%q", d)
		}
	}
}
