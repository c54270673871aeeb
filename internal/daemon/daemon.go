// Package daemon assembles the running system from its configuration: store,
// registry, gate, queue, the servers and what runs beside them.
//
//	d, err := daemon.New(daemon.Options{Config: c, Log: log})
//	err = d.Run(ctx, nil) // until ctx ends; then it drains and closes
//
// It knows every concrete type and decides nothing. A process is not needed:
// tests start it in a directory of their own.
package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/delivery"
	"github.com/multimail/multimail/dkim"
	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/httpd"
	"github.com/multimail/multimail/internal/authserver"
	"github.com/multimail/multimail/internal/bounce"
	"github.com/multimail/multimail/internal/clock"
	"github.com/multimail/multimail/internal/config"
	"github.com/multimail/multimail/internal/hook"
	"github.com/multimail/multimail/internal/hsm"
	"github.com/multimail/multimail/internal/inbox"
	"github.com/multimail/multimail/internal/oauth"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/resolver"
	"github.com/multimail/multimail/internal/rotation"
	"github.com/multimail/multimail/internal/search"
	"github.com/multimail/multimail/internal/spam"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/bolt"
	"github.com/multimail/multimail/internal/upgrade"
	"github.com/multimail/multimail/internal/zone"
	"github.com/multimail/multimail/queue"
	"github.com/multimail/multimail/relay"
	"github.com/multimail/multimail/sign"
	"github.com/multimail/multimail/sign/fetch"
	"github.com/multimail/multimail/smtpd"
)

// Options are what a daemon is made from.
type Options struct {
	Config  config.Config
	File    string        // where Config was read, for Reload; "" for nowhere
	Version string        // for MCP clients and the audit log
	Log     *slog.Logger  // nil means slog.Default
	Clock   clock.Options // the zero value reads the machine's clocks
}

// Daemon is the running system.
type Daemon struct {
	o   Options
	dev *devMode // nil outside dev mode

	db       *bolt.DB
	audit    *audit.Log
	registry *registry.Registry
	bounces  *bounce.Addresses
	identity *sign.Keyring
	dkim     *dkim.Keyring
	keys     *rotation.Keeper
	token    *hsm.Token // nil for none
	node     string
	ledger   *queue.Ledger
	inbox    *inbox.Inbox
	search   *search.Index
	reader   *queue.Reader
	delivery *delivery.Delivery
	gate     *gate.Gate
	filter   *spam.Filter
	trainer  *spam.Trainer // nil: nothing is learnt
	relay    *relay.Client
	stamps   []delivery.Stamp // in the order they are made
	resolver *resolver.Resolver
	watcher  *zone.Watcher
	document func(ctx context.Context, domain string) (fetch.Document, error) // that a domain serves
	smtp     *smtpd.Server                                                    // nil: no listener for agents
	inbound  *smtpd.Server                                                    // nil: no listener for SMTP from the world
	lmtp     *smtpd.Server                                                    // nil: none for LMTP
	http     *httpd.Server
	clock    *clockwork
	tokens   *oauth.Verifier    // nil: no issuer is configured
	granter  *authserver.Server // nil: clients get their tokens elsewhere, or none
	hooks    *hook.Hooks

	submission, submissions, api net.Listener // nil for none
	world, front                 net.Listener // of inbound and lmtp; nil for none
	smtpTLS, apiTLS              *tls.Config  // apiTLS nil: plain HTTP
	certificates                 []*certificate
	socket                       string

	closing sync.Once
	closed  error
}

// Addresses are where a daemon listens; "" is nowhere.
type Addresses struct {
	Submission  string // host:port, STARTTLS
	Submissions string // host:port, implicit TLS
	HTTP        string // host:port
	Inbound     string // host:port, SMTP from the world
	LMTP        string // host:port or path
	Socket      string // path
}

// New opens the data directory, which must be there, and the listeners. Nobody
// is served before Run.
func New(o Options) (*Daemon, error) {
	d := &Daemon{o: o}
	return d.opened()
}

// opened assembles d, or closes what was opened so far.
func (d *Daemon) opened() (*Daemon, error) {
	if d.o.Log == nil {
		d.o.Log = slog.Default()
	}
	err := d.o.Config.Check()
	for _, step := range []func() error{d.assemble, d.fixtures, d.warnOfProvision, d.listen} {
		if err == nil {
			err = step()
		}
	}
	if err != nil {
		return nil, errors.Join(d.explain(err), d.Close())
	}
	return d, nil
}

// explain says what to do when the data directory is not as expected.
func (d *Daemon) explain(err error) error {
	if errors.Is(err, store.ErrMissing) && errors.Is(err, fs.ErrNotExist) {
		return hinted{err, "make the data directory with `multimail init --data " + d.o.Config.Data + "`"}
	}
	return err
}

// listen opens the listeners that the configuration names.
func (d *Daemon) listen() (err error) {
	if d.socket, err = SocketPath(d.o.Config.Data); err != nil {
		return err
	}
	for _, l := range []struct {
		key, addr string
		to        *net.Listener
	}{
		{"smtp.submission", d.o.Config.SMTP.Submission, &d.submission},
		{"smtp.submissions", d.o.Config.SMTP.Submissions, &d.submissions},
		{"inbound.listen", d.o.Config.Inbound.Listen, &d.world},
		{"http.listen", d.o.Config.HTTP.Listen, &d.api},
	} {
		if l.addr == "" || *l.to != nil { // that of the dev mode is open already
			continue
		}
		if *l.to, err = net.Listen("tcp", l.addr); err != nil {
			return fmt.Errorf("%s: %w", l.key, err)
		}
	}
	if d.lmtp != nil {
		if d.front, err = listenLMTP(d.o.Config.Inbound.LMTP); err != nil {
			return fmt.Errorf("inbound.lmtp: %w", err)
		}
	}
	if d.dev != nil {
		d.dev.info.PID = os.Getpid()
		d.dev.info.Submission, d.dev.info.Submissions = d.submission.Addr().String(), d.submissions.Addr().String()
		d.dev.info.Inbound = d.world.Addr().String()
		d.dev.info.HTTP, d.dev.info.AdminSocket = "http://"+d.api.Addr().String(), d.socket
	}
	return nil
}

// Addresses returns where the daemon listens, with the ports it was given.
func (d *Daemon) Addresses() Addresses {
	addr := func(l net.Listener) string {
		if l == nil {
			return ""
		}
		return l.Addr().String()
	}
	return Addresses{Submission: addr(d.submission), Submissions: addr(d.submissions), HTTP: addr(d.api),
		Inbound: addr(d.world), LMTP: addr(d.front), Socket: d.socket}
}

// Run serves until ctx ends, then drains (new connections first, then attempts
// under way) and closes. It calls ready, if there is one, as soon as the admin
// socket answers; an error of ready ends it.
func (d *Daemon) Run(ctx context.Context, ready func() error) error {
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	failed := make(chan error, 8)
	d.recordStart(ctx)
	d.warnDomains()
	serve := func(name string, fn func() error) {
		go func() {
			if err := fn(); err != nil {
				failed <- fmt.Errorf("%s: %w", name, err)
			}
		}()
	}
	if d.submission != nil {
		serve("submission", func() error { return d.smtp.Serve(d.submission, false) })
	}
	if d.submissions != nil {
		serve("submissions", func() error { return d.smtp.Serve(d.submissions, true) })
	}
	if d.inbound != nil {
		serve("inbound", func() error { return d.inbound.Serve(d.world, false) })
	}
	if d.lmtp != nil {
		serve("lmtp", func() error { return d.lmtp.Serve(d.front, false) })
	}
	if err := d.serveAPI(ctx, serve); err != nil {
		return errors.Join(err, d.Close())
	}
	deliveryDone := make(chan struct{})
	qctx, stopDelivery := context.WithCancel(work)
	serve("delivery", func() error { defer close(deliveryDone); return d.delivery.Run(qctx, work) })
	serve("gate", func() error { return d.gate.Run(work) })
	go d.supervise(work)
	go d.keys.Run(qctx)
	go d.checkSettings(qctx)
	go d.watcher.Run(qctx)
	if d.granter != nil {
		go d.sweepOAuth(qctx)
	}
	if d.trainer != nil {
		go d.trainer.Run(qctx)
	}
	var followers sync.WaitGroup
	followers.Go(func() { d.search.Run(qctx) })
	followers.Go(func() { d.hooks.Run(qctx) })

	err := d.announce(ready)
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-failed:
		case <-d.db.Failed():
			err = d.db.Healthy() // says why
		}
	}
	defer followers.Wait() // the search closes its file
	return errors.Join(err, d.drain(stopDelivery, deliveryDone, stopWork))
}

// recordStart writes which version of the program decides from here on, and the
// format of the data. The node is in every entry. A log that takes no entry takes no mail
// either; the daemon still starts, so that the log can be verified.
func (d *Daemon) recordStart(ctx context.Context) {
	err := d.db.Update(ctx, func(tx store.Tx) error {
		_, err := d.audit.Append(tx, audit.Record{Kind: audit.StoreStart, Actor: audit.System,
			Facts: map[string]string{"version": d.o.Version, "format": strconv.Itoa(upgrade.Format)}})
		return err
	})
	if err != nil {
		d.o.Log.Error("start", "err", err)
	}
}

// checkSettings reports settings that somebody changed in the file of the stopped
// daemon. They stay in force: whoever decides sees which they are and sets them
// right.
func (d *Daemon) checkSettings(ctx context.Context) {
	err := d.gate.CheckSettings(ctx)
	if err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrClosed) {
		d.o.Log.Error("settings differ from the audit log", "err", err)
	}
}

// announce says that the daemon listens.
func (d *Daemon) announce(ready func() error) error {
	at := d.Addresses()
	if d.dev != nil {
		if err := d.dev.info.write(d.o.Config.Data); err != nil {
			return err
		}
	}
	d.o.Log.Info("listening", "socket", at.Socket, "submission", at.Submission,
		"submissions", at.Submissions, "inbound", at.Inbound, "lmtp", at.LMTP, "http", at.HTTP)
	if ready == nil {
		return nil
	}
	return ready()
}

// drainTime is how long attempts under way may take to end at a shutdown;
// cutting one after its final dot is a mail sent twice.
const drainTime = 30 * time.Second

// cutTime is how long an attempt that was cut may take to record its results.
const cutTime = 5 * time.Second

func (d *Daemon) drain(stopDelivery func(), deliveryDone <-chan struct{}, stopWork func()) error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	stopDelivery()
	err := d.shutdown(ctx)
	select {
	case <-deliveryDone:
	case <-ctx.Done():
	}
	stopWork()
	select { // what was cut still records what it knows
	case <-deliveryDone:
	case <-time.After(cutTime):
	}
	return errors.Join(err, d.Close())
}

// shutdown ends all servers at the same time: what one of them waits for must not take
// the time of the others.
func (d *Daemon) shutdown(ctx context.Context) error {
	ends := []func(context.Context) error{d.http.Shutdown}
	for _, s := range []*smtpd.Server{d.smtp, d.inbound, d.lmtp} {
		if s != nil {
			ends = append(ends, s.Shutdown)
		}
	}
	errs := make([]error, len(ends))
	var wg sync.WaitGroup
	for i, end := range ends {
		wg.Go(func() { errs[i] = end(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Close closes what New opened. Run does it at its end; a daemon that never ran
// needs it. A second call returns what the first did.
func (d *Daemon) Close() error {
	d.closing.Do(func() {
		for _, l := range []net.Listener{d.submission, d.submissions, d.world, d.front, d.api} {
			if l != nil {
				l.Close() // a shutdown has closed it already
			}
		}
		var errs []error
		if d.tokens != nil {
			d.tokens.Close()
		}
		if d.relay != nil {
			errs = append(errs, d.relay.Close())
		}
		if d.dev != nil {
			errs = append(errs, d.dev.close())
		}
		if d.db != nil {
			errs = append(errs, d.db.Close())
		}
		if d.token != nil {
			errs = append(errs, d.token.Close())
		}
		d.closed = errors.Join(errs...)
	})
	return d.closed
}
