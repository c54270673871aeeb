package httpd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/throttle"
	"github.com/multimail/multimail/mail"
)

// InProcess returns what dials this server from its own process. Operations go
// to their handlers as values, behind the same checks as requests of HTTP: the
// key, the scopes, the limits, the audit log. What they submit bears the name of
// that door; nothing that comes over a network can say so of itself.
func (s *Server) InProcess(door string) func(key string) api.Caller {
	return func(key string) api.Caller { return inProcess{s, door, key} }
}

// origin is where a request came from that is answered by others of this
// process, so that the log names its client and not nobody.
type origin struct {
	addr string
	tls  bool
}

type originKey struct{}

type inProcess struct {
	s         *Server
	door, key string
}

// Do implements api.Caller.
func (i inProcess) Do(ctx context.Context, op *api.Operation, in any) (any, error) {
	out, err := i.do(ctx, op, in)
	if gone := ctx.Err(); gone != nil {
		return nil, gone
	}
	if waits := (*api.PendingApproval)(nil); errors.As(err, &waits) {
		return nil, waits
	}
	if err != nil {
		status, said, after := i.s.explain(op.Method, op.Route(), err)
		said.Status, said.RetryAfter = status, time.Duration(after)*time.Second
		return nil, &said
	}
	return out, nil
}

// Watch implements mcpbridge.Watcher.
func (i inProcess) Watch(mailbox, email string) (changed <-chan struct{}, stop func()) {
	if email != "" {
		return i.s.o.Queue.WatchMail(mail.ID(email))
	}
	box, err := mail.ParseAddress(mailbox)
	if err != nil { // nothing happens there
		return nil, func() {}
	}
	return i.s.o.Queue.WatchInbox(box)
}

func (i inProcess) do(ctx context.Context, op *api.Operation, in any) (out any, err error) {
	b, ok := i.s.bound[op]
	if !ok || b.call == nil {
		return nil, fmt.Errorf("httpd: %s cannot be called in-process", op.Name)
	}
	from, _ := ctx.Value(originKey{}).(origin)
	c := caller{door: i.door, tls: from.tls, heavy: op.Heavy}
	host, _, err := net.SplitHostPort(from.addr)
	if err != nil {
		host = ""
	}
	if c.Principal, err = i.s.principal(ctx, i.key, host, "/"+i.door); err != nil {
		return nil, err
	}
	c.Trace = api.TraceOf(ctx)
	read := func(*throttle.Hold) (any, error) { // the door has counted the octets that in came from
		in, err := op.Complete(in)
		return in, faultOf(err)
	}
	pending, err := i.s.perform(ctx, op, c, read, func(ctx context.Context, c caller, in any) (err error) {
		out, err = b.call(ctx, c, in)
		return err
	})
	if err == nil && pending != nil {
		return nil, pending
	}
	if p := (*parked)(nil); errors.As(err, &p) {
		return i.s.sit(ctx, p)
	}
	return out, err
}
