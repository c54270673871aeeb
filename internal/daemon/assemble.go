package daemon

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/delivery"
	"github.com/multimail/multimail/dkim"
	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/httpd"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/bounce"
	"github.com/multimail/multimail/internal/clock"
	"github.com/multimail/multimail/internal/config"
	"github.com/multimail/multimail/internal/inbox"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/metrics"
	"github.com/multimail/multimail/internal/node"
	"github.com/multimail/multimail/internal/oauth"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/resolver"
	"github.com/multimail/multimail/internal/secret"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/bolt"
	"github.com/multimail/multimail/internal/throttle"
	"github.com/multimail/multimail/internal/upgrade"
	"github.com/multimail/multimail/internal/zone"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/mcpbridge"
	"github.com/multimail/multimail/queue"
	"github.com/multimail/multimail/relay"
	"github.com/multimail/multimail/sign"
	"github.com/multimail/multimail/sign/fetch"
)

// assemble makes every part and connects them. Nothing listens yet.
func (d *Daemon) assemble() (err error) {
	if err := d.loadCertificates(); err != nil {
		return err
	}
	hop, err := relayOptions(d.o.Config.Relay)
	if err != nil {
		return err
	}
	m := metrics.New()
	d.o.Clock.Log = d.o.Log
	c := clock.New(d.o.Clock)
	if err := d.openData(c); err != nil {
		return err
	}
	hop.Hostname, hop.Log = d.o.Config.SMTP.Hostname, d.o.Log
	if d.relay, err = relay.New(hop); err != nil {
		return err
	}
	if d.resolver, err = resolver.New(resolver.Options{
		Servers: d.o.Config.DNS.Resolver, Timeout: time.Duration(d.o.Config.DNS.Timeout),
	}); err != nil {
		return err
	}
	if err := d.makeFilter(m); err != nil {
		return err
	}
	if err := d.makeGate(c, m); err != nil {
		return err
	}
	d.document = fetch.New(nil).Document
	zones := newZones(d.identity, d.dkim, d.resolver, zoneSettings(d.o.Config))
	d.watcher = zone.NewWatcher(zones, book{d.db, d.registry, d.gate}, d.o.Log)
	m.States(d.states)
	d.makeSearch(m)
	if err := d.makeHooks(m); err != nil {
		return err
	}
	return d.makeServers(c, m)
}

// devSegment is the size of a segment of the journal in dev mode: it is made in no time.
const devSegment = 1 << 20

// openData opens what the data directory holds.
func (d *Daemon) openData(c *clock.Clock) (err error) {
	conf := d.o.Config
	o := bolt.Options{Dir: conf.Data, Create: d.dev != nil, Now: c.Now}
	if d.dev != nil {
		o.Segment = devSegment
	}
	if d.db, err = bolt.Open(o); err != nil {
		return err
	}
	if d.node, err = nodeName(context.Background(), conf.Data, conf.Node, d.db); err != nil {
		return err
	}
	d.audit = audit.New(d.node)
	d.ledger = queue.New(d.audit, d.node)
	d.inbox = inbox.New(d.ledger)
	d.registry = registry.New(d.audit, time.Duration(conf.Queue.Hold))
	err = upgrade.Upgrader{DB: d.db, Ledger: d.ledger, Inbox: d.inbox, Registry: d.registry, Log: d.o.Log}.
		Run(context.Background())
	if err != nil {
		return err
	}
	d.reader = queue.NewReader(d.db, d.ledger, d.o.Log)
	if d.clock, err = startClock(context.Background(), c, d.db, d.audit); err != nil {
		return err
	}
	d.bounces = bounce.New(conf.DNS.Bounce)
	for _, p := range []func(store.Tx) error{d.registry.Prepare, d.bounces.Prepare} {
		if err := prepare(context.Background(), d.db, p); err != nil {
			return err
		}
	}
	return d.openKeys(c)
}

// prepare makes the secrets of logins or bounce addresses, where they are missing: a start
// need not be able to write, so that the log of a full disk can be verified.
func prepare(ctx context.Context, db store.Store, make func(store.Tx) error) error {
	err := db.View(ctx, make)
	if errors.Is(err, store.ErrReadOnly) {
		err = db.Update(ctx, make)
	}
	return err
}

// makeGate makes the gate and the delivery behind it.
func (d *Daemon) makeGate(c *clock.Clock, m *metrics.Metrics) (err error) {
	conf, q := d.o.Config, d.o.Config.Queue
	nodes := node.New()
	d.gate = gate.New(d.db, d.ledger, d.registry, d.audit, nodes, gate.Options{
		SubmissionsPerMinute: conf.HTTP.SubmissionsPerMinute,
		MaxSize:              int64(conf.SMTP.MaxSize), MaxRcpt: conf.SMTP.MaxRecipients,
		Trusted: c.Trusted, Log: d.o.Log, Metrics: m, RetryLifetime: time.Duration(q.Lifetime),
		Filter: d.filter.Judge, Learn: d.trainer.Learn, Trash: d.inbox, Answers: d.inbox,
		Filer:     filers{d.inbox, noter{}},
		QuotaSize: int64(conf.Inbox.QuotaSize), QuotaCount: conf.Inbox.QuotaCount,
		Retention: time.Duration(conf.Inbox.Retention), RetentionSize: int64(conf.Inbox.RetentionSize),
		TrashAfter: time.Duration(conf.Inbox.TrashAfter),
		HeldSize:   int64(q.HeldSize), HeldCount: q.HeldCount,
		BacklogSize: int64(q.BacklogSize), BacklogCount: q.BacklogCount,
		Bounces: d.bounces, WarmUp: q.WarmUp, Closing: d.endings(), Forget: d.forget,
	})
	rewrites, err := mail.ParseRewrites(conf.Relay.Rewrites)
	if err != nil {
		return err
	}
	d.stamps = []delivery.Stamp{
		sign.NewStamper(d.identity).Rewriting(rewrites), dkim.NewStamper(d.dkim).Rewriting(rewrites),
		received{conf.SMTP.Hostname},
	}
	d.delivery, err = delivery.New(d.db, d.gate, d.ledger, nodes, d.relay, delivery.Options{
		Node: d.node, Metrics: m, Log: d.o.Log, Trusted: c.Trusted,
		Workers: q.Workers, Lease: time.Duration(q.Lease),
		FirstRetry: time.Duration(q.FirstRetry), MaxRetry: time.Duration(q.MaxRetry),
		Stamps: d.stamps,
	})
	return err
}

// fits refuses an address whose mail could get an identity header that is too long
// (invariant 7: no release finds out).
func (d *Daemon) fits(tx store.Tx, box mail.Address) error {
	o, err := d.registry.Operator(tx)
	if err != nil {
		return err
	}
	return sign.CheckBudget(box.Domain(), box.String(), o.Name, "")
}

// makeServers makes the servers of SMTP and HTTP, which share their limits.
func (d *Daemon) makeServers(c *clock.Clock, m *metrics.Metrics) (err error) {
	conf := d.o.Config
	messages := throttle.NewBytes(int64(conf.Memory.Messages))
	logins := throttle.NewLogins(conf.Logins.PerSource, conf.Logins.PerAccount, nil)
	verifier, err := d.verifier(c.Now, c.Trusted, m)
	if err != nil {
		return err
	}
	granting, verifier, err := d.makeOAuth(verifier, c.Now)
	if err != nil {
		return err
	}
	users := registry.NewAuthenticator(d.db, d.registry, verifier)
	authorities, err := pool("smtp.client_ca_file", conf.SMTP.ClientCAFile, nil)
	if err != nil {
		return err
	}
	users.TrustClients(authorities)
	users.Provision(d.fits)
	if err := d.makeSubmission(users, logins, messages, m); err != nil {
		return err
	}
	keys := fetch.NewCache(fetch.New(d.resolver), nil)
	inspector, err := d.makeInspector(keys, m)
	if err != nil {
		return err
	}
	// Strangers together have half of the memory, so that agents always have the rest.
	strangers := messages.Part(int64(conf.Memory.Messages) / 2)
	if err := d.makeInbound(inspector, strangers, m); err != nil {
		return err
	}
	domain := "" // whose key document is served by default
	if d.dev != nil {
		domain = devDomain
	}
	bridge, err := d.makeBridge()
	if err != nil {
		return err
	}
	mcp := func(dial func(key string) api.Caller) http.Handler {
		return bridge.Handler(dial, int64(conf.SMTP.MaxSize))
	}
	d.http, err = httpd.New(httpd.Options{
		Gate: d.gate, Queue: d.reader, Registry: d.registry, Auth: users,
		CheckIdentity: func(issuer, tenant string, ids ...string) error {
			return oauth.CheckIdentity(conf.Issuers, issuer, tenant, ids...)
		}, Store: d.db, Audit: d.audit, Inbox: d.inbox,
		Identity: d.identity, DKIM: d.dkim, Zones: d.watcher, Doctor: d.examine, Keys: d.keys, Clock: c, Metrics: m,
		Log: d.o.Log, Dev: d.dev != nil, Search: d.search,
		MaxPerSource: conf.HTTP.MaxPerSource, RequestsPerMinute: conf.HTTP.RequestsPerMinute,
		AllowedHosts: conf.HTTP.AllowedHosts, MaxSize: int64(conf.SMTP.MaxSize),
		Messages: messages, Logins: logins, DefaultDomain: domain, MCP: mcp, Sessions: bridge,
		OAuth:  granting,
		Origin: conf.HTTP.PublicURL, SendCode: d.sendCode,
		Webhooks:  webhooks{d.hooks, d.registry},
		Published: Published{Document: keys.Document, Records: d.resolver}.Lookup,
	})
	return err
}

// makeBridge makes the door for MCP agents.
func (d *Daemon) makeBridge() (*mcpbridge.Bridge, error) {
	b, err := mcpbridge.New(api.Operations, mcpbridge.Tools(), d.o.Version)
	if err != nil {
		return nil, err
	}
	var key []byte
	err = d.db.View(context.Background(), func(tx store.Tx) (err error) {
		key, err = d.registry.TaskKey(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return b, b.SealTasks(key)
}

func (d *Daemon) states() map[string]int {
	counts, err := d.reader.Counts(context.Background())
	if err != nil {
		d.o.Log.Error("count", "err", err)
	}
	out := map[string]int{}
	for s, n := range counts {
		out[s.String()] = n
	}
	return out
}

// received is the topmost stamp: our trace line.
type received struct{ host string }

func (r received) Stamp(_ context.Context, m *mail.Mail, _ []byte) ([]byte, error) {
	if m.Release == nil {
		return nil, errors.New("received: the mail has no release")
	}
	return message.Received(m, r.host, m.SubmittedAt), nil
}

// loadCertificates reads the pairs that the configuration names.
func (d *Daemon) loadCertificates() error {
	conf := d.o.Config
	smtpPair, err := loadCertificate("smtp.tls_cert_file", conf.SMTP.CertFile, conf.SMTP.KeyFile, d.o.Log)
	if err != nil {
		return err
	}
	apiPair, err := loadCertificate("http.tls_cert_file", conf.HTTP.CertFile, conf.HTTP.KeyFile, d.o.Log)
	if err != nil {
		return err
	}
	if smtpPair != nil {
		d.smtpTLS, d.certificates = smtpPair.config(), append(d.certificates, smtpPair)
		// Asked for, and judged at AUTH EXTERNAL: a pinned one needs no authority.
		d.smtpTLS.ClientAuth = tls.RequestClientCert
	}
	if apiPair != nil {
		d.apiTLS, d.certificates = apiPair.config(), append(d.certificates, apiPair)
	}
	return nil
}

// relayOptions reads what the configuration names for the way to the next hop.
func relayOptions(c config.Relay) (relay.Options, error) {
	o := relay.Options{Smarthost: c.Smarthost, TLS: relay.TLSPolicy(c.TLS), ImplicitTLS: c.ImplicitTLS,
		Username: c.Username, PerDestination: c.PerDestination,
		GreetingTimeout: time.Duration(c.GreetingTimeout), Auth: relay.AuthMethod(c.Auth),
		OAuth: relay.OAuth{TokenURL: c.OAuthTokenURL, ClientID: c.OAuthClientID, Scope: c.OAuthScope}}
	for _, f := range []struct {
		key, path string
		to        *string
	}{
		{"relay.password_file", c.PasswordFile, &o.Password},
		{"relay.oauth_client_secret_file", c.OAuthClientSecret, &o.OAuth.ClientSecret},
	} {
		if f.path == "" {
			continue
		}
		b, _, err := secret.Read(f.path)
		if err != nil {
			return o, fmt.Errorf("%s: %w", f.key, err)
		}
		*f.to = strings.TrimRight(string(b), "\r\n")
	}
	if c.CAFile == "" {
		return o, nil
	}
	system, err := x509.SystemCertPool()
	if err != nil {
		return o, err
	}
	o.RootCAs, err = pool("relay.ca_file", c.CAFile, system)
	return o, err
}

// pool adds the certificates of a file that the configuration names to a pool, nil
// for an empty one. Without a file it returns the pool as it is.
func pool(key, path string, to *x509.CertPool) (*x509.CertPool, error) {
	if path == "" {
		return to, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	if to == nil {
		to = x509.NewCertPool()
	}
	if !to.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("%s: no certificate in it", key)
	}
	return to, nil
}
