package httpd

import (
	lru "container/list"
	"context"
	"encoding/json"
	"sync"

	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/mail"
)

// maxReviews is how many octets of reviews are kept.
const maxReviews = 32 << 20

// reviews keeps what approvers were shown, by digest: the bytes behind a digest
// never change, so neither does their review. Nothing of a mail's standing or
// its decisions is in it. Who reads one must not change it.
type reviews struct {
	mu     sync.Mutex
	kept   map[mail.Digest]*lru.Element
	recent lru.List // of kept, the latest used first
	size   int
}

// kept is one review and what it counts for.
type kept struct {
	digest mail.Digest
	review *message.Review
	size   int
}

func (c *reviews) get(d mail.Digest) *message.Review {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.kept[d]
	if e == nil {
		return nil
	}
	c.recent.MoveToFront(e)
	return e.Value.(kept).review
}

// put keeps a review; the ones not used for longest give way. One that is
// larger than an eighth of the cache is not kept.
func (c *reviews) put(d mail.Digest, r *message.Review) {
	b, err := json.Marshal(r)
	if err != nil || len(b) > maxReviews/8 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept[d] != nil {
		return
	}
	if c.kept == nil {
		c.kept = map[mail.Digest]*lru.Element{}
	}
	c.kept[d] = c.recent.PushFront(kept{d, r, len(b)})
	for c.size += len(b); c.size > maxReviews; {
		last := c.recent.Remove(c.recent.Back()).(kept)
		delete(c.kept, last.digest)
		c.size -= last.size
	}
}

// reviewed returns the review of a mail, which is made once.
func (s *Server) reviewed(ctx context.Context, c caller, m *mail.Mail) (seen *message.Review, err error) {
	if seen = s.reviews.get(m.Digest); seen != nil {
		return seen, nil
	}
	err = s.work(ctx, c, func() error {
		if seen = s.reviews.get(m.Digest); seen != nil {
			return nil // made while this one waited
		}
		raw, err := s.o.Queue.Raw(ctx, m.ID)
		if err != nil {
			return err
		}
		seen = message.NewReview(raw)
		s.reviews.put(m.Digest, seen)
		return nil
	})
	return seen, err
}
