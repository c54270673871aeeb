package message

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/mail"
)

// incoming reads a message whose lines end with LF here.
func incoming(s string) Incoming { return ReadIncoming([]byte(strings.ReplaceAll(s, "\n", "\r\n"))) }

func TestAStrangersHeaderIsReadInFull(t *testing.T) {
	in := incoming(`Received: from a by b
Received: from c by d
From: =?utf-8?q?J=C3=B6rg?= <J@X.test>
Reply-To: "List" <l@y.test>, k@y.test
To: Team: a@a.test, (b) b@a.test;
Cc: Doe <d@a.test>
Subject: =?iso-8859-1?q?Gr=FC=DFe?=
Message-ID: <m1@x.test>
In-Reply-To: Your message of "Mon" <m0@a.test>, and <m9@a.test>
References: <r0@a.test> <m0@a.test>
Date: Wed, 4 Mar 2026 13:00:00 +0100 (CET)
Auto-Submitted: Auto-Replied; type=vacation (x)
List-Id: The list <L.y.test>

Hello
`)
	h := in.Header
	got := fmt.Sprint(h.From, h.FromName, h.ReplyTo, h.To, h.Cc, h.Subject, h.MessageID, h.InReplyTo, h.AlsoInReplyTo,
		h.References, h.Date, h.Auto, h.ListID, in.Hops, in.EightBit, in.Warnings)
	want := "J@x.test Jörg [l@y.test k@y.test] [a@a.test b@a.test] [d@a.test] Grüße m1@x.test m0@a.test [m9@a.test] " +
		"[r0@a.test m0@a.test] 2026-03-04 12:00:00 +0000 UTC auto-replied l.y.test 2 false []"
	if strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAFromThatIsNotOneAddressIsNoneAndKeepsItsText(t *testing.T) {
	for _, tt := range []struct{ name, from, addr, text, warning string }{
		{"bare", "From: a@x.test", "a@x.test", "", ""},
		{"comment", "From: a@x.test (Ann)", "a@x.test", "Ann", ""},
		{"special characters without quotes", "From: Dr. Ann [x] <a@x.test>", "a@x.test", "Dr. Ann [x]", ""},
		{"comma without quotes", "From: Doe, Ann <a@x.test>", "a@x.test", "Doe, Ann", ""},
		{"the name holds an address", `From: "b@y.test via L" <a@x.test>`, "a@x.test", "b@y.test via L", ""},
		{"8-bit name", "From: J\xf6rg <a@x.test>", "a@x.test", "Jörg", warnEight},
		{"direction override", "From: =?utf-8?b?4oCuYQ==?= <a@x.test>", "a@x.test", `\u202ea`, ""},
		{"missing", "X: y", "", "", "no From field"},
		{"two fields", "From: a@x.test\nFrom: b@y.test", "", "a@x.test, b@y.test", "more than one From field"},
		{"the same field twice", "From: a@x.test\nFrom: a@x.test", "", "a@x.test, a@x.test", "more than one From field"},
		{"two addresses", "From: a@x.test, b@y.test", "", "a@x.test, b@y.test", "From names more than one address"},
		{"one that can be read and one that cannot", "From: a@x.test, b@[1.2.3.4]", "", "a@x.test, b@[1.2.3.4]",
			"From names no address that can be read"},
		{"two brackets", "From: <a@x.test> <b@y.test>", "", "<a@x.test> <b@y.test>",
			"From names no address that can be read"},
		{"a quoted at sign", `From: "a@x.test,"@y.test`, "", `"a@x.test,"@y.test`, "From names no address that can be read"},
		{"no address", "From: =?utf-8?q?J=C3=B6rg?=", "", "Jörg", "From names no address that can be read"},
		{"SMTPUTF8", "From: j\xc3\xb6rg@x.test", "", "jörg@x.test", "From names no address that can be read"},
		{"empty", "From:", "", "", "From names no address that can be read"},
	} {
		in := incoming(tt.from + "\nSubject: s\n\nx\n")
		addr := in.Header.From.String()
		if in.Header.From.IsZero() {
			addr = ""
		}
		if addr != tt.addr || in.Header.FromName != tt.text || in.Header.Subject != "s" ||
			(tt.warning == "") != (len(in.Warnings) == 0) ||
			tt.warning != "" && !slices.Contains(in.Warnings, tt.warning) {
			t.Errorf("%s: %q %q %q", tt.name, addr, in.Header.FromName, in.Warnings)
		}
	}
}

func TestAMalformedMailIsReadAsFarAsItCanBe(t *testing.T) {
	const good = "From: a@x.test\r\nSubject: s\r\n\r\nx\r\n"
	for _, tt := range []struct{ name, raw, warning string }{
		{"sound", good, ""},
		{"LF alone", strings.ReplaceAll(good, "\r", ""), warnLines},
		{"no line end at the end", strings.TrimSuffix(good, "\r\n"), warnLines},
		{"a line of a mail folder", "From a@x.test Mon Jan  1\r\n" + good, warnMbox},
		{"a line that is no field", "From: a@x.test\r\nnonsense\r\nSubject: s\r\n\r\nx\r\n", warnStray},
		{"a field without a name", ": x\r\n" + good, warnStray},
		{"a line that begins with a blank", " x\r\n" + good, warnStray},
		{"no empty line", "From: a@x.test\r\nSubject: s\r\nHello Ann\r\nTo: b@y.test\r\n", warnNoGap},
		{"header alone", "From: a@x.test\r\nSubject: s\r\n", ""},
		{"8-bit header", "From: a@x.test\r\nSubject: s\r\nX: \xe4\r\n\r\nx\r\n", warnEight},
		{"long line", good + strings.Repeat("x", 999) + "\r\n", warnLong},
		{"NUL", good + "\x00\r\n", warnNUL},
		{"long header", "From: a@x.test\r\nSubject: s\r\n" + strings.Repeat("X: y\r\n", MaxHeader/6+1) + "\r\nx\r\n",
			warnHeader},
		{"two subjects", "Subject: s\r\nSubject: t\r\nFrom: a@x.test\r\n\r\nx\r\n",
			"more than one Subject field; the first is read"},
		{"a date that is none", "Date: soon\r\n" + good, "Date cannot be read"},
		{"an id that is none", "Message-ID: <>\r\n" + good, "Message-ID cannot be read"},
		{"a recipient that is none", "To: <x y>\r\n" + good, "an address of To cannot be read"},
		{"two Content-Type fields", "Content-Type: text/plain\r\nContent-Type: text/html\r\n" + good,
			"part 1: it has more than one Content-Type field"},
		{"a boundary that never comes", "Content-Type: multipart/mixed; boundary=b\r\n" + good,
			"part 1: its boundary never appears"},
		{"too deep", string(nested(60)), "MIME parts are nested more than 50 levels deep"},
	} {
		in := ReadIncoming([]byte(tt.raw))
		if tt.warning == "" && len(in.Warnings) > 0 || tt.warning != "" && !slices.Contains(in.Warnings, tt.warning) {
			t.Errorf("%s: %q", tt.name, in.Warnings)
		}
		if tt.name != "too deep" && (in.Header.From.String() != "a@x.test" || in.Header.Subject != "s") {
			t.Errorf("%s: %+v", tt.name, in.Header)
		}
	}
}

func TestTheHeaderOfAStrangerIsBounded(t *testing.T) {
	var refs, to, replies strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&refs, "\n <%d@x.test>", i)
		fmt.Fprintf(&to, "\n a%d@x.test,", i)
		fmt.Fprintf(&replies, "\n a%d@x.test,", i)
	}
	long := strings.Repeat("x", 5000)
	in := incoming("From: " + long + " <a@x.test>\nSubject: " + long + "\nReferences:" + refs.String() + "\nTo:" +
		to.String() + "\nReply-To:" + replies.String() + "\nList-Id: <" + long + ">\nAuto-Submitted: " + long +
		"\nIn-Reply-To: <" + long + "@x.test>\n\nx\n")
	h := in.Header
	if len(h.FromName) > maxName || len(h.Subject) > MaxSubject || len(h.To) != MaxAddresses ||
		len(h.ReplyTo) != maxReplyTo || h.ListID != "" || h.Auto != "auto-generated" || h.InReplyTo != "" {
		t.Errorf("%d %d %d %d %q %q %q", len(h.FromName), len(h.Subject), len(h.To), len(h.ReplyTo), h.ListID, h.Auto,
			h.InReplyTo)
	}
	if len(h.References) != mail.MaxReferences || h.References[mail.MaxReferences-1] != "1999@x.test" {
		t.Errorf("%q", h.References)
	}
	if len(in.Warnings) > maxRemarks {
		t.Errorf("%d warnings", len(in.Warnings))
	}
}

// A date that JSON cannot hold would make a mail that no record can keep.
func TestEveryDateCanBeWrittenToARecord(t *testing.T) {
	for date, want := range map[string]string{
		"Wed, 4 Mar 2026 13:00:00 +0100":           "2026-03-04T12:00:00Z",
		"wed,  4  Mar 26 13:00 EST":                "2026-03-04T18:00:00Z",
		"Wed 4 Mar 2026 13:00:00 GMT":              "2026-03-04T13:00:00Z",
		"Xyz, 4 Mar 2026 13:00:00 -0000 (comment)": "2026-03-04T13:00:00Z",
		"2026-03-04T13:00:00+01:00":                "2026-03-04T12:00:00Z",
		"Fri, 31 Dec 9999 23:59:59 -2400":          "",
		"Sat, 1 Jan 0000 00:00:00 +2400":           "",
		"Wed, 4 Mar 2026 13:00:00 +2400":           "2026-03-03T13:00:00Z",
		"Wed, 30 Feb 2026 13:00:00 +0000":          "",
		strings.Repeat("9", 5000):                  "",
		"":                                         "",
	} {
		h := incoming("From: a@x.test\nDate: " + date + "\n\nx\n").Header
		got := ""
		if !h.Date.IsZero() {
			got = h.Date.Format(time.RFC3339)
		}
		if _, err := json.Marshal(h); err != nil || got != want {
			t.Errorf("%q: %s %v", date, got, err)
		}
	}
}

func TestAMailOfOurOwnSaysTheSameToBothReaders(t *testing.T) {
	raw := []byte(strings.ReplaceAll(`From: Ann <a@x.test>
Reply-To: r@x.test
To: b@y.test
Subject: s
Message-ID: <1@x.test>
In-Reply-To: <0@y.test>
References: <00@y.test> <0@y.test>
Auto-Submitted: auto-generated
Date: Wed, 4 Mar 2026 13:00:00 +0100

x
`, "\n", "\r\n"))
	m, err := Read(raw, readOptions)
	if err != nil {
		t.Fatal(err)
	}
	in := ReadIncoming(m.Raw)
	if !reflect.DeepEqual(m.Header, in.Header) || m.BodyHash != in.BodyHash || m.TextHash != in.TextHash ||
		len(in.Warnings) > 0 || len(m.Header.References) != 2 || m.Header.FromName != "Ann" {
		t.Errorf("%+v\n%+v", m.Header, in)
	}
}

func FuzzReadIncoming(f *testing.F) {
	for _, path := range samples(f) {
		f.Add(sample(f, path))
	}
	for _, raw := range costly(4 << 10) {
		f.Add(raw)
	}
	f.Add([]byte("From x\n>From y\nno field\n"))
	f.Add([]byte("From: bot@a.test\r\nSubject: =?utf-8?q?_a_?=\r\n\r\nx\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		in := ReadIncoming(raw)
		if _, err := json.Marshal(in.Header); err != nil {
			t.Fatal(err)
		}
		if len(in.Warnings) > maxRemarks || len(in.Header.References) > mail.MaxReferences ||
			len(in.Header.Subject) > MaxSubject || len(in.Header.FromName) > maxName {
			t.Fatalf("%+v", in)
		}
		m, err := Read(raw, readOptions)
		if err != nil {
			return
		}
		// What Read takes is read alike, but for the forms that only strangers' mail has.
		again := ReadIncoming(m.Raw)
		if again.Header.From != m.Header.From || again.Header.MessageID != m.Header.MessageID ||
			again.Header.Subject != m.Header.Subject || again.BodyHash != m.BodyHash {
			t.Fatalf("%+v\n%+v", m.Header, again.Header)
		}
	})
}
