package httpd

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/multimail/multimail/mail"
)

// Bounds of a list.
const (
	maxPage  = 100     // items of a page
	maxScan  = 1000    // items one request reads to find those that fit
	maxOctet = 1 << 20 // octets of the items of a page, as JSON
)

// errEnd ends a list early: nothing further fits.
var errEnd = errors.New("httpd: end of list")

// page gathers the items of one answer. Every list is made by one, so that no
// number or size of items makes an answer large.
type page[V any] struct {
	items []V
	limit int // items
	size  int // octets so far
}

// newPage returns an empty page; an empty list is [], not null.
func newPage[V any](limit int) *page[V] { return &page[V]{items: []V{}, limit: limit} }

// add takes an item, and reports false when the page has no space left for it.
// One item that no page could hold is shown as brief instead.
func (p *page[V]) add(v, brief V) (bool, error) {
	b, err := json.Marshal(v)
	if err == nil && len(b) > maxOctet {
		v = brief
		b, err = json.Marshal(v)
	}
	if err != nil {
		return false, fmt.Errorf("httpd: item of a list: %w", err)
	}
	if len(p.items) == p.limit || p.size+len(b)+1 > maxOctet {
		return false, nil
	}
	p.items, p.size = append(p.items, v), p.size+len(b)+1
	return true, nil
}

// gather walks a list until the page is full, and returns the cursor of what
// follows, "" at the end. fetch returns up to n items beyond an id; use returns
// an item's id and what the list shows of it, nil if it does not fit. brief is
// what stands for an item that is too large. One request reads maxScan items
// at most; its answer may then be short and have a cursor.
func gather[T, V any](
	s *Server, p *page[V], cursor mail.ID, fetch func(from mail.ID, n int) ([]T, error),
	use func(T) (mail.ID, *V, error), brief func(mail.ID) V,
) (string, error) {
	n := max(p.limit, 20)
	for scanned := 0; scanned < maxScan; {
		items, err := fetch(cursor, n)
		if err != nil {
			return "", err
		}
		for _, item := range items {
			id, v, err := use(item)
			if errors.Is(err, errEnd) {
				return "", nil
			}
			if err != nil {
				return "", err
			}
			if v != nil {
				taken, err := p.add(*v, brief(id))
				if err != nil {
					return "", err
				}
				if !taken {
					s.o.Metrics.Limits.WithLabelValues(string(mail.LimitListSize)).Inc()
					return string(cursor), nil
				}
			}
			cursor = id
			scanned++
			if len(p.items) == p.limit {
				return string(cursor), nil
			}
		}
		if len(items) < n {
			return "", nil
		}
	}
	return string(cursor), nil
}
