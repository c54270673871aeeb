package fetch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// source is what a cache asks instead of servers.
type source struct {
	asked atomic.Int32
	doc   Document
	err   error
}

func (s *source) get(context.Context, string) (Document, error) {
	s.asked.Add(1)
	return s.doc, s.err
}

func cacheOf(get func(context.Context, string) (Document, error)) *Cache {
	c := NewCache(New(nil), nil)
	c.get = get
	return c
}

const kid = "AAAAAAAAAAAAAAAA"

func TestHowLongAnAnswerIsKept(t *testing.T) {
	with := []byte(`{"kid":"` + kid + `"}`)
	for name, tt := range map[string]struct {
		doc  Document
		err  error
		kept time.Duration
	}{
		"as the server says":           {Document{with, 20 * time.Minute}, nil, 20 * time.Minute},
		"not for a day":                {Document{with, 24 * time.Hour}, nil, maxKept},
		"not for a second":             {Document{with, time.Second}, nil, minAge},
		"an unknown key":               {Document{[]byte("{}"), time.Hour}, nil, minAge},
		"a server that is down":        {Document{}, fmt.Errorf("x.test %w", ErrUnreachable), maxNoWay},
		"a server without a document":  {Document{}, fmt.Errorf("x.test %w", ErrStatus), maxNoDoc},
		"a server with a wrong answer": {Document{}, fmt.Errorf("x.test %w", ErrType), maxNoDoc},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &source{doc: tt.doc, err: tt.err}
			c := cacheOf(s.get)
			ask := func(want int32) {
				t.Helper()
				doc, err := c.Document(t.Context(), "x.test", kid)
				if string(doc) != string(tt.doc.Body) || err != tt.err || s.asked.Load() != want {
					t.Errorf("%s: %s, %v after %d requests, want %d", name, doc, err, s.asked.Load(), want)
				}
			}
			ask(1)
			time.Sleep(tt.kept - time.Nanosecond)
			if !c.Fresh("x.test", kid) || c.Fresh("y.test", kid) {
				t.Errorf("%s: Fresh is wrong", name)
			}
			ask(1)
			time.Sleep(time.Nanosecond)
			if c.Fresh("x.test", kid) {
				t.Errorf("%s: still fresh", name)
			}
			ask(2)
		})
	}
}

func TestThoseWhoAskAtOnceShareOneRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{doc: Document{Body: []byte("{}")}}
		c := cacheOf(func(ctx context.Context, domain string) (Document, error) {
			time.Sleep(time.Second)
			return s.get(ctx, domain)
		})
		gone, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		var answers atomic.Int32
		for i := range 50 {
			ctx := t.Context()
			if i == 0 {
				ctx = gone
			}
			wg.Go(func() {
				if doc, err := c.Document(ctx, "x.test", kid); err == nil && string(doc) == "{}" {
					answers.Add(1)
				}
			})
			synctest.Wait()
		}
		leave() // the one who caused the request does not take it along
		wg.Wait()
		if s.asked.Load() != 1 || answers.Load() != 49 {
			t.Errorf("%d requests, %d answers", s.asked.Load(), answers.Load())
		}
	})
}

func TestOnlySoManyRequestsAreMadeAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int32
		c := cacheOf(func(context.Context, string) (Document, error) {
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(time.Second)
			now.Add(-1)
			return Document{Body: []byte("{}")}, nil
		})
		var wg sync.WaitGroup
		for i := range 5 * maxAtOnce {
			wg.Go(func() {
				if _, err := c.Document(t.Context(), fmt.Sprintf("d%d.test", i), kid); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if most.Load() != maxAtOnce {
			t.Errorf("%d at once", most.Load())
		}
	})
}

// Strangers choose the domains, and may let each of them answer as late as they like:
// what waits must end, or it would pile up for as long as they go on.
func TestADomainWaitsItsTurnForALimitedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{err: ErrUnreachable}
		c := cacheOf(func(ctx context.Context, domain string) (Document, error) {
			time.Sleep(maxTime)
			return s.get(ctx, domain)
		})
		start, busy := time.Now(), atomic.Int32{}
		var wg sync.WaitGroup
		for i := range 10 * maxAtOnce {
			wg.Go(func() {
				if _, err := c.Document(t.Context(), fmt.Sprintf("d%d.test", i), kid); errors.Is(err, ErrBusy) {
					busy.Add(1)
				}
			})
		}
		wg.Wait()
		if took := time.Since(start); took > maxTurn+maxTime {
			t.Errorf("the last one waited for %s", took)
		}
		if asked := s.asked.Load(); asked+busy.Load() != 10*maxAtOnce || busy.Load() == 0 {
			t.Errorf("%d asked, %d not", asked, busy.Load())
		}
		for domain, e := range c.entries {
			if errors.Is(e.err, ErrBusy) && c.Fresh(domain, kid) {
				t.Fatalf("that nobody asked %s is kept", domain)
			}
		}
	})
}

func TestTheCacheHasABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, size := range []int{2, maxDocument} {
			body := []byte("{" + strings.Repeat(" ", size-2) + "}")
			s := &source{doc: Document{Body: body, MaxAge: time.Hour}}
			c := cacheOf(s.get)
			const n = maxEntries + 10
			for i := range n {
				if _, err := c.Document(t.Context(), fmt.Sprintf("d%d.test", i), kid); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Millisecond)
			}
			held := 0
			for _, e := range c.entries {
				held += len(e.doc)
			}
			if len(c.entries) > maxEntries || held != c.octets || held > maxOctets+maxDocument || len(c.entries) < 60 {
				t.Errorf("%d entries, %d octets, %d counted", len(c.entries), held, c.octets)
			}
			if c.Fresh("d0.test", kid) || c.entries["d0.test"] != nil || c.entries[fmt.Sprintf("d%d.test", n-1)] == nil {
				t.Error("it did not forget the oldest")
			}
		}
	})
}
