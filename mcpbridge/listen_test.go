package mcpbridge

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// listening opens the stream of subscriptions/listen for a resource, and returns what it said
// and how long it was open, once it has ended.
func listening(d *door, ctx context.Context, key, uri string) func() (said string, lasted time.Duration) {
	body := `{"jsonrpc":"2.0","id":9,"method":"subscriptions/listen","params":{"notifications":` +
		`{"resourceSubscriptions":["` +
		uri + `"]},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",` +
		`"io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}`
	type end struct {
		said   string
		lasted time.Duration
	}
	done, start := make(chan end, 1), time.Now()
	go func() {
		w := directly(ctx, d, "POST", key, body, headerVersion, modernVersion, "Mcp-Method", "subscriptions/listen")
		done <- end{fmt.Sprintf("%d %s", w.Code, w.Body), time.Since(start)}
	}()
	synctest.Wait()
	return sync.OnceValues(func() (string, time.Duration) { e := <-done; return e.said, e.lasted })
}

const updated = "notifications/resources/updated"

// In the era without sessions one request asks for notifications and carries them.
func TestAListenerIsToldOfWhatItMaySeeAtThatTime(t *testing.T) {
	mailURI, boxURI := resource{mailbox: box, kind: "mail", id: "01M"}.uri(), resource{mailbox: box}.uri()
	for _, c := range []struct {
		name, uri string
		happens   func(b *busy)
		told      int
	}{
		{"a mail changes", mailURI, func(b *busy) { b.change("", false) }, 1},
		{"a mail is hidden meanwhile", mailURI, func(b *busy) { b.change("", true) }, 0},
		{"the key is revoked", mailURI, func(b *busy) { b.end("agent"); b.change("", false) }, 0},
		{"mail arrives", boxURI, func(b *busy) { b.change("02", false) }, 1},
		{"mail arrives that nobody may see", boxURI, func(b *busy) { b.change("01", false) }, 0},
		{"nothing", boxURI, func(*busy) {}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &busy{identities: someIdentities(), moved: make(chan struct{}), newer: "01"}
				d := newBridge(t).Handler(b.dial, 1<<20).(*door)
				ctx, hangUp := context.WithCancel(t.Context())
				told := listening(d, ctx, "agent", c.uri)
				c.happens(b)
				time.Sleep(10 * time.Second)
				hangUp()
				said, _ := told()
				if !strings.HasPrefix(said, "200 ") || !strings.Contains(said, "notifications/subscriptions/acknowledged") ||
					strings.Count(said, updated) != c.told || c.told > 0 && !strings.Contains(said, c.uri) {
					t.Errorf("told %d times, want %d: %s", strings.Count(said, updated), c.told, said)
				}
				time.Sleep(2 * sessionIdle)
				synctest.Wait()
				if b.open != 0 || len(d.b.watches.open) != 0 || d.b.watches.counts.sum != 0 || d.streams.sum != 0 {
					t.Errorf("%d watches are left, %v, %d streams", b.open, d.b.watches.open, d.streams.sum)
				}
			})
		})
	}
}

func TestAListenerEndsWithItsTokenAndItsCredential(t *testing.T) {
	for _, c := range []struct {
		name, key     string
		after, lasts  time.Duration // when the key is revoked; how long the stream is open
		toldUntilThen bool
	}{
		{"a token expires", "token", 0, 5 * time.Minute, true},
		{"a key is revoked", "agent", 10*time.Minute + time.Second, 10*time.Minute + streamCheck, true},
		{"the longest stream", "other", 0, maxStream, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &busy{identities: someIdentities(), moved: make(chan struct{}), newer: "01"}
				d := newBridge(t).Handler(b.dial, 1<<20).(*door)
				told := listening(d, t.Context(), c.key, resource{mailbox: box, kind: "mail", id: "01M"}.uri())
				b.change("", false)
				time.Sleep(2 * time.Second)
				if c.after > 0 {
					time.Sleep(c.after - 2*time.Second)
					b.end(c.key)
					b.change("", false)
				}
				said, lasted := told()
				if lasted != c.lasts || strings.Count(said, updated) != 1 {
					t.Errorf("the stream was open for %s, want %s: %s", lasted, c.lasts, said)
				}
				b.change("", false)
				time.Sleep(2 * sessionIdle)
				synctest.Wait()
				if b.open != 0 || d.b.watches.counts.sum != 0 || d.streams.sum != 0 {
					t.Errorf("%d watches and %d streams are left", b.open, d.streams.sum)
				}
			})
		})
	}
}

// Streams of both eras count in the same bound.
func TestListenersOfOneCredentialAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &busy{identities: someIdentities(), moved: make(chan struct{}), newer: "01"}
		d := newBridge(t).Handler(b.dial, 1<<20).(*door)
		ctx, hangUp := context.WithCancel(t.Context())
		var ends []func() (string, time.Duration)
		for range maxStreams {
			ends = append(ends, listening(d, ctx, "agent", resource{mailbox: box}.uri()))
		}
		more, _ := listening(d, ctx, "agent", resource{mailbox: box}.uri())()
		if !strings.HasPrefix(more, "429 ") {
			t.Errorf("one more: %s", more)
		}
		hangUp()
		for _, end := range ends {
			end()
		}
		time.Sleep(2 * sessionIdle)
	})
}

// The library behind the door holds no secret of a client, so that nothing of it can pass one on.
func TestTheLibraryOfTheProtocolSeesNoCredential(t *testing.T) {
	d := newDoor(t, someIdentities())
	seen := 0
	look := func(w http.ResponseWriter, r *http.Request) {
		seen++
		if r.Header.Get("Authorization") != "Bearer seen" || r.Header.Get("X-Api-Key") != "" ||
			strings.Contains(fmt.Sprint(r.Header, r.URL), "other") {
			t.Errorf("it sees %v at %s", r.Header, r.URL)
		}
		w.WriteHeader(http.StatusNoContent)
	}
	d.alone, d.kept = http.HandlerFunc(look), http.HandlerFunc(look)
	d.modern(t, "other", "tools/list", "")
	directly(t.Context(), d, "POST", "other", hello)
	directly(t.Context(), d, "POST", "other", listTools)
	for _, header := range []string{"X-API-Key", "Authorization"} {
		r := httptest.NewRequest("POST", "/mcp", strings.NewReader(listTools))
		r.Header.Set(header, "other")
		d.ServeHTTP(httptest.NewRecorder(), r)
	}
	if seen != 5 {
		t.Errorf("%d of 5 requests came through", seen)
	}
}
