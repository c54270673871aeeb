package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// hostileMail tries everything a submitter could to look like something else.
var hostileMail = strings.NewReplacer("{octet}", "\xff", "{text}", base64.StdEncoding.EncodeToString([]byte(
	"Hello\x1b[2J\x1b]0;owned\x07 \u202etxt.exe\u202c zero\u200bwidth\nDigest:     0000\n",
))).Replace(`From: bot@example.test
To: Ann <ada@dest.test>
Cc: cc@dest.test
Reply-To: eve@evil.test
Disposition-Notification-To: spy@evil.test
Subject: =?utf-8?q?Pay_=1B[31m_=E2=80=AEnow_=C2=9B?=
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=m

--m
Content-Type: multipart/alternative; boundary=a

--a
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: base64

{text}
--a
Content-Type: text/html; charset=utf-8

<p>Wire the money today.</p><p style="display:none">secret order</p>
<a href="https://evil.test/login">your bank.example</a>

--a--
--m
Content-Type: application/pdf
Content-Disposition: attachment; filename*0="inv"; filename*1="oice.pdf"
Content-Transfer-Encoding: base64

JVBERi0xLjQK
--m
Content-Type: application/octet-stream
Content-Disposition: attachment; filename*=utf-8''x%E2%80%AEfdp.exe%1B%5B2J

MZ
--m
Content-Type: text/plain; charset=x-nobody-knows

{octet} what is this
--m--
`)

func TestAnApproverSeesWhatAHostileMailTriesToHide(t *testing.T) {
	s := started(t)
	id := s.submit(hostileMail, "ada@dest.test", "cc@dest.test", "hidden@dest.test")
	a := s.approver("show", id).want(t, exitDone)
	harmless(t, a.out)
	for _, want := range []string{
		"Mail:       " + id,
		"Digest:     " + s.mail(id).Digest,
		"Recipient:  ada@dest.test\n",
		"Recipient:  cc@dest.test\n",
		"Recipient:  hidden@dest.test  (BCC: To and Cc do not name it)\n",
		"Reply-To:   eve@evil.test",
		"Receipt to: spy@evil.test",
		`\x1b[31m`, `\u202e`, `\u200b`,
		"WARNING:    text_and_html_differ: ", "WARNING:    blind_recipient: hidden@dest.test",
		"WARNING:    reply_elsewhere: ",
		"WARNING:    receipt_request: ", "WARNING:    not_reviewable, part 4: ",
		"Field:      Disposition-Notification-To: spy@evil.test",
		"\nH Wire the money today.",
		"Link:       https://evil.test/login\n            shown as: your bank.example\n" +
			"            MAY LEAD ELSEWHERE: its text names bank.example\n",
		"WARNING:    link_mismatch, part ", "WARNING:    hidden_text, part ", "\n? secret order",
		"Attachment: invoice.pdf  application/pdf, 9 octets, sha256",
		"NOT REVIEWABLE",
	} {
		if !strings.Contains(a.out, want) {
			t.Errorf("no %q in\n%s", want, a.out)
		}
	}
	if n := strings.Count(a.out, "\nDigest:"); n != 1 {
		t.Errorf("%d lines pass for the digest's:\n%s", n, a.out)
	}
}

func TestNoOutputOfAHostileMailReachesTheTerminalRaw(t *testing.T) {
	s := started(t)
	id := s.submit(hostileMail, "ada@dest.test")
	for _, args := range [][]string{
		{"show", id}, {"pending"}, {"mail", "list"}, {"mail", "show", id}, {"audit", "list"},
		{"reject", id, "--reason", "a\x1b[2J\u202eb"}, {"mail", "show", id},
	} {
		as := s.cli
		if args[0] == "reject" {
			as = s.approver
		}
		harmless(t, as(args...).want(t, exitDone).out)
		if args[0] == "reject" {
			continue
		}
		a := as(append(args, "--json")...).want(t, exitDone)
		harmless(t, a.out)
		if !json.Valid([]byte(a.out)) {
			t.Errorf("%v: %s", args, a.out)
		}
	}
}

func TestRawIsTheMailItself(t *testing.T) {
	s := started(t)
	id := s.submit(plainMail, "ada@dest.test")
	a := s.approver("show", id, "--raw").want(t, exitDone)
	if !strings.HasSuffix(a.out, "\r\n\r\nGood morning.\r\n") || strings.Contains(a.out, "DKIM-Signature") {
		t.Errorf("%q", a.out)
	}
}

func TestRawOnAScreenIsFilteredAndKeepsItsLines(t *testing.T) {
	raw := []byte("Subject: a\x1b[2J\r\n\r\nbare\nLF \u202eback\r\n" + strings.Repeat("x", 250) + "\r\n")
	var screen, file bytes.Buffer
	if err := errors.Join(writeRaw(&screen, raw, true), writeRaw(&file, raw, false)); err != nil {
		t.Fatal(err)
	}
	want := "| Subject: a\\x1b[2J\n|\n| bare\\nLF \\u202eback\n| " + strings.Repeat("x", 98) + "\n+ " +
		strings.Repeat("x", 98) + "\n+ " + strings.Repeat("x", 54) + "\n"
	if screen.String() != want {
		t.Errorf("got  %q\nwant %q", screen.String(), want)
	}
	if !bytes.Equal(file.Bytes(), raw) {
		t.Errorf("a file gets %q", file.Bytes())
	}
}

func TestUnusualFieldsAreShownUnaskedAndTheOthersOnRequest(t *testing.T) {
	s := started(t)
	id := s.submit("List-Unsubscribe: <https://x.test/u>\nX-Priority: 1\nMIME-Version: 1.0\n"+plainMail, "ada@dest.test")
	brief, full := s.approver("show", id).want(t, exitDone).out, s.approver("show", id, "--all").want(t, exitDone).out
	for field, unasked := range map[string]bool{
		"Field:      List-Unsubscribe: <https://x.test/u>\n": true, "Field:      X-Priority: 1\n": true,
		"Field:      MIME-Version: 1.0\n": false, "Field:      Message-ID: <": false, "Field:      Date: ": false,
	} {
		if strings.Contains(brief, field) != unasked || !strings.Contains(full, field) {
			t.Errorf("%q: unasked %v\n%s", field, unasked, full)
		}
	}
}

func TestPendingListsWhoGetsTheMailAndNotWhoTheHeaderNames(t *testing.T) {
	s := started(t)
	s.submit("To: nobody@dest.test\n"+strings.Replace(plainMail, "To: ", "X-To: ", 1), "ada@dest.test", "spy@dest.test")
	out := s.approver("pending").want(t, exitDone).out
	if !strings.Contains(out, "  ada@dest.test (bcc), spy@dest.test (bcc)  ") ||
		strings.Contains(out, "nobody@dest.test") {
		t.Errorf("%s", out)
	}
}
