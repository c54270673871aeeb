package httpd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/delivery"
	"github.com/multimail/multimail/dkim"
	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/authserver"
	"github.com/multimail/multimail/internal/bounce"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/systemtest"
	"github.com/multimail/multimail/internal/throttle"
	"github.com/multimail/multimail/internal/zone"
	"github.com/multimail/multimail/mail"
)

const (
	bot   = "bot@a.example"   // mailbox of the agent "bot"
	other = "other@a.example" // mailbox of the agent "other"
	ada   = "ada@b.example"   // who gets mail
)

// fixture is a door before a real system; only keys and the next hop are the
// test's.
type fixture struct {
	*systemtest.System
	t     *testing.T
	clock *systemtest.Clock
	d     *delivery.Delivery
	logs  *bytes.Buffer

	db store.Store // of the doors; DB, or one before it

	s, dev *Server
	codes  []message.CodeNotice // that were mailed
	unsent error                // what the next hop says of them; nil: it takes them
	keys   map[string]string    // by principal
	ids    map[string]string    // of their keys
	tokens tokens               // what tokens say, by their text

	filter func(context.Context, *mail.Mail, []byte) (mail.Spam, error) // nil: everything is clean
	words  Search                                                       // nil: there is no index
}

// judge is the filter of the gate.
func (h *fixture) judge(ctx context.Context, m *mail.Mail, raw []byte) (mail.Spam, error) {
	if h.filter == nil {
		return mail.Spam{Verdict: mail.SpamClean}, nil
	}
	return h.filter(ctx, m, raw)
}

// nextHop takes everything but what is for refuses.example, whose server pleads.
type nextHop struct{ clock *systemtest.Clock }

func (nextHop) Free(*mail.Mail) bool              { return true }
func (nextHop) Freed() <-chan struct{}            { return nil }
func (nextHop) Reserve(*mail.Mail) (func(), bool) { return func() {}, true }

func (n nextHop) Deliver(_ context.Context, m *mail.Mail, _ []byte, proceed func(mail.Phase) error) []mail.Result {
	var out []mail.Result
	stopped := proceed(mail.BeforeData) != nil || proceed(mail.BeforeDot) != nil
	for _, a := range m.Recipients(mail.Pending) {
		if a.Domain() == "refuses.example" && !stopped {
			out = append(out, mail.Result{Addr: a, Permanent: true, Code: 550, Enhanced: "5.7.511", Message: pleading,
				Remote: "obey-me.example:25", At: n.clock.Now().UTC()})
			continue
		}
		out = append(out, mail.Result{Addr: a, Delivered: !stopped, Stopped: stopped, Code: 250, Enhanced: "2.0.0",
			Message: "Ok", Remote: "mx.b.example:25", At: n.clock.Now().UTC()})
	}
	return out
}

// identity and dkimKeys stand in for keyrings: what they publish is tested elsewhere.
type identity struct{ made map[string]bool }

func (k identity) Ensure(domain string, _ time.Time) error { k.made[domain] = true; return nil }
func (k identity) Document(domain string) ([]byte, error) {
	return []byte(`{"kty":"EC","kid":"` + domain + `","keys":[{"kty":"EC","kid":"` + domain + `"}]}`), nil
}

func (k identity) DNS(domain string) (string, string, error) {
	return "_multimail-identity." + domain, "v=MMID1; kid=k; alg=ES256; p=AAAA", nil
}

type dkimKeys struct{}

func (dkimKeys) Records(domain string) ([]dkim.Record, error) {
	return []dkim.Record{{Name: "mm1._domainkey." + domain, TXT: "v=DKIM1; k=rsa; p=AAAA"}}, nil
}

func (dkimKeys) Ensure(string, time.Time) error { return nil }

// zones stands in for the DNS, in which the records are as the test says.
type zones struct{ outcome zone.Outcome }

func (*zones) Records(domain, _ string) ([]zone.Record, error) {
	return []zone.Record{
		{Purpose: zone.Ownership, Type: "TXT", Name: "_multimail-challenge." + domain, Value: "multimail-challenge=c"},
		{Purpose: zone.Identity, Type: "TXT", Name: "_multimail-identity." + domain,
			Value: "v=MMID1; kid=k; alg=ES256; p=AAAA"},
	}, nil
}

func (z *zones) Verify(_ context.Context, domain string) (r zone.Report, _ error) {
	records, err := z.Records(domain, "")
	r.Outcome = z.outcome
	r.Findings = []zone.Finding{{Record: records[0], Status: zone.Present},
		{Record: records[1], Status: zone.Different, Found: []string{"v=MMID1; kid=x"}, Do: "publish it"}}
	return r, err
}

func (*zones) Policy() string { return "version: STSv1\r\n" }

func newFixture(t *testing.T) *fixture {
	t.Helper()
	// A millisecond each time it is read, so that ids sort.
	clock := systemtest.NewClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), time.Millisecond)
	return newFixtureWith(t, clock, func(*fixture) {})
}

// newFixtureWith has change called once the system is there and before anything is made
// that goes by its gate.
func newFixtureWith(t *testing.T, clock *systemtest.Clock, change func(*fixture)) *fixture {
	t.Helper()
	h := &fixture{t: t, clock: clock, keys: map[string]string{}, ids: map[string]string{}, tokens: tokens{},
		logs: &bytes.Buffer{}}
	h.build("")
	change(h)
	h.next()
	h.populate()
	h.doors()
	return h
}

// clone is the same system once more, with all that was made so far. It takes the doors along,
// which cost the most: they are those of the last clone, and h has none any more.
func (h *fixture) clone(t *testing.T) *fixture {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(dir, os.DirFS(h.Dir)); err != nil {
		t.Fatal(err)
	}
	c := &fixture{t: t, clock: systemtest.NewClock(h.clock.Now(), time.Millisecond), keys: h.keys, ids: h.ids,
		tokens: h.tokens, logs: &bytes.Buffer{}}
	c.build(dir)
	c.s = h.s
	o := &c.s.o
	o.Gate, o.Queue, o.Registry, o.Store, o.Audit, o.Inbox = c.Gate, c.Queue, c.Registry, c.db, c.Audit, c.Inbox
	o.Auth, o.Webhooks = registry.NewAuthenticator(c.DB, c.Registry, c.tokens), oneWebhook{c.Registry}
	o.Now, o.SendCode = c.clock.Now, c.mailCode
	return c
}

// build makes the system, in a directory that may have one.
func (h *fixture) build(dir string) {
	h.t.Helper()
	h.System = systemtest.New(h.t, systemtest.Options{Dir: dir, Now: h.clock.Now, Gate: gate.Options{
		Filter: h.judge, Bounces: bounce.New("bounce")}})
	h.db = h.DB
}

// mailCode keeps the mail of a code.
func (h *fixture) mailCode(_ context.Context, _, _ string, n message.CodeNotice) error {
	h.codes = append(h.codes, n)
	return h.unsent
}

// next puts a next hop behind it.
func (h *fixture) next() {
	h.t.Helper()
	var err error
	h.d, err = delivery.New(h.DB, h.Gate, h.Ledger, h.Nodes, nextHop{h.clock},
		delivery.Options{Node: systemtest.Node, Log: systemtest.Quiet, Workers: 16, Lease: 15 * time.Minute,
			FirstRetry: time.Minute, MaxRetry: 4 * time.Hour})
	if err != nil {
		h.t.Fatal(err)
	}
}

// doors puts the doors before it.
func (h *fixture) doors() {
	h.t.Helper()
	var err error
	o := Options{Gate: h.Gate, Queue: h.Queue, Registry: h.Registry, Store: h.db,
		Auth: registry.NewAuthenticator(h.DB, h.Registry, h.tokens), Audit: h.Audit, Inbox: h.Inbox,
		Identity: identity{map[string]bool{}}, DKIM: dkimKeys{}, Zones: &zones{}, Keys: signingKeys{},
		MaxSize: 25 << 20, Messages: throttle.NewBytes(16 * 25 << 20), Logins: throttle.NewLogins(10, 10, h.clock.Now),
		MaxPerSource: 100, RequestsPerMinute: 1200, Search: h.words,
		Log: slog.New(slog.NewTextHandler(h.logs, nil)), Now: h.clock.Now}
	o.OAuth, o.Webhooks = h.oauth(), oneWebhook{h.Registry}
	o.SendCode = h.mailCode
	if h.s, err = New(o); err != nil {
		h.t.Fatal(err)
	}
	o.Dev = true
	if h.dev, err = New(o); err != nil {
		h.t.Fatal(err)
	}
}

// publicURL is how clients address the server of a fixture.
const publicURL = "https://mail.example.test"

// oauth is the authorization server, at which Anna of corp may grant what bot may do.
func (h *fixture) oauth() *OAuth {
	h.t.Helper()
	server, err := authserver.New(authserver.Options{Origin: publicURL, Store: h.DB, Registry: h.Registry,
		Hosts: []string{"client.test"}, Access: 5 * time.Minute, Refresh: time.Hour, Rules: []authserver.Rule{{
			Issuer: "corp", Person: "anna", Agents: []string{"bot"}, Scopes: registry.KindAgent.Scopes()}}})
	if err != nil {
		h.t.Fatal(err)
	}
	h.Update(server.Prepare)
	return &OAuth{Origin: publicURL, Issuer: publicURL, Server: server}
}

// populate adds a domain, two agents with a mailbox each, and a key of every kind.
func (h *fixture) populate() {
	h.t.Helper()
	h.AddOperator("a.example", mail.MustAddress("eve@a.example"))
	h.AddAgent("bot", "ref-bot", mail.MustAddress(bot))
	h.AddAgent("other", "ref-other", mail.MustAddress(other))
	socket := registry.Socket(1000, false)
	for _, k := range []struct { // in an order, so that what is random can be repeated
		name string
		registry.KeyRequest
	}{
		{"reader", registry.KeyRequest{Kind: registry.KindAgent, Owner: "bot",
			Scopes: []registry.Scope{registry.ScopeRead}}},
		{"sender", registry.KeyRequest{Kind: registry.KindAgent, Owner: "bot",
			Scopes: []registry.Scope{registry.ScopeRead, registry.ScopeSend}}},
		{"other", registry.KeyRequest{Kind: registry.KindAgent, Owner: "other",
			Scopes: []registry.Scope{registry.ScopeRead, registry.ScopeSend}}},
		{"admin", registry.KeyRequest{Kind: registry.KindAdmin, Owner: "root",
			Scopes: []registry.Scope{registry.ScopeAdmin}}},
		{"approver", registry.KeyRequest{Kind: registry.KindApprover, Owner: "eve",
			Scopes: []registry.Scope{registry.ScopeOversight, registry.ScopeOversightRead}}},
	} {
		h.key(k.name, socket, k.KeyRequest)
	}
	h.key("watcher", h.principal("approver"),
		registry.KeyRequest{Kind: registry.KindApprover, Owner: "max", Scopes: []registry.Scope{registry.ScopeOversightRead}})
}

func (h *fixture) key(name string, by registry.Principal, q registry.KeyRequest) {
	h.t.Helper()
	h.Update(func(tx store.Tx) error {
		k, secret, err := h.Registry.AddKey(tx, by, q)
		h.keys[name], h.ids[name] = secret, k.ID
		return err
	})
}

func (h *fixture) principal(name string) (p registry.Principal) {
	h.t.Helper()
	h.Update(func(tx store.Tx) (err error) {
		p, err = h.Registry.ByKey(tx, h.keys[name])
		return err
	})
	return p
}

// reply is what the door answered.
type reply struct {
	status int
	header http.Header
	body   string
}

// do makes a request as a principal: "nobody", "socket", "dev", or the name of
// a key. A body makes it JSON.
func (h *fixture) do(as, method, target, body string) reply {
	h.t.Helper()
	return h.serve(as, h.request(as, method, target, body))
}

func (h *fixture) request(as, method, target, body string) *http.Request {
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, target, in)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if key := h.keys[as]; key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	return r
}

func (h *fixture) serve(as string, r *http.Request) reply {
	handler := h.s.Handler()
	switch as {
	case "socket", "dev":
		handler = map[string]*Server{"socket": h.s, "dev": h.dev}[as].SocketHandler()
		r = r.WithContext(context.WithValue(r.Context(), peerKey{}, peer{uid: 1000}))
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	got := reply{w.Code, w.Header(), w.Body.String()}
	if fault := faultOfRefusal(r.URL.Path, got); fault != "" {
		h.t.Errorf("%s %s: %d %s: %s", r.Method, r.URL.Path, got.status, got.body, fault)
	}
	return got
}

// want makes a request that must answer with a status.
func (h *fixture) want(status int, as, method, target, body string) reply {
	h.t.Helper()
	r := h.do(as, method, target, body)
	if r.status != status {
		h.t.Fatalf("%s %s as %s: got %d %s, want %d", method, target, as, r.status, r.body, status)
	}
	return r
}

// into reads an answer.
func into[T any](h *fixture, r reply) (v T) {
	h.t.Helper()
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		h.t.Fatalf("%s: %v", r.body, err)
	}
	return v
}

const draft = `{"to":["ada@b.example"],"subject":"Hello","markdown":"Good *morning*."}`

// held sends a mail that is held.
func (h *fixture) held() api.Receipt {
	h.t.Helper()
	return into[api.Receipt](h, h.want(202, "sender", "POST", "/v1/mailboxes/"+bot+"/send", draft))
}

// approved sends a mail and approves it.
func (h *fixture) approved() api.Receipt {
	h.t.Helper()
	r := h.held()
	h.want(200, "approver", "POST", "/v1/oversight/decide",
		`{"email_id":"`+r.ID+`","action":"approve","digest":"`+r.Digest+`"}`)
	return r
}

// deliver runs the queue until every mail is finished or held.
func (h *fixture) deliver() {
	h.t.Helper()
	h.deliverUntil(func() bool {
		n, err := h.Queue.Counts(context.Background())
		if err != nil {
			h.t.Fatal(err)
		}
		return n[mail.Ready]+n[mail.Sending] == 0
	})
}

// deliverUntil runs the queue until something is so.
func (h *fixture) deliverUntil(so func() bool) {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.d.Run(ctx, context.Background()) }()
	for {
		moved := h.Queue.Changed()
		if so() {
			break
		}
		<-moved
	}
	cancel()
	if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
		h.t.Fatal(err)
	}
}

// rejected sends a mail and rejects it, which leaves a notice in the inbox.
// It returns the mail and the notice.
func (h *fixture) rejected() (mailID, noticeID string) {
	h.t.Helper()
	r := h.held()
	h.want(200, "approver", "POST", "/v1/oversight/decide", `{"email_id":"`+r.ID+`","action":"reject","reason":"not now"}`)
	list := into[api.Emails](h, h.want(200, "reader", "GET", "/v1/mailboxes/"+bot+"/emails?direction=inbound&limit=1", ""))
	if len(list.Emails) != 1 || list.Emails[0].About != r.ID {
		h.t.Fatalf("no notice about %s: %+v", r.ID, list)
	}
	return r.ID, list.Emails[0].ID
}

// entries returns the audit log, newest first.
func (h *fixture) entries() (list []audit.Record) {
	h.t.Helper()
	err := h.DB.View(context.Background(), func(tx store.Tx) error {
		all, err := h.Audit.List(tx, 0, 1000)
		list = nil
		for _, e := range all {
			list = append(list, e.Record())
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return list
}

// stored counts the mails that were submitted.
func (h *fixture) stored() int {
	h.t.Helper()
	all, err := h.Queue.All(context.Background(), "", 1000)
	if err != nil {
		h.t.Fatal(err)
	}
	n := 0
	for _, l := range all {
		if l.Mail == nil || l.Mail.Direction == mail.Outgoing {
			n++
		}
	}
	return n
}
