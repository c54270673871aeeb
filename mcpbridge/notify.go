package mcpbridge

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/multimail/multimail/httpd/api"
)

// Bounds of subscriptions.
const (
	maxWatches    = 50          // of one credential
	maxAllWatches = 2000        // of all together
	watchPause    = time.Second // between two notifications of one resource
)

// Watcher is a caller that says when something may have changed. It says nothing about
// what: whoever waits asks the API, which decides what they may see.
type Watcher interface {
	// Watch returns a channel that is closed when a mail changes next, or, with no email, when
	// a mailbox receives its next mail. stop gives it up.
	Watch(mailbox, email string) (changed <-chan struct{}, stop func())
}

// errNoNotices says that a caller does not say when something may have changed.
var errNoNotices = fault(jsonrpc.CodeInvalidRequest, "there are no notifications here; use wait_for_email")

// watch waits for a change of a resource with a caller that says so.
func watch(ctx context.Context, c api.Caller, r resource) (changed <-chan struct{}, stop func(), err error) {
	switch w := c.(type) {
	case Watcher:
		changed, stop = w.Watch(r.mailbox, r.id)
		return changed, stop, nil
	case *Remote:
		return w.Watch(ctx, r.mailbox, r.id)
	}
	return nil, nil, errNoNotices
}

// watched is a subscription.
type watched struct {
	session *mcp.ServerSession
	uri     string
}

// watches are the subscriptions of all clients.
type watches struct {
	counts counts

	mu     sync.Mutex
	open   map[watched]context.CancelFunc
	passes map[watched]int // notifications that are being sent
}

func newWatches() *watches {
	return &watches{counts: counts{each: maxWatches, all: maxAllWatches}, open: map[watched]context.CancelFunc{},
		passes: map[watched]int{}}
}

// subscribe begins to watch a resource for a session.
func (b *Bridge) subscribe(ctx context.Context, q *mcp.SubscribeRequest, server *mcp.Server) error {
	of, err := sessionOf(ctx, q.Extra)
	if err != nil {
		return err
	}
	r, ok := parseResource(q.Params.URI)
	if !ok || r.kind == "thread" || r.attachment != "" {
		return mcp.ResourceNotFoundError(q.Params.URI)
	}
	moved, stop, err := watch(ctx, of.c, r) // before the look, so that nothing is missed
	if err != nil {
		return cannotWatch(q.Params.URI, err)
	}
	begun := false
	defer func() {
		if !begun {
			stop()
		}
	}()
	look := &looker{r: r}
	if _, err := look.changed(ctx, of.c); err != nil {
		return resourceError(q.Params.URI, err)
	}
	leave, ok := b.watches.counts.enter(of.who.Credential)
	if !ok {
		return fault(jsonrpc.CodeInvalidRequest, "this credential watches too much; unsubscribe from something first")
	}
	base := context.Background()
	if of.request != nil {
		base = context.WithoutCancel(of.request)
	}
	w := watched{q.Session, q.Params.URI}
	life, end := context.WithCancel(base)
	if !b.watches.add(w, end) {
		leave() // it is watched already
		end()
		return nil
	}
	begun = true
	go func() {
		_ = w.session.Wait() // however it ended
		end()
	}()
	go func() {
		defer leave()
		defer b.watches.remove(w)
		for b.woken(life, moved, stop) {
			c := b.sessions.latest(w.session.ID(), of).c
			if moved, stop, err = watch(life, c, r); err != nil {
				return // it is gone, or the credential is
			}
			b.notify(life, w, look, c, server)
		}
	}()
	return nil
}

// cannotWatch is what a client is told of a resource that cannot be watched. What the other
// server answered is its own words about the same resource.
func cannotWatch(uri string, err error) error {
	var answered *jsonrpc.Error
	switch {
	case errors.As(err, &answered) && answered.Code == mcp.CodeResourceNotFound:
		return mcp.ResourceNotFoundError(uri)
	case errors.As(err, &answered) && answered.Code == jsonrpc.CodeInvalidRequest:
		return fault(answered.Code, "%s", answered.Message)
	}
	return fault(jsonrpc.CodeInternalError, "the mail server tells of no changes at this time; try again later")
}

func (b *Bridge) unsubscribe(_ context.Context, q *mcp.UnsubscribeRequest) error {
	b.watches.remove(watched{q.Session, q.Params.URI})
	return nil
}

func (w *watches) add(key watched, end context.CancelFunc) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open[key] != nil {
		return false
	}
	w.open[key] = end
	return true
}

func (w *watches) remove(key watched) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if end := w.open[key]; end != nil {
		end()
		delete(w.open, key)
	}
}

// woken waits until something has moved, and at least for a pause.
func (b *Bridge) woken(ctx context.Context, moved <-chan struct{}, stop func()) bool {
	defer stop()
	select {
	case <-moved:
	case <-ctx.Done():
		return false
	}
	pause := time.NewTimer(watchPause)
	defer pause.Stop()
	select {
	case <-pause.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// notify tells a session of a change that its credential may see at this time. A credential
// that is no longer valid is told nothing; where its session goes on with another token, the
// next change says what was missed too.
func (b *Bridge) notify(ctx context.Context, w watched, look *looker, c api.Caller, server *mcp.Server) {
	changed, err := look.changed(ctx, c)
	if err != nil || !changed {
		return
	}
	b.watches.pass(w, 1)
	defer b.watches.pass(w, -1)
	_ = server.ResourceUpdated(ctx, &mcp.ResourceUpdatedNotificationParams{URI: w.uri}) // the SDK logs
}

func (w *watches) pass(key watched, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.passes[key] += n; w.passes[key] == 0 {
		delete(w.passes, key)
	}
}

// filter keeps a notification from every session but the one that it was made for: the SDK
// sends to all that have subscribed to a resource, whoever they are.
func (w *watches) filter(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, r mcp.Request) (mcp.Result, error) {
		p, ok := r.GetParams().(*mcp.ResourceUpdatedNotificationParams)
		if ss, server := r.GetSession().(*mcp.ServerSession); ok && server {
			w.mu.Lock()
			passes := w.passes[watched{ss, p.URI}] > 0
			w.mu.Unlock()
			if !passes {
				return nil, nil
			}
		}
		return next(ctx, method, r)
	}
}

// looker finds out whether a resource has changed for one credential.
type looker struct {
	r     resource
	begun bool
	since string // newest mail of a mailbox that it has seen
}

// changed asks the API after something has moved, so that only what the credential may see
// counts. It marks nothing as read.
func (l *looker) changed(ctx context.Context, c api.Caller) (bool, error) {
	begun := l.begun
	if l.r.kind == "mail" {
		_, err := api.Call(ctx, c, api.GetTags, l.r.ref())
		l.begun = l.begun || err == nil
		return begun, err
	}
	list, err := api.Call(ctx, c, api.CheckInbox, api.EmailQuery{MailboxRef: api.MailboxRef{Mailbox: l.r.mailbox},
		Direction: "inbound", SinceID: l.since, Limit: 1})
	if err != nil {
		return false, err
	}
	if l.begun = true; list.SinceID != "" {
		l.since = list.SinceID
	}
	return begun && len(list.Emails) > 0, nil
}
