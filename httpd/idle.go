package httpd

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// strangerIdle is how long a connection may stay idle on which no credential
// was accepted yet; afterwards idleTimeout holds.
const strangerIdle = 5 * time.Second

// idler closes connections that are idle and have shown no credential. The
// server's own IdleTimeout is one for all of them.
type idler struct {
	after time.Duration
	cut   func()   // counts what was closed
	conns sync.Map // net.Conn → *visit
}

// visit is one connection as an idler knows it.
type visit struct {
	known atomic.Bool // a credential was accepted
	timer *time.Timer // closes the connection; runs while it is idle
}

type visitKey struct{}

// context puts the visit of a connection into its context.
func (i *idler) context(ctx context.Context, c net.Conn) context.Context {
	v := &visit{timer: time.AfterFunc(i.after, func() { c.Close(); i.cut() })}
	v.timer.Stop()
	i.conns.Store(c, v)
	return context.WithValue(ctx, visitKey{}, v)
}

// state follows http.Server's ConnState.
func (i *idler) state(c net.Conn, s http.ConnState) {
	found, ok := i.conns.Load(c)
	if !ok {
		return
	}
	v := found.(*visit)
	v.timer.Stop()
	switch s {
	case http.StateIdle:
		if !v.known.Load() {
			v.timer.Reset(i.after)
		}
	case http.StateClosed, http.StateHijacked:
		i.conns.Delete(c)
	}
}

// recognise notes that the connection of a request has shown a credential.
func recognise(ctx context.Context) {
	if v, ok := ctx.Value(visitKey{}).(*visit); ok {
		v.known.Store(true)
	}
}
