package spam

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/mail"
)

// A dead filter is asked five times, then not for ten seconds, then once.
func TestADeadFilterIsNotAskedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dials atomic.Int32
		var alive atomic.Bool
		o := options(KindRspamd, "http://127.0.0.1:11333", answers(jsonHeader, good))
		answered := o.Dial
		o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			dials.Add(1)
			if alive.Load() {
				return answered(ctx, network, address)
			}
			return nil, errors.New("connection refused")
		}
		f := newFilter(t, o)
		ask := func(n int) (err error) {
			for range n {
				_, err = f.Judge(t.Context(), incoming(plainMail), []byte(plainMail))
			}
			return err
		}
		ask(50)
		if n := dials.Load(); n != fuseFailures {
			t.Errorf("asked %d times, want %d", n, fuseFailures)
		}
		time.Sleep(fuseOpen)
		ask(50)
		if n := dials.Load(); n != fuseFailures+1 {
			t.Errorf("asked %d times after a while, want %d", n, fuseFailures+1)
		}
		alive.Store(true)
		if ask(1) == nil {
			t.Error("asked again too early")
		}
		time.Sleep(fuseOpen)
		if err := ask(5); err != nil {
			t.Error("not asked again:", err)
		}
		if n := dials.Load(); n != fuseFailures+6 {
			t.Errorf("asked %d times after it came back", n)
		}
	})
}

// An answer that cannot be meant may be due to the mail: whoever writes such mail does
// not stop the filtering of the others'.
func TestOneAuthorCannotMakeTheFilterCountAsDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, talk := range map[string]func(net.Conn){
			"a crash": answers(""), "a lie": answers(jsonHeader, `{"score":1}`),
		} {
			f := newFilter(t, options(KindRspamd, "http://127.0.0.1:11333", talk))
			for range 5 * fuseFailures {
				f.Judge(t.Context(), incoming(plainMail), []byte(plainMail))
			}
			if !f.fuses[mail.Incoming].allows(time.Now()) {
				t.Errorf("after %s the filter counts as dead", name)
			}
		}
	})
}

// closing tells when a connection is closed.
type closing struct {
	net.Conn
	done func()
}

func (c closing) Close() error {
	c.done()
	return c.Conn.Close()
}

// However many mails come in while the filter hangs, few questions are under way, and
// everybody is answered in time.
func TestQuestionsDoNotPileUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, peak atomic.Int32
		o := options(KindMilter, "inet:127.0.0.1:8891", func(c net.Conn) { io.Copy(io.Discard, c) })
		dial := o.Dial
		o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if n := now.Add(1); n > peak.Load() {
				peak.Store(n)
			}
			c, err := dial(ctx, network, address)
			return closing{c, func() { now.Add(-1) }}, err
		}
		f := newFilter(t, o)
		start := time.Now()
		var all sync.WaitGroup
		for range 20 * maxQuestions {
			all.Go(func() {
				_, err := f.Judge(t.Context(), incoming(plainMail), []byte(plainMail))
				if !errors.Is(err, mail.ErrUnavailable) {
					t.Errorf("%v", err)
				}
			})
		}
		all.Wait()
		if took := time.Since(start); took > o.Timeout {
			t.Errorf("took %v", took)
		}
		if p := peak.Load(); p != maxQuestions {
			t.Errorf("%d questions at once, want %d", p, maxQuestions)
		}
	})
}
