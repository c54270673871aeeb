package spam

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/mail"
)

// packet writes one packet of the milter protocol.
func packet(code byte, data string) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(data)+1))) + string(code) + data
}

// negotiated is a milter's answer to the negotiation: its version, and what it leaves out.
func negotiated(version, steps uint32) string {
	data := binary.BigEndian.AppendUint32(nil, version)
	data = binary.BigEndian.AppendUint32(data, 0)
	return packet('O', string(binary.BigEndian.AppendUint32(data, steps)))
}

// scripted is a milter that hears everything and answers by a command's code; what has
// no answer is told to go on. Macros and the end get none.
type scripted struct {
	version, steps uint32
	by             map[byte]string
	heard          []string
}

func (s *scripted) talk(conn net.Conn) {
	for {
		code, data, err := hear(conn)
		if err != nil || code == 'Q' {
			return
		}
		s.heard = append(s.heard, fmt.Sprintf("%c%s", code, data))
		reply := packet('c', "")
		if r, ok := s.by[code]; ok {
			reply = r
		} else if code == 'O' {
			reply = negotiated(s.version, s.steps)
		}
		if code == 'D' || code == 'A' {
			continue
		}
		if _, err := io.WriteString(conn, reply); err != nil {
			return
		}
	}
}

func hear(conn net.Conn) (code byte, data string, err error) {
	var n uint32
	if err := binary.Read(conn, binary.BigEndian, &n); err != nil {
		return 0, "", err
	}
	b := make([]byte, n)
	_, err = io.ReadFull(conn, b)
	return b[0], string(b[1:]), err
}

func milterOptions(talk func(net.Conn)) Options {
	return options(KindMilter, "inet:127.0.0.1:8891", talk)
}

func TestAMilterIsToldOfTheTransaction(t *testing.T) {
	s := &scripted{version: 6}
	got := judged(t, newFilter(t, milterOptions(s.talk)), incoming(plainMail))
	if got.Verdict != mail.SpamClean || got.Filter != KindMilter {
		t.Errorf("%+v", got)
	}
	want := []string{
		"DCj\x00mx.example.test\x00{daemon_name}\x00multimail\x00v\x00multimail\x00",
		"C[192.0.2.7]\x004\x00\x00192.0.2.7\x00",
		"Hmx.sender.test\x00", "DMi\x00QQQQQQQQQQ-1\x00{mail_addr}\x00anna@sender.test\x00",
		"M<anna@sender.test>\x00", "DR{rcpt_addr}\x00agent@example.test\x00", "R<agent@example.test>\x00",
		"LFrom\x00Anna <anna@sender.test>\x00", "LTo\x00agent@example.test\x00", "LSubject\x00Lunch\x00",
		"LDate\x00Thu, 26 Nov 2026 10:00:00 +0000\x00", "LMessage-ID\x00<one@sender.test>\x00",
		"DEi\x00QQQQQQQQQQ-1\x00", "N", "BAt noon, as ever.\r\n", "E",
	}
	if heard := s.heard[1:min(len(s.heard), 1+len(want))]; !slices.Equal(heard, want) {
		t.Errorf("told %q,\nwant %q", heard, want)
	}
	s = &scripted{version: 6, steps: 1 << 20}
	judged(t, newFilter(t, milterOptions(s.talk)), outgoing())
	all := strings.Join(s.heard, "|")
	for _, part := range []string{"Clocalhost\x00U|", "{auth_authen}\x00scout\x00", "LSubject\x00 Lunch\x00", "M<agent@"} {
		if !strings.Contains(all, part) {
			t.Errorf("outgoing: no %q in %q", part, all)
		}
	}
}

func TestAMilterIsToldNothingThatAStrangerForged(t *testing.T) {
	s := &scripted{version: 6}
	m := incoming(plainMail)
	m.Arrival.Helo, m.Envelope.From = "x\x00y", mail.Address{}
	raw := strings.Replace(plainMail, "Lunch", "a\x00b\r\n c", 1)
	if _, err := newFilter(t, milterOptions(s.talk)).Judge(t.Context(), m, []byte(raw)); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"Hunknown\x00", "LSubject\x00ab\n c\x00", "M<>\x00"} {
		if !slices.Contains(s.heard, part) {
			t.Errorf("no %q in %q", part, s.heard)
		}
	}
}

func TestMilterActionsAreVerdicts(t *testing.T) {
	for _, c := range []struct {
		name    string
		by      map[byte]string
		verdict mail.Verdict // "": refused for now
		reason  string
	}{
		{"accepts at once", map[byte]string{'C': packet('a', "")}, mail.SpamClean, ""},
		{"accepts at the end", map[byte]string{'E': packet('a', "")}, mail.SpamClean, ""},
		{"rejects the client", map[byte]string{'C': packet('r', "")}, mail.SpamQuarantined, "rejected by the milter"},
		{"rejects the recipient", map[byte]string{'R': packet('r', "")}, mail.SpamQuarantined, "rejected by the milter"},
		{"rejects a field", map[byte]string{'L': packet('r', "")}, mail.SpamQuarantined, "rejected by the milter"},
		{"rejects the body", map[byte]string{'B': packet('r', "")}, mail.SpamQuarantined, "rejected by the milter"},
		{"discards", map[byte]string{'E': packet('d', "")}, mail.SpamQuarantined, "discarded by the milter"},
		{"replies 550", map[byte]string{'E': packet('y', "550 5.7.1 no\r\n\x1b[2J\x00")}, mail.SpamQuarantined,
			`the milter answers 550 5.7.1 no\x0d\x0a\x1b[2J`},
		{"quarantines", map[byte]string{'E': packet('q', "looks odd\x00") + packet('c', "")}, mail.SpamQuarantined,
			"quarantined by the milter: looks odd"},
		{"changes everything", map[byte]string{'E': packet('b', "other body") + packet('h', "X\x00y\x00") +
			packet('m', "\x00\x00\x00\x01Subject\x00SPAM\x00") + packet('-', "<agent@example.test>\x00") +
			packet('e', "<x@y.test>\x00") + packet('p', "") + packet('c', "")}, mail.SpamClean, ""},
		{"fails for now", map[byte]string{'M': packet('t', "")}, "", ""},
		{"replies 451", map[byte]string{'E': packet('y', "451 4.7.1 later\x00")}, "", ""},
	} {
		s := &scripted{version: 6, by: c.by}
		raw := []byte(plainMail)
		got, err := newFilter(t, milterOptions(s.talk)).Judge(t.Context(), incoming(plainMail), raw)
		switch {
		case c.verdict == "":
			var e *mail.Error
			if !errors.As(err, &e) || e.Public != errLater.Public {
				t.Errorf("%s: %+v, %v", c.name, got, err)
			}
		case err != nil || got.Verdict != c.verdict || strings.Join(got.Reasons, "|") != c.reason:
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
		if !bytes.Equal(raw, []byte(plainMail)) {
			t.Errorf("%s: the bytes are changed", c.name)
		}
	}
}

// A milter may leave out steps, or not answer them.
func TestAMilterLeavesOutSteps(t *testing.T) {
	const all = 0x7f | 1<<8 | 1<<9
	s := &scripted{version: 6, steps: all}
	judged(t, newFilter(t, milterOptions(s.talk)), incoming(plainMail))
	for _, heard := range s.heard {
		if strings.ContainsRune("CHMRLNB", rune(heard[0])) {
			t.Errorf("told %q", heard)
		}
	}
	if len(s.heard) < 2 {
		t.Error("told nothing")
	}
}

func TestABrokenMilterCountsAsDown(t *testing.T) {
	at := func(code byte, reply string) func(net.Conn) {
		return (&scripted{version: 6, by: map[byte]string{code: reply}}).talk
	}
	for name, c := range map[string]struct {
		why  string
		talk func(net.Conn)
	}{
		"nobody listens":         {failConnect, nil},
		"closes at once":         {failClosed, func(net.Conn) {}},
		"closes in a packet":     {failClosed, func(c net.Conn) { hear(c); io.WriteString(c, packet('O', "123456")[:6]) }},
		"hangs":                  {failTimeout, func(c net.Conn) { io.Copy(io.Discard, c) }},
		"never reads":            {failTimeout, func(net.Conn) { time.Sleep(time.Hour) }},
		"progress for ever":      {failTimeout, progress(time.Second)},
		"progress at once":       {failAnswer, progress(0)},
		"speaks HTTP":            {failAnswer, func(c net.Conn) { hear(c); io.WriteString(c, jsonHeader) }},
		"a packet of nothing":    {failAnswer, at('C', "\x00\x00\x00\x00")},
		"a packet of 4 GB":       {failAnswer, at('C', "\xff\xff\xff\xffc")},
		"version 1":              {failAnswer, (&scripted{version: 1}).talk},
		"a short negotiation":    {failAnswer, at('O', packet('O', "\x00\x00\x00\x06"))},
		"no negotiation":         {failAnswer, at('O', packet('c', ""))},
		"an unknown action":      {failAnswer, at('M', packet('Z', ""))},
		"an unknown change":      {failAnswer, at('E', packet('Z', "")+packet('c', ""))},
		"a reply without a code": {failAnswer, at('E', packet('y', "no\x00"))},
		"a reply of 250":         {failAnswer, at('E', packet('y', "250 2.0.0 ok\x00"))},
		"a reply of -1":          {failAnswer, at('E', packet('y', "-12 no way\x00"))},
		"a change cut off":       {failAnswer, at('E', packet('m', "\x00")+packet('c', ""))},
		"a field without value":  {failAnswer, at('E', packet('h', "X")+packet('c', ""))},
		"changes without end":    {failAnswer, changes},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				down(t, milterOptions(c.talk), c.why)
				time.Sleep(2 * time.Hour) // what talks ends
			})
		})
	}
}

// progress says "in progress" for ever, which extends the time of most programs.
func progress(pause time.Duration) func(net.Conn) {
	return func(c net.Conn) {
		go io.Copy(io.Discard, c)
		io.WriteString(c, negotiated(6, 0))
		for {
			if _, err := io.WriteString(c, strings.Repeat(packet('p', ""), 500)); err != nil {
				return
			}
			time.Sleep(pause)
		}
	}
}

// changes wants a field added for ever.
func changes(c net.Conn) {
	go io.Copy(io.Discard, c)
	io.WriteString(c, negotiated(6, 0x7f))
	for n := 0; ; n++ {
		if n > 100 {
			panic("a milter may send without end")
		}
		if _, err := io.WriteString(c, packet('h', "X\x00"+strings.Repeat("y", 99_000)+"\x00")); err != nil {
			return
		}
	}
}

// heardNothing is a connection whose other end has said everything already.
type heardNothing struct {
	net.Conn
	io.Reader
}

func (c heardNothing) Read(p []byte) (int, error)  { return c.Reader.Read(p) }
func (c heardNothing) Write(p []byte) (int, error) { return len(p), nil }
func (c heardNothing) Close() error                { return nil }

// FuzzMilter lets a milter say anything. What is taken has a verdict, or asks to wait.
func FuzzMilter(f *testing.F) {
	f.Add([]byte(negotiated(6, 0) + strings.Repeat(packet('c', ""), 12)))
	f.Add([]byte(negotiated(6, 0x7f) + packet('q', "x\x00") + packet('y', "550 5.7.1 no\x00")))
	f.Add([]byte(negotiated(2, 0) + packet('p', "") + packet('a', "")))
	f.Fuzz(func(t *testing.T, said []byte) {
		k := asker{o: milterOptions(nil)}
		a, err := k.converse(heardNothing{Reader: bytes.NewReader(said)}, incoming(plainMail), []byte(plainMail))
		if err == nil && a.check() != nil {
			t.Errorf("%+v is taken", a)
		}
	})
}
