package smtpd

import (
	"strings"
	"testing"

	"github.com/multimail/multimail/mail"
)

// envelope begins a transaction over LMTP, and sends a message.
func (p *peer) envelope(text string, to ...string) {
	p.t.Helper()
	p.do("MAIL FROM:<x@far.test>", "250")
	for _, r := range to {
		p.do("RCPT TO:<"+r+">", "250")
	}
	p.do("DATA", "354")
	p.send(text + ".\r\n")
}

// RFC 2033, 4.2: a reply for each RCPT that was accepted, in their order, also where
// two name the same mailbox.
func TestLMTPRepliesForEachRecipient(t *testing.T) {
	w := newWorld()
	w.gate.full = []string{"b@example.test"}
	p := w.greet(t, true)
	p.do("MAIL FROM:<x@far.test>", "250")
	p.do("RCPT TO:<a@example.test>", "250")
	p.do("RCPT TO:<nobody@example.test>", "550")
	p.do("RCPT TO:<b@example.test>", "250")
	p.do("RCPT TO:<c@example.test>", "250")
	p.do("RCPT TO:<a@Example.test>", "250")
	p.do("DATA", "354")
	p.send(letter + ".\r\n")
	for _, want := range []string{"250 2.0.0", "452 4.2.2", "250 2.0.0", "250 2.0.0"} {
		p.expect(want)
	}
	p.do("NOOP", "250 2.0.0 ok")
	var to []string
	for _, d := range w.gate.stored() {
		for _, a := range d.To {
			to = append(to, a.String())
		}
		if d.Door != "lmtp" || d.Arrival.Hop != "lmtp" || !strings.Contains(string(d.Prefix), " with LMTP id ") {
			t.Errorf("%+v", d)
		}
	}
	if strings.Join(to, " ") != "a@example.test c@example.test" {
		t.Errorf("taken for %v", to)
	}
	if h := w.inspect.asked[0].Hop; len(w.inspect.asked) != 1 || h == nil || h.AuthServID != "mx.example.test" {
		t.Errorf("%+v", w.inspect.asked)
	}
}

// What all mailboxes take is put at once; what is wrong with the message is not asked
// of each.
func TestLMTPAsksTheGateOnceWhereItCan(t *testing.T) {
	for _, c := range []struct {
		err    error
		want   string
		called int
	}{
		{nil, "250 2.0.0", 1},
		{mail.ReasonContent.Errorf("malformed"), "554 5.6.0", 1},
		{mail.ErrUnavailable.Errorf("later"), "451 4.3.0", 1},
		{mail.ErrFrozen.Errorf("frozen"), "451 4.7.1", 4},
	} {
		w := newWorld()
		w.gate.err = c.err
		p := w.greet(t, true)
		p.envelope(letter, "a@example.test", "b@example.test", "c@example.test")
		for range 3 {
			p.expect(c.want)
		}
		p.do("NOOP", "250 2.0.0 ok")
		if w.gate.called != c.called {
			t.Errorf("%v: the gate was called %d times, want %d", c.err, w.gate.called, c.called)
		}
	}
}

// A message that cannot be taken at all is refused once for each recipient: the client
// counts the replies.
func TestLMTPRefusesAMessageForEachRecipient(t *testing.T) {
	for text, want := range map[string]string{
		"a\nb\r\n": "554 5.6.0", "a\rb\r\n": "554 5.6.0", "a\x00b\r\n": "554 5.6.0",
		strings.Repeat("x\r\n", 4000): "552 5.3.4",
	} {
		w := newWorld()
		p := w.greet(t, true)
		p.envelope("a: b\r\n\r\n"+text, "a@example.test", "b@example.test")
		p.expect(want)
		p.expect(want)
		p.do("NOOP", "250 2.0.0 ok")
		if len(w.gate.stored()) != 0 {
			t.Errorf("%q was stored", text)
		}
	}
}

// A mail server in front sends whatever it is told: unknown recipients and errors of
// others must not cut it off, nor replies be lost behind one that closes.
func TestLMTPIsNotCutOffForWhatOthersDo(t *testing.T) {
	w := newWorld()
	p := w.greet(t, true)
	p.do("MAIL FROM:<x@far.test>", "250")
	for range 100 {
		p.do("RCPT TO:<nobody@example.test>", "550 5.1.1")
	}
	p.do("RCPT TO:<a@example.test>", "250")
	p.do("RCPT TO:<b@example.test>", "250")
	p.do("DATA", "354")
	p.send("a\nb\r\n.\r\n")
	p.expect("554 5.6.0")
	p.expect("554 5.6.0")
	p.do("NOOP", "250")
}

func TestLMTPOverAUnixSocketHasNoAddress(t *testing.T) {
	w := newWorld()
	w.o.MaxPerSource = 1
	srv := w.server(t, true)
	p := unixPeer(t, srv)
	p.expect("220 localhost LMTP")
	p.do("LHLO mx.example.test", "250")
	p.envelope(letter, "a@example.test")
	p.expect("250 2.0.0")
	got := w.gate.stored()
	if len(got) != 1 || got[0].Arrival.Remote != "" || got[0].Arrival.Hop != "lmtp" ||
		w.inspect.asked[0].Remote.IsValid() {
		t.Errorf("%+v", got)
	}
	if !strings.Contains(string(got[0].Prefix), "Received: from mx.example.test (local)\r\n") {
		t.Errorf("%q", got[0].Prefix)
	}
}
