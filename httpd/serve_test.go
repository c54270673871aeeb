package httpd

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/mail"
)

// listen serves TCP and returns the base of its URLs.
func listen(t *testing.T, s *Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		if err := errors.Join(s.Shutdown(context.Background()), <-done); err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

func TestTheSocketKnowsItsUser(t *testing.T) {
	h := newFixture(t)
	path := filepath.Join(t.TempDir(), "m.sock")
	if err := os.WriteFile(path, []byte("left behind"), 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- h.s.ServeSocket(path) }()
	for info, err := os.Lstat(path); err != nil || info.Mode()&os.ModeSocket == 0; info, err = os.Lstat(path) {
		select {
		case err := <-done:
			t.Fatal(err)
		default:
		}
	}
	if info, err := os.Lstat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	c := api.Socket(path)
	ctx := context.Background()
	if _, err := api.Call(ctx, c, api.AddDomain, api.NewDomain{Name: "b.example"}); err != nil {
		t.Fatal(err)
	}
	if e := h.entries()[0]; e.Kind != "domain.add" || e.Actor.Kind != "socket" {
		t.Errorf("got %+v", e)
	}
	var e *api.Error
	if _, err := api.Call(ctx, c, api.SendAny, api.SendAnyRequest{Draft: api.Draft{}}); !errors.As(err, &e) ||
		e.Status != 403 {
		t.Errorf("the socket sends: %v", err)
	}
	c.Key = h.keys["sender"]
	if _, err := api.Call(ctx, c, api.SendAny,
		api.SendAnyRequest{Draft: api.Draft{To: []string{ada}, Subject: "s", Markdown: "m"}}); err != nil {
		t.Errorf("a key on the socket: %v", err)
	}
	if err := errors.Join(h.s.Shutdown(ctx), <-done, h.s.Shutdown(ctx)); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left behind: %v", err)
	}
	if err := h.s.ServeSocket(path); !errors.Is(err, net.ErrClosed) {
		t.Errorf("served after the shutdown: %v", err)
	}
}

// watched reports when somebody begins to wait for the queue, and gives it up.
type watched struct {
	Reader
	waits, ends chan struct{}
}

func (q watched) WatchMail(id mail.ID) (<-chan struct{}, func()) {
	return q.watch(q.Reader.WatchMail(id))
}

func (q watched) WatchInbox(box mail.Address) (<-chan struct{}, func()) {
	return q.watch(q.Reader.WatchInbox(box))
}

func (q watched) watch(moved <-chan struct{}, stop func()) (<-chan struct{}, func()) {
	q.waits <- struct{}{}
	return moved, func() { stop(); q.ends <- struct{}{} }
}

func TestAShutdownSendsHomeWhoWaits(t *testing.T) {
	h := newFixture(t)
	id, waits := h.held().ID, make(chan struct{}, 10)
	h.s.o.Queue = watched{h.Queue, waits, make(chan struct{}, 10)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done, home := make(chan error, 1), make(chan error, 2)
	go func() { done <- h.s.Serve(l) }()
	c := api.New("http://"+l.Addr().String(), h.keys["reader"])
	go func() {
		w, err := api.Call(context.Background(), c, api.WaitForEmail,
			api.WaitQuery{MailboxRef: api.MailboxRef{Mailbox: bot}, TimeoutSeconds: 120})
		if w.Found {
			err = errors.New("found what is not there")
		}
		home <- err
	}()
	go func() {
		e, err := api.Call(context.Background(), c, api.ReadEmail, api.EmailRequest{WaitSeconds: 45,
			EmailRef: api.EmailRef{MailboxRef: api.MailboxRef{Mailbox: bot}, Email: id}})
		if e.Status != api.StatusHeld {
			err = errors.Join(err, errors.New("status "+e.Status))
		}
		home <- err
	}()
	<-waits
	<-waits
	if err := errors.Join(h.s.Shutdown(context.Background()), <-done, <-home, <-home); err != nil {
		t.Error(err)
	}
}

func TestLargeHeadersAreRefused(t *testing.T) {
	h := newFixture(t)
	base := listen(t, h.s)
	req, err := http.NewRequest("GET", base+"/v1/mailboxes", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+strings.Repeat(".", 1<<20))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return // the connection was closed in its face, which is as good
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		b, _ := io.ReadAll(resp.Body)
		t.Errorf("got %d %s", resp.StatusCode, b)
	}
}

func TestMCPIsMountedBehindTheGuards(t *testing.T) {
	h := newFixture(t)
	o := h.s.o
	o.AllowedHosts = []string{"127.0.0.1"}
	o.MCP = func(dial func(string) api.Caller) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			list, err := api.Call(r.Context(), dial(h.keys["sender"]), api.ListMailboxes, api.None{})
			if err != nil || len(list.Mailboxes) != 1 {
				t.Errorf("got %v, %v", list, err)
			}
			io.WriteString(w, "spoken")
		})
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	base := listen(t, s)
	for host, want := range map[string]int{"": 200, "evil.example": 403} {
		req, err := http.NewRequest("POST", base+"/mcp", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%q: got %d, want %d", host, resp.StatusCode, want)
		}
	}
	if h, err := http.Get(base + "/health"); err != nil || h.StatusCode != 200 {
		t.Errorf("health beside it: %v", err)
	}
}

func TestNewRefusesWhatItCannotStandOn(t *testing.T) {
	h := newFixture(t)
	for name, spoil := range map[string]func(*Options){
		"no gate":       func(o *Options) { o.Gate = nil },
		"no queue":      func(o *Options) { o.Queue = nil },
		"no registry":   func(o *Options) { o.Registry = nil },
		"no store":      func(o *Options) { o.Store = nil },
		"no audit log":  func(o *Options) { o.Audit = nil },
		"no inbox":      func(o *Options) { o.Inbox = nil },
		"no identity":   func(o *Options) { o.Identity = nil },
		"no dkim":       func(o *Options) { o.DKIM = nil },
		"no size":       func(o *Options) { o.MaxSize = 0 },
		"no memory":     func(o *Options) { o.Messages = nil },
		"no logins":     func(o *Options) { o.Logins = nil },
		"no sources":    func(o *Options) { o.MaxPerSource = 0 },
		"no requests":   func(o *Options) { o.RequestsPerMinute = 0 },
		"an odd domain": func(o *Options) { o.DefaultDomain = "x" },
	} {
		o := h.s.o
		spoil(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
