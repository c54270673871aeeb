// Package httpd is the HTTP door: the REST interface for agents, approvers and
// admins, the public key documents, health and metrics.
//
// It decides nothing. The table of operations in package api says what there is
// and which scopes it needs; a handler gets the request as a value, makes one
// call into the package that knows, and returns the answer. Errors become a
// status in one place.
//
// There are two ways in. Over TCP everybody needs an API key. On the unix
// socket the operating system vouches for the caller, who may do without one
// and is then the principal of the socket, never an agent.
//
//	s, err := httpd.New(httpd.Options{Gate: g, Queue: q, Registry: reg, …})
//	go s.ServeSocket(filepath.Join(dir, "multimail.sock"))
//	err = s.Serve(listener)
package httpd

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/dkim"
	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/inbox"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/metrics"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/throttle"
	"github.com/multimail/multimail/internal/zone"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
	"github.com/multimail/multimail/sign"
)

// IdentityKeys are the keys that sign identity headers.
type IdentityKeys interface {
	Ensure(domain string, now time.Time) error
	Document(domain string) ([]byte, error)
	DNS(domain string) (name, txt string, err error)
}

// DKIMKeys are the keys that sign messages.
type DKIMKeys interface {
	Ensure(domain string, now time.Time) error
	Records(domain string) ([]dkim.Record, error)
}

var (
	_ IdentityKeys = (*sign.Keyring)(nil)
	_ DKIMKeys     = (*dkim.Keyring)(nil)
	_ Reader       = (*queue.Reader)(nil)
	_ Zones        = (*zone.Watcher)(nil)
)

// Zones knows what the DNS must say of a domain, and what it does say.
type Zones interface {
	Records(domain, challenge string) ([]zone.Record, error)
	Verify(ctx context.Context, domain string) (zone.Report, error)
	Policy() string // MTA-STS; "" for none
}

// Clock is a wall clock that may be in doubt.
type Clock interface {
	Doubt() string // why it is not trusted, or ""
	Accept()       // trusts it as it is now
}

// Options are what a server is made from. Everything up to RequestsPerMinute is
// required: zero never means no limit.
type Options struct {
	Gate     *gate.Gate
	Queue    Reader
	Registry *registry.Registry
	Auth     *registry.Authenticator
	// CheckIdentity refuses an identity that no configured issuer could name; nil takes all.
	CheckIdentity func(issuer, tenant string, ids ...string) error
	Store         store.Store
	Audit         *audit.Log
	Inbox         *inbox.Inbox
	Identity      IdentityKeys
	DKIM          DKIMKeys
	Zones         Zones
	Doctor        func(context.Context) []api.Check // nil: nothing is examined
	Keys          SigningKeys

	MaxSize           int64            // octets of a mail, as the gate has it
	Messages          *throttle.Bytes  // octets of bodies in memory, also those of SMTP
	Logins            *throttle.Logins // failed ones, also those over SMTP
	MaxPerSource      int              // connections from one throttle.Source
	RequestsPerMinute int              // of one API key

	// Clock is the clock that the gate and the queue go by; nil means one that
	// is always trusted.
	Clock Clock

	Metrics *metrics.Metrics // nil means none
	Log     *slog.Logger     // nil means slog.Default
	Now     func() time.Time // nil means time.Now
	Dev     bool             // the socket may decide and loosen too

	// Search finds mail by its words; nil: nothing does.
	Search Search

	// Origin is how clients address this server, such as https://mail.example.com, for the
	// documents that it describes itself with; empty: they do not say.
	Origin string
	// DefaultDomain is the domain whose keys are shown where the Host header
	// names no domain of this server; empty means the only one.
	DefaultDomain string
	// AllowedHosts are the only names, without ports, that the Host header of
	// a request over TCP may have; empty means any, or on a loopback listener
	// loopback names only, and for the public key documents our own domains.
	AllowedHosts []string
	// Published looks up what other domains publish, for the time of ctx; nil means
	// that nobody is asked. It must reach nothing but them: a mail chooses the domain.
	Published func(ctx context.Context) sign.Lookup
	// MCP makes the handler of /mcp from what dials this server in-process; nil means that there is none.
	MCP func(dial func(key string) api.Caller) http.Handler
	// Sessions are those of clients of MCP; nil means that there are none.
	Sessions Sessions
	// SendCode mails a code to the operator, at once and once: its bytes are kept nowhere.
	// From is an address of the domain; ref is the entry that it was asked for under. Nil:
	// nothing can be had by a code.
	SendCode func(ctx context.Context, domain, ref string, n message.CodeNotice) error
	// OAuth is how clients get tokens; nil: they have API keys, or know themselves.
	OAuth *OAuth
	// Webhooks keeps what is told to URLs; nil: nothing is.
	Webhooks Webhooks
}

// Server is the HTTP door of one daemon.
type Server struct {
	o         Options
	handler   http.Handler // every route, without the guards of a listener
	bound     map[*api.Operation]binding
	documents func() (documents, error)

	stall   time.Duration  // see exportStall
	rate    *throttle.Rate // of requests, by API key
	lookups *throttle.Rate // of verifications that ask other domains, by credential
	fetches *throttle.Rate // of attachments without a credential, by source
	tickets *tickets

	oauthRate  *throttle.Rate // of requests of OAuth, by source
	clientRate *throttle.Rate // of clients that register themselves, by network
	byClient   *throttle.Rate // of requests of OAuth, by the client that they name
	base       atomic.Value   // string: how this server is addressed, "" or nil where it does not know
	waiters    shares
	finders    shares        // who searches
	slots      chan struct{} // see work
	reviews    reviews

	mu      sync.Mutex
	servers []*http.Server // guarded by mu
	closing chan struct{}  // closed by Shutdown: those who wait go home
	closed  bool           // guarded by mu
}

// New checks the options and returns a server that listens nowhere yet.
func New(o Options) (*Server, error) {
	if o.Gate == nil || o.Queue == nil || o.Registry == nil || o.Auth == nil ||
		o.Store == nil || o.Audit == nil || o.Inbox == nil {
		return nil, errors.New("httpd: gate, queue, registry, store, audit log and inbox are required")
	}
	if o.Identity == nil || o.DKIM == nil || o.Zones == nil || o.Keys == nil {
		return nil, errors.New("httpd: the keyrings, their keeper and the zones are required")
	}
	if o.MaxSize <= 0 || o.Messages == nil || o.Logins == nil || o.MaxPerSource <= 0 || o.RequestsPerMinute <= 0 {
		return nil, errors.New("httpd: every limit is required")
	}
	if o.DefaultDomain != "" {
		domain, err := mail.ParseDomain(o.DefaultDomain)
		if err != nil {
			return nil, err
		}
		o.DefaultDomain = domain
	}
	if o.Search == nil {
		o.Search = noSearch{}
	}
	if o.Clock == nil {
		o.Clock = trusted{}
	}
	if o.Metrics == nil {
		o.Metrics = metrics.New()
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{o: o, stall: exportStall, rate: throttle.NewRate(o.RequestsPerMinute, o.Now),
		lookups: throttle.NewRate(verifyPerMinute, o.Now), fetches: throttle.NewRate(filesPerMinute, o.Now),
		waiters: shares{each: maxWaiters, full: errWaiters}, finders: shares{each: 1, full: errSearching},
		tickets: newTickets(), oauthRate: throttle.NewRate(oauthPerMinute, o.Now),
		clientRate: throttle.NewRate(clientsPerMinute, o.Now), byClient: throttle.NewRate(oauthPerClient, o.Now),
		closing: make(chan struct{}), slots: newSlots()}
	return s, s.mount(api.Operations, s.bindings())
}
