package origin

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/multimail/multimail/internal/resolver"
)

// How many questions to the DNS one mail may cause, and how long each method may wait
// for its answers. A question is asked of every server of the resolver at most twice.
const (
	spfQuestions   = 64 // 10 terms (RFC 7208, 4.6.4), those of mx with all their hosts
	heloQuestions  = 16 // a name of a host has a record of a few terms
	dkimQuestions  = maxSignatures
	arcQuestions   = maxSets + 1
	dmarcQuestions = 5 // two records, and whether the domain exists

	methodTime = 10 * time.Second
)

// errSpent: the questions of a method are used up.
var errSpent = errors.New("the mail causes too many questions to the DNS")

// memo keeps the texts that were asked for one mail: its methods ask for the same keys.
type memo struct {
	mu    sync.Mutex // the DKIM library asks at the same time for several signatures
	texts map[string]texts
}

type texts struct {
	txt []string
	err error
}

// lookup is what one method may ask.
type lookup struct {
	dns  DNS
	memo *memo
	ctx  context.Context
	left int // guarded by memo.mu
}

func (e *examination) lookup(ctx context.Context, questions int) (*lookup, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, methodTime)
	return &lookup{dns: e.o.DNS, memo: &e.memo, ctx: ctx, left: questions}, cancel
}

// spend takes one question; memo.mu is held.
func (l *lookup) spend() error {
	if l.left == 0 {
		return errSpent
	}
	l.left--
	return nil
}

// txt asks for the texts of a name, one question at a time.
func (l *lookup) txt(name string) ([]string, error) {
	l.memo.mu.Lock()
	defer l.memo.mu.Unlock()
	if t, ok := l.memo.texts[name]; ok {
		return t.txt, t.err
	}
	if err := l.spend(); err != nil {
		return nil, err
	}
	var t texts
	t.txt, t.err = l.dns.TXT(l.ctx, name)
	l.memo.texts[name] = t
	return t.txt, t.err
}

// addresses asks for those of one family or of both, an answer of one being enough.
func (l *lookup) addresses(host string, six bool) ([]netip.Addr, error) {
	all, err := ask(l, func() ([]netip.Addr, error) { return l.dns.A(l.ctx, host) })
	if !six || errors.Is(err, resolver.ErrTemporary) || errors.Is(err, errSpent) {
		return all, err
	}
	more, err := ask(l, func() ([]netip.Addr, error) { return l.dns.AAAA(l.ctx, host) })
	if all = append(all, more...); len(all) > 0 && !errors.Is(err, resolver.ErrTemporary) {
		return all, nil
	}
	return all, err
}

// ask spends one question on f.
func ask[T any](l *lookup, f func() ([]T, error)) ([]T, error) {
	l.memo.mu.Lock()
	defer l.memo.mu.Unlock()
	if err := l.spend(); err != nil {
		return nil, err
	}
	return f()
}

// exists reports whether a domain has an address or a host for mail (RFC 9091, 2.7).
func (l *lookup) exists(domain string) (bool, error) {
	addrs, err := l.addresses(domain, true)
	if len(addrs) > 0 {
		return true, nil
	}
	if !errors.Is(err, resolver.ErrNone) {
		return true, fmt.Errorf("whether %s exists: %w", domain, err)
	}
	mx, err := ask(l, func() ([]resolver.MX, error) { return l.dns.MX(l.ctx, domain) })
	if errors.Is(err, resolver.ErrNone) {
		return false, nil
	}
	return len(mx) > 0 || err != nil, err
}
