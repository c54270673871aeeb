package delivery_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/mail"
)

// Mail of a domain that is not verified is not looked at again and again, and goes
// as soon as the domain is.
func TestMailWaitsForItsDomainWithoutBeingTried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := build(t)
		h.SetMode(mail.Autonomous)
		h.Unverify("example.test")
		m := h.Submit()
		h.RunIdle()
		if got := h.Mail(m.ID); got.State != mail.Ready || got.Rev != m.Rev || got.Attempts != 0 {
			t.Fatalf("it is %s at rev %d after %d attempts", got.State, got.Rev, got.Attempts)
		}
		go func() {
			time.Sleep(time.Second)
			h.Check("example.test", registry.FoundOurs)
		}()
		start := time.Now()
		h.RunUntil(m.ID, mail.Sent)
		if d := time.Since(start); d > 2*time.Second {
			t.Errorf("it left %v after the domain was verified", d-time.Second)
		}
		if n := len(h.Hop.Sent()); n != 1 {
			t.Errorf("it was sent %d times", n)
		}
		h.Intact()
	})
}
