package mcpbridge

import (
	"context"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// Bounds of what is kept between requests.
const (
	maxSessions    = 50            // of one credential
	maxAllSessions = 2000          // of all together
	sessionIdle    = 4 * time.Hour // a session without a request ends
	maxStreams     = 20            // open streams of one credential
	maxAllStreams  = 500           // of all together: each is a connection
)

// counts bounds what one credential, and all together, may have at the same time.
type counts struct {
	each, all int

	mu  sync.Mutex
	now map[string]int
	sum int
}

// enter counts one in, and leave counts it out; ok is false where there are too many.
func (c *counts) enter(of string) (leave func(), ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sum >= c.all || c.now[of] >= c.each {
		return nil, false
	}
	if c.now == nil {
		c.now = map[string]int{}
	}
	c.now[of]++
	c.sum++
	return sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.sum--
		if c.now[of]--; c.now[of] == 0 {
			delete(c.now, of)
		}
	}), true
}

// owner is who may use a session: a credential that is offered the tools of a server.
type owner struct {
	credential string
	server     *mcp.Server
}

// sessions are those of clients of the era that has them.
type sessions struct {
	counts counts

	mu      sync.Mutex
	open    map[string]keptSession // by id
	last    int                    // number of the newest stream
	streams map[int]openStream
}

// openStream is a stream of events that waits for more.
type openStream struct {
	credential string
	end        context.CancelFunc
}

// keptSession is a session, and the newest of the requests in it that were authenticated.
type keptSession struct {
	owner
	now         *session
	since, used time.Time
	end         func() error
}

func newSessions() *sessions {
	return &sessions{counts: counts{each: maxSessions, all: maxAllSessions}, open: map[string]keptSession{},
		streams: map[int]openStream{}}
}

// owns reports whether a session is there and belongs to an owner: who asks for a session of
// somebody else does not learn that it is there.
func (s *sessions) owns(id string, who owner) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	of, ok := s.open[id]
	return ok && of.owner == who
}

// renew notes with which credential a session goes on: a token in place of one that expired.
func (s *sessions) renew(id string, now *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if of, ok := s.open[id]; ok {
		of.now, of.used = now, time.Now()
		s.open[id] = of
	}
}

// stream notes a stream, until left is called.
func (s *sessions) stream(credential string, end context.CancelFunc) (left func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	number := s.last
	s.streams[number] = openStream{credential, end}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.streams, number)
	}
}

// Open says how many sessions a credential has here, when the oldest began, and when one of
// them was last used; each is zero where there is none.
func (b *Bridge) Open(credential string) (n int, since, used time.Time) {
	b.sessions.mu.Lock()
	defer b.sessions.mu.Unlock()
	for _, of := range b.sessions.open {
		if of.credential != credential {
			continue
		}
		if n++; since.IsZero() || of.since.Before(since) {
			since = of.since
		}
		if of.used.After(used) {
			used = of.used
		}
	}
	return n, since, used
}

// End ends the sessions and streams of a credential at once. Whether it may open others is for
// the API to say.
func (b *Bridge) End(credential string) {
	b.sessions.mu.Lock()
	var ends []func() error
	for _, of := range b.sessions.open {
		if of.credential == credential {
			ends = append(ends, of.end)
		}
	}
	for _, of := range b.sessions.streams {
		if of.credential == credential {
			of.end()
		}
	}
	b.sessions.mu.Unlock()
	for _, end := range ends { // which takes the session out of the list
		_ = end()
	}
}

// latest returns the newest request of a session, or first where nothing is kept.
func (s *sessions) latest(id string, first *session) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	if of, ok := s.open[id]; ok && of.now != nil {
		return of.now
	}
	return first
}

// place is room for one session.
type place struct {
	s     *sessions
	of    owner
	leave func()

	mu    sync.Mutex
	taken bool
}

type placeKey struct{}

// reserve makes room for a session, if there is any.
func (s *sessions) reserve(of owner) (*place, bool) {
	leave, ok := s.counts.enter(of.credential)
	if !ok {
		return nil, false
	}
	return &place{s: s, of: of, leave: leave}, true
}

// take gives the place to a session until that ends.
func (p *place) take(ss *mcp.ServerSession) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken || ss.ID() == "" {
		return
	}
	p.taken = true
	id := ss.ID()
	p.s.mu.Lock()
	now := time.Now()
	p.s.open[id] = keptSession{owner: p.of, since: now, used: now, end: ss.Close}
	p.s.mu.Unlock()
	go func() {
		_ = ss.Wait() // however it ended
		p.s.mu.Lock()
		delete(p.s.open, id)
		p.s.mu.Unlock()
		p.leave()
	}()
}

// giveUp frees a place that no session has taken.
func (p *place) giveUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.taken {
		p.taken = true
		p.leave()
	}
}

// noteSessions keeps account of a session before its client learns its id.
func noteSessions(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, r mcp.Request) (mcp.Result, error) {
		out, err := next(ctx, method, r)
		if method != "initialize" || err != nil {
			return out, err
		}
		p, kept := ctx.Value(placeKey{}).(*place)
		if ss, ok := r.GetSession().(*mcp.ServerSession); ok && kept {
			p.take(ss)
		}
		return out, nil
	}
}
