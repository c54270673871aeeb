package message

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/mail"
)

// noon is the time of every test.
var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.FixedZone("", 3600))

var readOptions = ReadOptions{ID: "01JAAAAAAAAAAAAAAAAAAAAAAA", Now: noon, Host: "mx.a.test"}

// complete is a message that Read takes without a change.
const complete = "Message-ID: <1@a.test>\r\nDate: Wed, 04 Mar 2026 11:00:00 +0000\r\n" +
	"From: Bot <bot@a.test>\r\nTo: ann@x.test\r\nSubject: Hi\r\n\r\nHello\r\n"

// refused reads raw and returns the *Error that Read must answer with.
func refused(t *testing.T, name, raw string) *mail.Error {
	t.Helper()
	m, err := Read([]byte(raw), readOptions)
	var e *mail.Error
	if !errors.As(err, &e) || m != nil {
		t.Errorf("%s: got %v, %v", name, m, err)
		return &mail.Error{}
	}
	if e.Temporary() || strings.ContainsFunc(e.Public, mail.IsControl) || len(e.Public) < 10 || len(e.Public) > 200 {
		t.Errorf("%s: %s %q is no permanent one-line refusal", name, e.Word(), e.Public)
	}
	return e
}

func TestReadLeavesACompleteMessageAsItIs(t *testing.T) {
	m, err := Read([]byte(complete), readOptions)
	if err != nil {
		t.Fatal(err)
	}
	if string(m.Raw) != complete {
		t.Errorf("changed to %q", m.Raw)
	}
	want := "{bot@a.test [ann@x.test] [] Hi 1@a.test 0 Bot []  [] [] 2026-03-04 11:00:00 +0000 UTC   false} " +
		"[bot@a.test] false 0"
	if got := fmt.Sprint(m.Header, m.Senders, m.EightBit, m.Hops); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestReadStripsAndCompletes(t *testing.T) {
	const added = "Message-ID: <01JAAAAAAAAAAAAAAAAAAAAAAA@mx.a.test>\r\n"
	const date = "Date: Wed, 04 Mar 2026 11:00:00 +0000\r\n"
	for _, tt := range []struct{ name, in, want string }{
		{"Message-ID and Date are added on top",
			"From: bot@a.test\r\n\r\n", added + date + "From: bot@a.test\r\n\r\n"},
		{"only Date is missing",
			"From: bot@a.test\r\nMESSAGE-id: <x@y>\r\n\r\n", date + "From: bot@a.test\r\nMESSAGE-id: <x@y>\r\n\r\n"},
		{"only Message-ID is missing",
			"date: today\r\nFrom: bot@a.test\r\n\r\n", added + "date: today\r\nFrom: bot@a.test\r\n\r\n"},
		{"Bcc goes with its folded lines, whatever its case",
			"bCC: a@x.test,\r\n b@x.test,\r\n\tc@x.test\r\n" + complete, complete},
		{"Resent-Bcc goes", "Resent-Bcc: a@x.test\r\n" + complete, complete},
		{"Return-Path goes", "Return-Path: <boss@a.test>\r\n" + complete, complete},
		{"every X-MultiMail field goes",
			"X-MultiMail-Identity: forged\r\nx-multimail-Identity: again\r\n and again\r\n" +
				"X-MULTIMAIL-Approved: yes\r\n" + complete, complete},
		{"a field that merely looks like one stays", "X-MultiMailer: Foo 1.0\r\n" + complete,
			"X-MultiMailer: Foo 1.0\r\n" + complete},
		{"a Bcc in the body stays", complete + "Bcc: a@x.test\r\n", complete + "Bcc: a@x.test\r\n"},
		{"the last line gets the CRLF that DATA would give it", complete + "end", complete + "end\r\n"},
		{"everything else stays to the octet",
			"x-odd:\t a \r\n  b\t\r\nX-Odd:\r\n" + complete + " \r\n\r\n\r\n",
			"x-odd:\t a \r\n  b\t\r\nX-Odd:\r\n" + complete + " \r\n\r\n\r\n"},
	} {
		m, err := Read([]byte(tt.in), readOptions)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if string(m.Raw) != tt.want {
			t.Errorf("%s:\ngot  %q\nwant %q", tt.name, m.Raw, tt.want)
		}
		checkIdempotent(t, m)
	}
}

func checkIdempotent(t *testing.T, m *Message) {
	t.Helper()
	again, err := Read(m.Raw, ReadOptions{ID: "other", Host: "other.test"})
	if err != nil || !bytes.Equal(again.Raw, m.Raw) || fmt.Sprint(again.Header) != fmt.Sprint(m.Header) {
		t.Fatalf("a second reading differs: %v\nfirst  %q %v\nsecond %+v", err, m.Raw, m.Header, again)
	}
	if again.BodyHash != m.BodyHash || m.BodyHash != BodyHash(m.Raw) {
		t.Fatalf("body hash %s, read again %s, of the bytes %s", m.BodyHash, again.BodyHash, BodyHash(m.Raw))
	}
}

func TestReadDoesNotWriteIntoItsArgument(t *testing.T) {
	buf := append([]byte("Bcc: x@y.test\r\nFrom: bot@a.test\r\n\r\nend"), "guard"...)
	raw := buf[:len(buf)-len("guard")]
	before := string(buf)
	if _, err := Read(raw, readOptions); err != nil {
		t.Fatal(err)
	}
	if string(buf) != before {
		t.Errorf("the caller's buffer became %q", buf)
	}
}

func TestGeneratedMessageIDFallsBackToTheSendersDomain(t *testing.T) {
	for host, want := range map[string]string{
		"": "a.test", "localhost": "localhost", "MX.A.test": "mx.a.test", "bad host": "a.test",
		"evil>\r\nBcc: x": "a.test", ".": "a.test", "mx": "mx",
	} {
		o := readOptions
		o.Host = host
		m, err := Read([]byte("From: bot@a.test\r\n\r\n"), o)
		if err != nil || m.Header.MessageID != string(o.ID)+"@"+want {
			t.Errorf("host %q: %+v %v", host, m, err)
		}
	}
	m, err := Read([]byte("From: bot@a.test\r\n\r\n"), ReadOptions{Now: noon})
	if err != nil || len(m.Header.MessageID) != 26+len("@a.test") {
		t.Errorf("without an id: %+v %v", m, err)
	}
}

// Only CRLF ends a line: by other line ends a second mail is smuggled in.
func TestReadRefusesOctetsThatSmuggle(t *testing.T) {
	head := "From: bot@a.test\r\n\r\n"
	for _, tt := range []struct{ name, raw, say string }{
		{"bare LF in the body", head + "a\nb\r\n", "line 3 holds a bare LF"},
		{"bare CR in the body", head + "a\rb\r\n", "line 3 holds a bare CR"},
		{"LF.LF", head + "a\n.\nMAIL FROM:<x@y.test>\r\n", "bare LF"},
		{"LF.CRLF", head + "a\n.\r\nMAIL FROM:<x@y.test>\r\n", "bare LF"},
		{"CR.CR", head + "a\r.\rMAIL\r\n", "bare CR"},
		{"CR.CRLF", head + "a\r.\r\nMAIL\r\n", "bare CR"},
		{"CRLF.CR", head + "a\r\n.\rMAIL\r\n", "line 4 holds a bare CR"},
		{"CRLF.LF", head + "a\r\n.\nMAIL\r\n", "line 4 holds a bare LF"},
		{"CRCRLF.CRCRLF", head + "a\r\r\n.\r\r\n", "bare CR"},
		{"CR before CRLF", head + "a\r\r\n", "bare CR"},
		{"LF at the very end", head + "a\r\n\n", "bare LF"},
		{"CR at the very end", head + "a\r", "bare CR"},
		{"LF at the very start", "\n" + head, "bare LF"},
		{"bare LF in a header", "From: bot@a.test\nBcc: x@y.test\r\n\r\n", "bare LF"},
		{"bare CR in a header", "Subject: a\rBcc: x@y.test\r\n" + head, "bare CR"},
		{"NUL in the body", head + "a\x00b\r\n", "NUL"},
		{"NUL in a header", "Subject: \x00\r\n" + head, "NUL"},
		{"a long line", head + strings.Repeat("a", 999) + "\r\n", "line 3 is longer than 998"},
		{"a long header line", "X: " + strings.Repeat("a", 996) + "\r\n" + head, "line 1 is longer"},
		{"a long last line", head + strings.Repeat("a", 999), "quoted-printable or base64"},
	} {
		if e := refused(t, tt.name, tt.raw); !strings.Contains(e.Public, tt.say) || e.Reason != mail.ReasonContent {
			t.Errorf("%s: said %q, want %q", tt.name, e.Public, tt.say)
		}
	}
	if _, err := Read([]byte(head+strings.Repeat("a", 998)+"\r\n"), readOptions); err != nil {
		t.Errorf("a line of 998 octets: %v", err)
	}
}

func TestReadRefusesHeadersThatParsersReadDifferently(t *testing.T) {
	for _, tt := range []struct{ name, raw string }{
		{"nothing", ""},
		{"an empty header", "\r\nbody\r\n"},
		{"no colon", "From: bot@a.test\r\nBcc\r\n\r\n"},
		{"no name", ": x\r\n" + complete},
		{"blank before the colon", "X-MultiMail-Identity : x\r\n" + complete},
		{"tab before the colon", "Bcc\t: x@y.test\r\n" + complete},
		{"blank in a name", "X Y: z\r\n" + complete},
		{"mbox line", "From bot@a.test Wed Mar  4 12:00:00 2026\r\n" + complete},
		{"8-bit name", "X-\xc3\xa9: z\r\n" + complete},
		{"control in a name", "X-\x1b: z\r\n" + complete},
		{"8-bit value", "Subject: caf\xc3\xa9\r\nFrom: bot@a.test\r\n\r\n"},
		{"control in a value", "X-Y: \x1b[2J\r\n" + complete},
		{"DEL in a value", "X-Y: \x7f\r\n" + complete},
		{"vertical tab in a value", "X-Y: a\x0bb\r\n" + complete},
		{"folded first line", " X: y\r\n" + complete},
		{"name cut by folding", "Fro\r\n m: ceo@a.test\r\n" + complete},
		{"colon on the folded line", "Bcc\r\n : x@y.test\r\n" + complete},
		{"folded line of blanks", "Subject: a\r\n \r\n b\r\nFrom: bot@a.test\r\n\r\n"},
		{"folded line of tabs at the end", "X: a\r\n\t\t\r\n" + complete},
		{"two Subjects", "Subject: x\r\n" + complete},
		{"two To", "tO: x@y.test\r\n" + complete},
		{"two Message-IDs", "Message-Id: <2@a.test>\r\n" + complete},
		{"two Dates", "DATE: x\r\n" + complete},
		{"two Ccs", "Cc: x@y.test\r\nCc: z@y.test\r\n" + complete},
		{"two Senders", "Sender: bot@a.test\r\nSender: bot@a.test\r\n" + complete},
		{"two Reply-Tos", "Reply-To: bot@a.test\r\nReply-To: bot@a.test\r\n" + complete},
		{"two In-Reply-Tos", "In-Reply-To: <a@b>\r\nIn-Reply-To: <a@b>\r\n" + complete},
		{"two References", "References: <a@b>\r\nReferences: <a@b>\r\n" + complete},
		{"two Content-Types", "Content-Type: text/plain\r\nContent-Type: text/html\r\n" + complete},
		{"two encodings", "Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64\r\n" + complete},
		{"Resent-From", "Resent-From: ceo@a.test\r\n" + complete},
		{"Resent-To", "resent-to: x@y.test\r\n" + complete},
	} {
		if e := refused(t, tt.name, tt.raw); e.Reason != mail.ReasonContent {
			t.Errorf("%s: %v", tt.name, e)
		}
	}
}

func TestReadRefusesMalformedMessageIDs(t *testing.T) {
	rest := "From: bot@a.test\r\n\r\n"
	for _, id := range []string{"", "1@a.test", "<>", "<1@a.test", "1@a.test>", "<1@a.test> <2@a.test>", "<1 @a.test>",
		"<1@a.test\r\n >", "<1@a.test>\r\n <2@a.test>", "<1@a.test> (x)", "<1@a.test>x", "<<1@a.test>>", "<1,2@a.test>",
		"<\"a b\"@a.test>", "<a\tb@a.test>"} {
		refused(t, id, "Message-ID: "+id+"\r\n"+rest)
	}
	for id, want := range map[string]string{
		"<1@a.test>": "1@a.test", "\r\n <PAXPR08MB@eur.prod>": "PAXPR08MB@eur.prod",
		"<abc.def+g=h/i@[10.0.0.1]>": "abc.def+g=h/i@[10.0.0.1]", "<no-at-sign>": "no-at-sign",
	} {
		m, err := Read([]byte("Message-ID: "+id+"\r\n"+rest), readOptions)
		if err != nil || m.Header.MessageID != want {
			t.Errorf("%q: %v %v", id, m, err)
		}
	}
}

// Forms of From that parsers read in two ways; some are those of espoofer.
func TestReadRefusesEveryFromThatIsNotOnePlainAddress(t *testing.T) {
	for _, from := range []string{
		"", "<>", "bot", "bot@localhost", "bot@a.test bot@a.test",
		"bot@a.test, ceo@a.test", "<bot@a.test>, <ceo@a.test>", "bot@a.test,", ",bot@a.test", "<bot@a.test>;",
		"Bot <bot@a.test>, Ceo <ceo@a.test>",
		"<bot@a.test> <ceo@a.test>", "<ceo@a.test><bot@a.test>", "bot@a.test <ceo@a.test>", "<ceo@a.test> bot@a.test",
		"team: bot@a.test;", "team:;", "ceo@a.test: <bot@a.test>;",
		"<@b.test:bot@a.test>", "@b.test:bot@a.test", "<@b.test,@c.test:bot@a.test>", "<@ceo@a.test,bot@a.test>",
		"bot@a.test (ceo@a.test)", "(ceo@a.test) bot@a.test", "a@a.test (b@b.test) <c@c.test>", "bot(x)@a.test",
		"Bot (x) <bot@a.test>", "<bot@a.test(x)>", "<(x)bot@a.test>", "<bot@a.test> (x)", "()<bot@a.test>",
		"< bot@a.test>", "<bot@a.test >", "<bot @a.test>", "<bot@ a.test>", "<bot@a.test", "bot@a.test>", "<<bot@a.test>>",
		"<bot@a.test>x", "<bot@a.test>>", "<ceo@a.test\\>bot@a.test>", "ceo@a.test\\,bot@a.test",
		`"ceo@a.test"@a.test`, `"ceo@b.test> x"@a.test`, `<"a\"b"@a.test>`, `"<ceo@b.test>"@a.test`,
		`"ceo@b.test" <bot@a.test>`, `"Ceo <ceo@b.test>" <bot@a.test>`, `ceo@b.test <bot@a.test>`,
		`"x" "<" <bot@a.test>`, `"unclosed <bot@a.test>`, `"a\b" <bot@a.test>`, `a"b" <bot@a.test>`, `"a"b <bot@a.test>`,
		"=?utf-8?q?ceo=40b.test?= <bot@a.test>", "=?utf-8?b?PGNlb0BiLnRlc3Q+?= <bot@a.test>",
		"=?utf-8?q?ceo=40b.test?=@a.test", "<=?utf-8?q?ceo?=@a.test>", "=?utf-8?q?<ceo@b.test>?= <bot@a.test>",
		"=?utf-8?b?" + "DQpCY2M6IHhAeS50ZXN0" + "?= <bot@a.test>", "=?utf-8?q?a=0D=0AFrom:_x?= <bot@a.test>",
		"=?utf-8?q?a=00?= <bot@a.test>", "=?utf-8?q?a=09b?= <bot@a.test>", "=?utf-8?q?=1b[2J?= <bot@a.test>",
		"=?utf-8?b?4oCucG9y?= <bot@a.test>", "=?utf-8?q?=E2=80=A8?= <bot@a.test>",
		"=?x-none?q?a?= <bot@a.test>", "=?utf-8?q?a <bot@a.test>", "=?utf-7?q?+ADw-?= <bot@a.test>",
		"=?utf-8?q?=3D=3Futf-8=3Fq=3Fx=3F=3D?= <bot@a.test>", `"=?utf-8?q?x?=" <bot@a.test>`,
		"x=?utf-8?q?x?= <bot@a.test>", "=?utf-8?q?x?=x <bot@a.test>",
		"=?utf-8?q?Ceo,_Ann?= <bot@a.test>", "=?utf-8?q?a b?= <bot@a.test>",
		"bot@[127.0.0.1]", "bot@a.test.", "bot@a..test", "b\xc3\xb6t@a.test",
	} {
		refused(t, "From: "+from, "From: "+from+"\r\nTo: x@y.test\r\n\r\n")
		refused(t, "Sender: "+from, "From: bot@a.test\r\nSender: "+from+"\r\n\r\n")
	}
	refused(t, "two From", "From: bot@a.test\r\nFrom: ceo@a.test\r\n\r\n")
	refused(t, "two From in two cases", "From: bot@a.test\r\nfROM: bot@a.test\r\n\r\n")
	refused(t, "From with a blank", "From : ceo@a.test\r\nFrom: bot@a.test\r\n\r\n")
	refused(t, "no From", "To: bot@a.test\r\n\r\n")
	refused(t, "only a Sender", "Sender: bot@a.test\r\n\r\n")
}

func TestReadTakesTheFromsThatClientsWrite(t *testing.T) {
	for from, want := range map[string]string{
		"bot@a.test":                            "bot@a.test",
		"<Bot@A.TEST>":                          "Bot@a.test",
		"Bot <bot@a.test>":                      "bot@a.test",
		"Bot<bot@a.test>":                       "bot@a.test",
		"\r\n Bot\r\n\t<bot@a.test>":            "bot@a.test",
		"J. R. Bot <bot@a.test>":                "bot@a.test",
		`"Bot, the (first): [1]; x" <a@a.test>`: "a@a.test",
		`"Bob \"B\" \\ Smith" <a@a.test>`:       "a@a.test",
		`"a@a.test" <a@a.test>`:                 "a@a.test",
		`"'A@a.test'" <a@a.test>`:               "a@a.test",
		`"Sales @ Acme" <a@a.test>`:             "a@a.test",
		`"" <a@a.test>`:                         "a@a.test",
		`"a b"@a.test`:                          `"a b"@a.test`,
		"=?utf-8?q?Gr=C3=BC=C3=9Fe?= =?utf-8?b?w58=?= AG <a@a.test>": "a@a.test",
		"=?iso-8859-1?Q?J=F6rg?= <a@a.test>":                         "a@a.test",
		"a+b=c%d@a.test":                                             "a+b=c%d@a.test",
	} {
		m, err := Read([]byte("From: "+from+"\r\n\r\n"), readOptions)
		if err != nil || m.Header.From.String() != want {
			t.Errorf("%q: %v %v", from, m, err)
		}
	}
}

func TestSenderIsReportedBesideFrom(t *testing.T) {
	m, err := Read([]byte("Sender: s@b.test\r\nFrom: bot@a.test\r\n\r\n"), readOptions)
	if err != nil || fmt.Sprint(m.Senders) != "[bot@a.test s@b.test]" || m.Header.From.Local() != "bot" {
		t.Errorf("%+v %v", m, err)
	}
}

func TestHeaderCollectsPlainRecipientsAndNeutralisesTheSubject(t *testing.T) {
	m, err := Read([]byte("From: bot@a.test\r\nTo: Team: ann@x.test, \"B, C\" <bc@x.test>; odd, (x) y@z\r\n"+
		"Cc: =?utf-8?q?D?= <d@x.test>\r\nSubject: =?utf-8?q?a=0D=0ABcc:_x=1b]0;?=\r\n\r\n"), readOptions)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(m.Header.To, m.Header.Cc); got != "[ann@x.test bc@x.test] [d@x.test]" {
		t.Error(got)
	}
	if m.Header.Subject != `a\x0d\x0aBcc: x\x1b]0;` {
		t.Errorf("subject %q", m.Header.Subject)
	}
}

func TestEightBitIsAboutTheBody(t *testing.T) {
	m, err := Read([]byte(complete+"caf\xc3\xa9\r\n"), readOptions)
	if err != nil || !m.EightBit {
		t.Errorf("%+v %v", m, err)
	}
}

func TestLoopIsRefusedAfterOneHundredHops(t *testing.T) {
	hop := "Received: by x; Wed, 04 Mar 2026 11:00:00 +0000\r\n"
	m, err := Read([]byte(strings.Repeat(hop, 100)+complete), readOptions)
	if err != nil || m.Hops != 100 {
		t.Errorf("100 hops: %v", err)
	}
	if e := refused(t, "101 hops", strings.Repeat(hop, 101)+complete); e.Reason != mail.ReasonLoop {
		t.Error(e)
	}
}

func TestHeaderIsAtMost256KiBBeforeAndAfterCompletion(t *testing.T) {
	filler := strings.Repeat("X: "+strings.Repeat("a", 395)+"\r\n", 675)
	junk := filler[:(MaxHeader-200)/400*400]
	if _, err := Read([]byte(junk+"From: bot@a.test\r\n\r\n"), readOptions); err != nil {
		t.Errorf("a header that fits: %v", err)
	}
	refused(t, "too long", filler+"From: bot@a.test\r\n\r\n")
	refused(t, "too long only before stripping",
		strings.Replace(filler, "X:", "Bcc:", -1)+"From: bot@a.test\r\n\r\n")
	fits := MaxHeader - len(junk) - len("From: bot@a.test\r\n\r\n") - len("Y: \r\n")
	refused(t, "too long with Message-ID and Date",
		junk+"Y: "+strings.Repeat("y", fits)+"\r\nFrom: bot@a.test\r\n\r\n")
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(complete))
	for _, path := range samples(f) {
		f.Add(sample(f, path))
	}
	for _, from := range []string{"\"a \\\"b\\\"\" <a@b.test>", "=?utf-8?b?YQ==?= =?utf-8?q?b?= <a@b.test>",
		"a.b c <\"x y\"@b.test>", "a@b.test (c)", "g: a@b.test;", "<@r.test:a@b.test>"} {
		f.Add([]byte("From: " + from + "\r\nTo: " + from + "\r\nSender: a@b.test\r\n\r\nx\r\n"))
	}
	f.Add([]byte("From: bot@a.test\r\nBcc: x@y.test\r\n\r\n.\r\n"))
	f.Add([]byte("From: \"a, b\" <bot@a.test>\r\nX-MultiMail-Identity: x\r\n y\r\n\r\nx"))
	f.Add([]byte("From: =?utf-8?q?a?= <bot@a.test>\r\nMessage-ID: <1@b>\r\nSender: c@d.test\r\n\r\n"))
	f.Add([]byte("From: a@b.test\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := Read(raw, readOptions)
		if err != nil {
			var e *mail.Error
			if !errors.As(err, &e) || e.Temporary() || strings.ContainsAny(e.Public, "\r\n") {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		checkIdempotent(t, m)
		for _, name := range []string{"Bcc", "Resent-Bcc", "Return-Path", "X-MultiMail-Identity"} {
			if v := Fields(m.Raw, name); v != nil {
				t.Fatalf("%s passed: %q", name, v)
			}
		}
		for _, name := range []string{"From", "Message-ID", "Date"} {
			if v := Fields(m.Raw, name); len(v) != 1 {
				t.Fatalf("%d fields %s", len(v), name)
			}
		}
		bare := bytes.ReplaceAll(m.Raw, []byte("\r\n"), nil)
		if bytes.ContainsAny(bare, "\r\n\x00") || !bytes.HasSuffix(m.Raw, []byte("\r\n")) {
			t.Fatal("the canonical bytes hold a bare CR, LF or NUL")
		}
		from := m.Header.From
		if a, err := mail.ParseAddress(from.String()); err != nil || a != from {
			t.Fatalf("From %q reads as %q: %v", from, a, err)
		}
	})
}
