package relay

import (
	"context"
	"net"
	"testing"
	"testing/synctest"

	"github.com/multimail/multimail/internal/mailtest"
	"github.com/multimail/multimail/mail"
)

func TestTheSlotOfADestinationIsFreeWhenItsOwnRecipientsAreDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		quick := mailtest.NewNextHop(t, mailtest.NextHopOptions{Pipe: true})
		slow := mailtest.NewNextHop(t, mailtest.NextHopOptions{Pipe: true, Faults: faults{mailtest.AtDot: {Hang: true}}})
		o := limits
		o.PerDestination = 1
		o.Resolver = zone{"x.test": {ip: []string{"192.0.2.1"}}, "y.test": {ip: []string{"192.0.2.2"}}}
		o.Dialer = func(ctx context.Context, _, addr string) (net.Conn, error) {
			if addr == "192.0.2.1:25" {
				return quick.Dial(ctx, "", "")
			}
			return slow.Dial(ctx, "", "")
		}
		c := newClient(t, o)
		freed := c.Freed()
		both := newMail("a@x.test", "b@y.test")
		release, ok := c.Reserve(both)
		if !ok {
			t.Fatal("no slot")
		}
		ended := make(chan []mail.Result)
		go func() { ended <- deliver(t, c, both) }()
		synctest.Wait() // y.test does not answer its final dot
		other := newMail("c@x.test")
		other.ID = "01ARZ3NDEKTSV4RRFFQ69G5FAW"
		again, ok := c.Reserve(other)
		select {
		case <-freed:
		default:
			t.Error("OnFree was not called for a free slot")
		}
		if !ok {
			t.Fatal("the slot of x.test is taken")
		}
		if _, ok := c.Reserve(newMail("d@y.test")); ok || c.Free(newMail("d@y.test")) {
			t.Error("the slot of y.test is free")
		}
		<-ended
		release()
		if _, ok := c.Reserve(newMail("e@x.test")); ok {
			t.Error("the release freed the slot of another mail")
		}
		again()
		if len(c.slots.taken) != 0 || len(c.slots.held) != 0 {
			t.Errorf("left: %v %v", c.slots.taken, c.slots.held)
		}
	})
}
