package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/multimail/multimail/internal/capture"
	"github.com/multimail/multimail/internal/config"
	"github.com/multimail/multimail/internal/secret"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/queue"
	"github.com/multimail/multimail/relay"
)

type serveCmd struct {
	Dev         bool          `help:"Everything embedded, on loopback, with a demo agent. No configuration."`
	Config      string        `help:"Configuration file." type:"path" placeholder:"FILE"`
	NextHop     string        `help:"With --dev: relay to this server instead of the capture directory." placeholder:"HOST:PORT"`
	ApprovalTTL time.Duration `help:"With --dev: how long a mail is held." placeholder:"DURATION"`
	Ports       string        `help:"With --dev: fixed ports, or auto for free ones." enum:"fixed,auto" default:"fixed"`
	Verbose     bool          `help:"With --dev: log every event."`
}

// Validate refuses what cannot be meant.
func (s serveCmd) Validate() error {
	switch {
	case s.Dev == (s.Config != ""):
		return errors.New("give either --dev or --config FILE")
	case !s.Dev && (s.NextHop != "" || s.ApprovalTTL != 0 || s.Ports != "fixed"):
		return errors.New("--next-hop, --approval-ttl and --ports belong to --dev")
	case s.ApprovalTTL < 0:
		return errors.New("--approval-ttl: must be positive")
	}
	if s.NextHop != "" {
		if _, _, err := net.SplitHostPort(s.NextHop); err != nil {
			return errors.New("--next-hop: expected HOST:PORT")
		}
	}
	return nil
}

func (s serveCmd) Run(e *environment) error {
	if s.Dev {
		return s.dev(e)
	}
	return s.configured(e)
}

// dev runs everything embedded.
func (s serveCmd) dev(e *environment) error {
	data, err := filepath.Abs(e.globals.Data)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	info, known, err := readDev(data)
	if err != nil {
		return err
	}
	cert, caFile, err := devCerts(data, time.Now())
	if err != nil {
		return fmt.Errorf("dev certificates: %w", err)
	}
	captured := filepath.Join(data, "captured")
	hop, closeHop, err := s.nextHop(captured)
	if err != nil {
		return err
	}
	defer closeHop()

	level := slog.LevelWarn
	if s.Verbose {
		level = slog.LevelInfo
	}
	set := setup{
		data: data, node: "dev", create: true, dev: true, hostname: "localhost", domain: devDomain,
		smtpTLS: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
		maxSize: 25 << 20, maxRcpt: 100, maxConns: 1000, hold: s.ApprovalTTL, ed25519: true,
		maxPerSource: config.Default().SMTP.MaxPerSource, logins: config.Default().Logins, limits: devLimits(),
		maxCommands: config.Default().SMTP.MaxCommands, memory: config.Default().Memory,
		quotas: config.Default().Queue,
		relay:  relay.Options{Smarthost: hop, TLS: "opportunistic", PerDestination: 10},
		// Trials want to see a retry soon.
		queue:        queue.Options{FirstRetry: 5 * time.Second},
		allowedHosts: []string{"localhost", "127.0.0.1", "[::1]"},
		log:          slog.New(slog.NewTextHandler(e.talk, &slog.HandlerOptions{Level: level})),
	}
	d, err := build(set)
	if err != nil {
		return explainStore(err, data)
	}
	if err := d.cast(e.ctx, &info, known); err != nil {
		return errors.Join(err, d.db.Close())
	}
	if d.s.submission, d.s.submissions, d.s.http, err = listenDev(s.Ports == "auto"); err != nil {
		return errors.Join(err, d.db.Close())
	}
	if d.socket, err = socketPath(data); err != nil {
		return errors.Join(err, d.db.Close())
	}
	info.PID = os.Getpid()
	info.Submission, info.Submissions = d.s.submission.Addr().String(), d.s.submissions.Addr().String()
	info.HTTP = "http://" + d.s.http.Addr().String()
	info.CAFile, info.AdminSocket, info.Captured = caFile, d.socket, captured
	info.Operator, info.Domain, info.Mailbox = devOperator, devDomain, devMailbox
	return d.run(e.ctx, func() error {
		if err := info.write(data); err != nil {
			return err
		}
		return info.welcome(e, data, hop, s.NextHop == "")
	})
}

// devLimits are the defaults, but for rates that load tests of one agent reach.
func devLimits() config.HTTP {
	l := config.Default().HTTP
	l.RequestsPerMinute, l.SubmissionsPerMinute = 1_000_000, 1_000_000
	return l
}

// nextHop returns where released mail goes: the embedded capture server, to
// which the real relay speaks, or what the flag says.
func (s serveCmd) nextHop(dir string) (addr string, stop func(), err error) {
	if s.NextHop != "" {
		return s.NextHop, func() {}, nil
	}
	c, err := capture.Start(capture.Options{Dir: dir})
	if err != nil {
		return "", nil, fmt.Errorf("capture: %w", err)
	}
	return c.Addr(), func() { c.Close() }, nil
}

// welcome prints what runs and three commands to try.
func (i devInfo) welcome(e *environment, data, hop string, capturing bool) error {
	next := hop
	if capturing {
		next = "files in " + i.Captured
	}
	_, port, err := net.SplitHostPort(i.Submission)
	if err != nil {
		return err
	}
	self := selfName()
	flag := ""
	if def, err := filepath.Abs(".multimail"); err != nil || def != data {
		flag = " --data " + shellWord(data)
	}
	_, err = fmt.Fprintf(e.out, welcome, i.Operator, i.Domain, data, i.Submission, i.Submissions, i.HTTP, next,
		shellWord(i.CAFile), port, i.Username, i.Password, i.Mailbox, i.Mailbox, self, flag, self, flag, i.Captured)
	return err
}

// selfName is how the reader calls this program again: a binary that `go run`
// made is gone when it ends.
func selfName() string {
	if strings.Contains(os.Args[0], "/go-build") {
		return "go run ./cmd/multimail"
	}
	return shellWord(os.Args[0])
}

// configured runs from a configuration file.
func (s serveCmd) configured(e *environment) error {
	c, err := config.Read(s.Config)
	if err != nil {
		return err
	}
	set, err := fromConfig(c)
	if err != nil {
		return err
	}
	set.log = slog.New(slog.NewJSONHandler(e.talk, nil))
	for _, pair := range set.certificates {
		pair.log = set.log
	}
	d, err := build(set)
	if err != nil {
		return explainStore(err, c.Data)
	}
	if d.socket, err = socketPath(c.Data); err != nil {
		return errors.Join(err, d.db.Close())
	}
	for _, l := range []struct {
		key, addr string
		to        *net.Listener
	}{
		{"smtp.submission", c.SMTP.Submission, &d.s.submission},
		{"smtp.submissions", c.SMTP.Submissions, &d.s.submissions},
		{"http.listen", c.HTTP.Listen, &d.s.http},
	} {
		if l.addr == "" {
			continue
		}
		if *l.to, err = net.Listen("tcp", l.addr); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", l.key, err), d.db.Close())
		}
	}
	d.reloadOnHangup(e.ctx, s.Config, c)
	return d.run(e.ctx, func() error {
		set.log.Info("listening", "socket", d.socket, "submission", addr(d.s.submission),
			"submissions", addr(d.s.submissions), "http", addr(d.s.http))
		return nil
	})
}

// addr is where a listener listens, nothing for none.
func addr(l net.Listener) string {
	if l == nil {
		return ""
	}
	return l.Addr().String()
}

func fromConfig(c config.Config) (setup, error) {
	set := setup{
		data: c.Data, node: c.Node, hostname: c.SMTP.Hostname,
		maxSize: int64(c.SMTP.MaxSize), maxRcpt: c.SMTP.MaxRecipients, maxConns: c.SMTP.MaxConnections,
		maxPerSource: c.SMTP.MaxPerSource, logins: c.Logins, limits: c.HTTP,
		maxCommands: c.SMTP.MaxCommands, memory: c.Memory,
		quotas:       c.Queue,
		allowedHosts: c.HTTP.AllowedHosts, hold: time.Duration(c.Queue.Hold), ed25519: c.DKIM.Ed25519,
		relay: relay.Options{Smarthost: c.Relay.Smarthost, TLS: relay.TLSPolicy(c.Relay.TLS), ImplicitTLS: c.Relay.ImplicitTLS,
			Username: c.Relay.Username, PerDestination: c.Relay.PerDestination,
			GreetingTimeout: time.Duration(c.Relay.GreetingTimeout), Auth: relay.AuthMethod(c.Relay.Auth),
			OAuth: relay.OAuth{TokenURL: c.Relay.OAuthTokenURL, ClientID: c.Relay.OAuthClientID, Scope: c.Relay.OAuthScope}},
		queue: queue.Options{Workers: c.Queue.Workers, Lease: time.Duration(c.Queue.Lease), Lifetime: time.Duration(c.Queue.Lifetime),
			FirstRetry: time.Duration(c.Queue.FirstRetry), MaxRetry: time.Duration(c.Queue.MaxRetry)},
	}
	var err error
	for _, l := range []struct {
		key, cert, private string
		to                 **tls.Config
	}{
		{"smtp.tls_cert_file", c.SMTP.CertFile, c.SMTP.KeyFile, &set.smtpTLS},
		{"http.tls_cert_file", c.HTTP.CertFile, c.HTTP.KeyFile, &set.httpTLS},
	} {
		pair, err := loadCertificate(l.key, l.cert, l.private)
		if err != nil {
			return set, err
		}
		if pair != nil {
			*l.to = pair.config()
			set.certificates = append(set.certificates, pair)
		}
	}
	for _, f := range []struct {
		key, path string
		to        *string
	}{
		{"relay.password_file", c.Relay.PasswordFile, &set.relay.Password},
		{"relay.oauth_client_secret_file", c.Relay.OAuthClientSecret, &set.relay.OAuth.ClientSecret},
	} {
		if f.path == "" {
			continue
		}
		b, _, err := secret.Read(f.path)
		if err != nil {
			return set, fmt.Errorf("%s: %w", f.key, err)
		}
		*f.to = strings.TrimRight(string(b), "\r\n")
	}
	if c.Relay.CAFile != "" {
		if set.relay.RootCAs, err = x509.SystemCertPool(); err != nil {
			return set, err
		}
		b, err := os.ReadFile(c.Relay.CAFile)
		if err != nil {
			return set, fmt.Errorf("relay.ca_file: %w", err)
		}
		if !set.relay.RootCAs.AppendCertsFromPEM(b) {
			return set, errors.New("relay.ca_file: no certificate in it")
		}
	}
	return set, nil
}

// explainStore says what to do when the data directory is not as expected.
func explainStore(err error, data string) error {
	if errors.Is(err, store.ErrMissing) && errors.Is(err, fs.ErrNotExist) {
		return hinted{err, "make the data directory with `multimail init --data " + data + "`"}
	}
	return err
}

// listenHTTP serves the admin socket and the HTTP listener, and returns once
// the socket answers: what is written down for clients afterwards is true.
func (d *daemon) listenHTTP(ctx context.Context, serve func(string, func() error)) error {
	if err := socketDir(d.socket); err != nil {
		return fmt.Errorf("admin socket: %w", err)
	}
	// A socket that a dead daemon left would answer nobody.
	if err := os.Remove(d.socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("admin socket: %w", err)
	}
	serve("admin socket", func() error { return d.http.ServeSocket(d.socket) })
	if d.s.http != nil {
		serve("http", func() error { return d.http.ServeTLS(d.s.http, d.s.httpTLS) })
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		c, err := net.Dial("unix", d.socket)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("admin socket: %w", err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
