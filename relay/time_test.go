package relay

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/internal/mailtest"
	"github.com/multimail/multimail/mail"
)

// limits are far apart, so that a test sees which one was reached.
var limits = Options{ConnectTimeout: 7 * time.Second, GreetingTimeout: 20 * time.Second, CommandTimeout: time.Minute,
	DataTimeout: 10 * time.Minute, AttemptTimeout: time.Hour, TLS: None}

func TestANextHopThatNeverAnswersEndsInTime(t *testing.T) {
	for _, c := range []struct {
		step mailtest.Step
		want string
		took time.Duration
	}{
		{mailtest.AtBanner, "temporary 0 4.4.2", limits.GreetingTimeout},
		{mailtest.AtEHLO, "temporary 0 4.4.2", limits.GreetingTimeout},
		{mailtest.AtMAIL, "temporary 0 4.4.2", limits.CommandTimeout},
		{mailtest.AtRCPT, "temporary 0 4.4.2", limits.CommandTimeout},
		{mailtest.AtDATA, "temporary 0 4.4.2", limits.CommandTimeout},
		{mailtest.AtDot, "uncertain 0 4.4.2", limits.DataTimeout},
	} {
		t.Run(string(c.step), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{Pipe: true,
					Faults: faults{c.step: {Hang: true}}})
				start := time.Now()
				got := deliver(t, to(t, hop, limits), newMail("b@x.test"))
				check(t, got, c.want)
				// QUIT takes up to a second more.
				d := time.Since(start)
				if d < c.took || d > c.took+quitTimeout || !strings.Contains(got[0].Message, "no answer in time") {
					t.Errorf("took %v: %s", d, got[0].Message)
				}
			})
		})
	}
}

func TestANextHopThatStopsReadingTheBodyEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{Pipe: true,
			Faults: faults{mailtest.AtBody: {Stall: true}}})
		start := time.Now()
		raw := []byte("A: b\r\n\r\n" + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 5000))
		check(t, to(t, hop, limits).Deliver(t.Context(), newMail("b@x.test"), raw, yes), "temporary 0 4.4.2")
		if d := time.Since(start); d != limits.CommandTimeout+lastReply {
			t.Errorf("took %v", d)
		}
	})
}

func TestASlowPolicyDoesNotPreventTheDot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{Pipe: true})
		think := func(mail.Phase) error {
			<-time.After(2 * limits.CommandTimeout)
			return nil
		}
		got := to(t, hop, limits).Deliver(t.Context(), newMail("b@x.test"), []byte(body), think)
		check(t, got, "delivered 250 2.0.0")
	})
}

func TestAHandshakeThatHangsEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{Pipe: true, BrokenTLS: true,
			Faults: faults{mailtest.AtSTARTTLS: {Reply: "220 go", Hang: true}}})
		o := limits
		o.TLS = Required
		start := time.Now()
		check(t, deliver(t, to(t, hop, o), newMail("b@x.test")), "temporary 0 4.7.5")
		if d := time.Since(start); d != limits.GreetingTimeout {
			t.Errorf("took %v", d)
		}
	})
}

func TestAWholeAttemptIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{Pipe: true,
			Faults: faults{mailtest.AtDot: {Hang: true}}})
		o := limits
		o.AttemptTimeout = 3 * time.Second
		start := time.Now()
		check(t, deliver(t, to(t, hop, o), newMail("b@x.test")), "uncertain 0 4.4.2")
		if d := time.Since(start); d != o.AttemptTimeout {
			t.Errorf("took %v", d)
		}
	})
}

func TestAConnectionThatIsNeverMadeEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := limits
		o.Smarthost = "127.0.0.1:25"
		o.Dialer = func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		start := time.Now()
		check(t, deliver(t, newClient(t, o), newMail("b@x.test")), "temporary 0 4.4.1")
		if d := time.Since(start); d != limits.ConnectTimeout {
			t.Errorf("took %v", d)
		}
	})
}

func TestAHostThatNeverAnswersDoesNotDelayTheOtherDomains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good := mailtest.NewNextHop(t, mailtest.NextHopOptions{Pipe: true})
		o := limits
		o.Resolver = zone{"x.test": {ip: []string{"192.0.2.99"}}, "y.test": {ip: []string{"192.0.2.1"}}}
		o.Dialer = func(ctx context.Context, _, addr string) (net.Conn, error) {
			if addr == "192.0.2.1:25" {
				return good.Dial(ctx, "", "")
			}
			<-ctx.Done()
			return nil, ctx.Err()
		}
		c := newClient(t, o)
		done := make(chan struct{})
		go func() {
			defer close(done)
			check(t, deliver(t, c, newMail("b@x.test", "c@y.test")), "temporary 0 4.4.1", "delivered 250 2.0.0")
		}()
		synctest.Wait() // no time has passed
		if tx := good.Transactions(); len(tx) != 1 || !tx[0].Taken {
			t.Errorf("the good host has %+v", tx)
		}
		<-done
	})
}

func TestASlowReaderGetsTheWholeBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		want := bytes.Repeat([]byte("0123456789abcdef"), 5*block/16)
		go func() {
			steady{a, time.Minute}.Write(want)
			a.Close()
		}()
		var got bytes.Buffer
		start := time.Now()
		for buf := make([]byte, block/2); ; {
			n, err := b.Read(buf)
			got.Write(buf[:n])
			if err != nil {
				if err != io.EOF {
					t.Error(err)
				}
				break
			}
			<-time.After(25 * time.Second)
		}
		if !bytes.Equal(got.Bytes(), want) || time.Since(start) < 3*time.Minute {
			t.Errorf("got %d octets in %v", got.Len(), time.Since(start))
		}
	})
}
