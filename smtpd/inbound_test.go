package smtpd

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/multimail/multimail/mail"
)

const letter = "Subject: hello\r\n\r\nHello.\r\n"

func TestASettingOfInboundThatIsLeftOutIsAnError(t *testing.T) {
	for _, name := range []string{"Hostname", "MaxSize", "MaxRecipients", "MaxConnections", "MaxPerSource",
		"ConnectionsPerMinute", "MessagesPerMinute", "UnknownPerMinute", "Messages", "Inspector", "Postmaster"} {
		w := newWorld()
		reflect.ValueOf(&w.o).Elem().FieldByName(name).SetZero()
		if _, err := NewInbound(w.gate, w.o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := NewInbound(nil, newWorld().o); err == nil {
		t.Error("a door without a gate")
	}
}

// What each door says of itself is what it does, and nothing more.
func TestAnInboundDoorOffersNoLogin(t *testing.T) {
	for _, lmtp := range []bool{false, true} {
		w := newWorld()
		p := dial(t, w.server(t, lmtp), false)
		hello, other, banner := "EHLO", "LHLO", "220 localhost ESMTP MultiMail\r\n"
		if lmtp {
			hello, other, banner = "LHLO", "EHLO", "220 localhost LMTP MultiMail\r\n"
		}
		if got := p.expect("220"); got != banner {
			t.Errorf("%q", got)
		}
		p.do(other+" client.test", "500 5.5.1")
		want := "250-localhost\r\n250-PIPELINING\r\n250-SIZE 10000\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n" +
			"250 STARTTLS\r\n"
		if got := p.do(hello+" client.test", "250"); got != want {
			t.Errorf("%s: %q", hello, got)
		}
		for command, want := range map[string]string{
			"AUTH PLAIN AGRlbW8Ac2VjcmV0":            "502 5.5.1 there is no login here",
			"BDAT 5 LAST":                            "500 5.5.1",
			"MAIL FROM:<x@far.test> SMTPUTF8":        "555 5.6.7",
			"MAIL FROM:<x@far.test> RET=FULL":        "555 5.5.4",
			"MAIL FROM:<x@far.test> AUTH=<>":         "555 5.5.4",
			"MAIL FROM:<x@far.test> SIZE=10001":      "552 5.3.4",
			"MAIL FROM:<x@far.test> SIZE=1073741824": "552 5.3.4",
			"MAIL FROM:<x@[192.0.2.1]>":              "553 5.1.7",
			"MAIL FROM:<\xc3\xa9@far.test>":          "501 5.1.7",
			"RCPT TO:<a@example.test>":               "503 5.5.1",
			"VRFY a@example.test":                    "252 2.5.0",
			"EXPN a":                                 "502 5.5.1",
			"MAIL FROM:<x@far.test> HOLDFOR=1000":    "555 5.5.4",
		} {
			p.do(command, want)
		}
		p.do("MAIL FROM:<x@far.test>", "250")
		p.do("RCPT TO:<a@example.test> NOTIFY=SUCCESS", "555 5.5.4")
		if lmtp {
			p.do("DATA", "503 5.5.1")
			p.do("HELO client.test", "500 5.5.1")
		} else {
			p.do("DATA", "554 5.5.1")
			p.do("HELO client.test", "250 localhost")
		}
	}
}

func TestWithoutACertificateSTARTTLSIsNotOffered(t *testing.T) {
	w := newWorld()
	w.o.TLSConfig = nil
	p := dial(t, w.server(t, false), false)
	p.expect("220")
	if got := p.do("EHLO client.test", "250"); strings.Contains(got, "STARTTLS") {
		t.Errorf("%q", got)
	}
	p.do("STARTTLS", "502 5.5.1")
	if got := p.mailTo("x@far.test", letter, "a@example.test"); !strings.HasPrefix(got, "250 2.0.0 Ok: taken as 01") {
		t.Errorf("%q", got)
	}
}

// The gate gets what the client said, what was found out about it, and the fields of
// this server before the octets.
func TestAMailFromTheWorldIsHandedToTheGate(t *testing.T) {
	w := newWorld()
	p := w.greet(t, false)
	p.do("STARTTLS", "220")
	p = newPeer(t, tlsClient(p.c))
	p.do("MAIL FROM:<x@far.test>", "503 5.5.1") // what was said before the handshake is forgotten
	p.do("EHLO mail.far.test", "250")
	p.do("MAIL FROM:<x@far.test> BODY=8BITMIME", "250")
	p.do("RCPT TO:<a@example.test>", "250")
	p.do("RCPT TO:<a@EXAMPLE.test>", "250")
	p.do("DATA", "354")
	p.send(letter + ".\r\n")
	p.expect("250 2.0.0 Ok: taken as 01ARZ3NDEKTSV4RRFFQ69G5FAV\r\n")

	got := w.gate.stored()
	if len(got) != 1 {
		t.Fatalf("%d mails", len(got))
	}
	d := got[0]
	if d.From.String() != "x@far.test" || len(d.To) != 1 || d.To[0].String() != "a@example.test" ||
		string(d.Raw) != letter || d.Door != "smtp-in" || !d.TLS || d.Body != "8BITMIME" {
		t.Errorf("%+v", d)
	}
	if a := d.Arrival; a.Helo != "mail.far.test" || a.Remote != "127.0.0.1" || a.Hop != "" || a.Auth.SPF.Result != "none" {
		t.Errorf("%+v", a)
	}
	head, date, _ := strings.Cut(string(d.Prefix), ";\r\n\t")
	id := strings.TrimSuffix(strings.SplitAfter(head, " id ")[1], "\r\n\tfor <a@example.test>")
	if want := "Return-Path: <x@far.test>\r\n" + stamped + "Received: from mail.far.test ([127.0.0.1])\r\n" +
		"\tby localhost (MultiMail) with ESMTPS id " + id + "\r\n\tfor <a@example.test>"; head != want ||
		len(id) != 12 || d.Arrival.Transaction != id {
		t.Errorf("%q", head)
	}
	if !strings.HasSuffix(date, "+0000\r\n") || strings.Count(date, "\r\n") != 1 {
		t.Errorf("%q", date)
	}
	asked := w.inspect.asked
	if len(asked) != 1 || asked[0].TLS == nil || asked[0].Hop != nil || asked[0].Door != DoorInbound ||
		asked[0].Remote != netip.MustParseAddr("127.0.0.1") || asked[0].Helo != "mail.far.test" {
		t.Errorf("%+v", asked)
	}
}

// stamped is what the inspector of these tests says; it stands above Received.
const stamped = "Authentication-Results: localhost; none\r\n"

// Several recipients must not learn of each other; HELO is no ESMTP.
func TestTheTraceNamesNoRecipientOfSeveral(t *testing.T) {
	w := newWorld()
	p := dial(t, w.server(t, false), false)
	p.expect("220")
	p.do("HELO (unknown host)", "250")
	p.mailTo("", letter, "a@example.test")
	p.mailTo("x@far.test", letter, "a@example.test", "b@example.test")
	got := w.gate.stored()
	if len(got) != 2 || len(got[1].To) != 2 || !got[0].From.IsZero() {
		t.Fatalf("%+v", got)
	}
	if s := string(got[0].Prefix); !strings.HasPrefix(s, "Return-Path: <>\r\n"+stamped+
		"Received: from unknown ([127.0.0.1])\r\n"+
		"\tby localhost (MultiMail) with SMTP id ") || !strings.Contains(s, "for <a@example.test>") {
		t.Errorf("%q", s)
	}
	if s := string(got[1].Prefix); strings.Contains(s, " for ") || strings.Contains(s, "example.test>") {
		t.Errorf("%q", s)
	}
}

// A report goes to who sent the mail it is about: to one recipient.
func TestTheNullSenderHasOneRecipient(t *testing.T) {
	for _, lmtp := range []bool{false, true} {
		w := newWorld()
		p := w.greet(t, lmtp)
		p.do("MAIL FROM:<>", "250")
		p.do("RCPT TO:<nobody@example.test>", "550 5.1.1")
		p.do("RCPT TO:<a@example.test>", "250")
		p.do("RCPT TO:<b@example.test>", "452 4.5.3")
		p.do("RCPT TO:<a@example.test>", "250") // the same one
		p.do("DATA", "354")
		p.send(letter + ".\r\n")
		p.expect("250 2.0.0")
		if got := w.gate.stored(); len(got) != 1 || len(got[0].To) != 1 || !got[0].From.IsZero() {
			t.Errorf("%+v", got)
		}
	}
}

func TestPostmasterNeedsNoDomain(t *testing.T) {
	w := newWorld()
	p := w.greet(t, false)
	p.mailTo("x@far.test", letter, "PostMaster", "postmaster@example.test")
	if got := w.gate.stored(); len(got) != 1 || len(got[0].To) != 1 || got[0].To[0].String() != "postmaster@example.test" {
		t.Errorf("%+v", got)
	}
	p.do("MAIL FROM:<x@far.test>", "250")
	p.do("RCPT TO:<abuse>", "553 5.1.3") // RFC 5321 has no other name without a domain
}

// Every form in which a server was ever talked into relaying, those of the script
// smtp-open-relay of nmap among them. None may be a recipient, whoever sends.
func TestNothingIsRelayed(t *testing.T) {
	const there, here, ip = "far.test", "example.test", "127.0.0.1"
	senders := []string{"", "x@" + there, "a@" + here, "a@localhost.test"}
	forms := []string{
		"u@" + there,
		"u%" + there + "@" + here, "u%" + there + "@[" + ip + "]", "u%" + there + "@" + ip, "u%" + there,
		`"u@` + there + `"`, `"u%` + there + `"`, `"u@` + there + `"@` + here, `"u@` + there + `"@[` + ip + `]`,
		`"u%` + there + `"@` + here, `"` + there + `!u"@` + here,
		"u@" + there + "@" + here, "u@" + there + "@[" + ip + "]",
		"@" + here + ":u@" + there, "@[" + ip + "]:u@" + there, "@a.test,@b.test:u@" + there,
		"@" + here + ",@b.test:u@" + there,
		"@" + here + ":a@" + here + ":u@" + there,
		there + "!u", there + "!u@" + here, there + "!u@[" + ip + "]", "a!b!" + there + "!u@" + here,
		"u@" + there + "%" + here, "u#" + there + "@" + here, "u/" + there + "@" + here, "u=" + there + "@" + here,
		"<u@" + there + ">", "u@" + there + ">,<a@" + here, "a@" + here + "> <u@" + there, "a@" + here + " u@" + there,
		"a@" + here + ",u@" + there, "a@" + here + ";u@" + there, "a@" + here + "\\@" + there, "a@" + here + ".",
		"u@" + there + "\\@" + here, "a", "u@[IPv6:::1]", "u@" + ip, "u@2130706433", "u@localhost",
		`"a@` + here + `" <u@` + there + ">", "a(u@" + there + ")@" + here, "=?x?q?u?=@" + here, "u\u0430@" + there,
	}
	for _, lmtp := range []bool{false, true} {
		w := newWorld()
		for _, from := range senders {
			for _, form := range forms {
				hello := map[bool]string{false: "EHLO", true: "LHLO"}[lmtp]
				out := w.play(t, hello+" client.test\r\nMAIL FROM:<"+from+">\r\nRCPT TO:<"+form+">\r\nDATA\r\n"+
					letter+".\r\nQUIT\r\n", 1<<16, lmtp)
				if n := len(w.gate.stored()); n != 0 || strings.Contains(out, "recipient ok") || strings.Contains(out, "354") {
					t.Errorf("MAIL FROM:<%s>, RCPT TO:<%s>: %d mails\n%s", from, form, n, out)
				}
			}
		}
	}
}

// Whoever asks for one mailbox after another learns of ten at most, and then waits.
func TestWhoLooksForMailboxesIsCutOff(t *testing.T) {
	w := newWorld()
	srv := w.server(t, false)
	visit := visits(t, srv, false)
	guess := func(ip string, n int, want string) *peer {
		p := visit(ip)
		p.expect("220")
		p.do("EHLO client.test", "250")
		p.do("MAIL FROM:<x@far.test>", "250")
		for i := range n {
			p.do(fmt.Sprintf("RCPT TO:<guess%d@example.test>", i), "550 5.1.1")
		}
		p.do("RCPT TO:<last@example.test>", want)
		return p
	}
	guess("192.0.2.1", 9, "421 4.7.0").expect("") // the tenth
	p := guess("192.0.2.1", 5, "450 4.7.1")       // the sixteenth in a minute
	asked := w.gate.asked
	p.do("RCPT TO:<a@example.test>", "450 4.7.1") // whether it exists or not
	if w.gate.asked != asked {
		t.Error("the gate was asked for a source over its limit")
	}
	guess("192.0.2.2", 5, "550 5.1.1").do("RCPT TO:<a@example.test>", "250")
	w.reached(t, mail.LimitInboundUnknown, 1)
	w.reached(t, mail.LimitInboundUnknownRate, 2)
}

func TestOneSourceHasALimitOfMessagesAndConnections(t *testing.T) {
	w := newWorld()
	visit := visits(t, w.server(t, false), false)
	p := visit("192.0.2.1")
	p.expect("220")
	p.do("EHLO client.test", "250")
	for range 10 {
		if got := p.mailTo("x@far.test", letter, "a@example.test"); !strings.HasPrefix(got, "250") {
			t.Fatalf("%q", got)
		}
	}
	p.do("MAIL FROM:<x@far.test>", "450 4.7.1")
	for range 19 {
		p := visit("192.0.2.1")
		p.expect("220")
		p.do("QUIT", "221")
		p.expect("")
	}
	visit("192.0.2.1").expect("421 4.3.2")
	visit("192.0.2.2").expect("220")
	for range 30 { // loopback, and a trusted server, are not limited
		p := visit("127.0.0.1")
		p.expect("220")
		p.do("QUIT", "221")
	}
	w.reached(t, mail.LimitInboundConnectionRate, 1)
	w.reached(t, mail.LimitInboundMessageRate, 1)
}

func TestATrustedServerHasNoLimitPerSource(t *testing.T) {
	w := newWorld()
	w.o.Hops = []HopRule{{Hop: Hop{Name: "edge"}, Private: true,
		Ranges: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}
	visit := visits(t, w.server(t, false), false)
	for range 30 {
		visit("10.1.2.3").expect("220")
	}
}

// 10,000 recipients are answered, but only the first few are kept, and the session ends.
func TestTenThousandRecipientsAreBounded(t *testing.T) {
	for _, lmtp := range []bool{false, true} {
		w := newWorld()
		w.gate.boxes = nil
		var in strings.Builder
		in.WriteString(map[bool]string{false: "EHLO", true: "LHLO"}[lmtp] + " client.test\r\nMAIL FROM:<x@far.test>\r\n")
		for i := range 10000 {
			fmt.Fprintf(&in, "RCPT TO:<r%d@example.test>\r\n", i)
			w.gate.boxes = append(w.gate.boxes, fmt.Sprintf("r%d@example.test", i))
		}
		out := w.play(t, in.String(), 1<<16, lmtp)
		if n := strings.Count(out, "250 2.1.5"); n != w.o.MaxRecipients {
			t.Errorf("%d recipients were accepted", n)
		}
		if w.gate.asked != w.o.MaxRecipients {
			t.Errorf("the gate was asked %d times", w.gate.asked)
		}
		if n := strings.Count(out, "452 4.5.3"); n < 100 || n > maxCommands {
			t.Errorf("%d recipients were put off", n)
		}
		if !strings.HasSuffix(out, "421 4.7.0 too many commands without a message; connect again\r\n") {
			t.Errorf("…%s", out[len(out)-200:])
		}
	}
}

func TestAMailThatGoesInCirclesIsRefused(t *testing.T) {
	for _, lmtp := range []bool{false, true} {
		w := newWorld()
		p := w.greet(t, lmtp)
		hop := "received : from a.test\r\n\tby b.test\r\n"
		got := p.mailTo("x@far.test", strings.Repeat(hop, 101)+"\r\nHello.\r\n", "a@example.test")
		if !strings.HasPrefix(got, "554 5.4.6") {
			t.Errorf("101 Received: %q", got)
		}
		body := strings.Repeat("Received: x\r\n", 50)
		got = p.mailTo("x@far.test", strings.Repeat(hop, 100)+"\r\n"+body, "a@example.test")
		if !strings.HasPrefix(got, "250") {
			t.Errorf("100 Received: %q", got)
		}
		if len(w.gate.stored()) != 1 {
			t.Errorf("%d mails", len(w.gate.stored()))
		}
	}
}

// What the checks of the sender, or the gate, refuse is answered in their words; what
// they cannot say now is asked again later.
func TestARefusalOfTheChecksOrTheGateIsTheReply(t *testing.T) {
	for _, c := range []struct {
		name             string
		inspect, receive error
		want             string
	}{
		{"the policy of the sender's domain", mail.ErrForbidden.Errorf("refused by policy"), nil,
			"550 5.7.1 refused by policy"},
		{"a domain that cannot be asked", mail.ErrUnavailable.Errorf("try later"), nil, "451 4.3.0 try later"},
		{"a fault of the checks", errors.New("no such file /etc/x"), nil, "451 4.3.0 internal error, try again later (ref "},
		{"a full mailbox", nil, mail.ReasonQuota.Errorf("the mailbox is full"), "452 4.2.2 the mailbox is full"},
		{"a full disk", nil, mail.ReasonDiskFull.Errorf("no space"), "452 4.3.1 no space"},
		{"a freeze", nil, mail.ErrFrozen.Errorf("frozen"), "451 4.7.1 frozen"},
		{"a fault of the store", nil, errors.New("no such file /etc/x"), "451 4.3.0 internal error, try again later (ref "},
	} {
		for _, lmtp := range []bool{false, true} {
			w := newWorld()
			w.inspect.err, w.gate.err = c.inspect, c.receive
			p := w.greet(t, lmtp)
			if got := p.mailTo("x@far.test", letter, "a@example.test"); !strings.HasPrefix(got, c.want) {
				t.Errorf("%s: %q, want %q", c.name, got, c.want)
			}
			p.do("NOOP", "250") // the replies are in step
			if w.gate.called > 0 != (c.receive != nil) {
				t.Errorf("%s: the gate was called %d times", c.name, w.gate.called)
			}
		}
	}
}
