package message

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/multimail/multimail/mail"
)

func repeat(s string, n int) string { return strings.Repeat(s, max(0, n/len(s))) }

// Each row is at its limit; one more is refused, and the refusal is counted
// under its own name.
func TestReadNamesEveryLimitItEnforces(t *testing.T) {
	head := func(s string) string { return "From: bot@a.test\r\n" + s }
	list := func(name string, n int) string {
		return name + ": a@b.test" + strings.Repeat(",\r\n a@b.test", n-1) + "\r\n"
	}
	deep := func(n int) string { return string(nested(n)) }
	for _, tt := range []struct {
		limit    mail.Limit
		at, over string
	}{
		{mail.LimitLineLength, head("\r\n" + repeat("a", 998) + "\r\n"), head("\r\n" + repeat("a", 999) + "\r\n")},
		{mail.LimitHeaderOctets, head(strings.Repeat("X: "+repeat("a", 900)+"\r\n", 280) + "\r\n"),
			head(strings.Repeat("X: "+repeat("a", 900)+"\r\n", 290) + "\r\n")},
		{mail.LimitHeaderFields, head(strings.Repeat("X:\r\n", MaxFields-1) + "\r\n"),
			head(strings.Repeat("X:\r\n", MaxFields) + "\r\n")},
		{mail.LimitFieldOctets, head("X: " + strings.Repeat(repeat("a", 900)+"\r\n ", 72) + "a\r\n\r\n"),
			head("X: " + strings.Repeat(repeat("a", 900)+"\r\n ", 73) + "a\r\n\r\n")},
		{mail.LimitFieldLines, head("X: a" + strings.Repeat("\r\n a", MaxFieldLines-1) + "\r\n\r\n"),
			head("X: a" + strings.Repeat("\r\n a", MaxFieldLines) + "\r\n\r\n")},
		{mail.LimitSubjectOctets, head("Subject: " + repeat("a", 900) + "\r\n " + repeat("b", 97) + "\r\n\r\n"),
			head("Subject: " + repeat("a", 900) + "\r\n " + repeat("b", 98) + "\r\n\r\n")},
		{mail.LimitSubjectOctets, head("Subject: " + strings.Repeat("=?utf-8?b?w6TDpMOkw6TDpMOkw6TDpMOkw6Q=?=\r\n ", 49) +
			"\r\n\r\n"[2:]),
			head("Subject: " + strings.Repeat("=?utf-8?b?w6TDpMOkw6TDpMOkw6TDpMOkw6Q=?=\r\n ", 50) + "x\r\n\r\n")},
		{mail.LimitHeaderAddresses, head(list("To", 500) + list("Cc", 499) + "\r\n"),
			head(list("To", 500) + list("Cc", 500) + "\r\n")},
		{mail.LimitHeaderAddresses, head(list("Reply-To", 999) + "\r\n"), head(list("Reply-To", 1000) + "\r\n")},
		{mail.LimitHeaderAddresses, head(list("Errors-To", 999) + "\r\n"),
			head(strings.Repeat("Errors-To: a@b.test\r\n", 500) + list("Return-Receipt-To", 500) + "\r\n")},
		{mail.LimitReceivedHops, head(strings.Repeat("Received: x\r\n", MaxHops) + "\r\n"),
			head(strings.Repeat("Received: x\r\n", MaxHops+1) + "\r\n")},
		{mail.LimitMIMEDepth, deep(50), deep(51)},
		{mail.LimitMIMEParts, string(wide(999)), string(wide(1000))},
		{mail.LimitMessageWork, string(mailWith(boxed(1<<20, 8))), string(mailWith(quoted(4<<20, 20)))},
	} {
		if _, err := Read([]byte(strings.ReplaceAll(tt.at, "\r\n \r\n", "\r\n")), readOptions); err != nil {
			t.Errorf("%s: at the limit: %v", tt.limit, err)
		}
		_, err := Read([]byte(tt.over), readOptions)
		var e *mail.Error
		if !errors.As(err, &e) || e.Limit != tt.limit || e.Temporary() {
			t.Errorf("%s: over the limit: %v", tt.limit, err)
		}
	}
}

// quoted is a message of n octets inside levels of quoted-printable, which
// leaves plain text as it is: every level decodes to all of it.
func quoted(n, levels int) string {
	return strings.Repeat("Content-Type: message/rfc822\nContent-Transfer-Encoding: quoted-printable\n\n", levels) +
		"\n" + repeat("x\n", n)
}

// What is built from a message stays below four times its size and a constant,
// whatever stands in what; the view says which part it could not afford.
func TestAMessageCannotMakeTheViewBuildManyTimesItsSize(t *testing.T) {
	const n = 2 << 20
	for name, raw := range map[string][]byte{
		"messages in quoted-printable levels": mailWith(quoted(n, 20)),
		"octets that are shown as escapes":    mailWith("\n" + repeat(repeat("\xff\xfe\x80\xff", 900)+"\n", n)),
		"controls that are shown as escapes":  mailWith("\n" + repeat(repeat("\x01\x02\x03\x04", 900)+"\n", n)),
		"file names that JSON escapes": mailWith(mixed(n*3/4, "Content-Disposition: attachment;\n filename=\""+
			repeat(repeat("<", 900)+"\n ", 1900)+"\"\nContent-Type: a/b;\n name=\""+repeat(repeat("&", 900)+"\n ", 1900)+
			"\"\n", "x")),
		"characters that JSON escapes": mailWith("\n" + repeat(repeat("<&>", 900)+"\n", n)),
	} {
		r := NewReview(raw)
		if size := answerSize(r); size > 4*len(raw)+2*buildSlack {
			t.Errorf("%s: %d octets answer %d", name, size, len(raw))
		}
		reported := slices.ContainsFunc(r.Parts, func(p Part) bool {
			return !p.Reviewable && strings.HasSuffix(p.Why, whyWork)
		})
		if !reported {
			t.Errorf("%s: no part is marked as too much work", name)
		}
	}
}

// Mails of honest people fit, whole and reviewable.
func TestOrdinaryMailsFitTheBudget(t *testing.T) {
	const n = 2 << 20
	b64 := func(s string) string { return wrap64([]byte(s)) }
	forwarded := "\n" + repeat("A forwarded line of text.\n", n)
	for range 4 {
		forwarded = "Content-Type: multipart/mixed; boundary=" + fmt.Sprintf("b%d", len(forwarded)) + "\n\n--" +
			fmt.Sprintf("b%d", len(forwarded)) +
			"\nContent-Type: message/rfc822\n\n" + forwarded + "\n--" + fmt.Sprintf("b%d", len(forwarded)) + "--\n"
	}
	part := func(head, body string) string { return "--b\nContent-Type: " + head + "\n\n" + body + "\n" }
	for name, raw := range map[string][]byte{
		"text": mailWith("Content-Type: text/plain; charset=utf-8\n\n" +
			repeat("Grüße aus Köln, wie verabredet.\n", n)),
		"text in base64": mailWith(
			"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n" +
				b64(repeat("東京タワーの写真\r\n", n))),
		"Thai in one octet each": mailWith("Content-Type: text/plain; charset=windows-874\n\n" +
			repeat("\xb7\xb4\xca\xcd\xba \xb7\xb4\xca\xcd\xba\n", n)),
		"links": mailWith("\n" + distinct(n)),
		"a page in base64": mailWith("Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: base64\n\n" +
			b64(repeat("<p>word <a href='https://a.test/x'>bold</a></p>\r\n", n))),
		"forwarded four times": mailWith(forwarded),
		"text, page and a file": mailWith("Content-Type: multipart/mixed; boundary=b\n\n" +
			part("text/plain", repeat("word bold\n", n/20)) + part("text/html", repeat("<p>word <b>bold</b></p>\n", n/10)) +
			part("application/pdf\nContent-Transfer-Encoding: base64",
				base64.StdEncoding.EncodeToString([]byte("x"))+"\n"+b64(repeat("x", n))[77:]) + "--b--\n"),
	} {
		if _, err := Read(raw, readOptions); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, p := range NewReview(raw).Parts {
			if p.Why == whyWork {
				t.Errorf("%s: part %q: %s", name, p.Path, p.Why)
			}
		}
	}
}

// answerSize is how many octets an answer with r has.
func answerSize(r *Review) int {
	b, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	return len(b)
}

// A field that would be refused in the message is not read in a part of it.
func TestAnOverlongFieldOfAPartIsNotReviewable(t *testing.T) {
	for name, field := range map[string]string{
		"octets": "X: " + repeat(repeat("a", 900)+"\n ", MaxField) + repeat("a", 900),
		"lines":  "X: a" + strings.Repeat("\n a", MaxFieldLines),
	} {
		for what, raw := range map[string][]byte{
			"part":    mailWith(firstPart(field)),
			"message": mailWith("Content-Type: message/rfc822\n\n" + field + "\n\nx\n"),
		} {
			last := Part{}
			for _, p := range NewReview(raw).Parts {
				last = p
			}
			if last.Reviewable || last.Why != "a field of its header is too long" {
				t.Errorf("%s in a %s: %+v", name, what, last)
			}
		}
	}
}
