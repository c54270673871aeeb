package search

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// A query that is interrupted must not cost the index: neither a client that goes away nor
// a query that takes too long.
func TestAnInterruptedQueryDoesNotCostTheIndex(t *testing.T) {
	f := build(t)
	big := strings.Repeat("the ", 16<<10)
	for range 20 {
		f.put(letter{from: "ada@dest.test", to: "bot@example.test", subject: "s", text: big, incoming: true})
	}
	id := f.put(letter{from: "ada@dest.test", to: "bot@example.test", subject: "invoice", text: "x", incoming: true})
	f.follow()
	slow := strings.TrimSpace(strings.Repeat(`"the the the the the the" `, 32))
	for i := range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*100*time.Microsecond)
		_, _ = f.x.Search(ctx, bot, slow, "", 100)
		cancel()
	}
	f.x.patience = 2 * time.Millisecond
	ended := 0
	for range 5 {
		if _, err := f.x.Search(t.Context(), bot, slow, "", 100); errors.Is(err, errSlow) {
			ended++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if ended == 0 {
		t.Error("no query was interrupted: the test looks past it")
	}
	f.x.patience = queryTime
	if !f.x.ready.Load() || f.x.renew.Load() || f.x.doubt.Load() {
		t.Error("the index is to be made anew")
	}
	f.finds(bot, "invoice", id)
}
