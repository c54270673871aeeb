package mcpbridge

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// The operator sees the sessions of a credential, and ends them at once: nobody waits for the
// next look at the credential.
func TestSessionsAreCountedByCredentialAndEndAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &busy{identities: someIdentities(), moved: make(chan struct{}), newer: "01"}
		d := newBridge(t).Handler(b.dial, 1<<20).(*door)
		begun := time.Now()
		first := d.begin(t, "agent")
		time.Sleep(time.Minute)
		d.begin(t, "agent")
		other := d.begin(t, "other")
		time.Sleep(time.Minute)
		directly(t.Context(), d, "POST", "agent", listTools, headerSession, first)
		n, since, used := d.b.Open(agent.Credential)
		if n != 2 || !since.Equal(begun) || !used.Equal(time.Now()) {
			t.Errorf("%d since %s, used %s", n, since, used)
		}
		if n, since, used := d.b.Open("key:NOBODY"); n != 0 || !since.IsZero() || !used.IsZero() {
			t.Errorf("%d of nobody, since %s, used %s", n, since, used)
		}
		ctx, hangUp := context.WithCancel(t.Context())
		listens := listening(d, ctx, "agent", resource{mailbox: box}.uri())
		streams := make(chan time.Duration, 2)
		start := time.Now()
		for key, id := range map[string]string{"agent": first, "other": other} {
			go func() {
				directly(ctx, d, "GET", key, "", headerSession, id)
				if key == "agent" {
					streams <- time.Since(start)
				}
			}()
		}
		synctest.Wait()
		time.Sleep(time.Second)
		d.b.End(agent.Credential)
		synctest.Wait()
		if lasted := <-streams; lasted != time.Second {
			t.Errorf("a stream of a session ended after %s", lasted)
		}
		if _, lasted := listens(); lasted != time.Second {
			t.Errorf("a listener ended after %s", lasted)
		}
		w := directly(t.Context(), d, "POST", "agent", listTools, headerSession, first)
		if n, _, _ := d.b.Open(agent.Credential); n != 0 || w.Code != 404 {
			t.Errorf("%d sessions are left, which answer %d", n, w.Code)
		}
		if n, _, _ := d.b.Open("key:OTHER"); n != 1 || d.streams.sum != 1 {
			t.Errorf("another credential has %d sessions, and %d streams are open", n, d.streams.sum)
		}
		hangUp()
		time.Sleep(2 * sessionIdle)
	})
}
