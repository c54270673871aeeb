package relay

import (
	"bufio"
	"context"
	"net"
	"strings"
	"sync"
	"testing"
)

// stages are the commands of one transaction, each with the code it waits for;
// the banner answers none, and the dot stands for the end of the content.
var stages = []struct{ name, code string }{
	{"banner", "220"}, {"EHLO", "250"}, {"MAIL", "250"}, {"RCPT", "250"}, {"DATA", "354"}, {"dot", "250"},
}

// script is a server that sends the same raw reply at a stage each time.
type script struct {
	raw map[string]string // stage to octets; "" is the usual reply

	mu    sync.Mutex
	seen  []string // commands
	conns int
}

// dial connects to the script over a socket, so that what comes unasked is seen.
func (s *script) dial(t *testing.T) func(context.Context, string, string) (net.Conn, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
	}
}

// connections returns how many were made.
func (s *script) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns
}

func (s *script) serve(c net.Conn) {
	defer c.Close()
	s.mu.Lock()
	s.conns++
	s.mu.Unlock()
	answer := func(stage, usual string) {
		if raw := s.raw[stage]; raw != "" {
			usual = raw
		}
		c.Write([]byte(usual))
	}
	answer("banner", "220 hello\r\n")
	r, body := bufio.NewReader(c), false
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		if body && line != "." {
			continue
		}
		s.mu.Lock()
		s.seen = append(s.seen, line)
		s.mu.Unlock()
		switch verb, _, _ := strings.Cut(line, " "); {
		case body:
			body = false
			answer("dot", "250 2.0.0 ok\r\n")
		case verb == "DATA":
			body = s.raw["DATA"] == "" || s.raw["DATA"][0] == '3'
			answer("DATA", "354 go\r\n")
		case verb == "EHLO":
			answer("EHLO", "250-hello\r\n250 SIZE 1000000\r\n")
		default:
			answer(verb, "250 2.1.0 ok\r\n")
		}
	}
}

func (s *script) commands() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.seen...)
}

// drip is a connection that brings one octet at a time.
type drip struct{ net.Conn }

func (d drip) Read(b []byte) (int, error) { return d.Conn.Read(b[:min(1, len(b))]) }

func TestEveryFormOfAReplyIsAReplyAtEveryStage(t *testing.T) {
	for form, shape := range map[string]string{
		"three digits alone":           "ddd\r\n",
		"three digits and a blank":     "ddd \r\n",
		"a last line without text":     "ddd-one\r\nddd-two\r\nddd\r\n",
		"a first line without text":    "ddd-\r\nddd two\r\n",
		"lines that end in LF alone":   "ddd-one\nddd two\n",
		"another code, the same digit": "ddd-one\r\ndd0 two\r\n",
		"text with any octet":          "ddd \x00\r\x80\xff\x1b[2J\r\n",
		"a line of 1900 octets":        "ddd " + strings.Repeat("x", 1894) + "\r\n",
	} {
		for _, st := range stages {
			t.Run(form+" at "+st.name, func(t *testing.T) {
				if st.name == "banner" || st.name == "DATA" || st.name == "EHLO" {
					shape = strings.ReplaceAll(shape, "dd0", "ddd") // go-smtp waits for one code
				}
				raw := strings.ReplaceAll(strings.ReplaceAll(shape, "ddd", st.code), "dd0", st.code[:2]+"1")
				s := &script{raw: map[string]string{st.name: raw}}
				dial := s.dial(t)
				c := newClient(t, Options{Smarthost: "127.0.0.1:25", Dialer: dial})
				if r := deliver(t, c, newMail("b@x.test"))[0]; !r.Delivered || r.Code/10 != 25 {
					t.Errorf("got %+v", r)
				}
				slow := newClient(t, Options{Smarthost: "127.0.0.1:25", Dialer: func(ctx context.Context, n, a string) (net.Conn,
					error) {
					conn, err := dial(ctx, n, a)
					return drip{conn}, err
				}})
				if r := deliver(t, slow, newMail("b@x.test"))[0]; !r.Delivered {
					t.Errorf("octet by octet: got %+v", r)
				}
			})
		}
	}
}

func TestWhatIsNoReplyEndsTheConnectionAtEveryStage(t *testing.T) {
	for form, raw := range map[string]string{
		"words":                    "ok\r\n",
		"an empty line":            "\r\n",
		"two digits":               "25\r\n",
		"four digits":              "2500 ok\r\n",
		"digits of another script": "２５０ ok\r\n",
		"a sign":                   "+50 ok\r\n",
		"a first digit of 1":       "150 ok\r\n",
		"a first digit of 6":       "650 ok\r\n",
		"a tab behind the code":    "250\tok\r\n",
		"first digits that differ": "250-one\r\n550 two\r\n",
		"a line without its code":  "250-one\r\ntwo\r\n250 three\r\n",
		"a line of 2 KiB":          "250 " + strings.Repeat("x", 2048) + "\r\n",
		"lines without end":        strings.Repeat("250-x\r\n", 10000),
	} {
		for _, st := range stages {
			t.Run(form+" at "+st.name, func(t *testing.T) {
				s := &script{raw: map[string]string{st.name: raw}}
				c := newClient(t, Options{Smarthost: "127.0.0.1:25", Dialer: s.dial(t)})
				want := "temporary 0 4.4.2"
				if st.name == "dot" {
					want = "uncertain 0 4.4.2"
				}
				check(t, deliver(t, c, newMail("b@x.test")), want)
			})
		}
	}
}

func TestTheFirstDigitDecidesAndTheEnhancedCodeOnlyRefines(t *testing.T) {
	for _, c := range []struct{ reply, want string }{
		{"550 4.2.2 soon", "permanent 550 "}, {"450 5.1.1 gone", "temporary 450 "},
		{"550 5.1.1 gone", "permanent 550 5.1.1"}, {"450 4.2.0 grey", "temporary 450 4.2.0"},
		{"550 2.0.0 what", "permanent 550 "}, {"450 2.0.0 what", "temporary 450 "},
		{"550", "permanent 550 "}, {"450", "temporary 450 "},
		{"552 4.2.2 full", "permanent 552 "}, {"552 4.5.3 many", "temporary 552 "},
		{"250 5.0.0 fine", "delivered 250 "}, {"250", "delivered 250 "},
	} {
		for _, st := range []string{"MAIL", "RCPT", "DATA", "dot"} {
			delivered := strings.HasPrefix(c.want, "delivered")
			if delivered && st != "dot" || strings.HasPrefix(c.reply, "552") && st != "RCPT" {
				continue
			}
			t.Run(c.reply+" at "+st, func(t *testing.T) {
				s := &script{raw: map[string]string{st: c.reply + "\r\n"}}
				cl := newClient(t, Options{Smarthost: "127.0.0.1:25", Dialer: s.dial(t)})
				r := deliver(t, cl, newMail("b@x.test"))[0]
				if outcome(r) != c.want {
					t.Errorf("got %q, want %q", outcome(r), c.want)
				}
			})
		}
	}
}

// Two replies to one command: the second would answer the next command.
func TestAReplyAheadOfItsCommandEndsTheConnection(t *testing.T) {
	for stage, want := range map[string]string{
		"banner": "temporary 0 4.4.2", "EHLO": "temporary 0 4.4.2", "MAIL": "temporary 0 4.4.2",
		"RCPT": "temporary 0 4.4.2", "DATA": "temporary 0 4.4.2", "dot": "delivered 250 2.0.0",
	} {
		t.Run(stage, func(t *testing.T) {
			usual := map[string]string{"banner": "220 hi", "EHLO": "250 hi", "DATA": "354 go"}[stage]
			if usual == "" {
				usual = "250 2.0.0 ok"
			}
			s := &script{raw: map[string]string{stage: usual + "\r\n250 2.0.0 ahead\r\n"}}
			c := newClient(t, Options{Smarthost: "127.0.0.1:25", Dialer: s.dial(t)})
			check(t, deliver(t, c, newMail("b@x.test")), want)
			got := s.commands()
			for i, st := range stages {
				if st.name == stage && len(got) > i && stage != "dot" {
					t.Errorf("went on after %s: %q", stage, got)
				}
			}
			check(t, deliver(t, c, newMail("b@x.test")), want)
			if n := s.connections(); n != 2 {
				t.Errorf("%d connections: one with an unread reply was kept", n)
			}
		})
	}
}

// A reply to a message that is not complete is no reply to its final dot.
func TestARefusalAheadOfTheDotCountsAndAnAcceptanceDoesNot(t *testing.T) {
	for raw, want := range map[string]string{
		"354 go\r\n250 2.0.0 taken\r\n":     "temporary 0 4.4.2",
		"354 go\r\n552 5.3.4 too large\r\n": "permanent 552 5.3.4",
	} {
		s := &script{raw: map[string]string{"DATA": raw}}
		c := newClient(t, Options{Smarthost: "127.0.0.1:25", Dialer: s.dial(t)})
		check(t, deliver(t, c, newMail("b@x.test")), want)
		for _, line := range s.commands() {
			if line == "." {
				t.Error("the final dot was sent")
			}
		}
	}
}

func TestExtensionKeywordsAreTakenInAnyCase(t *testing.T) {
	s := &script{raw: map[string]string{"EHLO": "250-hi\r\n250-size 30\r\n250-8bitmime\r\n250 Dsn\r\n"}}
	c := newClient(t, Options{Smarthost: "127.0.0.1:25", Dialer: s.dial(t)})
	check(t, deliver(t, c, newMail("b@x.test")), "permanent 0 5.3.4") // larger than 30
	s = &script{raw: map[string]string{"EHLO": "250-hi\r\n250-Size 3000\r\n250-8BitMime\r\n250 dsn \r\n"}}
	c = newClient(t, Options{Smarthost: "127.0.0.1:25", Dialer: s.dial(t)})
	m := newMail("b@x.test")
	m.Envelope.Ret = "HDRS"
	got := c.Deliver(t.Context(), m, []byte("A: b\r\n\r\n\xc3\xa9\r\n"), yes)
	check(t, got, "delivered 250 2.0.0")
	if l := s.commands()[1]; l != "MAIL FROM:<a@agents.test> BODY=8BITMIME SIZE=24 RET=HDRS" {
		t.Errorf("sent %q", l)
	}
}

func TestEveryRefusalOfEHLOIsAnsweredWithHELO(t *testing.T) {
	for _, code := range []string{"500", "501", "502", "504", "550", "554"} {
		s := &script{raw: map[string]string{"EHLO": code + " no\r\n"}}
		c := newClient(t, Options{Smarthost: "127.0.0.1:25", Dialer: s.dial(t)})
		check(t, deliver(t, c, newMail("b@x.test")), "delivered 250 2.0.0")
		if l := s.commands()[1]; l != "HELO relay.test" {
			t.Errorf("after %s: %q", code, l)
		}
	}
}

func TestARefusalForLackOfALoginIsNotAboutTheMail(t *testing.T) {
	for _, st := range []string{"MAIL", "RCPT"} {
		s := &script{raw: map[string]string{st: "530 5.7.0 authentication required\r\n"}}
		c := newClient(t, Options{Smarthost: "127.0.0.1:25", Dialer: s.dial(t)})
		check(t, deliver(t, c, newMail("b@x.test")), "temporary 530 5.7.0")
	}
}

func TestAHostThatRefusesAtItsGreetingIsLeftForTheNextMX(t *testing.T) {
	for _, stages := range []map[string]string{
		{"banner": "554 5.3.2 no service\r\n"},
		{"EHLO": "550 5.7.1 no\r\n", "HELO": "550 5.7.1 no\r\n"},
	} {
		bad, good := &script{raw: stages}, &script{}
		badDial, goodDial := bad.dial(t), good.dial(t)
		c := newClient(t, Options{
			Resolver: zone{"x.test": {mx: []string{"mx1.x.test", "mx2.x.test"}}, "only.test": {mx: []string{"mx1.x.test"}},
				"mx1.x.test": {ip: []string{"192.0.2.1", "192.0.2.2"}}, "mx2.x.test": {ip: []string{"192.0.2.3"}}},
			Dialer: func(ctx context.Context, n, addr string) (net.Conn, error) {
				if addr == "192.0.2.3:25" {
					return goodDial(ctx, n, addr)
				}
				return badDial(ctx, n, addr)
			}})
		check(t, deliver(t, c, newMail("b@x.test")), "delivered 250 2.0.0")
		if n := bad.connections(); n != 1 {
			t.Errorf("%d connections to a host that wants no mail", n)
		}
		r := deliver(t, c, newMail("b@only.test"))[0]
		if r.Permanent || r.Code/100 != 5 {
			t.Errorf("got %+v: a host's refusal is not the mail's", r)
		}
	}
}

func FuzzReadReply(f *testing.F) {
	for _, s := range []string{"250\r\n", "250-a\r\n250\r\n", "250", "25", "250 a\n", "250-a\r\n550 b\r\n", "\r\n",
		"250-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, b := net.Pipe()
		go func() { a.Write([]byte(s)); a.Close() }()
		defer b.Close()
		w := newWire(b, b)
		lines, err := w.readReply()
		if err != nil {
			return
		}
		code, text := join(lines)
		out := string(w.canonical(lines))
		if code < 200 || code > 599 || strings.Count(out, "\n") != len(lines) || strings.Count(text, "\n") != len(lines)-1 {
			t.Fatalf("%q became %d %q", s, code, out)
		}
	})
}
