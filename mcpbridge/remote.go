package mcpbridge

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/multimail/multimail/httpd/api"
)

const (
	// remoteVersion is the newest version of MCP in which one stream serves all subscriptions.
	remoteVersion = "2025-11-25"
	// remoteTime is how long the other server may take for a step.
	remoteTime = 10 * time.Second
	// firstPause and maxPause are the bounds of what lies between two tries to connect again.
	firstPause, maxPause = time.Second, time.Minute
	// remoteIdle is how long a subscription is kept that nobody waits for: between two waits
	// of one watcher there is a pause.
	remoteIdle = 10 * time.Second
)

// Remote is a caller of a server elsewhere that says, too, when something may have changed there:
// it subscribes to resources at /mcp of that server, with the same credential.
type Remote struct {
	api.Caller
	dial  func(ctx context.Context, told func(uri string)) (*mcp.ClientSession, error)
	pause func(ctx context.Context, d time.Duration) // between two tries
	life  context.Context
	end   context.CancelFunc

	turn    sync.Mutex // of whoever connects or subscribes
	mu      sync.Mutex
	session *mcp.ClientSession // nil: none
	waits   map[string]*waits  // by the address of the resource
}

// waits are those who wait for a change of one resource.
type waits struct {
	open map[chan struct{}]bool
	idle *time.Timer // nil: somebody waits
}

// NewRemote returns a caller that makes calls with c, which speaks to the server of client, and
// is told of changes there. Close ends it.
func NewRemote(c api.Caller, client *api.Client) *Remote {
	hc := &http.Client{Transport: bearer{client}}
	if client.HTTP != nil {
		hc.CheckRedirect = client.HTTP.CheckRedirect
	}
	r := &Remote{Caller: c, waits: map[string]*waits{}, pause: func(ctx context.Context, d time.Duration) {
		ctx, stop := context.WithTimeout(ctx, d)
		defer stop()
		<-ctx.Done()
	}}
	r.life, r.end = context.WithCancel(context.Background())
	r.dial = func(ctx context.Context, told func(string)) (*mcp.ClientSession, error) {
		return mcp.NewClient(&mcp.Implementation{Name: "multimail", Version: "1"}, &mcp.ClientOptions{
			Capabilities: &mcp.ClientCapabilities{},
			ResourceUpdatedHandler: func(_ context.Context, q *mcp.ResourceUpdatedNotificationRequest) {
				told(q.Params.URI)
			},
		}).Connect(ctx, &mcp.StreamableClientTransport{Endpoint: client.Base + "/mcp", HTTPClient: hc, MaxRetries: -1},
			&mcp.ClientSessionOptions{ProtocolVersion: remoteVersion})
	}
	return r
}

// errNoStream says that a server tells of nothing by itself.
var errNoStream = errors.New("mcpbridge: the server opens no stream")

// bearer adds the key of a client to its requests. A stream that is not opened is an error: to
// the SDK it is a server that has none, and the subscriptions would never tell of anything.
type bearer struct{ of *api.Client }

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	next := http.DefaultTransport
	if b.of.HTTP != nil && b.of.HTTP.Transport != nil {
		next = b.of.HTTP.Transport
	}
	if b.of.Key != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+b.of.Key)
	}
	resp, err := next.RoundTrip(r)
	if err == nil && r.Method == http.MethodGet && resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		return nil, errNoStream
	}
	return resp, err
}

// Close ends the connection for changes. Nobody who waits is told of one any more.
func (r *Remote) Close() {
	r.end()
	r.mu.Lock()
	s := r.session
	r.session = nil
	r.mu.Unlock()
	if s != nil {
		_ = s.Close() // the server ends a session without requests by itself
	}
}

// Watch is as that of a [Watcher]. A resource that nobody has waited for is subscribed to first,
// which ctx bounds.
func (r *Remote) Watch(ctx context.Context, mailbox, email string) (<-chan struct{}, func(), error) {
	of := resource{mailbox: mailbox, id: email}
	if email != "" {
		of.kind = "mail"
	}
	uri := of.uri()
	if changed, stop := r.wait(uri, false); changed != nil {
		return changed, stop, nil
	}
	r.turn.Lock()
	defer r.turn.Unlock()
	ctx, cancel := context.WithTimeout(ctx, remoteTime)
	defer cancel()
	r.mu.Lock()
	s := r.session
	r.mu.Unlock()
	if s == nil {
		var err error
		if s, err = r.connect(ctx); err != nil {
			return nil, nil, err
		}
	}
	if err := s.Subscribe(ctx, &mcp.SubscribeParams{URI: uri}); err != nil {
		return nil, nil, err
	}
	changed, stop := r.wait(uri, true)
	return changed, stop, nil
}

// wait adds somebody who waits for a resource, which is subscribed to unless add says that it
// has become so.
func (r *Remote) wait(uri string, add bool) (<-chan struct{}, func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.waits[uri]
	if w == nil {
		if !add {
			return nil, nil
		}
		w = &waits{open: map[chan struct{}]bool{}}
		r.waits[uri] = w
	}
	if w.idle != nil {
		w.idle.Stop()
		w.idle = nil
	}
	changed := make(chan struct{})
	w.open[changed] = true
	return changed, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(w.open, changed)
		if len(w.open) == 0 && w.idle == nil && r.waits[uri] == w {
			w.idle = time.AfterFunc(remoteIdle, func() { r.leave(uri, w) })
		}
	}
}

// leave gives up a subscription that nobody has waited for, and the session with the last one.
func (r *Remote) leave(uri string, w *waits) {
	r.turn.Lock()
	defer r.turn.Unlock()
	r.mu.Lock()
	if w.idle == nil || r.waits[uri] != w {
		r.mu.Unlock()
		return
	}
	delete(r.waits, uri)
	s, last := r.session, len(r.waits) == 0
	if last {
		r.session = nil
	}
	r.mu.Unlock()
	switch {
	case s == nil:
	case last:
		_ = s.Close() // its subscriptions end with it
	default:
		ctx, cancel := context.WithTimeout(r.life, remoteTime)
		defer cancel()
		_ = s.Unsubscribe(ctx, &mcp.UnsubscribeParams{URI: uri}) // at worst it tells what nobody waits for
	}
}

// told wakes those who wait for a resource; "" stands for all.
func (r *Remote) told(uri string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for each, w := range r.waits {
		if uri != "" && uri != each {
			continue
		}
		for changed := range w.open {
			close(changed)
		}
		clear(w.open)
	}
}

// connect begins a session, and sees to it that another one follows. The caller has the turn.
func (r *Remote) connect(ctx context.Context) (*mcp.ClientSession, error) {
	if err := r.life.Err(); err != nil {
		return nil, err
	}
	s, err := r.dial(ctx, r.told)
	if err != nil {
		return nil, err
	}
	if s.ID() == "" { // it has too many of them
		_ = s.Close()
		return nil, errNoStream
	}
	r.mu.Lock()
	r.session = s
	r.mu.Unlock()
	go r.follow(s)
	return s, nil
}

// follow waits for the end of a session and connects again, after pauses that grow.
func (r *Remote) follow(s *mcp.ClientSession) {
	_ = s.Wait() // however it ended
	r.mu.Lock()
	ours := r.session == s
	if ours {
		r.session = nil
	}
	r.mu.Unlock()
	if !ours { // it was closed here
		return
	}
	_ = s.Close() // so that its subscriptions end at the server too
	for pause := firstPause; r.life.Err() == nil; pause = min(2*pause, maxPause) {
		r.pause(r.life, pause/2+rand.N(pause/2)) // not all at once after a restart
		if r.resume() {
			return
		}
	}
}

// resume connects again for what is still waited for. It reports whether there is nothing
// more to do: it is connected, nobody waits, or the credential is no longer valid.
func (r *Remote) resume() bool {
	r.turn.Lock()
	defer r.turn.Unlock()
	r.mu.Lock()
	done := r.session != nil || len(r.waits) == 0
	r.mu.Unlock()
	if done {
		return true
	}
	ctx, cancel := context.WithTimeout(r.life, remoteTime)
	defer cancel()
	if _, err := api.Call(ctx, r.Caller, api.Whoami, api.None{}); refused(err) {
		r.drop("")
		return true
	}
	s, err := r.connect(ctx)
	if err != nil {
		return false
	}
	r.mu.Lock()
	var uris []string
	for uri := range r.waits {
		uris = append(uris, uri)
	}
	r.mu.Unlock()
	for _, uri := range uris {
		var answered *jsonrpc.Error
		err := s.Subscribe(ctx, &mcp.SubscribeParams{URI: uri})
		if errors.As(err, &answered) {
			r.drop(uri) // it is gone
		} else if err != nil {
			_ = s.Close() // which follow notices
			return true
		}
	}
	r.told("") // something may have happened in between
	return true
}

// drop gives up a resource, or with "" all, and wakes those who wait for it: they find out why.
func (r *Remote) drop(uri string) {
	r.told(uri)
	r.mu.Lock()
	defer r.mu.Unlock()
	if uri == "" {
		clear(r.waits)
	}
	delete(r.waits, uri)
}

// refused reports whether the API takes the credential no more.
func refused(err error) bool {
	var e *api.Error
	return errors.As(err, &e) && e.Status == http.StatusUnauthorized
}
