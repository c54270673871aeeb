package smtpd

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/internal/throttle"
	"github.com/multimail/multimail/mail"
)

const worldTransaction = "MAIL FROM:<x@far.test>\r\nRCPT TO:<a@example.test>\r\nDATA\r\n"

// ends are what some server took, or takes, for the end of a message.
var ends = []string{
	"\n.\n", "\n.\r\n", "\r.\r", "\r\n.\n", "\r\n.\r", "\n\n.\n\n", "\r.\r\n",
	"\r\n\x00.\r\n", "\r\n.\x00\r\n", "\r\n.\r\r\n", "\r.\n", "\n.\r", "\r\n .\r\n", "\r\n.\u0085\r\n", "\r\r\n.\r\r\n",
}

// A server in front that ends a message elsewhere must not be a way to send a second one
// here: over both doors the session stays in step, with long lines before the end too.
func TestNoOtherEndStartsASecondMailFromTheWorld(t *testing.T) {
	for _, lmtp := range []bool{false, true} {
		w := newWorld()
		w.o.MaxSize = 60000
		for _, end := range ends {
			for _, pad := range []string{"", "x\r\n", strings.Repeat("y", bufferSize-9), strings.Repeat("z", 3*bufferSize),
				strings.Repeat("x\r\n", 30000)} {
				before := len(w.gate.stored())
				out := w.play(t, map[bool]string{false: "EHLO", true: "LHLO"}[lmtp]+" client.test\r\n"+worldTransaction+
					"a: b\r\n\r\n"+pad+"first"+end+worldTransaction+"c: d\r\n\r\nsmuggled\r\n.\r\nNOOP\r\n", 1<<16, lmtp)
				name := fmt.Sprintf("lmtp %v, %q behind %d octets", lmtp, end, len(pad))
				if !strings.HasSuffix(out, "\r\n250 2.0.0 ok\r\n") || strings.Count(out, "354 ") != 1 {
					t.Errorf("%s: %q", name, out)
				}
				stored := w.gate.stored()[before:]
				switch {
				case len(stored) == 0 && (strings.Contains(out, "554 5.6.0") || strings.Contains(out, "552 5.3.4")):
				case len(stored) == 1 && strict(stored[0].Raw) && bytes.Contains(stored[0].Raw, []byte("MAIL FROM")):
					// A legal line that looks like an end: all of it is one mail.
				default:
					t.Errorf("%s: %d mails, %q", name, len(stored), out)
				}
			}
		}
	}
}

// Strangers send lines of more than 998 octets: they are taken as they are, wherever the
// buffer ends, and nothing but CRLF ends them.
func TestLongLinesOfTheWorldAreTaken(t *testing.T) {
	for _, n := range []int{997, 998, 999, 5000, bufferSize - 3, bufferSize - 2, bufferSize - 1, bufferSize,
		bufferSize + 1, 2*bufferSize - 1, 2 * bufferSize, 100000} {
		for _, dot := range []string{"", "."} {
			text := "a: b\r\n\r\n" + dot + strings.Repeat("x", n) + "\r\n" + dot + "\r\n"
			w := newWorld()
			w.o.MaxSize = 1 << 20
			stuffed := strings.ReplaceAll(text, "\r\n.", "\r\n..")
			out := w.play(t, "EHLO x\r\n"+worldTransaction+stuffed+".\r\nNOOP\r\n", 7777, false)
			inStep := strings.HasSuffix(out, "250 2.0.0 ok\r\n")
			if got := w.gate.stored(); len(got) != 1 || string(got[0].Raw) != text || !inStep {
				t.Errorf("%d octets behind %q: %d mails, %q", n, dot, len(got), out)
			}
			for _, bad := range []string{"\r", "\n", "\x00", "\r\r\n", "\rx"} {
				w := newWorld()
				w.o.MaxSize = 1 << 20
				out := w.play(t, "EHLO x\r\n"+worldTransaction+"a: b\r\n\r\n"+strings.Repeat("x", n)+bad+
					"y\r\n.\r\nNOOP\r\n", 7777, false)
				if len(w.gate.stored()) != 0 || !strings.Contains(out, "554 5.6.0") ||
					!strings.HasSuffix(out, "250 2.0.0 ok\r\n") {
					t.Errorf("%q behind %d octets: %q", bad, n, out)
				}
			}
		}
	}
}

func TestALineOfTheWorldWithoutEndEndsTheConnection(t *testing.T) {
	w := newWorld()
	w.o.MaxSize, w.o.Messages = 8<<20, throttle.NewBytes(64<<20)
	out := w.play(t, "EHLO x\r\n"+worldTransaction+strings.Repeat("x", maxEndless+1)+"\r\n.\r\nNOOP\r\n", 1<<16, false)
	if !strings.HasSuffix(out, "\r\n554 5.6.0 a line is longer than 1048574 octets\r\n250 2.0.0 ok\r\n") {
		t.Errorf("…%q", out[len(out)-100:])
	}
	w.reached(t, mail.LimitEndlessLine, 1)
	out = w.play(t, "EHLO x\r\n"+worldTransaction+strings.Repeat("x", 2*maxEndless)+"\r\n.\r\nNOOP\r\n", 1<<16, false)
	if !strings.HasSuffix(out, "\r\n500 5.5.2 this line has no end\r\n") || len(w.gate.stored()) != 0 {
		t.Errorf("…%q, %d mails", out[len(out)-100:], len(w.gate.stored()))
	}
	if n := w.o.Messages.Used(); n != 0 {
		t.Errorf("%d octets are still held", n)
	}
}

// A hop is recognised by range and proof; with one of the two it is a stranger.
func TestATrustedServerIsOneWithRangeAndProof(t *testing.T) {
	der := []byte("a certificate")
	cert := &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{Raw: der}}}
	other := &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{Raw: []byte("another")}, {Raw: der}}}
	in := func(s string) []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix(s)} }
	rules := []HopRule{
		{Hop: Hop{Name: "own"}, Ranges: in("10.0.0.0/8"), Private: true},
		{Hop: Hop{Name: "certified", AuthServID: "gw.test"}, Ranges: in("192.0.2.0/24"),
			Certificates: [][sha256.Size]byte{sha256.Sum256(der)}},
		{Hop: Hop{Name: "tenant"}, Ranges: in("192.0.2.0/24"), Field: "X-Tenant", Value: "ours"},
		{Hop: Hop{Name: "six"}, Ranges: in("fd00::/8"), Private: true},
	}
	const none = ""
	for _, c := range []struct {
		name, remote string
		tls          *tls.ConnectionState
		raw, want    string
	}{
		{"private", "10.1.2.3", nil, letter, "own"},
		{"private, with a certificate", "10.1.2.3", cert, letter, "own"},
		{"private, mapped", "::ffff:10.1.2.3", nil, letter, "own"},
		{"IPv6 with a zone", "fd00::1%eth0", nil, letter, "six"},
		{"its neighbour", "11.0.0.1", nil, letter, none},
		{"a certificate", "192.0.2.1", cert, letter, "certified"},
		{"a certificate from elsewhere", "198.51.100.1", cert, letter, none},
		{"the range without a certificate", "192.0.2.1", nil, letter, none},
		{"TLS without a certificate", "192.0.2.1", &tls.ConnectionState{}, letter, none},
		{"another certificate, with ours as its authority", "192.0.2.1", other, letter, none},
		{"the field", "192.0.2.1", nil, "x-tenant:\r\n OURS \r\n" + letter, "tenant"},
		{"another value", "192.0.2.1", nil, "X-Tenant: theirs\r\n" + letter, none},
		{"the field twice", "192.0.2.1", nil, "X-Tenant: ours\r\nX-Tenant: theirs\r\n" + letter, none},
		{"the field twice, oddly written", "192.0.2.1", nil, "X-Tenant: ours\r\nx-tenant : theirs\r\n" + letter, none},
		{"the field in the body", "192.0.2.1", nil, letter + "X-Tenant: ours\r\n", none},
		{"the field behind what is no field", "192.0.2.1", nil, "X-Tenant: theirs\r\njunk\r\nX-Tenant: ours\r\n" + letter,
			none},
		{"the field from elsewhere", "198.51.100.1", nil, "X-Tenant: ours\r\n" + letter, none},
		{"a unix socket", "", nil, "X-Tenant: ours\r\n" + letter, none},
	} {
		addr, _ := netip.ParseAddr(c.remote)
		got := none
		if h := matchHop(rules, Transaction{Remote: addr, TLS: c.tls, Raw: []byte(c.raw)}); h != nil {
			got = h.Name
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestARuleWithoutExactlyOneProofIsAnError(t *testing.T) {
	in := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, h := range []HopRule{
		{}, {Hop: Hop{Name: "a"}, Ranges: in}, {Hop: Hop{Name: "a"}, Private: true}, {Ranges: in, Private: true},
		{Hop: Hop{Name: "a"}, Ranges: in, Field: "X-Tenant"},
		{Hop: Hop{Name: "a"}, Ranges: in, Private: true, Field: "X-Tenant", Value: "x"},
	} {
		w := newWorld()
		w.o.Hops = []HopRule{h}
		if _, err := NewInbound(w.gate, w.o); err == nil {
			t.Errorf("%+v is taken", h)
		}
	}
}

// The certificate that a client shows at the handshake is what a rule compares.
func TestAClientCertificateMakesATrustedServer(t *testing.T) {
	w := newWorld()
	shown := certificate()
	w.o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{shown}, ClientAuth: tls.RequestClientCert}
	w.o.Hops = []HopRule{{Hop: Hop{Name: "edge", AuthServID: "gw.test"},
		Ranges:       []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Certificates: [][sha256.Size]byte{sha256.Sum256(shown.Certificate[0])}}}
	for _, with := range []bool{true, false} {
		p := w.greet(t, false)
		p.do("STARTTLS", "220")
		conf := &tls.Config{InsecureSkipVerify: true}
		if with {
			conf.Certificates = []tls.Certificate{shown}
		}
		p = newPeer(t, tls.Client(p.c, conf))
		p.do("EHLO edge.test", "250")
		p.mailTo("x@far.test", letter, "a@example.test")
	}
	asked := w.inspect.asked
	if len(asked) != 2 || asked[0].Hop == nil || asked[0].Hop.AuthServID != "gw.test" || asked[1].Hop != nil {
		t.Errorf("%+v", asked)
	}
	if got := w.gate.stored(); len(got) != 2 || got[0].Arrival.Hop != "edge" || got[1].Arrival.Hop != "" {
		t.Errorf("%+v", got)
	}
}

// NOOP keeps no connection of a stranger: ten minutes pass between two mails at most.
func TestAStrangerWhoSendsNothingIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		p, ended := piped(t, w.server(t, false))
		start := time.Now()
		p.do("EHLO t", "250")
		time.Sleep(4 * time.Minute)
		if got := p.mailTo("x@far.test", letter, "a@example.test"); !strings.HasPrefix(got, "250") {
			t.Errorf("%q", got)
		}
		for range 2 {
			time.Sleep(4 * time.Minute)
			p.do("NOOP", "250")
		}
		p.expect("421 4.4.2")
		if d := time.Since(start); d != 14*time.Minute {
			t.Errorf("left after %s", d)
		}
		p.expect("")
		<-ended
	})
}

// hanging is an inspector that waits for an answer that does not come.
type hanging struct{}

func (hanging) Inspect(ctx context.Context, _ Transaction) (Inspected, error) {
	<-ctx.Done()
	return Inspected{}, ctx.Err()
}

// A client waits ten minutes for the reply to its message (RFC 5321, 4.5.3.2.6), and sends
// it again when none came: what hangs is ended before that, and nothing is stored.
func TestChecksThatHangAreEndedBeforeTheClientGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.o.Inspector = hanging{}
		p, ended := piped(t, w.server(t, false))
		p.do("EHLO t", "250")
		start := time.Now()
		if got := p.mailTo("x@far.test", letter, "a@example.test"); !strings.HasPrefix(got, "451 4.3.0") {
			t.Errorf("%q", got)
		}
		if d := time.Since(start); d != receiveTime || d >= 10*time.Minute || w.gate.called != 0 {
			t.Errorf("answered after %s; the gate was called %d times", d, w.gate.called)
		}
		p.do("QUIT", "221")
		<-ended
	})
}

// FuzzWorld lets anybody send anything to both doors: no panic, only well-formed replies,
// no mail but for a mailbox here, no bare CR, bare LF or NUL in it, and no more mails than
// ends of data.
func FuzzWorld(f *testing.F) {
	for _, s := range []string{
		worldTransaction + letter + ".\r\nQUIT\r\n", "MAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nDATA\r\n..\r\n.\r\n",
		worldTransaction + strings.Repeat("x", bufferSize-1) + "\r\n.\r\n" + worldTransaction + "a\n.\r\n\r\n.\r\nNOOP\r\n",
		"MAIL FROM:<x@far.test>\r\nRCPT TO:<u%far.test@example.test>\r\nRCPT TO:<@a.test:u@b.test>\r\nDATA\r\n.\r\n",
		"STARTTLS\r\nAUTH PLAIN\r\nBDAT 1 LAST\r\nx" + strings.Repeat("RCPT TO:<a@example.test>\r\n", 9),
	} {
		f.Add([]byte(s), uint16(3), false)
		f.Add([]byte(s), uint16(3), true)
	}
	w := newWorld()
	servers := map[bool]*Server{false: w.server(f, false), true: w.server(f, true)}
	f.Fuzz(func(t *testing.T, in []byte, piece uint16, lmtp bool) {
		w.gate.taken = nil
		p := newTape(map[bool]string{false: "EHLO x\r\n", true: "LHLO x\r\n"}[lmtp]+string(in), 1+int(piece))
		newConn(servers[lmtp], p, false).serve()
		out := p.out.String()
		for line := range strings.SplitSeq(strings.TrimSuffix(out, "\r\n"), "\r\n") {
			if !replyForm.MatchString(line) || len(line) > 510 {
				t.Errorf("reply %q", line)
			}
		}
		stored := w.gate.stored()
		if n := bytes.Count(in, []byte("\r\n.\r\n")); len(stored) > n {
			t.Errorf("%d mails, %d ends of data", len(stored), n)
		}
		for _, d := range stored {
			if !strict(d.Raw) || len(d.To) == 0 || d.From.IsZero() && len(d.To) > 1 {
				t.Errorf("stored %+v", d)
			}
			for _, a := range d.To {
				if _, err := w.gate.AdmitDelivery(t.Context(), mail.Address{}, a, 0); err != nil {
					t.Errorf("%s: %v", a, err)
				}
			}
		}
	})
}
