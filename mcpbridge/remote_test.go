package mcpbridge

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/multimail/multimail/httpd/api"
)

// elsewhere is a server of MCP with the API of busy, and a remote of it that has one key.
type elsewhere struct {
	t      *testing.T
	busy   *busy
	door   *door
	srv    *httptest.Server
	remote *Remote
	paused chan time.Duration // pauses between tries, which take no time
}

func newElsewhere(t *testing.T) *elsewhere {
	t.Helper()
	e := &elsewhere{t: t, busy: &busy{identities: someIdentities(), moved: make(chan struct{}), newer: "01"},
		paused: make(chan time.Duration)}
	e.door = newBridge(t).Handler(e.busy.dial, 1<<20).(*door)
	e.srv = httptest.NewServer(e.door)
	t.Cleanup(func() { e.srv.CloseClientConnections(); e.srv.Close() })
	e.remote = NewRemote(e.busy.dial("agent"), api.New(e.srv.URL, "agent"))
	e.remote.pause = func(ctx context.Context, d time.Duration) {
		select {
		case e.paused <- d:
		case <-ctx.Done():
		}
	}
	t.Cleanup(e.remote.Close)
	return e
}

// watch waits for a change.
func (e *elsewhere) watch(email string) (changed <-chan struct{}, stop func()) {
	e.t.Helper()
	changed, stop, err := e.remote.Watch(e.t.Context(), box, email)
	if err != nil {
		e.t.Fatal(err)
	}
	return changed, stop
}

func (e *elsewhere) sessions() int {
	e.door.b.sessions.mu.Lock()
	defer e.door.b.sessions.mu.Unlock()
	return len(e.door.b.sessions.open)
}

func isOpen(c <-chan struct{}) bool {
	select {
	case <-c:
		return false
	default:
		return true
	}
}

func TestARemoteTellsOfChangesElsewhere(t *testing.T) {
	e := newElsewhere(t)
	inbox, _ := e.watch("")
	mail, stop := e.watch("01M")
	e.busy.change("02", true) // the mail is not to be seen by this key any more
	<-inbox
	if !isOpen(mail) {
		t.Error("told of what the key may not see")
	}
	again, _ := e.watch("01M")
	stop()
	e.busy.change("02", false)
	<-again
	if n := e.sessions(); n != 1 {
		t.Errorf("%d sessions", n)
	}
}

func TestARemoteRefusesWhatTheServerRefuses(t *testing.T) {
	e := newElsewhere(t)
	e.door.b.watches.counts.each = 1
	for _, c := range []struct{ email, says string }{
		{"02M", "not found"}, {"01M", ""}, {"", "watches too much"},
	} {
		_, _, err := e.remote.Watch(t.Context(), box, c.email)
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v", c.email, err)
		}
	}
	if _, ok := e.remote.waits[resource{mailbox: box}.uri()]; ok {
		t.Error("what was refused is waited for")
	}
}

func TestARemoteIsNoneWhereTheServerOpensNoStream(t *testing.T) {
	for name, full := range map[string]func(d *door){
		"no session": func(d *door) { d.b.sessions.counts.each = 0 },
		"no stream":  func(d *door) { d.streams.each = 0 },
	} {
		e := newElsewhere(t)
		full(e.door)
		if _, _, err := e.remote.Watch(t.Context(), box, ""); err == nil {
			t.Errorf("%s: it watches", name)
		}
	}
}

func TestARemoteConnectsAgainAfterPausesThatGrow(t *testing.T) {
	e := newElsewhere(t)
	changed, _ := e.watch("")
	const fails = 8
	dial, tries := e.remote.dial, 0
	e.remote.dial = func(ctx context.Context, told func(string)) (*mcp.ClientSession, error) {
		if tries++; tries <= fails {
			return nil, errors.New("no route to host")
		}
		return dial(ctx, told)
	}
	e.srv.CloseClientConnections()
	longest := firstPause
	for range fails + 1 {
		if d := <-e.paused; d < longest/2 || d > longest {
			t.Errorf("a pause of %s, want up to %s", d, longest)
		}
		longest = min(2*longest, maxPause)
	}
	<-changed // something may have happened in between
	changed, _ = e.watch("")
	e.busy.change("02", false)
	<-changed
}

func TestARemoteEndsWithTheCredential(t *testing.T) {
	e := newElsewhere(t)
	inbox, _ := e.watch("")
	mail, _ := e.watch("01M")
	e.busy.end("agent")
	e.srv.CloseClientConnections()
	<-e.paused
	<-inbox // whoever waits finds out
	<-mail
	if _, _, err := e.remote.Watch(t.Context(), box, ""); err == nil {
		t.Error("it watches without a credential")
	}
	select {
	case <-e.paused:
		t.Error("it tries again")
	default:
	}
}

func TestARemoteKeepsNoSessionThatNobodyWaitsFor(t *testing.T) {
	e := newElsewhere(t)
	var stops []func()
	for _, email := range []string{"", "01M"} {
		_, stop := e.watch(email)
		stops = append(stops, stop)
	}
	for i, uri := range []string{resource{mailbox: box}.uri(), resource{mailbox: box, kind: "mail", id: "01M"}.uri()} {
		w := e.remote.waits[uri]
		stops[i]()
		if e.sessions() != 1 || !w.idle.Stop() {
			t.Fatalf("%s: given up at once", uri)
		}
		e.remote.leave(uri, w)
		if e.remote.waits[uri] != nil || (e.remote.session == nil) != (i == 1) {
			t.Errorf("after %s: %v", uri, e.remote.waits)
		}
	}
	e.watch("01M")
	e.remote.Close()
	if _, _, err := e.remote.Watch(t.Context(), box, ""); err == nil {
		t.Error("it watches after its end")
	}
}

func TestASubscriptionThatCannotBeginSaysWhatToDo(t *testing.T) {
	e := newElsewhere(t)
	bridge := newBridge(t)
	of, err := open(t.Context(), e.remote, "")
	if err != nil {
		t.Fatal(err)
	}
	here, there := mcp.NewInMemoryTransports()
	if _, err := bridge.server(of).Connect(context.WithValue(t.Context(), sessionKey{}, of), there, nil); err != nil {
		t.Fatal(err)
	}
	c, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(), here,
		&mcp.ClientSessionOptions{ProtocolVersion: remoteVersion})
	if err != nil {
		t.Fatal(err)
	}
	e.door.b.watches.counts.each = 0
	for _, step := range []struct {
		name, email, says string
		before            func()
	}{
		{"what is not there", "02M", "not found", func() {}},
		{"too much", "", "watches too much", func() {}},
		{"no connection", "", "tells of no changes at this time; try again later", func() {
			e.remote.Close()
		}},
		{"a caller that says nothing", "", "use wait_for_email", func() { of.c = identified{e.busy.identities, "agent"} }},
	} {
		step.before()
		r := resource{mailbox: box, id: step.email}
		if r.id != "" {
			r.kind = "mail"
		}
		err := c.Subscribe(t.Context(), &mcp.SubscribeParams{URI: r.uri()})
		if err == nil || !strings.Contains(err.Error(), step.says) {
			t.Errorf("%s: %v", step.name, err)
		}
	}
	if bridge.watches.counts.sum != 0 {
		t.Error("a subscription that did not begin is counted")
	}
}
