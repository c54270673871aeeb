package relay

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/internal/mailtest"
	"github.com/multimail/multimail/mail"
)

// clock is a time that tests set.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func mustDeliver(t *testing.T, c *Client) {
	t.Helper()
	if r := deliver(t, c, newMail("b@x.test"))[0]; !r.Delivered {
		t.Fatalf("got %+v", r)
	}
}

func count(lines []string, verb string) (n int) {
	for _, l := range lines {
		if strings.HasPrefix(l, verb) {
			n++
		}
	}
	return n
}

func TestAConnectionServesMailAfterMail(t *testing.T) {
	hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{})
	c := to(t, hop, Options{})
	for range maxUses {
		mustDeliver(t, c)
	}
	if hop.Conns() != 1 || count(hop.Lines(), "EHLO") != 1 || count(hop.Lines(), "NOOP") != 0 {
		t.Errorf("%d connections", hop.Conns())
	}
	if count(hop.Lines(), "QUIT") != 1 {
		t.Error("no QUIT after the last use")
	}
	mustDeliver(t, c)
	if hop.Conns() != 2 {
		t.Errorf("%d connections after %d uses", hop.Conns(), maxUses+1)
	}
}

func TestAnIdleConnectionIsProbedBeforeItIsUsed(t *testing.T) {
	now := &clock{t: when}
	hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{Faults: faults{mailtest.AtNOOP: {Cut: true, Skip: 1}}})
	c := to(t, hop, Options{Now: now.now})
	mustDeliver(t, c)
	now.pass(fresh)
	mustDeliver(t, c)
	if hop.Conns() != 1 || count(hop.Lines(), "NOOP") != 1 {
		t.Errorf("%d connections, sent %q", hop.Conns(), hop.Lines())
	}
	now.pass(fresh)
	mustDeliver(t, c)
	if hop.Conns() != 2 {
		t.Errorf("a connection that failed its NOOP was used")
	}
	now.pass(30 * time.Second)
	mustDeliver(t, c)
	if hop.Conns() != 3 {
		t.Errorf("a connection was used after its idle time")
	}
}

func TestAStaleConnectionIsNoAttempt(t *testing.T) {
	for name, stale := range map[string]func(*mailtest.NextHop){
		"closed by the next hop": func(h *mailtest.NextHop) { h.CloseIdle() },
		"answered with 421":      func(*mailtest.NextHop) {},
	} {
		t.Run(name, func(t *testing.T) {
			o := mailtest.NextHopOptions{}
			if strings.Contains(name, "421") {
				o.Faults = faults{mailtest.AtMAIL: {Reply: "421 4.4.2 idle for too long", Skip: 1, Times: 1}}
			}
			hop := mailtest.NewNextHop(t, o)
			c := to(t, hop, Options{})
			mustDeliver(t, c)
			stale(hop)
			mustDeliver(t, c)
			if hop.Conns() != 2 {
				t.Errorf("%d connections", hop.Conns())
			}
		})
	}
}

func TestAFreshConnectionThatFailsOnMAILIsAnAttempt(t *testing.T) {
	hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{Faults: faults{mailtest.AtMAIL: {Cut: true}}})
	check(t, deliver(t, to(t, hop, Options{}), newMail("b@x.test")), "temporary 0 4.4.2")
	if hop.Conns() != 1 {
		t.Errorf("%d connections", hop.Conns())
	}
}

func TestAfterARefusalTheConnectionIsClean(t *testing.T) {
	for _, step := range []mailtest.Step{mailtest.AtMAIL, mailtest.AtRCPT, mailtest.AtDATA, mailtest.AtDot} {
		t.Run(string(step), func(t *testing.T) {
			hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{
				Faults: faults{step: {Reply: "550 5.7.1 no", Times: 1}}})
			c := to(t, hop, Options{})
			check(t, deliver(t, c, newMail("b@x.test")), "permanent 550 5.7.1")
			mustDeliver(t, c)
			if hop.Conns() != 1 {
				t.Errorf("%d connections", hop.Conns())
			}
		})
	}
}

func TestExtensionsAreReadAnewAfterRSET(t *testing.T) {
	// At the second EHLO this host has lost 8BITMIME: it knows HELO only.
	hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{Faults: faults{
		mailtest.AtRCPT: {Reply: "550 5.1.1 no", Times: 1},
		mailtest.AtEHLO: {Reply: "500 what", Skip: 1, Times: 1}}})
	c := to(t, hop, Options{})
	eight := []byte("A: b\r\n\r\n\xc3\xa9\r\n")
	check(t, c.Deliver(t.Context(), newMail("b@x.test"), eight, yes), "permanent 550 5.1.1")
	check(t, c.Deliver(t.Context(), newMail("b@x.test"), eight, yes), "permanent 0 5.6.3")
}

func TestABrokenConnectionIsNotTakenForAMissingExtension(t *testing.T) {
	hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{
		Faults: faults{mailtest.AtRCPT: {Reply: "550 5.1.1 no", Times: 1}}})
	c := to(t, hop, Options{})
	eight := []byte("A: b\r\n\r\n\xc3\xa9\r\n")
	check(t, c.Deliver(t.Context(), newMail("b@x.test"), eight, yes), "permanent 550 5.1.1")
	hop.CloseIdle()
	check(t, c.Deliver(t.Context(), newMail("b@x.test"), eight, yes), "delivered 250 2.0.0")
}

func TestNoMoreThanIdleConnsAreKept(t *testing.T) {
	hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{})
	c := to(t, hop, Options{IdleConns: 2})
	var all sync.WaitGroup
	together := make(chan struct{})
	ready := make(chan struct{}, 5)
	for range 5 {
		all.Go(func() {
			c.Deliver(t.Context(), newMail("b@x.test"), []byte(body), func(p mail.Phase) error {
				if p == mail.BeforeDot {
					ready <- struct{}{}
					<-together
				}
				return nil
			})
		})
	}
	for range 5 {
		<-ready
	}
	close(together)
	all.Wait()
	if n := len(c.pool.idle); n != 2 || hop.Conns() != 5 {
		t.Errorf("%d of %d connections were kept", n, hop.Conns())
	}
}

func TestTheOldestOfTooManyIdleConnectionsIsClosed(t *testing.T) {
	p := &pool{perHost: 1, keep: time.Minute, now: time.Now}
	defer p.close()
	c := newClient(t, Options{})
	to := mailtest.NewNextHop(t, mailtest.NextHopOptions{})
	name := func(i int) string { return fmt.Sprintf("h%d.test:25", i) }
	for i := range maxIdle + 1 {
		s, f := c.dial(t.Context(), hop{addr: name(i)}, to.Addr(), false)
		if f != nil {
			t.Fatal(f.Message)
		}
		s.unwatch()
		p.put(s)
	}
	if len(p.idle) != maxIdle || p.take(name(0)) != nil || p.take(name(1)) == nil {
		t.Errorf("%d are kept", len(p.idle))
	}
}

func TestIdleConnectionsEndWithoutFurtherMail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{Pipe: true})
		c := to(t, hop, Options{Now: time.Now, IdleTimeout: time.Minute})
		c.Deliver(t.Context(), newMail("b@x.test"), []byte(body), yes)
		<-time.After(2*time.Minute + time.Second)
		synctest.Wait()
		if l := hop.Lines(); l[len(l)-1] != "QUIT" || len(c.pool.idle) != 0 {
			t.Errorf("sent %q", l)
		}
	})
}

func TestCloseSendsQUITAndKeepsNothingAfterwards(t *testing.T) {
	hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{})
	c := to(t, hop, Options{})
	mustDeliver(t, c)
	c.Close()
	hop.WaitIdle(t)
	if count(hop.Lines(), "QUIT") != 1 {
		t.Errorf("sent %q", hop.Lines())
	}
	mustDeliver(t, c)
	hop.WaitIdle(t)
	c.Close()
}

func TestReserveCountsByDestination(t *testing.T) {
	x, y, both := newMail("a@x.test", "b@X.test"), newMail("a@y.test"), newMail("a@x.test", "a@y.test")
	done := newMail("a@x.test", "a@y.test")
	done.Envelope.Rcpts[0].Standing = mail.Delivered
	c := newClient(t, Options{PerDestination: 1})
	free := reserve(t, c, x, true)
	reserve(t, c, x, false)
	reserve(t, c, both, false)
	freeY := reserve(t, c, done, true) // and the failure before took no slot of y.test
	reserve(t, c, y, false)
	free()
	free() // twice does no harm
	reserve(t, c, both, false)
	freeY()
	free = reserve(t, c, both, true)
	reserve(t, c, x, false)
	reserve(t, c, y, false)
	free()
	if len(c.slots.taken) != 0 {
		t.Errorf("slots left: %v", c.slots.taken)
	}
	none := newMail()
	reserve(t, c, none, true)()
}

func TestReserveCountsTheSmarthostAsOneDestination(t *testing.T) {
	c := newClient(t, Options{Smarthost: "smart.test:587", PerDestination: 2})
	reserve(t, c, newMail("a@x.test", "a@y.test"), true)
	reserve(t, c, newMail("a@z.test"), true)
	reserve(t, c, newMail("a@x.test"), false)
}

func reserve(t *testing.T, c *Client, m *mail.Mail, want bool) func() {
	t.Helper()
	free, ok := c.Reserve(m)
	if ok != want {
		t.Fatalf("reserve: %v, want %v", ok, want)
	}
	return free
}
