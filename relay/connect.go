package relay

import (
	"bufio"
	"context"
	"time"

	"github.com/emersion/go-smtp"
)

const (
	maxDials = 5               // addresses tried for one transaction
	fresh    = 5 * time.Second // idle time up to which a session is used without a probe
	probe    = 5 * time.Second // timeout of the NOOP otherwise: a new session is cheap
)

// reach returns a session to the first host that accepts one. reuse allows an
// idle one. When no host does, the failure is permanent only if every one was.
func (c *Client) reach(ctx context.Context, hops []hop, reuse bool) (*session, *failure) {
	var last *failure
	dials := 0
	for _, h := range hops {
		if s := c.reuse(ctx, h, reuse); s != nil {
			return s, nil
		}
		addrs, f := c.addresses(ctx, h)
		for _, addr := range addrs {
			if dials++; dials > maxDials || ctx.Err() != nil {
				break
			}
			var s *session
			if s, f = c.connect(ctx, h, addr); f == nil {
				return s, nil
			}
			last = milder(last, f)
			if f.Code/100 == 5 {
				break // this host wants none of our mail: its other addresses are the same host
			}
		}
		if addrs == nil {
			last = milder(last, f)
			if f.Enhanced == "5.4.6" {
				break // see route
			}
		}
	}
	if last == nil {
		last = temporary("4.4.1", "no host could be tried in time")
	}
	return nil, last
}

// milder prefers a temporary failure, and the later of two alike.
func milder(a, b *failure) *failure {
	if a != nil && !a.Permanent && b.Permanent {
		return a
	}
	return b
}

// connect opens a session. Opportunistic goes on without TLS on a new
// connection when the handshake fails; Required never does. A token that was
// refused is replaced once.
func (c *Client) connect(ctx context.Context, h hop, addr string) (*session, *failure) {
	s, f := c.dial(ctx, h, addr, c.o.TLS != None)
	if f != nil && f.handshake && c.o.TLS == Opportunistic && !c.o.ImplicitTLS {
		s, f = c.dial(ctx, h, addr, false)
	}
	if f != nil && f.badToken { // withdrawn before its time: once more with a new one
		c.tokens.forget()
		s, f = c.dial(ctx, h, addr, c.o.TLS != None)
	}
	return s, f
}

func (c *Client) dial(ctx context.Context, h hop, addr string, startTLS bool) (*session, *failure) {
	dctx, cancel := context.WithTimeout(ctx, c.o.ConnectTimeout)
	defer cancel()
	conn, err := c.o.Dialer(dctx, "tcp", addr)
	if err != nil {
		c.o.Log.Debug("attempt", "remote", h.addr, "err", err)
		f := temporary("4.4.1", "no connection to %s", h.addr)
		f.Remote = h.addr
		return nil, f
	}
	s := &session{host: h.addr, tcp: conn, wire: newWire(conn, conn)}
	s.out = bufio.NewWriterSize(nil, block/2)
	s.watch(ctx)
	if f := c.setUp(ctx, s, h.name, startTLS); f != nil {
		f.Remote = s.host
		// A failure before MAIL is about this host, us or our settings, and
		// never about the mail: another host may take it, or this one tomorrow.
		f.Permanent = false
		if !f.lost {
			s.quit()
		}
		s.unwatch()
		s.drop()
		return nil, f
	}
	s.smtp.CommandTimeout = c.o.CommandTimeout
	return s, nil
}

// setUp brings a new connection to where MAIL may be sent.
func (c *Client) setUp(ctx context.Context, s *session, name string, startTLS bool) *failure {
	if c.o.ImplicitTLS {
		if err := c.handshake(ctx, s, name); err != nil {
			return c.noTLS(ctx, s, err)
		}
	}
	if f := c.hello(s); f != nil {
		return f
	}
	if startTLS && !s.secure {
		if ok, _ := s.smtp.Extension("STARTTLS"); ok {
			if f := c.upgrade(ctx, s, name); f != nil {
				return f
			}
			if f := c.hello(s); f != nil {
				return f
			}
		}
	}
	if c.o.TLS == Required && !s.secure {
		return temporary("4.7.4", "the next hop offers no TLS")
	}
	return c.authenticate(ctx, s)
}

// hello reads the greeting and sends EHLO, with a client of its own before and
// after STARTTLS.
func (c *Client) hello(s *session) *failure {
	s.smtp = smtp.NewClient(s.wire)
	s.smtp.CommandTimeout = c.o.GreetingTimeout
	s.smtp.SubmissionTimeout = c.o.DataTimeout
	if err := s.hello(c.o.Hostname); err != nil {
		return failed("EHLO", err)
	}
	return nil
}

// reuse takes an idle session to h from the pool. One that has been idle for
// longer than fresh is probed with NOOP first.
func (c *Client) reuse(ctx context.Context, h hop, allowed bool) *session {
	for allowed {
		s := c.pool.take(h.addr)
		if s == nil {
			return nil
		}
		s.watch(ctx)
		if c.o.Now().Sub(s.idle) < fresh && s.wire.quiet() == nil {
			return s
		}
		s.smtp.CommandTimeout = min(probe, c.o.CommandTimeout)
		if err := s.smtp.Noop(); err == nil {
			s.smtp.CommandTimeout = c.o.CommandTimeout
			return s
		}
		s.unwatch()
		s.drop()
	}
	return nil
}
