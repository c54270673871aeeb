package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/daemon"
	"github.com/multimail/multimail/internal/secret"
	"github.com/multimail/multimail/sign"
)

// Globals are the flags every command accepts.
type Globals struct {
	Data    string `help:"${data}" default:"./.multimail" env:"MULTIMAIL_DATA" type:"path" placeholder:"DIR"`
	JSON    bool   `help:"Print JSON, stable for scripts."`
	URL     string `help:"${url}" env:"MULTIMAIL_ADMIN_URL" placeholder:"URL"`
	KeyFile string `help:"${key_file}" env:"MULTIMAIL_KEY_FILE" placeholder:"FILE"`
}

// globalsHelp is what the help says of the globals.
var globalsHelp = kong.Vars{
	"query":          "Words, \"phrases\", from: to: subject: has:attachment before: after: and -word.",
	"data":           "Data directory of the daemon.",
	"client_methods": "none,client_secret_basic,client_secret_post,private_key_jwt",
	"url":            "Base URL of a daemon elsewhere, instead of the local socket.",
	"key_file":       "File with the API key to act with; an approver's key decides.",
}

// commands is the whole command line.
type commands struct {
	Globals

	Serve  serveCmd  `cmd:"" help:"Run the daemon."`
	Init   initCmd   `cmd:"" help:"Make a data directory: database, keys, operator, domain."`
	DevEnv devEnvCmd `cmd:"" help:"Print shell settings, or MCP client settings, of the dev daemon."`
	MCP    mcpCmd    `cmd:"" name:"mcp" help:"Bridge an MCP client on stdio to the daemon."`

	Pending pendingCmd `cmd:"" help:"List mail that waits for a decision."`
	Show    showCmd    `cmd:"" help:"Show a mail as an approver must see it."`
	Approve approveCmd `cmd:"" help:"Approve held mail."`
	Reject  rejectCmd  `cmd:"" help:"Reject held mail."`
	Inbox   inboxCmd   `cmd:"" help:"What mailboxes have received, and what is kept from them."`
	Mail    mailCmd    `cmd:"" help:"List, show, hold, cancel or retry mail in any state."`
	Freeze  freezeCmd  `cmd:"" help:"Stop an agent, a mailbox, a domain or everything."`
	Thaw    thawCmd    `cmd:"" help:"End a freeze."`

	Domain   domainCmd   `cmd:"" help:"Sending domains and their DNS records."`
	Agent    agentCmd    `cmd:"" help:"Agents."`
	Mailbox  mailboxCmd  `cmd:"" help:"Mailboxes and their oversight modes."`
	Allow    allowCmd    `cmd:"" help:"Allowlists of gated_send mailboxes."`
	Suppress suppressCmd `cmd:"" help:"Addresses that mailboxes may not send to."`
	Approver approverCmd `cmd:"" help:"Approvers who sign in at an issuer of tokens."`
	Admin    adminCmd    `cmd:"" help:"Admins who come with tokens of an issuer, to read the audit log or to tighten."`
	Key      keyCmd      `cmd:"" help:"API keys of agents, approvers and admins."`
	Client   clientCmd   `cmd:"" help:"OAuth clients, which people can let act for agents."`
	Grant    grantCmd    `cmd:"" help:"What people have let OAuth clients do."`

	Webhook webhookCmd `cmd:"" help:"URLs that events are sent to."`

	SigningKey signingKeyCmd `cmd:"" help:"Keys that sign mail; not API keys."`

	Account  accountCmd  `cmd:"" help:"Close the account."`
	Operator operatorCmd `cmd:"" help:"Show or name the operator and the oversight address."`

	Clock  clockCmd  `cmd:"" help:"Whether the daemon trusts its clock."`
	Audit  auditCmd  `cmd:"" help:"The audit log."`
	Verify verifyCmd `cmd:"" help:"Check the identity header of a mail file."`
	Doctor doctorCmd `cmd:"" help:"Find out what is wrong, and what to change."`

	Completion completionCmd `cmd:"" help:"Print the line that turns on shell completion."`
}

// environment is what a command works with.
type environment struct {
	ctx       context.Context
	in        io.Reader
	out       io.Writer // results
	stderr    io.Writer // everything else
	globals   Globals
	dataGiven bool              // --data stands on the command line
	asks      func(in any) bool // whether somebody is there to be asked
	getenv    func(string) string
	lookup    *sign.Lookup // what domains publish; nil: as it stands on the Internet
}

// client returns a client of the daemon the globals name.
func (e *environment) client() (*api.Client, error) {
	key := ""
	if e.globals.KeyFile != "" {
		b, _, err := secret.Read(e.globals.KeyFile)
		if err != nil {
			return nil, err
		}
		key = strings.TrimSpace(string(b))
	}
	if e.globals.URL != "" {
		if key == "" {
			return nil, usageError{errors.New("--url needs --key-file: only the local socket knows who calls")}
		}
		return api.New(e.globals.URL, key), nil
	}
	path, err := daemon.SocketPath(e.globals.Data)
	if err != nil {
		return nil, err
	}
	if key != "" {
		if err := ours(path); err != nil {
			return nil, err
		}
	}
	c := api.Socket(path)
	c.Key = key
	return c, e.keepApart(c)
}

var errKeyInside = errors.New("an approver's key does not belong into the data directory: " +
	"whoever reads the socket there could decide")

// keepApart refuses an approver's key from the data directory of the daemon it
// is used with, where every program that can reach the socket finds it.
func (e *environment) keepApart(c *api.Client) error {
	if e.globals.KeyFile == "" {
		return nil
	}
	in, err := inside(e.globals.Data, e.globals.KeyFile)
	if err != nil || !in {
		return err
	}
	who, err := api.Call(e.ctx, c, api.Whoami, api.None{})
	if err != nil {
		return e.explain(err)
	}
	if who.Kind == "approver" {
		return hinted{errKeyInside, "move it elsewhere: " + e.globals.KeyFile}
	}
	return nil
}

// explain turns an API error into one line and a hint.
func (e *environment) explain(err error) error {
	var refused *api.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		if refused.Hint != "" {
			return hinted{refused, refused.Hint}
		}
		if refused.Status == http.StatusForbidden && e.globals.KeyFile == "" {
			return hinted{refused, "outside dev mode deciding, loosening and thawing need an approver's key: --key-file FILE"}
		}
		if refused.Status == http.StatusForbidden && e.globals.URL == "" {
			return hinted{refused, "a key acts instead of the socket: what an admin does " +
				"needs neither --key-file nor MULTIMAIL_KEY_FILE here"}
		}
		return refused
	case isDial(err):
		where := e.globals.Data
		if e.globals.URL != "" {
			where = e.globals.URL
		}
		return hinted{errors.New("no daemon answers for " + where),
			"start one with `multimail serve`, or name its directory with --data DIR"}
	}
	return err
}

func isDial(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// withClient runs fn with a client and explains its error.
func (e *environment) withClient(fn func(c *api.Client) error) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	return e.explain(fn(c))
}

type completionCmd struct {
	Shell string `arg:"" optional:"" enum:"bash,zsh,fish," default:"" help:"bash, zsh or fish; or none: what SHELL names."`
}

// completionLines turn completion on; the shell then calls this program with
// the line so far in COMP_LINE.
var completionLines = map[string]string{
	"bash": "complete -C %s multimail",
	"zsh":  "autoload -U +X bashcompinit && bashcompinit; complete -C %s multimail",
	"fish": `complete -f -c multimail -a "(COMP_LINE=(commandline -cp) %s)"`,
}

func (c completionCmd) Run(e *environment) error {
	shell := c.Shell
	if shell == "" {
		shell = filepath.Base(e.getenv("SHELL"))
	}
	line, ok := completionLines[shell]
	if !ok {
		return usageError{hinted{errors.New("no completion for this shell"), "name one: multimail completion bash"}}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return e.line(line, shellWord(self))
}
