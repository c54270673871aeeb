package relay

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/multimail/multimail/mail"
)

const (
	maxRcpts  = 100 // recipients of one transaction (RFC 5321, section 4.5.3.1.8)
	maxGroups = 8   // destinations of one mail that are served at the same time
)

// attempt is one Deliver.
type attempt struct {
	*Client
	mail    *mail.Mail
	content content
	proceed func(mail.Phase) error

	mu     sync.Mutex
	halted bool // policy has stopped one transaction: none follows
}

// target is a pending recipient and the place for its result.
type target struct {
	mail.Rcpt
	result *mail.Result
}

// Deliver makes one attempt for the pending recipients and returns a Result
// for each, in the same sequence. raw is the canonical bytes; what is sent is
// m.Prefix and raw. One failing recipient does not fail the others.
//
// proceed is asked, by one transaction at a time, after its last RCPT reply
// and again with all content written and only the final dot missing (invariant 11).
// When it fails, nothing more is written, the connection is dropped, and the
// recipients that the next hop had taken get Stopped; those it had refused
// keep its reply.
func (c *Client) Deliver(ctx context.Context, m *mail.Mail, raw []byte,
	proceed func(mail.Phase) error) []mail.Result {
	ctx, cancel := context.WithTimeout(ctx, c.o.AttemptTimeout)
	defer cancel()
	results := make([]mail.Result, 0, len(m.Envelope.Rcpts))
	groups, domains := map[string][]target{}, []string{}
	for _, r := range m.Envelope.Rcpts {
		if r.Standing != mail.Pending {
			continue
		}
		results = append(results, mail.Result{})
		d := c.destination(r.Addr)
		if groups[d] == nil {
			domains = append(domains, d)
		}
		groups[d] = append(groups[d], target{r, &results[len(results)-1]})
	}
	a := &attempt{Client: c, mail: m, proceed: proceed}
	var f *failure
	a.content, f = readContent(m.Prefix, raw)
	each(len(domains), func(i int) {
		d := domains[i]
		if f != nil {
			a.report(groups[d], f)
			return
		}
		defer c.done(m.ID, d)
		a.group(ctx, d, groups[d])
	})
	return results
}

// each calls do for 0 to n-1, at most maxGroups at a time, and passes a panic
// on to its caller, which recovers.
func each(n int, do func(i int)) {
	if n == 1 {
		do(0)
		return
	}
	var wg sync.WaitGroup
	free := make(chan struct{}, maxGroups)
	panics := make(chan any, n)
	for i := range n {
		free <- struct{}{}
		wg.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					panics <- fmt.Sprintf("%v\n%s", p, debug.Stack())
				}
				<-free
			}()
			do(i)
		})
	}
	wg.Wait()
	select {
	case p := <-panics:
		panic(p)
	default:
	}
}

// group serves the recipients of one destination, in as many transactions as
// are needed.
func (a *attempt) group(ctx context.Context, destination string, left []target) {
	hops, f := a.route(ctx, destination)
	for f == nil && len(left) > 0 {
		batch := sameSender(left[:min(len(left), maxRcpts)])
		left = left[len(batch):]
		var again []target
		again, f = a.transaction(ctx, hops, batch)
		left = append(left, again...)
	}
	a.report(left, f)
}

// sameSender returns the first of ts that have one envelope sender: a transaction has
// no other.
func sameSender(ts []target) []target {
	for i, t := range ts {
		if t.ReturnPath != ts[0].ReturnPath {
			return ts[:i]
		}
	}
	return ts
}

// transaction serves one batch. It returns the recipients that the next hop
// wants in a transaction of their own, or why no further transaction makes
// sense; then all of the batch that has no result yet is among them.
func (a *attempt) transaction(ctx context.Context, hops []hop, batch []target) ([]target, *failure) {
	if a.isHalted() {
		return batch, stopped("")
	}
	s, f := a.reach(ctx, hops, true)
	if f != nil {
		return batch, f
	}
	reused := s.used > 0
	f = a.from(s, batch[0].ReturnPath)
	if f != nil && f.lost && reused {
		// The next hop had closed the connection while it was idle. This is not
		// about this mail, so it is no attempt.
		s.unwatch()
		if s, f = a.reach(ctx, hops, false); f != nil {
			return batch, f
		}
		f = a.from(s, batch[0].ReturnPath)
	}
	defer a.giveBack(s)
	if f != nil {
		a.report(batch, f)
		return nil, nil
	}
	return a.send(s, batch), nil
}

// giveBack keeps the session for the next mail if it is still good. A context
// that has ended is closing it at this moment.
func (a *attempt) giveBack(s *session) {
	if s.clean(a.o.Hostname) && s.unwatch() {
		a.pool.put(s)
		return
	}
	s.unwatch()
	s.drop()
}

// report gives every target the same result.
func (a *attempt) report(ts []target, f *failure) {
	for _, t := range ts {
		*t.result = f.Result
		t.result.Addr, t.result.At = t.Addr, a.o.Now().UTC()
	}
}

func stopped(host string) *failure {
	return &failure{Result: mail.Result{Stopped: true, Remote: host, Enhanced: "4.7.1",
		Message: "stopped by policy"}, lost: true}
}

var errHalted = errors.New("relay: an earlier transaction was stopped")

// ask checks policy for one transaction.
func (a *attempt) ask(phase mail.Phase) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.halted {
		return errHalted
	}
	a.halted = true // stays so if proceed panics
	err := a.proceed(phase)
	a.halted = err != nil
	return err
}

func (a *attempt) isHalted() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.halted
}
