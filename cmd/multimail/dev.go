package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// The fixed cast of the dev mode.
const (
	devOperator  = "Example"
	devDomain    = "example.test"
	devAgent     = "demo"
	devMailbox   = "agent@example.test"
	devOversight = "oversight@example.test"
)

// devInfo is dev.json: everything a script needs to use a dev daemon. Scripts
// rely on the names; they are documented in docs/dev-mode.md.
type devInfo struct {
	PID         int    `json:"pid"`
	Submission  string `json:"submission"`  // host:port, STARTTLS
	Submissions string `json:"submissions"` // host:port, implicit TLS
	HTTP        string `json:"http"`        // base URL
	CAFile      string `json:"ca_file"`
	Operator    string `json:"operator"`
	Domain      string `json:"domain"`
	Mailbox     string `json:"mailbox"`
	Username    string `json:"username"`
	Password    string `json:"password"`
	AgentKey    string `json:"agent_key"`
	AdminSocket string `json:"admin_socket"`
	Captured    string `json:"captured"`
}

func devFile(data string) string { return filepath.Join(data, "dev.json") }

// readDev returns the dev.json of a data directory; found is false when there is none.
func readDev(data string) (info devInfo, found bool, err error) {
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

func (i devInfo) write(data string) error {
	b, err := json.MarshalIndent(i, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(devFile(data), append(b, '\n'), 0o600)
}

// cast makes sure that operator, domain, agent, mailbox and credentials of the
// dev mode are there. Credentials are kept as long as dev.json has them; the
// store holds only their hashes, so a lost file means fresh ones.
func (d *daemon) cast(ctx context.Context, info *devInfo, known bool) error {
	now := time.Now()
	if err := errors.Join(d.identity.Ensure(devDomain, now), d.dkim.Ensure(devDomain)); err != nil {
		return err
	}
	box := mail.MustAddress(devMailbox)
	me := registry.Socket(os.Getuid(), true)
	return d.db.Update(ctx, func(tx store.Tx) error {
		if _, err := d.registry.Mailbox(tx, box); errors.Is(err, registry.ErrNotFound) {
			if err := d.firstCast(tx, me, box, info); err != nil {
				return err
			}
		} else if err != nil {
			return err
		}
		if known && d.valid(tx, *info) {
			return nil
		}
		return d.freshCredentials(tx, me, info)
	})
}

func (d *daemon) firstCast(tx store.Tx, me registry.Principal, box mail.Address, info *devInfo) error {
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

// valid reports whether the credentials of dev.json still open the door.
func (d *daemon) valid(tx store.Tx, info devInfo) bool {
	_, err := d.registry.ByPassword(tx, info.Username, info.Password)
	_, err2 := d.registry.ByKey(tx, info.AgentKey)
	return err == nil && err2 == nil
}

// freshCredentials mints a password and a key; those before are void.
func (d *daemon) freshCredentials(tx store.Tx, me registry.Principal, info *devInfo) error {
	agent, err := d.registry.Agent(tx, devAgent)
	if err != nil || agent.Disabled {
		return err // an agent that was disabled gets no way back by deleting a file
	}
	keys, err := d.registry.Keys(tx)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if k.Name == devAgent && k.RevokedAt.IsZero() {
			if err := d.registry.RevokeKey(tx, me, k.ID); err != nil {
				return err
			}
		}
	}
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

// devPorts are the loopback ports of the dev mode unless --ports auto.
var devPorts = struct{ submission, submissions, http string }{"127.0.0.1:1587", "127.0.0.1:1465", "127.0.0.1:8025"}

// listenDev opens the three listeners of the dev mode.
func listenDev(auto bool) (submission, submissions, http net.Listener, err error) {
	open := func(addr string) net.Listener {
		if auto {
			addr = "127.0.0.1:0"
		}
		l, e := net.Listen("tcp", addr)
		if e != nil {
			err = errors.Join(err, hinted{e, "another program uses this port; try --ports auto"})
			return nil
		}
		return l
	}
	submission, submissions, http = open(devPorts.submission), open(devPorts.submissions), open(devPorts.http)
	if err != nil {
		for _, l := range []net.Listener{submission, submissions, http} {
			if l != nil {
				l.Close()
			}
		}
	}
	return submission, submissions, http, err
}

// welcome says what runs and three commands to try.
const welcome = `
MultiMail runs in dev mode: %s for %s, data in %s

  submission   %s (STARTTLS), %s (TLS)
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
