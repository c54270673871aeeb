package message

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/multimail/multimail/internal/mailtest"
	"github.com/multimail/multimail/mail"
)

// dsn is a delivery report with these lines as its status.
func dsn(status string) string {
	return "From: MAILER-DAEMON@mx.test\r\nTo: <x@bounce.a.test>\r\nSubject: x\r\nAuto-Submitted: auto-replied\r\n" +
		"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n" +
		"--b\r\n\r\nSorry.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n" +
		strings.ReplaceAll(status, "\n", "\r\n") + "\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n" +
		"Return-Path: <t@bounce.a.test>\r\nSubject: y\r\n\r\nz\r\n--b--\r\n"
}

const oneFailed = "Reporting-MTA: dns; mx.test\n\n" +
	"Final-Recipient: rfc822; bob@b.test\nAction: failed\nStatus: 5.1.1\n" +
	"Diagnostic-Code: smtp; 550 5.1.1 <bob@b.test>:\n  no such user\n"

func TestADeliveryReportIsRead(t *testing.T) {
	r := ReadReport([]byte(dsn(oneFailed)))
	want := Reported{Final: mail.MustAddress("bob@b.test"), Action: "failed", Status: "5.1.1",
		Code: 550, Text: "<bob@b.test>:  no such user"}
	if r.Kind != Delivery || len(r.Recipients) != 1 || r.Recipients[0] != want {
		t.Errorf("got %+v", r)
	}
	if len(r.Paths) != 0 {
		t.Errorf("a delivery report names paths: %v", r.Paths)
	}
}

func TestWhatReportsOfOtherProgramsSay(t *testing.T) {
	head := "Reporting-MTA: dns; mx.test\n\n"
	coded := "Content-Transfer-Encoding: base64\r\n\r\n" +
		base64.StdEncoding.EncodeToString([]byte(oneFailed)) + "\r\n"
	for _, tt := range []struct{ name, raw, want string }{
		{"status in base64, lines ended by LF", strings.Replace(dsn("STATUS"), "\r\n\r\nSTATUS", "\r\n"+coded, 1),
			"bob@b.test failed 5.1.1"},
		{"of RFC 6533", strings.Replace(dsn(head+"Final-Recipient: utf-8; bob@b.test\nAction: failed\nStatus: 5.1.1\n"),
			"message/delivery-status", "message/global-delivery-status", 1), "bob@b.test failed 5.1.1"},
		{"an address beyond ASCII", dsn(head + "Final-Recipient: utf-8; büro@b.test\nAction: failed\nStatus: 5.1.1\n"),
			" failed 5.1.1"},
		{"a code in the text alone", dsn(head + "Final-Recipient: rfc822;bob@b.test\nAction: failed\nStatus: 5.0.0\n" +
			"Diagnostic-Code: smtp;550-5.1.1 no such user\n"), "bob@b.test failed 5.1.1"},
		{"a code of another class in the text", dsn(head + "Final-Recipient: rfc822;bob@b.test\nAction: failed\n" +
			"Status: 4.0.0\nDiagnostic-Code: smtp;550 5.1.1 no\n"), "bob@b.test failed 4.0.0"},
		{"a code deep in the text", dsn(head + "Final-Recipient: rfc822;bob@b.test\nAction: failed\nStatus: 5.0.0\n" +
			"Diagnostic-Code: smtp;550 we never say 5.1.1 here\n"), "bob@b.test failed 5.0.0"},
		{"comments and case", dsn(head + "FINAL-RECIPIENT: RFC822; <bob@b.test>\nACTION: Failed (at last)\n" +
			"status: 5.1.1 (bad mailbox)\n"), "bob@b.test failed 5.1.1"},
		{"a status that is none", dsn(head + "Final-Recipient: rfc822; bob@b.test\nAction: failed\nStatus: 9.1.1\n"),
			"bob@b.test failed "},
		{"a group of its own", dsn(head + "X-Group: 1\n\n" + strings.SplitN(oneFailed, "\n\n", 2)[1]),
			"bob@b.test failed 5.1.1"},
		{"no group about the message", dsn(strings.SplitN(oneFailed, "\n\n", 2)[1]), ""},
		{"another action", dsn(head + "Final-Recipient: rfc822; bob@b.test\nAction: delayed\nStatus: 4.4.1\n"),
			"bob@b.test delayed 4.4.1"},
		{"another type of address", dsn(head + "Final-Recipient: x400; bob@b.test\nAction: failed\nStatus: 5.1.1\n"),
			" failed 5.1.1"},
		{"no report", "From: MAILER-DAEMON@mx.test\r\n\r\n" + strings.ReplaceAll(oneFailed, "\n", "\r\n"), ""},
		{"a report in an attached message", "Content-Type: message/rfc822\r\n\r\n" + dsn(oneFailed), ""},
		{"qmail", "From: MAILER-DAEMON@q.test\r\n\r\nHi. This is the qmail-send program at q.test.\r\n" +
			"I'm afraid I wasn't able to deliver your message.\r\n\r\n<bob@b.test>:\r\nno such user\r\n\r\n" +
			"--- Below this line is a copy of the message.\r\n\r\nSubject: x\r\n", " failed "},
		{"qmail, of a person", "From: bob@b.test\r\n\r\nHi. This is the qmail-send program at q.test.\r\n\r\n" +
			"--- Below this line is a copy of the message.\r\n", ""},
		{"Exim before 4.84", "From: Mail Delivery System <Mailer-Daemon@e.test>\r\n" +
			"X-Failed-Recipients: bob@b.test\r\n\r\nThis message was created automatically.\r\n", " failed "},
		{"a warning of Exim", "From: Mail Delivery System <Mailer-Daemon@e.test>\r\n" +
			"Subject: Warning: message delayed 24 hours\r\n\r\nNo action is required.\r\n", ""},
		{"out of office", "From: bob@b.test\r\nAuto-Submitted: auto-replied\r\n\r\nI am away.\r\n", ""},
	} {
		r := ReadReport([]byte(tt.raw))
		var got []string
		for _, c := range r.Recipients {
			got = append(got, fmt.Sprintf("%s %s %s", c.Final, c.Action, c.Status))
		}
		report := tt.want != "" || strings.Contains(tt.name, "about the message")
		if strings.Join(got, "; ") != tt.want || (r.Kind == Delivery) != report {
			t.Errorf("%s: got %q, kind %d", tt.name, got, r.Kind)
		}
	}
}

// reportSample returns a file of testdata/reports with its lines ended by CRLF.
func reportSample(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "reports", name))
	if err != nil {
		t.Fatal(err)
	}
	return []byte(strings.ReplaceAll(string(b), "\n", "\r\n"))
}

// The samples are those of RFC 5965, appendix B.
func TestTheComplaintsOfTheStandardAreRead(t *testing.T) {
	for name, want := range map[string]string{
		"rfc5965-b1.eml": "", // it names nobody
		"rfc5965-b2.eml": "somespammer@example.net",
	} {
		r := ReadReport(reportSample(t, name))
		if r.Kind != Complaint || r.Feedback != "abuse" || strings.Trim(fmt.Sprint(r.Paths), "[]") != want {
			t.Errorf("%s: got %+v", name, r)
		}
	}
}

func TestTheEnvelopeSenderOfAComplaintIsFoundInWhatItReturns(t *testing.T) {
	for _, tt := range []struct{ name, typ, part, want string }{
		{"a message", "message/rfc822", "Return-Path: <t@bounce.a.test>\r\nSubject: x\r\n\r\ny\r\n", "t@bounce.a.test"},
		{"a header", "text/rfc822-headers", "Subject: x\r\nReturn-Path: <t@bounce.a.test>\r\n", "t@bounce.a.test"},
		{"a body that looks like one", "text/rfc822-headers", "Subject: x\r\n\r\nReturn-Path: <t@bounce.a.test>\r\n", ""},
		{"text", "text/plain", "Return-Path: <t@bounce.a.test>\r\n", ""},
	} {
		raw := "Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n" +
			"--b\r\n\r\nReturn-Path: <no@bounce.a.test>\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\n" +
			"Feedback-Type: abuse\r\nVersion: 1\r\n\r\n--b\r\nContent-Type: " + tt.typ + "\r\n\r\n" + tt.part + "\r\n--b--\r\n"
		if got := strings.Trim(fmt.Sprint(ReadReport([]byte(raw)).Paths), "[]"); got != tt.want {
			t.Errorf("%s: got %q", tt.name, got)
		}
	}
}

func TestAReportNamesABoundedNumberOfRecipients(t *testing.T) {
	status := "Reporting-MTA: dns; mx.test\n" +
		strings.Repeat("\nFinal-Recipient: rfc822; bob@b.test\nAction: failed\n", 5000)
	r := ReadReport([]byte(dsn(status)))
	if len(r.Recipients) != MaxReported {
		t.Errorf("read %d", len(r.Recipients))
	}
	long := ReadReport([]byte(dsn("Reporting-MTA: dns; mx.test\n\nAction: failed\nDiagnostic-Code: smtp; " +
		strings.Repeat("\x1b[2J é ", 20000) + "\n")))
	if len(long.Recipients) != 1 || len(long.Recipients[0].Text) > mail.MaxPlain ||
		!mail.AllPrintable(long.Recipients[0].Text) {
		t.Errorf("got %+v", long.Recipients)
	}
}

func TestReadingAReportCostsWhatItsOctetsCost(t *testing.T) {
	for name, make := range map[string]func(n int) []byte{
		"recipients": func(n int) []byte {
			return []byte(dsn("R: x\n" + strings.Repeat("\nFinal-Recipient: rfc822; bob@b.test\nAction: failed\n", n)))
		},
		"fields":   func(n int) []byte { return []byte(dsn("R: x\n\nAction: failed\n" + strings.Repeat("X: y\n", n))) },
		"comments": func(n int) []byte { return []byte(dsn("R: x\n\nAction: " + strings.Repeat("(a", n) + "\n")) },
		"reports": func(n int) []byte {
			part := "--b\r\nContent-Type: message/delivery-status\r\n\r\n" +
				strings.ReplaceAll(oneFailed, "\n", "\r\n") + "\r\n"
			return []byte(strings.Replace(dsn(oneFailed), "--b--", strings.Repeat(part, n)+"--b--", 1))
		},
	} {
		var jobs [3]func()
		for i := range jobs {
			raw := make(2000 << i)
			jobs[i] = func() { ReadReport(raw) }
		}
		if c, why := mailtest.Grow(jobs); why != "" {
			t.Errorf("%s: %s: %+v", name, why, c)
		}
	}
}

func FuzzDSN(f *testing.F) {
	f.Add([]byte(dsn(oneFailed)))
	f.Add([]byte(dsn("x: y\n\nAction: delayed\nStatus: 4.4.1 (x)\nFinal-Recipient: rfc822; <\"a b\"@c.test>\n")))
	f.Add([]byte("From: Mailer-Daemon@e.test\r\nX-Failed-Recipients: bob@b.test\r\n\r\nx\r\n"))
	f.Fuzz(checkReport)
}

func FuzzARF(f *testing.F) {
	f.Add(reportSample(f, "rfc5965-b1.eml"))
	f.Add(reportSample(f, "rfc5965-b2.eml"))
	f.Fuzz(checkReport)
}

// checkReport: whatever the bytes are, the words are safe and few, and kinds exclude
// each other.
func checkReport(t *testing.T, raw []byte) {
	r := ReadReport(raw)
	if len(r.Recipients) > MaxReported || len(r.Paths) > maxPaths || r.Kind != Delivery && len(r.Recipients) > 0 ||
		r.Kind != Complaint && (len(r.Paths) > 0 || r.Feedback != "") {
		t.Fatalf("got %+v", r)
	}
	for _, c := range r.Recipients {
		for _, s := range []string{c.Action, c.Status, c.Text} {
			if len(s) > mail.MaxPlain || !mail.AllPrintable(s) {
				t.Fatalf("%q", s)
			}
		}
		if c.Status != mail.EnhancedCode(c.Status) {
			t.Fatalf("status %q", c.Status)
		}
	}
}
