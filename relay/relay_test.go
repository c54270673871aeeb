package relay

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/mailtest"
	"github.com/multimail/multimail/mail"
)

// TestMain fails when a goroutine of this package outlives the tests.
func TestMain(m *testing.M) {
	code := m.Run()
	late := time.After(5 * time.Second)
	for {
		var b bytes.Buffer
		pprof.Lookup("goroutine").WriteTo(&b, 2)
		left := leaks(b.String())
		if len(left) == 0 {
			os.Exit(code)
		}
		select {
		case <-late:
			fmt.Fprintf(os.Stderr, "goroutines left behind:\n%s\n", strings.Join(left, "\n\n"))
			os.Exit(1)
		default:
		}
	}
}

func leaks(dump string) (out []string) {
	for _, g := range strings.Split(dump, "\n\n") {
		ours := strings.Contains(g, "multimail/relay.") || strings.Contains(g, "mailtest.")
		if ours && !strings.Contains(g, "relay.TestMain") {
			out = append(out, g)
		}
	}
	return out
}

var when = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

// quiet fills in the options of every test.
func quiet(o Options) Options {
	if o.Hostname == "" {
		o.Hostname = "relay.test"
	}
	o.PerDestination = cmp.Or(o.PerDestination, 20)
	o.GreetingTimeout = cmp.Or(o.GreetingTimeout, 30*time.Second)
	o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	if o.Now == nil {
		o.Now = func() time.Time { return when }
	}
	return o
}

func newClient(t *testing.T, o Options) *Client {
	t.Helper()
	c, err := New(quiet(o))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	clear(c.own) // the machine of the test may have any address
	return c
}

// to returns a client that sends everything to hop in plaintext.
func to(t *testing.T, hop *mailtest.NextHop, o Options) *Client {
	t.Helper()
	o.Smarthost = hop.Addr()
	if o.Dialer == nil {
		o.Dialer = hop.Dial
	}
	return newClient(t, o)
}

const body = "From: a@agents.test\r\nSubject: hello\r\n\r\nHello.\r\n"

func newMail(rcpts ...string) *mail.Mail {
	m := &mail.Mail{ID: "01ARZ3NDEKTSV4RRFFQ69G5FAV", Prefix: []byte("X-Stamp: 1\r\n")}
	m.Envelope.From = mail.MustAddress("a@agents.test")
	for _, r := range rcpts {
		m.Envelope.Rcpts = append(m.Envelope.Rcpts, mail.Rcpt{Addr: mail.MustAddress(r), Standing: mail.Pending})
	}
	return m
}

func yes(mail.Phase) error { return nil }

func deliver(t *testing.T, c *Client, m *mail.Mail) []mail.Result {
	t.Helper()
	return c.Deliver(t.Context(), m, []byte(body), yes)
}

// outcome is a result in short: its kind and its codes.
func outcome(r mail.Result) string {
	kind := "temporary"
	switch {
	case r.Delivered:
		kind = "delivered"
	case r.Stopped:
		kind = "stopped"
	case r.Uncertain:
		kind = "uncertain"
	case r.Permanent:
		kind = "permanent"
	}
	return fmt.Sprintf("%s %d %s", kind, r.Code, r.Enhanced)
}

func check(t *testing.T, got []mail.Result, want ...string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d results, want %d: %+v", len(got), len(want), got)
	}
	for i, r := range got {
		if outcome(r) != strings.TrimRight(want[i], " ") && outcome(r) != want[i] {
			t.Errorf("%s: got %q (%s), want %q", r.Addr, outcome(r), r.Message, want[i])
		}
		if r.Addr.IsZero() || !r.At.Equal(when) {
			t.Errorf("result without address or time: %+v", r)
		}
	}
}

func TestDeliverSendsPrefixAndBytesToEveryPendingRecipient(t *testing.T) {
	hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{})
	m := newMail("b@x.test", "done@x.test", "c@y.test")
	m.Envelope.Rcpts[1].Standing = mail.Delivered
	got := deliver(t, to(t, hop, Options{}), m)
	check(t, got, "delivered 250 2.0.0", "delivered 250 2.0.0")
	if got[1].Addr.String() != "c@y.test" || got[1].Message != "Ok: queued as 1" || got[1].Remote != hop.Addr() {
		t.Errorf("got %+v", got[1])
	}
	tx := hop.Transactions()
	if len(tx) != 1 || string(tx[0].Data) != "X-Stamp: 1\r\n"+body || tx[0].From != "a@agents.test" ||
		strings.Join(tx[0].Rcpts, " ") != "b@x.test c@y.test" {
		t.Errorf("got %+v", tx)
	}
	if l := hop.Lines(); l[0] != "EHLO relay.test" {
		t.Errorf("sent %q", l[0])
	}
}

func TestDeliverWithNothingPendingDoesNothing(t *testing.T) {
	m := newMail("b@x.test")
	m.Envelope.Rcpts[0].Standing = mail.Bounced
	c := newClient(t, Options{Smarthost: "127.0.0.1:1"})
	check(t, deliver(t, c, m))
}

func TestDeliverWritesQuotedLocalPartsFromTheType(t *testing.T) {
	hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{})
	rcpts := []string{`"a b"@x.test`, `"..x"@x.test`, `"x=y+z orcpt=rfc822"@x.test`, `o'b{}|~@x.test`,
		`"' or 1=1 --"@x.test`}
	m := newMail(rcpts...)
	m.Envelope.From = mail.MustAddress(`"agent one"@agents.test`)
	deliver(t, to(t, hop, Options{}), m)
	tx := hop.Transactions()[0]
	if tx.From != `"agent one"@agents.test` {
		t.Errorf("sender on the wire: %q", tx.From)
	}
	for i, r := range rcpts {
		if tx.Rcpts[i] != r || tx.RcptParams[i] != "" {
			t.Errorf("on the wire: %q with parameters %q, want %q", tx.Rcpts[i], tx.RcptParams[i], r)
		}
	}
}

func TestDeliverWritesTheNullSender(t *testing.T) {
	hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{})
	m := newMail("b@x.test")
	m.Envelope.From = mail.Address{}
	deliver(t, to(t, hop, Options{}), m)
	if tx := hop.Transactions()[0]; tx.From != "" {
		t.Errorf("sender on the wire: %q", tx.From)
	}
}

func TestBytesAtTheNextHopAreTheBytesGiven(t *testing.T) {
	long := strings.Repeat(strings.Repeat("x", 76)+"\r\n", 4000)
	for name, text := range map[string]string{
		"leading dots":            ".\r\n..\r\n...x\r\n",
		"a lone dot at the end":   "text\r\n.\r\n",
		"a dot at every line":     strings.Repeat(".\r\n", 30000),
		"an empty body":           "",
		"empty lines at the end":  "\r\n\r\n\r\n",
		"one empty line":          "\r\n",
		"a command":               ".\r\nMAIL FROM:<x@y.test>\r\n",
		"a dot after a long line": strings.Repeat("y", 998) + "\r\n.x\r\n",
		"long, with dots at blocks": strings.Repeat("z", 62) + "\r\n" +
			strings.Repeat("."+strings.Repeat("z", 61)+"\r\n", 3000),
		"long":  long,
		"8-bit": "\xc3\xa9\x00\x80\xff\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{})
			raw := "Subject: x\r\n\r\n" + text
			m := newMail("b@x.test")
			check(t, to(t, hop, Options{}).Deliver(t.Context(), m, []byte(raw), yes), "delivered 250 2.0.0")
			if got := string(hop.Transactions()[0].Data); got != string(m.Prefix)+raw {
				t.Errorf("got %d octets, want %d", len(got), len(m.Prefix)+len(raw))
			}
		})
	}
}

func TestBytesThatAreNotCanonicalAreNotSent(t *testing.T) {
	hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{})
	c := to(t, hop, Options{})
	for _, raw := range []string{"", "no line end", "bare\nLF\r\n", "bare\rCR\r\n", "x\r\r\n.\r\r\n",
		"x\r\n.\n", "x\r\n\r"} {
		m := newMail("b@x.test")
		m.Prefix = nil
		check(t, c.Deliver(t.Context(), m, []byte(raw), yes), "permanent 0 5.6.0")
	}
	if hop.Conns() != 0 {
		t.Error("a connection was made")
	}
}

func TestEightBitContentGoesOnlyWhere8BITMIMEIsOffered(t *testing.T) {
	seven := []string{"SIZE 1000000"}
	for name, c := range map[string]struct {
		ext  []string
		body string
		want string
	}{
		"go where 8BITMIME is offered":          {nil, "\xc3\xa9\r\n", "delivered 250 2.0.0"},
		"fail where it is not":                  {seven, "\xc3\xa9\r\n", "permanent 0 5.6.3"},
		"in name only go anywhere, as they are": {seven, "e\r\n", "delivered 250 2.0.0"},
	} {
		t.Run(name, func(t *testing.T) {
			hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{Extensions: c.ext})
			m := newMail("b@x.test")
			m.Envelope.Body = "8BITMIME"
			check(t, to(t, hop, Options{}).Deliver(t.Context(), m, []byte("A: b\r\n\r\n"+c.body), yes), c.want)
			for _, tx := range hop.Transactions() {
				if strings.Contains(tx.FromParams, "BODY=") != (c.ext == nil) {
					t.Errorf("MAIL parameters %q", tx.FromParams)
				}
			}
		})
	}
}

func TestAMessageLargerThanTheNextHopTakesIsNotSent(t *testing.T) {
	hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{Extensions: []string{"SIZE 20"}})
	check(t, deliver(t, to(t, hop, Options{}), newMail("b@x.test")), "permanent 0 5.3.4")
	if len(hop.Transactions()) != 0 {
		t.Error("DATA was sent")
	}
}

func TestDSNParametersArePassedOnWhereDSNIsOffered(t *testing.T) {
	m := newMail("b@x.test", "c@x.test")
	m.Envelope.Ret, m.Envelope.EnvID = "HDRS", "id=1+1"
	m.Envelope.Rcpts[0].Notify = []string{"SUCCESS", "FAILURE"}
	m.Envelope.Rcpts[0].ORcpt = "rfc822;b+tag@x.test"
	m.Envelope.Rcpts[1].Notify = []string{"NEVER", "SUCCESS"} // malformed: left out
	m.Envelope.Rcpts[1].ORcpt = "x400;/c=us"

	hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{})
	deliver(t, to(t, hop, Options{}), m)
	tx := hop.Transactions()[0]
	if !strings.Contains(tx.FromParams, "RET=HDRS ENVID=id+3D1+2B1") {
		t.Errorf("MAIL parameters %q", tx.FromParams)
	}
	if tx.RcptParams[0] != "NOTIFY=SUCCESS,FAILURE ORCPT=RFC822;b+2Btag@x.test" || tx.RcptParams[1] != "" {
		t.Errorf("RCPT parameters %q", tx.RcptParams)
	}

	hop = mailtest.NewNextHop(t, mailtest.NextHopOptions{Extensions: []string{"8BITMIME"}})
	check(t, deliver(t, to(t, hop, Options{}), m), "delivered 250 2.0.0", "delivered 250 2.0.0")
	if tx := hop.Transactions()[0]; tx.FromParams != "BODY=8BITMIME" || tx.RcptParams[0] != "" {
		t.Errorf("parameters without DSN: %q %q", tx.FromParams, tx.RcptParams)
	}
}

func TestPanicOfProceedReachesTheCaller(t *testing.T) {
	hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{})
	c := newClient(t, Options{Dialer: hop.Dial, Resolver: zone{"x.test": {mx: []string{"mx.x.test"}},
		"y.test": {mx: []string{"mx.x.test"}}, "mx.x.test": {ip: []string{"192.0.2.1"}}}})
	defer func() {
		if p := fmt.Sprint(recover()); !strings.HasPrefix(p, "our bug\n") || !strings.Contains(p, "relay_test.go") {
			t.Errorf("the panic was lost: %s", p)
		}
	}()
	m := newMail("b@x.test", "c@y.test")
	c.Deliver(t.Context(), m, []byte(body), func(mail.Phase) error { panic("our bug") })
}

func TestAPanicBeforeTheDotSendsNoDot(t *testing.T) {
	hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{})
	c := to(t, hop, Options{})
	func() {
		defer func() { recover() }()
		c.Deliver(t.Context(), newMail("b@x.test"), []byte(body), func(p mail.Phase) error {
			if p == mail.BeforeDot {
				panic("our bug")
			}
			return nil
		})
	}()
	hop.WaitIdle(t)
	if tx := hop.Transactions(); len(tx) != 1 || tx[0].Dot {
		t.Errorf("got %+v", tx)
	}
}

func TestRecipientsWithEveryLegalCharacterAreWrittenQuoted(t *testing.T) {
	hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{})
	rcpts := []string{`"a@b"@x.test`, `"a\"b"@x.test`, `"a\\"@x.test`, `"v@evil.test ORCPT=rfc822;y"@x.test`,
		`"@evil.test:v"@x.test`}
	for i, r := range deliver(t, to(t, hop, Options{}), newMail(rcpts...)) {
		if tx := hop.Transactions()[0]; !r.Delivered || tx.Rcpts[i] != rcpts[i] || tx.RcptParams[i] != "" {
			t.Errorf("on the wire: %q with %q, want %q", tx.Rcpts[i], tx.RcptParams[i], rcpts[i])
		}
	}
}
