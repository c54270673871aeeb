package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/multimail/multimail/internal/authserver"
	"github.com/multimail/multimail/internal/capture"
	"github.com/multimail/multimail/internal/config"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// The fixtures of the dev mode.
const (
	devOperator  = "Example"
	devDomain    = "example.test"
	devAgent     = "demo"
	devAdmin     = "dev-admin"
	devMailbox   = "agent@example.test"
	devOversight = "oversight@example.test"
)

// DevInfo is dev.json: everything a script needs to use a dev daemon. Scripts
// rely on the names; they are documented in docs/dev-mode.md.
type DevInfo struct {
	PID         int    `json:"pid"`
	Submission  string `json:"submission"`  // host:port, STARTTLS
	Submissions string `json:"submissions"` // host:port, implicit TLS
	Inbound     string `json:"inbound"`     // host:port, SMTP from the world
	HTTP        string `json:"http"`        // base URL
	CAFile      string `json:"ca_file"`
	Operator    string `json:"operator"`
	Domain      string `json:"domain"`
	Mailbox     string `json:"mailbox"`
	Username    string `json:"username"`
	Password    string `json:"password"`
	AgentKey    string `json:"agent_key"`
	AdminKey    string `json:"admin_key"` // for the consent page of OAuth clients
	AdminSocket string `json:"admin_socket"`
	Captured    string `json:"captured"`
}

func devFile(data string) string { return filepath.Join(data, "dev.json") }

// ReadDev returns the dev.json of a data directory; found is false when there is none.
func ReadDev(data string) (info DevInfo, found bool, err error) {
	b, err := os.ReadFile(devFile(data))
	if errors.Is(err, fs.ErrNotExist) {
		return info, false, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &info)
	}
	if err != nil {
		return info, false, fmt.Errorf("dev.json: %w", err)
	}
	return info, true, nil
}

func (i DevInfo) write(data string) error {
	b, err := json.MarshalIndent(i, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(devFile(data), append(b, '\n'), 0o600)
}

// DevOptions are the choices that the dev mode leaves.
type DevOptions struct {
	Data      string        // absolute; made if it is not there
	NextHop   string        // host:port; "" means a capture server of its own
	Hold      time.Duration // how long a mail is held; 0 means the default
	FreePorts bool          // any free ports of loopback, not the fixed ones
	Issuers   []config.Issuer
	Filter    *config.Filter // nil: incoming mail is judged by the signs built in alone
	Version   string
	Log       *slog.Logger // nil means slog.Default
}

// devMode is what a dev daemon has beside the parts of every daemon.
type devMode struct {
	info    DevInfo
	known   bool            // info was read from dev.json
	capture *capture.Server // nil: the next hop is another server
	nextHop string          // host:port
}

func (d *devMode) close() error {
	if d.capture == nil {
		return nil
	}
	return d.capture.Close()
}

// devPorts are the loopback ports of the dev mode.
var devPorts = struct{ submission, submissions, inbound, http string }{
	"127.0.0.1:1587", "127.0.0.1:1465", "127.0.0.1:1025", "127.0.0.1:8025"}

// NewDev makes a daemon that needs no configuration: on loopback, with a demo
// agent and, unless a next hop is named, with a server that writes what it is
// sent into files.
func NewDev(o DevOptions) (*Daemon, error) {
	if err := os.MkdirAll(o.Data, 0o700); err != nil {
		return nil, err
	}
	info, known, err := ReadDev(o.Data)
	if err != nil {
		return nil, err
	}
	conf := devConfig(o)
	if info.CAFile, conf.SMTP.CertFile, conf.SMTP.KeyFile, err = devCerts(o.Data, time.Now()); err != nil {
		return nil, fmt.Errorf("dev certificates: %w", err)
	}
	info.Captured = filepath.Join(o.Data, "captured")
	info.Operator, info.Domain, info.Mailbox = devOperator, devDomain, devMailbox
	dev := &devMode{info: info, known: known, nextHop: o.NextHop}
	if o.NextHop == "" {
		if dev.capture, err = capture.Start(capture.Options{Dir: info.Captured}); err != nil {
			return nil, fmt.Errorf("capture: %w", err)
		}
		dev.nextHop = dev.capture.Addr()
	}
	conf.Relay.Smarthost = dev.nextHop
	d := &Daemon{o: Options{Version: o.Version, Log: o.Log}, dev: dev}
	if d.api, err = net.Listen("tcp", conf.HTTP.Listen); err == nil {
		// Its address is in tokens, so it is known before anything is made.
		conf.HTTP.PublicURL = "http://" + d.api.Addr().String()
		d.o.Config = conf
		d, err = d.opened()
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		err = hinted{err, "another program uses this port; try --ports auto"}
	}
	return d, err
}

// devConfig is the configuration of the dev mode.
func devConfig(o DevOptions) config.Config {
	c := config.Default()
	c.Data, c.Node, c.Issuers = o.Data, "dev", o.Issuers
	if o.Filter != nil {
		c.Filter = *o.Filter
	}
	c.SMTP.Submission, c.SMTP.Submissions, c.HTTP.Listen = devPorts.submission, devPorts.submissions, devPorts.http
	c.Inbound.Listen = devPorts.inbound
	if o.FreePorts {
		c.SMTP.Submission, c.SMTP.Submissions, c.HTTP.Listen = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
		c.Inbound.Listen = "127.0.0.1:0"
	}
	c.OAuth.Server, c.OAuth.ClientHosts = config.OAuthEmbedded, []string{authserver.HostLoopback}
	c.HTTP.AllowedHosts = []string{"localhost", "127.0.0.1", "[::1]"}
	// Receivers of webhooks and clients of OAuth that are being written.
	c.Hooks.AllowTargets = []string{"localhost", "127.0.0.1", "::1"}
	c.OAuth.AllowTargets = c.Hooks.AllowTargets
	// Load tests of one agent reach the usual rates.
	c.HTTP.RequestsPerMinute, c.HTTP.SubmissionsPerMinute = 1_000_000, 1_000_000
	c.Relay.TLS = "opportunistic"
	// Trials want to see a retry soon.
	c.Queue.FirstRetry = config.Duration(5 * time.Second)
	if o.Hold != 0 {
		c.Queue.Hold = config.Duration(o.Hold)
	}
	c.DKIM.Algorithms = []string{"rsa", "ed25519"}
	return c
}

// Dev returns what dev.json says while the daemon runs, and where released mail
// goes. Only a daemon of NewDev has it.
func (d *Daemon) Dev() (info DevInfo, nextHop string) { return d.dev.info, d.dev.nextHop }

// fixtures makes sure that operator, domain, agent, mailbox and credentials of
// the dev mode are there. Credentials are kept as long as dev.json has them; the
// store holds only their hashes, so a lost file means fresh ones.
func (d *Daemon) fixtures() error {
	if d.dev == nil {
		return nil
	}
	now := time.Now()
	if err := errors.Join(d.identity.Ensure(devDomain, now), d.dkim.Ensure(devDomain, now)); err != nil {
		return err
	}
	box := mail.MustAddress(devMailbox)
	me := registry.Socket(os.Getuid(), true)
	return d.db.Update(context.Background(), func(tx store.Tx) error {
		if _, closed, err := d.registry.Closed(tx); err != nil || closed {
			return err // nothing comes back
		}
		if _, err := d.registry.Mailbox(tx, box); errors.Is(err, registry.ErrNotFound) {
			if err := d.firstFixtures(tx, me, box); err != nil {
				return err
			}
		} else if err != nil {
			return err
		}
		if _, err := d.registry.PinDomain(tx, me, devDomain); err != nil { // no DNS has it
			return err
		}
		if !d.dev.known || !d.validCredentials(tx) {
			if err := d.freshCredentials(tx, me); err != nil {
				return err
			}
		}
		return d.adminKey(tx, me)
	})
}

// adminKey makes the key of an admin if dev.json has none that works; the one before is void.
func (d *Daemon) adminKey(tx store.Tx, me registry.Principal) error {
	if p, err := d.registry.ByKey(tx, d.dev.info.AdminKey); err == nil && p.Kind == registry.KindAdmin {
		return nil
	}
	if err := d.revokeKeys(tx, me, devAdmin); err != nil {
		return err
	}
	var err error
	_, d.dev.info.AdminKey, err = d.registry.AddKey(tx, me, registry.KeyRequest{
		Name: devAdmin, Kind: registry.KindAdmin, Owner: devAdmin, Scopes: registry.KindAdmin.Usual(),
	})
	return err
}

// revokeKeys ends the keys of a label.
func (d *Daemon) revokeKeys(tx store.Tx, me registry.Principal, label string) error {
	keys, err := d.registry.Keys(tx)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if k.Name == label && k.RevokedAt.IsZero() {
			if err := d.registry.RevokeKey(tx, me, k.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *Daemon) firstFixtures(tx store.Tx, me registry.Principal, box mail.Address) error {
	op := registry.Operator{Name: devOperator, Oversight: mail.MustAddress(devOversight)}
	if err := d.registry.SetOperator(tx, me, op); err != nil {
		return err
	}
	if _, err := d.registry.AddDomain(tx, me, devDomain); err != nil {
		return err
	}
	if _, _, err := d.registry.AddAgent(tx, me, devAgent, ""); err != nil {
		return err
	}
	_, err := d.registry.AddMailbox(tx, me, box, []string{devAgent})
	return err
}

// validCredentials reports whether the credentials of dev.json still work.
func (d *Daemon) validCredentials(tx store.Tx) bool {
	_, err := d.registry.ByPassword(tx, d.dev.info.Username, d.dev.info.Password)
	_, err2 := d.registry.ByKey(tx, d.dev.info.AgentKey)
	return err == nil && err2 == nil
}

// freshCredentials makes a password and a key; those before are void.
func (d *Daemon) freshCredentials(tx store.Tx, me registry.Principal) error {
	agent, err := d.registry.Agent(tx, devAgent)
	if err != nil || agent.Disabled {
		return err // an agent that was disabled gets no way back by deleting a file
	}
	if err := d.revokeKeys(tx, me, devAgent); err != nil {
		return err
	}
	info := &d.dev.info
	info.Username = devAgent
	if info.Password, err = d.registry.ResetPassword(tx, me, devAgent); err != nil {
		return err
	}
	_, info.AgentKey, err = d.registry.AddKey(tx, me, registry.KeyRequest{
		Name: devAgent, Kind: registry.KindAgent, Owner: devAgent,
		Scopes: []registry.Scope{registry.ScopeRead, registry.ScopeSend},
	})
	return err
}
