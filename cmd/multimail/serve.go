package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/multimail/multimail/internal/config"
	"github.com/multimail/multimail/internal/daemon"
	"github.com/multimail/multimail/mail"
)

// version is set by the linker at a release.
var version = "dev"

type serveCmd struct {
	Dev         bool          `help:"Everything embedded, on loopback, with a demo agent. No configuration."`
	Config      string        `help:"Configuration file." type:"path" placeholder:"FILE"`
	NextHop     string        `help:"With --dev: relay to this server, not the capture directory." placeholder:"HOST:PORT"`
	ApprovalTTL time.Duration `help:"With --dev: how long a mail is held." placeholder:"DURATION"`
	Issuers     string        `help:"With --dev: take tokens of the issuers of this file." type:"path" placeholder:"FILE"`
	Filter      string        `help:"With --dev: ask the spam filter of this file." type:"path" placeholder:"FILE"`
	Ports       string        `help:"With --dev: fixed ports, or auto for free ones." enum:"fixed,auto" default:"fixed"`
	Verbose     bool          `help:"With --dev: log every event."`
}

// Validate refuses what cannot be meant.
func (s serveCmd) Validate() error {
	switch {
	case s.Dev == (s.Config != ""):
		return errors.New("give either --dev or --config FILE")
	case !s.Dev && (s.NextHop+s.Issuers+s.Filter != "" || s.ApprovalTTL != 0 || s.Ports != "fixed"):
		return errors.New("--next-hop, --approval-ttl, --issuers, --filter and --ports belong to --dev")
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
	c, err := config.Read(s.Config)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(e.stderr, nil))
	d, err := daemon.New(daemon.Options{Config: c, File: s.Config, Version: version, Log: log})
	if err != nil {
		return err
	}
	reloadOnHangup(e.ctx, d)
	return d.Run(e.ctx, nil)
}

// dev runs everything embedded.
func (s serveCmd) dev(e *environment) error {
	data, err := filepath.Abs(e.globals.Data)
	if err != nil {
		return err
	}
	level := slog.LevelWarn
	if s.Verbose {
		level = slog.LevelInfo
	}
	var issuers []config.Issuer
	if s.Issuers != "" {
		if issuers, err = config.ReadIssuers(s.Issuers); err != nil {
			return err
		}
	}
	filter := config.Default().Filter
	if s.Filter != "" {
		if filter, err = config.ReadFilter(s.Filter); err != nil {
			return err
		}
	}
	d, err := daemon.NewDev(daemon.DevOptions{
		Data: data, Issuers: issuers, Filter: &filter,
		NextHop: s.NextHop, Hold: s.ApprovalTTL, FreePorts: s.Ports == "auto", Version: version,
		Log: slog.New(slog.NewTextHandler(e.stderr, &slog.HandlerOptions{Level: level})),
	})
	if err != nil {
		return err
	}
	return d.Run(e.ctx, func() error {
		info, next := d.Dev()
		if s.NextHop == "" {
			next = "files in " + info.Captured
		}
		return printWelcome(e.out, info, data, next)
	})
}

// reloadOnHangup reloads on SIGHUP until ctx ends.
func reloadOnHangup(ctx context.Context, d *daemon.Daemon) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	go func() {
		defer signal.Stop(hangup)
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangup:
				d.Reload()
			}
		}
	}()
}

// welcome says what runs and three commands to try.
const welcome = `
MultiMail runs in dev mode: %s for %s, data in %s

  submission   %s (STARTTLS), %s (TLS)
  inbound      %s (mail from the world, for %s)
  API and MCP  %s
  next hop     %s

Anything that runs as this user can approve mail here: dev mode asks for no
approver's credential. Use it on your own machine only.

Try, in another shell:

  curl -s --ssl-reqd --cacert %s --url smtp://localhost:%s \
    -u '%s:%s' --mail-from %s --mail-rcpt you@dest.test \
    -T - <<< $'From: %s\nTo: you@dest.test\nSubject: hello\n\nHello.' --crlf
  %s%s pending
  %s%s approve ID        # then look into %s

`

func printWelcome(w io.Writer, i daemon.DevInfo, data, next string) error {
	_, port, err := net.SplitHostPort(i.Submission)
	if err != nil {
		return err
	}
	self := selfName()
	flag := ""
	if def, err := filepath.Abs(".multimail"); err != nil || def != data {
		flag = " --data " + shellWord(data)
	}
	_, err = fmt.Fprintf(w, welcome, i.Operator, i.Domain, data, i.Submission, i.Submissions,
		i.Inbound, i.Mailbox, i.HTTP, next,
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

type initCmd struct {
	Operator    string `help:"Name of the accountable organisation." required:"" placeholder:"TEXT"`
	Domain      string `help:"First sending domain." required:"" placeholder:"DOMAIN"`
	Oversight   string `help:"Address that gets copies of monitored mail." required:"" placeholder:"ADDR"`
	Approver    string `help:"Name of the first approver." required:"" placeholder:"NAME"`
	ApproverKey string `help:"New file for the key; not in the data directory." required:"" type:"path" placeholder:"FILE"`
	Internal    bool   `help:"Pin the domain as internal: it sends without being verified in DNS."`
	Bind        bool   `help:"Print the records as a zone file."`
	Node        string `help:"Name of this node; one is made up if it is left out." placeholder:"NAME"`
}

// Run makes a data directory that serve --config accepts. It prints the DNS
// records to publish.
func (i initCmd) Run(e *environment) error {
	if in, err := inside(e.globals.Data, i.ApproverKey); err != nil {
		return err
	} else if in {
		return errKeyInside
	}
	if strings.TrimSpace(i.Operator) == "" {
		return usageError{errors.New("--operator: a name is required")}
	}
	oversight, err := mail.ParseAddress(i.Oversight)
	if err != nil {
		return usageError{fmt.Errorf("--oversight: %w", err)}
	}
	d, err := daemon.Init(e.ctx, daemon.InitOptions{
		Data: e.globals.Data, Node: i.Node, Operator: i.Operator, Domain: i.Domain, Oversight: oversight,
		Approver: i.Approver, Internal: i.Internal,
		SaveKey: func(key string) error { return writeNew(i.ApproverKey, key+"\n") },
	})
	var invalid *daemon.InvalidError
	if errors.As(err, &invalid) {
		return usageError{err}
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stderr, "The key of approver %s is in %s. Publish these records:\n", i.Approver, i.ApproverKey)
	return e.print(d, func() error { return e.records(d, i.Bind) })
}
