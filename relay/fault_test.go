package relay

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/multimail/multimail/internal/mailtest"
	"github.com/multimail/multimail/mail"
)

type faults = map[mailtest.Step]mailtest.Fault

func at(s mailtest.Step, f mailtest.Fault) faults { return faults{s: f} }

var cutOff, resetIt = mailtest.Fault{Cut: true}, mailtest.Fault{Reset: true}

func replied(s string) mailtest.Fault { return mailtest.Fault{Reply: s} }
func written(s string) mailtest.Fault { return mailtest.Fault{Raw: s, Cut: true} }

// broken is the result of a connection that broke before the final dot.
const broken = "temporary 0 4.4.2"

var nextHopFaults = []struct {
	name   string
	faults faults
	want   string
}{
	{"cut at the banner", at(mailtest.AtBanner, cutOff), broken},
	{"cut at EHLO", at(mailtest.AtEHLO, cutOff), broken},
	{"cut at MAIL", at(mailtest.AtMAIL, cutOff), broken},
	{"cut at RCPT", at(mailtest.AtRCPT, cutOff), broken},
	{"cut at DATA", at(mailtest.AtDATA, cutOff), broken},
	{"cut at the dot", at(mailtest.AtDot, cutOff), "uncertain 0 4.4.2"},
	{"cut within the code of the dot's reply",
		at(mailtest.AtDot, written("25")), "uncertain 0 4.4.2"},
	{"cut behind the code of the dot's reply",
		at(mailtest.AtDot, written("250 2.0.0 O")), "delivered 250 2.0.0"},
	{"reset at EHLO", at(mailtest.AtEHLO, resetIt), broken},
	{"reset at MAIL", at(mailtest.AtMAIL, resetIt), broken},
	{"reset at RCPT", at(mailtest.AtRCPT, resetIt), broken},
	{"reset at DATA", at(mailtest.AtDATA, resetIt), broken},
	{"reset at the dot", at(mailtest.AtDot, resetIt), "uncertain 0 4.4.2"},
	{"4xx at the banner",
		at(mailtest.AtBanner, replied("450 4.3.2 later")), "temporary 450 4.3.2"},
	{"5xx at the banner of a smarthost",
		at(mailtest.AtBanner, replied("554 5.3.2 no")), "temporary 554 5.3.2"},
	{"421 at the banner",
		at(mailtest.AtBanner, replied("421 4.3.2 later")), "temporary 421 4.3.2"},
	{"4xx at EHLO", at(mailtest.AtEHLO, replied("450 later")), "temporary 450 "},
	{"421 at MAIL", at(mailtest.AtMAIL, replied("421 4.3.2 closing")), "temporary 421 4.3.2"},
	{"421 at RCPT", at(mailtest.AtRCPT, replied("421 4.3.2 closing")), "temporary 421 4.3.2"},
	{"421 at DATA", at(mailtest.AtDATA, replied("421 4.3.2 closing")), "temporary 421 4.3.2"},
	{"421 at the dot", at(mailtest.AtDot, replied("421 4.3.2 closing")), "temporary 421 4.3.2"},
	{"4xx at MAIL", at(mailtest.AtMAIL, replied("451 4.7.1 grey")), "temporary 451 4.7.1"},
	{"5xx at MAIL", at(mailtest.AtMAIL, replied("550 5.7.1 no")), "permanent 550 5.7.1"},
	{"4xx at RCPT", at(mailtest.AtRCPT, replied("450 4.2.1 busy")), "temporary 450 4.2.1"},
	{"5xx at RCPT", at(mailtest.AtRCPT, replied("550 5.1.1 unknown")), "permanent 550 5.1.1"},
	{"4xx at DATA", at(mailtest.AtDATA, replied("451 4.3.0 later")), "temporary 451 4.3.0"},
	{"5xx at DATA",
		at(mailtest.AtDATA, replied("554 5.5.1 no valid recipients")), "permanent 554 5.5.1"},
	{"4xx at the dot", at(mailtest.AtDot, replied("452 4.3.1 full")), "temporary 452 4.3.1"},
	{"5xx at the dot", at(mailtest.AtDot, replied("554 5.7.1 spam")), "permanent 554 5.7.1"},
	{"5xx with a temporary enhanced code",
		at(mailtest.AtDot, replied("550 4.7.1 soon")), "permanent 550 "},
	{"4xx with a permanent enhanced code",
		at(mailtest.AtDot, replied("450 5.1.1 gone")), "temporary 450 "},
	{"5xx with a useless enhanced code",
		at(mailtest.AtDot, replied("550 2.0.0 what")), "permanent 550 "},
	{"5xx with nothing but its code",
		at(mailtest.AtRCPT, replied("550 5.1.1")), "permanent 550 5.1.1"},
	{"552 at RCPT", at(mailtest.AtRCPT, replied("552 too many recipients")), "temporary 552 "},
	{"552 at RCPT that says the mailbox is full",
		at(mailtest.AtRCPT, replied("552 5.2.2 full")), "permanent 552 5.2.2"},
	{"a 250 where 354 belongs",
		at(mailtest.AtDATA, replied("250 2.0.0 ok")), "temporary 250 2.0.0"},
	{"another 2xx at the dot",
		at(mailtest.AtDot, replied("251 2.0.0 ok")), "delivered 251 2.0.0"},
	{"a 354 after the dot", at(mailtest.AtDot, replied("354 more")), "uncertain 0 "},
	{"a reply that is none", at(mailtest.AtRCPT, written("hello there\r\n")), broken},
	{"a reply that is none, after the dot",
		at(mailtest.AtDot, written("ok\r\n")), "uncertain 0 4.4.2"},
	{"wrong codes in a multi-line reply",
		at(mailtest.AtMAIL, written("250-one\r\n550 two\r\n")), broken},
	{"a reply line of 64 KiB",
		at(mailtest.AtMAIL, mailtest.Fault{Raw: "550 " + strings.Repeat("x", 64<<10), Hang: true}), broken},
	{"a reply without end",
		at(mailtest.AtMAIL, mailtest.Fault{Raw: strings.Repeat("550-x\r\n", 20000), Hang: true}), broken},
	{"unknown EHLO and a failing HELO",
		at(mailtest.AtEHLO, replied("502 5.5.1 what")), "temporary 502 5.5.1"},
}

func TestEveryFaultOfTheNextHopHasItsResult(t *testing.T) {
	for _, c := range nextHopFaults {
		t.Run(c.name, func(t *testing.T) {
			hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{Faults: c.faults})
			got := deliver(t, to(t, hop, Options{}), newMail("b@x.test", "c@x.test"))
			check(t, got, c.want, c.want)
			if got[0].Remote != hop.Addr() || got[0].Message == "" && !strings.Contains(c.name, "nothing but") {
				t.Errorf("got %+v", got[0])
			}
		})
	}
}

func TestAHostThatRefusesTheConnectionIsTemporary(t *testing.T) {
	hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{Refuse: true})
	got := deliver(t, to(t, hop, Options{}), newMail("b@x.test"))
	check(t, got, "temporary 0 4.4.1")
	if got[0].Remote != hop.Addr() {
		t.Errorf("got %+v", got[0])
	}
}

func TestAConnectionThatIsResetAtTheBannerIsTemporary(t *testing.T) {
	hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{Faults: faults{mailtest.AtBanner: {Reset: true}}})
	got := deliver(t, to(t, hop, Options{}), newMail("b@x.test"))[0]
	// The reset may come before or after connect has returned.
	if got.Permanent || got.Delivered || got.Uncertain || got.Code != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestAHostWithoutEHLOGetsHELO(t *testing.T) {
	hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{
		Faults: faults{mailtest.AtEHLO: {Reply: "500 what", Times: 1}}})
	check(t, deliver(t, to(t, hop, Options{}), newMail("b@x.test")), "delivered 250 2.0.0")
	if l := hop.Lines(); l[1] != "HELO relay.test" || l[2] != "MAIL FROM:<a@agents.test>" {
		t.Errorf("sent %q", l)
	}
}

func TestOneFailingRecipientDoesNotFailTheOthers(t *testing.T) {
	hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{Rcpt: map[string]string{
		"gone@x.test": "550-5.1.1 no such\r\n550 5.1.1 user", "busy@x.test": "450 4.2.0 greylisted"}})
	m := newMail("gone@x.test", "b@x.test", "busy@x.test", "c@x.test")
	got := deliver(t, to(t, hop, Options{}), m)
	check(t, got, "permanent 550 5.1.1", "delivered 250 2.0.0", "temporary 450 4.2.0", "delivered 250 2.0.0")
	if got[0].Message != "no such user" {
		t.Errorf("message %q", got[0].Message)
	}
	if tx := hop.Transactions(); len(tx) != 1 || len(tx[0].Rcpts) != 2 {
		t.Errorf("got %+v", tx)
	}
}

func TestWhenTheConnectionBreaksAtALaterRecipientTheEarlierRefusalStands(t *testing.T) {
	hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{
		Rcpt:   map[string]string{"gone@x.test": "550 5.1.1 no"},
		Faults: faults{mailtest.AtRCPT: {Cut: true, Skip: 2}}})
	got := deliver(t, to(t, hop, Options{}), newMail("gone@x.test", "b@x.test", "c@x.test", "d@x.test"))
	check(t, got, "permanent 550 5.1.1", "temporary 0 4.4.2", "temporary 0 4.4.2", "temporary 0 4.4.2")
}

func TestManyRecipientsAreSplit(t *testing.T) {
	hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{})
	var rcpts []string
	for i := range 2*maxRcpts + 7 {
		rcpts = append(rcpts, fmt.Sprintf("r%d@x.test", i))
	}
	for _, r := range deliver(t, to(t, hop, Options{}), newMail(rcpts...)) {
		if !r.Delivered {
			t.Fatalf("got %+v", r)
		}
	}
	var sent []string
	for i, tx := range hop.Transactions() {
		if n := len(tx.Rcpts); n != []int{maxRcpts, maxRcpts, 7}[i] {
			t.Errorf("transaction %d has %d recipients", i, n)
		}
		sent = append(sent, tx.Rcpts...)
	}
	if strings.Join(sent, " ") != strings.Join(rcpts, " ") || hop.Conns() != 1 {
		t.Errorf("%d recipients over %d connections", len(sent), hop.Conns())
	}
}

func TestThoseBeyondTheNextHopsLimitGoInATransactionOfTheirOwn(t *testing.T) {
	hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{MaxRcpts: 2})
	got := deliver(t, to(t, hop, Options{}), newMail("a@x.test", "b@x.test", "c@x.test", "d@x.test", "e@x.test"))
	ok := "delivered 250 2.0.0"
	check(t, got, ok, ok, ok, ok, ok)
	if n := len(hop.Transactions()); n != 3 {
		t.Errorf("%d transactions, want 3", n)
	}
}

func TestThoseBeyondTheLimitKeepTheirReplyWhenTheOthersFail(t *testing.T) {
	hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{MaxRcpts: 1,
		Faults: faults{mailtest.AtDot: {Reply: "451 4.3.0 later"}}})
	got := deliver(t, to(t, hop, Options{}), newMail("a@x.test", "b@x.test"))
	check(t, got, "temporary 451 4.3.0", "temporary 452 4.5.3")
}

func TestTextOfTheNextHopIsMadeHarmless(t *testing.T) {
	hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{Faults: faults{mailtest.AtRCPT: {
		Raw: "550-5.1.1 a\x1b[2Jb\x00\r\n550 5.1.1 \xe2\x80\xae" + strings.Repeat("z", 900) + "\r\n"}}})
	got := deliver(t, to(t, hop, Options{}), newMail("b@x.test"))[0].Message
	if !strings.HasPrefix(got, "a?[2Jb? ?zzz") || len(got) != mail.MaxPlain {
		t.Errorf("message %q", got)
	}
}

func TestAReplyInTheBodyCountsWhenTheNextHopClosesTheConnection(t *testing.T) {
	for name, c := range map[string]struct {
		fault mailtest.Fault
		want  string
	}{
		"without a word": {mailtest.Fault{Cut: true}, "temporary 0 4.4.2"},
		"with a refusal": {mailtest.Fault{Reply: "552 5.3.4 too large", Hang: true}, "permanent 552 5.3.4"},
	} {
		t.Run(name, func(t *testing.T) {
			hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{Faults: faults{mailtest.AtBody: c.fault}})
			raw := []byte("A: b\r\n\r\n" + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 200_000))
			check(t, to(t, hop, Options{}).Deliver(t.Context(), newMail("b@x.test"), raw, yes), c.want)
		})
	}
}

func TestPolicyStopsATransaction(t *testing.T) {
	no := errors.New("frozen")
	for _, phase := range []mail.Phase{mail.BeforeData, mail.BeforeDot} {
		t.Run(fmt.Sprintf("phase %d", phase), func(t *testing.T) {
			hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{
				Rcpt: map[string]string{"gone@x.test": "550 5.1.1 no"}})
			m := newMail("b@x.test", "gone@x.test")
			var asked []mail.Phase
			got := to(t, hop, Options{}).Deliver(t.Context(), m, []byte(body), func(p mail.Phase) error {
				asked = append(asked, p)
				if p == phase {
					return no
				}
				return nil
			})
			check(t, got, "stopped 0 4.7.1", "permanent 550 5.1.1")
			hop.WaitIdle(t)
			lines, tx := hop.Lines(), hop.Transactions()
			if len(asked) != int(phase)+1 {
				t.Errorf("asked %v", asked)
			}
			if phase == mail.BeforeData {
				if len(tx) != 0 || lines[len(lines)-1] != "RCPT TO:<gone@x.test>" {
					t.Errorf("after the stop: %q %+v", lines, tx)
				}
				return
			}
			// Every octet but those of finalDot had been written when policy was
			// checked, and none came after it refused.
			want := strings.TrimSuffix(string(m.Prefix)+body, "\r\n")
			if len(tx) != 1 || tx[0].Dot || string(tx[0].Data) != want || lines[len(lines)-1] != "DATA" {
				t.Errorf("after the stop: %q %+v", lines, tx)
			}
		})
	}
}

func TestTheWholeContentIsAtTheNextHopBeforePolicyIsCheckedForTheDot(t *testing.T) {
	hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{})
	m := newMail("b@x.test")
	want := strings.TrimSuffix(string(m.Prefix)+body, "\r\n")
	got := to(t, hop, Options{}).Deliver(t.Context(), m, []byte(body), func(p mail.Phase) error {
		if p == mail.BeforeDot {
			// A line is recorded when it is complete, so the last one is missing.
			whole := want[:strings.LastIndexByte(want, '\n')+1]
			hop.WaitData(t, len(whole))
			if tx := hop.Transactions()[0]; string(tx.Data) != whole || tx.Dot {
				t.Errorf("at the dot: %+v", tx)
			}
		}
		return nil
	})
	check(t, got, "delivered 250 2.0.0")
}

func TestAfterAStopNoOtherTransactionBegins(t *testing.T) {
	hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{})
	var rcpts []string
	for i := range maxRcpts + 1 {
		rcpts = append(rcpts, fmt.Sprintf("r%d@x.test", i))
	}
	asked := 0
	got := to(t, hop, Options{}).Deliver(t.Context(), newMail(rcpts...), []byte(body), func(mail.Phase) error {
		asked++
		return errors.New("frozen")
	})
	for _, r := range got {
		if !r.Stopped {
			t.Fatalf("got %+v", r)
		}
	}
	if hop.Conns() != 1 || asked != 1 {
		t.Errorf("%d connections, asked %d times", hop.Conns(), asked)
	}
}

func TestCancellationCutsTheConnectionAtEveryStep(t *testing.T) {
	for _, step := range []mailtest.Step{mailtest.AtBanner, mailtest.AtEHLO, mailtest.AtMAIL, mailtest.AtRCPT,
		mailtest.AtDATA, mailtest.AtBody, mailtest.AtDot} {
		t.Run(string(step), func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{
				Faults: faults{step: {Hang: true}},
				Reached: func(s mailtest.Step) {
					if s == step {
						cancel()
					}
				}})
			got := to(t, hop, Options{}).Deliver(ctx, newMail("b@x.test"), []byte(body), yes)
			hop.WaitIdle(t)
			switch {
			case step == mailtest.AtDot && !got[0].Uncertain,
				step != mailtest.AtDot && step != mailtest.AtBody && got[0].Uncertain,
				got[0].Delivered, got[0].Permanent, got[0].Code != 0:
				t.Errorf("got %+v", got[0])
			}
		})
	}
}
