package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"golang.org/x/time/rate"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/dkim"
	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/httpd"
	"github.com/multimail/multimail/internal/clock"
	"github.com/multimail/multimail/internal/config"
	"github.com/multimail/multimail/internal/inbox"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/metrics"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/bolt"
	"github.com/multimail/multimail/internal/throttle"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
	"github.com/multimail/multimail/relay"
	"github.com/multimail/multimail/sign"
	"github.com/multimail/multimail/smtpd"
)

// setup is everything a daemon is built from; serve fills it from the
// configuration, or from the fixed choices of the dev mode.
type setup struct {
	data     string
	node     string
	create   bool // a missing database is made
	dev      bool
	hostname string

	submission, submissions, http net.Listener // nil for none
	smtpTLS, httpTLS              *tls.Config  // httpTLS nil: plain HTTP
	certificates                  []*certificate
	allowedHosts                  []string
	domain                        string // whose key document is served by default

	maxSize           int64
	maxRcpt, maxConns int
	maxPerSource      int
	maxCommands       int
	logins            config.Logins
	limits            config.HTTP // its limits alone
	memory            config.Memory
	quotas            config.Queue
	relay             relay.Options
	queue             queue.Options
	hold              time.Duration
	ed25519           bool
	log               *slog.Logger
	clock             clock.Options // the zero value reads the machine's clocks
}

// daemon is the running house. It knows every concrete type and decides nothing.
type daemon struct {
	db       *bolt.DB
	audit    *audit.Log
	registry *registry.Registry
	identity *sign.Keyring
	dkim     *dkim.Keyring
	queue    *queue.Queue
	gate     *gate.Gate
	relay    *relay.Client
	smtp     *smtpd.Server
	http     *httpd.Server
	clock    *clockwork
	socket   string
	s        setup
}

// build puts the rooms together. Nothing listens yet.
func build(s setup) (d *daemon, err error) {
	d = &daemon{s: s}
	m := metrics.New()
	s.clock.Log = s.log
	c := clock.New(s.clock)
	if d.db, err = bolt.Open(bolt.Options{Dir: s.data, Create: s.create, Now: c.Now}); err != nil {
		return nil, err
	}
	db := d.db
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	d.audit = audit.New(s.node)
	if d.clock, err = startClock(context.Background(), c, db, d.audit); err != nil {
		return nil, err
	}
	d.registry = registry.New(d.audit).Holding(s.hold)
	d.identity = sign.OpenKeys(s.data)
	d.dkim = dkim.OpenKeys(s.data, dkim.Options{Ed25519: s.ed25519})
	if err = d.checkKeys(); err != nil {
		return nil, err
	}
	box := inbox.New()

	s.relay.Hostname, s.relay.Metrics, s.relay.Log = s.hostname, m, s.log
	if d.relay, err = relay.New(s.relay); err != nil {
		return nil, err
	}
	s.queue.Node, s.queue.Metrics, s.queue.Log, s.queue.Trusted = s.node, m, s.log, c.Trusted
	s.queue.Stamps = []queue.Stamp{sign.NewStamper(d.identity), dkim.NewStamper(d.dkim), received{s.hostname}}
	if d.queue, err = queue.New(d.db, d.audit, d.relay, box, s.queue); err != nil {
		return nil, err
	}
	d.relay.OnFree(d.queue.Wake)
	d.gate = gate.New(d.db, d.queue, d.registry, d.audit,
		gate.Options{SubmissionsPerMinute: s.limits.SubmissionsPerMinute, MaxSize: s.maxSize, MaxRcpt: s.maxRcpt, Trusted: c.Trusted, Log: s.log, Metrics: m,
			HeldSize: int64(s.quotas.HeldSize), HeldCount: s.quotas.HeldCount,
			BacklogSize: int64(s.quotas.BacklogSize), BacklogCount: s.quotas.BacklogCount})
	m.States(d.states)

	messages := throttle.NewBytes(int64(s.memory.Messages))
	logins := throttle.NewLogins(s.logins.PerSource, s.logins.PerAccount, nil)
	if d.smtp, err = smtpd.New(d.gate, credentials{d.db, d.registry, rate.NewLimiter(rate.Every(10*time.Second), 20)}, smtpd.Options{
		Hostname: s.hostname, TLSConfig: s.smtpTLS, MaxSize: s.maxSize, MaxRecipients: s.maxRcpt,
		MaxConnections: s.maxConns, MaxPerSource: s.maxPerSource, Logins: logins,
		MaxCommands: s.maxCommands, Messages: messages, Log: s.log, Metrics: m,
	}); err != nil {
		return nil, err
	}
	d.http, err = httpd.New(httpd.Options{
		Gate: d.gate, Queue: d.queue, Registry: d.registry, Store: d.db, Audit: d.audit, Inbox: box,
		Identity: d.identity, DKIM: d.dkim, Clock: c, Metrics: m, Log: s.log, Dev: s.dev,
		Messages: messages, Logins: logins, MaxPerSource: s.limits.MaxPerSource, RequestsPerMinute: s.limits.RequestsPerMinute,
		DefaultDomain: s.domain, AllowedHosts: s.allowedHosts, MaxSize: s.maxSize, MCP: mcpHandler(s.maxSize),
	})
	return d, err
}

// checkKeys refuses to start without the keys of a domain: its mail would wait
// for ever, and a new key in the place of a lost one would belie what the old
// one signed. Only an Ed25519 key that the configuration asks for now is made.
func (d *daemon) checkKeys() error {
	var domains []registry.Domain
	err := d.db.View(context.Background(), func(tx store.Tx) (err error) {
		domains, err = d.registry.Domains(tx)
		return err
	})
	for _, dom := range domains {
		if err == nil {
			_, err = d.identity.Document(dom.Name)
		}
		if err == nil {
			err = d.dkim.Ensure(dom.Name)
		}
	}
	return err
}

func (d *daemon) states() map[string]int {
	counts, err := d.queue.Counts(context.Background())
	if err != nil {
		d.s.log.Error("count", "err", err)
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

// credentials looks SMTP passwords up, each login in a transaction of its own.
type credentials struct {
	db  store.Store
	reg *registry.Registry
	// noise bounds the entries about refused logins: whoever guesses must not
	// be able to fill the log.
	noise *rate.Limiter
}

// ByPassword returns the principal behind a user name and password.
func (c credentials) ByPassword(ctx context.Context, user, password, remote string) (p registry.Principal, err error) {
	err = c.db.View(ctx, func(tx store.Tx) error {
		p, err = c.reg.ByPassword(tx, user, password)
		return err
	})
	p.IP = remote
	if errors.Is(err, registry.ErrCredentials) && c.noise.Allow() {
		err = errors.Join(err, c.db.Update(ctx, func(tx store.Tx) error {
			return c.reg.NoteAuth(tx, registry.Principal{IP: remote}, "smtp", user)
		}))
	}
	return p, err
}

// run serves until ctx ends, then drains: doors first, then attempts under way.
func (d *daemon) run(ctx context.Context, ready func() error) error {
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	failed := make(chan error, 8)
	serve := func(name string, fn func() error) {
		go func() {
			if err := fn(); err != nil {
				failed <- fmt.Errorf("%s: %w", name, err)
			}
		}()
	}
	if d.s.submission != nil {
		serve("submission", func() error { return d.smtp.Serve(d.s.submission, false) })
	}
	if d.s.submissions != nil {
		serve("submissions", func() error { return d.smtp.Serve(d.s.submissions, true) })
	}
	if err := d.listenHTTP(ctx, serve); err != nil {
		return err
	}
	queueDone := make(chan struct{})
	qctx, stopQueue := context.WithCancel(work)
	serve("queue", func() error { defer close(queueDone); return d.queue.Run(qctx, work) })
	serve("gate", func() error { return d.gate.Run(work) })
	serve("memory", func() error { return new(trimmer).run(work) })
	go d.clock.run(work, func(err error) { d.s.log.Error("clock", "err", err) })

	err := ready()
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-failed:
		}
	}
	return errors.Join(err, d.drain(stopQueue, queueDone, stopWork))
}

// drainTime is how long attempts under way may take to end at a shutdown;
// cutting one after its final dot is a mail sent twice.
const drainTime = 30 * time.Second

// cutTime is how long an attempt that was cut may take to record its results.
const cutTime = 5 * time.Second

func (d *daemon) drain(stopQueue func(), queueDone <-chan struct{}, stopWork func()) error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	stopQueue()
	err := errors.Join(d.smtp.Shutdown(ctx), d.http.Shutdown(ctx))
	select {
	case <-queueDone:
	case <-ctx.Done():
	}
	stopWork()
	select { // what was cut still records what it knows
	case <-queueDone:
	case <-time.After(cutTime):
	}
	return errors.Join(err, d.relay.Close(), d.db.Close())
}
