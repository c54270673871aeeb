package relay

import (
	"sync"
	"time"
)

const (
	maxUses = 100 // transactions on one connection
	maxIdle = 256 // idle connections in all, each is a file descriptor
)

// pool keeps connections that have nothing to do for the next mail to the same
// host. The oldest stands first.
type pool struct {
	perHost int
	keep    time.Duration
	now     func() time.Time

	mu     sync.Mutex
	idle   []*session
	sweep  *time.Timer // removes expired sessions when no mail comes
	closed bool
}

// take returns the idle session to host that was used last, or nil.
func (p *pool) take(host string) *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.idle) - 1; i >= 0; i-- {
		s := p.idle[i]
		if s.host == host && p.now().Sub(s.idle) < p.keep {
			p.idle = append(p.idle[:i], p.idle[i+1:]...)
			return s
		}
	}
	return nil
}

// put keeps s, or closes it when it had maxUses or there are enough.
func (p *pool) put(s *session) {
	p.mu.Lock()
	s.idle = p.now()
	n := 0
	for _, other := range p.idle {
		if other.host == s.host {
			n++
		}
	}
	if p.closed || s.used >= maxUses || n >= p.perHost {
		p.mu.Unlock()
		s.quit()
		return
	}
	var out []*session
	if len(p.idle) == maxIdle {
		out, p.idle = p.idle[:1], p.idle[1:]
	}
	p.idle = append(p.idle, s)
	if p.sweep == nil {
		p.sweep = time.AfterFunc(p.keep, p.expire)
	}
	p.mu.Unlock()
	quitAll(out)
}

// expire closes what has been idle for too long, and runs again while
// anything is left.
func (p *pool) expire() {
	p.mu.Lock()
	var old, left []*session
	for _, s := range p.idle {
		if p.now().Sub(s.idle) < p.keep {
			left = append(left, s)
		} else {
			old = append(old, s)
		}
	}
	p.idle, p.sweep = left, nil
	if len(left) > 0 && !p.closed {
		p.sweep = time.AfterFunc(p.keep, p.expire)
	}
	p.mu.Unlock()
	quitAll(old)
}

func (p *pool) close() {
	p.mu.Lock()
	all := p.idle
	p.idle, p.closed = nil, true
	if p.sweep != nil {
		p.sweep.Stop()
	}
	p.mu.Unlock()
	quitAll(all)
}

// quitAll ends all sessions at once: each may take a second.
func quitAll(all []*session) {
	var wg sync.WaitGroup
	for _, s := range all {
		wg.Go(s.quit)
	}
	wg.Wait()
}
