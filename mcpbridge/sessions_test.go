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

	"github.com/multimail/multimail/httpd/api"
)

const hello = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25",` +
	`"capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`

// identities is an API that knows whoami alone.
type identities struct {
	mu   sync.Mutex
	keys map[string]api.Identity
}

func (i *identities) dial(key string) api.Caller { return identified{i, key} }

func (i *identities) end(key string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.keys, key)
}

type identified struct {
	*identities
	key string
}

func (i identified) Do(context.Context, *api.Operation, any) (any, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	who, ok := i.keys[i.key]
	if !ok {
		return nil, &api.Error{Status: http.StatusUnauthorized, Message: "no such credential"}
	}
	return who, nil
}

// directly makes a request of a handler without a network.
func directly(
	ctx context.Context, h http.Handler, method, key, body string, headers ...string,
) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, method, "/mcp", strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func someIdentities() *identities {
	token := agent
	token.Credential, token.Until = "grant:G", time.Now().Add(5*time.Minute)
	other := agent
	other.Credential = "key:OTHER"
	reader := agent
	reader.Scopes, reader.Credential = []string{"read"}, "key:READER"
	granted := reader
	granted.Credential = "grant:READER"
	return &identities{keys: map[string]api.Identity{"agent": agent, "other": other, "token": token, "reader": reader,
		"granted": granted, "approver": approver}}
}

func (d *door) begin(t *testing.T, key string) string {
	t.Helper()
	w := directly(t.Context(), d, "POST", key, hello)
	if w.Code != http.StatusOK {
		t.Fatalf("initialize: %d %s", w.Code, w.Body)
	}
	return w.Header().Get(headerSession)
}

func newDoor(t *testing.T, i *identities) *door { return newBridge(t).Handler(i.dial, 1<<20).(*door) }

func TestASessionIsOfOneCredential(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := someIdentities()
		d := newDoor(t, i)
		id := d.begin(t, "agent")
		if id == "" {
			t.Fatal("no session")
		}
		for _, c := range []struct {
			name, method, key, session string
			status                     int
		}{
			{"its owner", "POST", "agent", id, 200},
			{"another key of the same agent", "POST", "other", id, 404},
			{"an approver", "POST", "approver", id, 404},
			{"nobody", "POST", "wrong", id, 401},
			{"a session that never was", "POST", "agent", "ABC", 404},
			{"the stream of another", "GET", "other", id, 404},
			{"the end of another's", "DELETE", "other", id, 404},
			{"a stream without a session", "GET", "agent", "", 400},
			{"its owner ends it", "DELETE", "agent", id, 204},
			{"it has ended", "POST", "agent", id, 404},
		} {
			headers := []string{headerVersion, "2025-11-25"}
			if c.session != "" {
				headers = append(headers, headerSession, c.session)
			}
			body := ""
			if c.method == "POST" {
				body = listTools
			}
			if w := directly(t.Context(), d, c.method, c.key, body, headers...); w.Code != c.status {
				t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
			}
			synctest.Wait()
		}
		// Fewer scopes than the session began with: other tools, and so another session.
		id = d.begin(t, "agent")
		less := agent
		less.Scopes = []string{"read"}
		i.keys["agent"] = less
		if w := directly(t.Context(), d, "POST", "agent", listTools, headerSession, id); w.Code != 404 {
			t.Errorf("a session with tools of scopes that are gone: %d %s", w.Code, w.Body)
		}
		i.keys["agent"] = agent
		directly(t.Context(), d, "DELETE", "agent", "", headerSession, id)
		synctest.Wait()
	})
}

func TestSessionsAreBoundedAndEndWhenIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := someIdentities()
		d := newDoor(t, i)
		d.b.sessions.counts.all = maxSessions + 1
		for n := range maxSessions {
			if d.begin(t, "agent") == "" {
				t.Fatalf("no session %d", n)
			}
		}
		if id := d.begin(t, "agent"); id != "" {
			t.Error("one credential has more sessions than it may")
		}
		last := d.begin(t, "other")
		if last == "" || d.begin(t, "token") != "" {
			t.Error("the bound of all is another one")
		}
		if w := directly(t.Context(), d, "POST", "token", listTools); !strings.Contains(w.Body.String(), "send_email") {
			t.Errorf("without a session nothing is served: %d %s", w.Code, w.Body)
		}
		time.Sleep(sessionIdle - time.Second)
		if w := directly(t.Context(), d, "POST", "other", listTools, headerSession, last); w.Code != 200 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := len(d.b.sessions.open); n != 1 || d.b.sessions.counts.sum != 1 {
			t.Errorf("%d sessions and %d places are left", n, d.b.sessions.counts.sum)
		}
		time.Sleep(sessionIdle)
		synctest.Wait()
		if n := len(d.b.sessions.open); n != 0 || d.b.sessions.counts.sum != 0 || len(d.b.sessions.counts.now) != 0 {
			t.Errorf("%d sessions and %d places are left", n, d.b.sessions.counts.sum)
		}
	})
}

// An initialize that the SDK refuses takes no place.
func TestASessionThatDoesNotBeginTakesNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t, someIdentities())
		for range 3 {
			directly(t.Context(), d, "POST", "agent", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":7}`)
		}
		synctest.Wait()
		if d.b.sessions.counts.sum != 0 || len(d.b.sessions.open) != 0 {
			t.Errorf("%d places are taken", d.b.sessions.counts.sum)
		}
	})
}

func TestAStreamEndsWithItsTokenAndItsCredential(t *testing.T) {
	for _, c := range []struct {
		name, key string
		after     time.Duration // when the key is revoked
		lasts     time.Duration
	}{
		{"a token expires", "token", 0, 5 * time.Minute},
		{"a key is revoked", "agent", 10*time.Minute + time.Second, 10*time.Minute + streamCheck},
		{"the longest stream", "other", 0, maxStream},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i := someIdentities()
				d := newDoor(t, i)
				id := d.begin(t, c.key)
				done := make(chan time.Duration)
				start := time.Now()
				go func() {
					directly(t.Context(), d, "GET", c.key, "", headerSession, id)
					done <- time.Since(start)
				}()
				if c.after > 0 {
					time.Sleep(c.after)
					i.end(c.key)
				}
				if lasted := <-done; lasted != c.lasts {
					t.Errorf("the stream was open for %s, want %s", lasted, c.lasts)
				}
				if d.streams.sum != 0 {
					t.Error("the stream still counts")
				}
				time.Sleep(2 * sessionIdle)
			})
		})
	}
}

func TestStreamsOfOneCredentialAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t, someIdentities())
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range maxStreams {
			id := d.begin(t, "agent")
			all.Go(func() { directly(ctx, d, "GET", "agent", "", headerSession, id) })
			synctest.Wait()
		}
		var id string
		for id = range d.b.sessions.open {
			break
		}
		w := directly(t.Context(), d, "GET", "agent", "", headerSession, id)
		if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
			t.Errorf("one more stream: %d %s", w.Code, w.Body)
		}
		cancel()
		all.Wait()
		time.Sleep(2 * sessionIdle)
	})
}

func TestACallIsDecidedByScopeBeforeTheSDKSeesIt(t *testing.T) {
	i := someIdentities()
	d := newDoor(t, i)
	call := func(tool string) string {
		return fmt.Sprintf(`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":%q,"arguments":{}}}`, tool)
	}
	for _, c := range []struct {
		key, tool string
		status    int
		auth      string
		says      string
	}{
		{"reader", "send_email", 403, `Bearer error="insufficient_scope", scope="read send"`, `"id":7`},
		{"granted", "send_email", 403, `Bearer error="insufficient_scope", scope="read send"`, `"id":7`},
		{"reader", "decide_email", 200, "", "unknown tool"},
		{"approver", "send_email", 200, "", "unknown tool"},
		{"agent", "send_email", 200, "", "isError"},
		{"agent", "no_such_tool", 200, "", "unknown tool"},
	} {
		w := directly(t.Context(), d, "POST", c.key, call(c.tool))
		if w.Code != c.status || w.Header().Get("WWW-Authenticate") != c.auth || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s %s: %d %q %s", c.key, c.tool, w.Code, w.Header().Get("WWW-Authenticate"), w.Body)
		}
	}
	// A client that can get a better token sees what it would be good for; a key sees no more than it can call.
	for key, sees := range map[string]bool{"granted": true, "reader": false} {
		w := directly(t.Context(), d, "POST", key, listTools)
		if strings.Contains(w.Body.String(), `"send_email"`) != sees || strings.Contains(w.Body.String(), "decide_email") {
			t.Errorf("%s is shown %s", key, w.Body)
		}
	}
}

// modern is a request of the era without sessions.
func (d *door) modern(t *testing.T, key, method, params string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	meta := `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",` +
		`"io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}`
	if params != "" {
		meta = "," + meta
	}
	body := `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":{` + params + meta + `}}`
	return directly(t.Context(), d, "POST", key, body,
		append([]string{headerVersion, modernVersion, "Mcp-Method", method}, headers...)...)
}

func TestBothErasAreServedFromOneAddress(t *testing.T) {
	d := newDoor(t, someIdentities())
	w := d.modern(t, "agent", "server/discover", "")
	if w.Code != 200 || !strings.Contains(w.Body.String(), modernVersion) || w.Header().Get(headerSession) != "" {
		t.Errorf("discover: %d %s", w.Code, w.Body)
	}
	w = d.modern(t, "agent", "tools/list", "")
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"cacheScope":"private"`) ||
		!strings.Contains(w.Header().Get("Cache-Control"), "no-") {
		t.Errorf("tools: %d %s", w.Code, w.Body)
	}
	w = d.modern(t, "agent", "tools/call", `"name":"get_usage","arguments":{}`, "Mcp-Name", "send_email")
	if w.Code != 400 || !strings.Contains(w.Body.String(), "-32020") {
		t.Errorf("another name in the header: %d %s", w.Code, w.Body)
	}
	w = directly(t.Context(), d, "POST", "agent", hello, "Accept", "application/json")
	if w.Code != 200 || w.Header().Get(headerSession) != "" || strings.Contains(w.Body.String(), `"logging"`) ||
		w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("a client that takes JSON alone: %d %v %s", w.Code, w.Header(), w.Body)
	}
	if !strings.Contains(w.Body.String(), "do not send it again") {
		t.Errorf("no instructions: %s", w.Body)
	}
}
