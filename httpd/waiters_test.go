package httpd

import (
	"context"
	"fmt"
	"net"
	"net/http/httptest"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/mail"
)

// counted counts how often the queue is read for a waiter.
type counted struct {
	Reader
	reads chan struct{}
}

func (q counted) Mail(ctx context.Context, id mail.ID) (*mail.Mail, error) {
	q.reads <- struct{}{}
	return q.Reader.Mail(ctx, id)
}

// waiting makes requests that wait and returns once all of them do.
func (h *fixture) waiting(ctx context.Context, as, target string, n int) (done chan reply) {
	h.t.Helper()
	done = make(chan reply, n)
	for range n {
		go func() {
			w := httptest.NewRecorder()
			h.s.Handler().ServeHTTP(w, h.request(as, "GET", target, "").WithContext(ctx))
			done <- reply{w.Code, w.Header(), w.Body.String()}
		}()
	}
	return done
}

func TestAWaiterCostsNothingUntilItsOwnMailMoves(t *testing.T) {
	h := newFixture(t)
	id := h.held().ID
	reads, waits, ends := make(chan struct{}, 100), make(chan struct{}, 100), make(chan struct{}, 100)
	h.s.o.Queue = watched{counted{h.Queue, reads}, waits, ends}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := h.waiting(ctx, "reader", emailsOf+"/"+id+"?wait_seconds=45", 1)
	<-waits
	<-reads // of the handler
	<-reads // of the wait
	for range 5 {
		h.held() // of the same mailbox, and nothing of his
		h.do("other", "POST", "/v1/mailboxes/"+other+"/send", draft)
	}
	if len(reads)+len(waits) != 0 {
		t.Errorf("others' mail woke the waiter %d times", len(waits))
	}
	cancel()
	<-done
	<-ends
}

func TestAWaiterForMailIsWokenByItsOwnInboxAlone(t *testing.T) {
	h := newFixture(t)
	waits, ends := make(chan struct{}, 100), make(chan struct{}, 100)
	h.s.o.Queue = watched{h.Queue, waits, ends}
	done := h.waiting(context.Background(), "other", "/v1/mailboxes/"+other+"/wait?timeout_seconds=120", 1)
	<-waits
	h.rejected() // a notice for bot
	if len(waits) != 0 {
		t.Error("a notice in another's inbox woke the waiter")
	}
	if err := h.s.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	<-done
}

func TestWaitersAreCountedPerPrincipal(t *testing.T) {
	h := newFixture(t)
	waits, ends := make(chan struct{}, 100), make(chan struct{}, 100)
	h.s.o.Queue = watched{h.Queue, waits, ends}
	id := h.held().ID
	ctx, cancel := context.WithCancel(context.Background())
	done := h.waiting(ctx, "reader", emailsOf+"/"+id+"?wait_seconds=45", maxWaiters/2)
	more := h.waiting(ctx, "sender", "/v1/mailboxes/"+bot+"/wait?timeout_seconds=120", maxWaiters/2) // the same agent
	for range maxWaiters {
		<-waits
	}
	for _, target := range []string{emailsOf + "/" + id + "?wait_seconds=45", "/v1/mailboxes/" + bot + "/wait"} {
		if r := h.want(429, "reader", "GET", target, ""); r.header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", target)
		}
	}
	h.want(200, "reader", "GET", emailsOf+"/"+id, "") // without waiting
	cancel()
	for range maxWaiters / 2 {
		<-done
		<-more
	}
	last, stop := context.WithCancel(context.Background())
	again := h.waiting(last, "reader", emailsOf+"/"+id+"?wait_seconds=45", 1)
	<-waits
	stop()
	if r := <-again; r.status == 429 {
		t.Error("waits that ended still count")
	}
	if n := len(h.s.waiters.now); n != 0 {
		t.Errorf("%d principals are counted and nobody waits", n)
	}
}

func TestAWaiterIsGoneWithItsClient(t *testing.T) {
	h := newFixture(t)
	id := h.held().ID
	waits, ends := make(chan struct{}, 10), make(chan struct{}, 10)
	h.s.o.Queue = watched{h.Queue, waits, ends}
	base := listen(t, h.s)
	for _, target := range []string{emailsOf + "/" + id + "?wait_seconds=45",
		"/v1/mailboxes/" + bot + "/wait?timeout_seconds=120"} {
		c, err := net.Dial("tcp", base[len("http://"):])
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n", target, h.keys["reader"])
		<-waits
		c.Close()
		select {
		case <-ends:
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: waits on after its client is gone", target)
		}
	}
}

// A body that never comes would keep the server from noticing that its client
// is gone.
func TestAGetTakesNoBody(t *testing.T) {
	h := newFixture(t)
	r := h.do("reader", "GET", "/v1/mailboxes/"+bot+"/wait", "{}")
	if r.status != 400 {
		t.Errorf("got %d %s", r.status, r.body)
	}
}

// What happens after a key was revoked is not for who holds it, although the
// request began before.
func TestAWaitOfARevokedKeyLearnsNothing(t *testing.T) {
	for _, target := range []string{
		"/v1/mailboxes/" + bot + "/wait?timeout_seconds=120", emailsOf + "/%s?wait_seconds=45",
	} {
		h := newFixture(t)
		r := h.held()
		waits, ends := make(chan struct{}, 10), make(chan struct{}, 10)
		h.s.o.Queue = watched{h.Queue, waits, ends}
		if strings.Contains(target, "%s") {
			target = fmt.Sprintf(target, r.ID)
		}
		done := h.waiting(context.Background(), "reader", target, 1)
		<-waits
		h.want(200, "admin", "DELETE", "/v1/api-keys/"+h.ids["reader"], "")
		h.want(200, "approver", "POST", "/v1/oversight/decide", `{"email_id":"`+r.ID+`","action":"reject","reason":"secret"}`)
		if got := <-done; got.status != 401 || strings.Contains(got.body, "secret") || strings.Contains(got.body, r.ID) {
			t.Errorf("%s: %d %s", target, got.status, got.body)
		}
	}
}

// traced notes who has called when a request begins to wait.
type traced struct {
	Reader
	stacks chan string
}

func (q traced) WatchInbox(box mail.Address) (<-chan struct{}, func()) {
	q.stacks <- string(debug.Stack())
	return q.Reader.WatchInbox(box)
}

// A wait that kept the stack of its handler would take twice the memory.
func TestAWaitKeepsNothingOfItsHandlerOnTheStack(t *testing.T) {
	h := newFixture(t)
	stacks := make(chan string, 1)
	h.s.o.Queue = traced{h.Queue, stacks}
	ctx, cancel := context.WithCancel(context.Background())
	done := h.waiting(ctx, "reader", "/v1/mailboxes/"+bot+"/wait?timeout_seconds=45", 1)
	stack := <-stacks
	cancel()
	<-done
	if !strings.Contains(stack, ").sit(") || strings.Contains(stack, ").admit(") || strings.Contains(stack, ").wait(") {
		t.Errorf("it waits in\n%s", stack)
	}
	if n := len(h.s.waiters.now); n != 0 {
		t.Errorf("%d principals are counted and nobody waits", n)
	}
}
