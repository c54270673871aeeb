package main

import (
	"errors"
	"fmt"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
)

// show carries out an operation and prints its answer, as JSON or by text.
func show[In, Out any](e *environment, op api.Op[In, Out], in In, text func(Out) error) error {
	return e.withClient(func(c *api.Client) error {
		out, err := api.Call(e.ctx, c, op, in)
		if err != nil {
			return err
		}
		return e.print(out, func() error { return text(out) })
	})
}

// list carries out an operation and prints the items of its answer, as a JSON
// array or as a table with a row for each.
func list[In, Out, Item any](e *environment, op api.Op[In, Out], in In, items func(Out) []Item,
	head string, row func(Item) []string) error {
	return e.withClient(func(c *api.Client) error {
		out, err := api.Call(e.ctx, c, op, in)
		if err != nil {
			return err
		}
		return printList(e, items(out), head, row)
	})
}

func printList[Item any](e *environment, items []Item, head string, row func(Item) []string) error {
	if items == nil {
		items = []Item{} // none of them is [] in JSON
	}
	return e.print(items, func() error {
		rows := make([][]string, 0, len(items))
		for _, x := range items {
			rows = append(rows, row(x))
		}
		return e.table(head, rows)
	})
}

type operatorCmd struct {
	Name      *string `help:"Name of the accountable organisation." placeholder:"TEXT"`
	Oversight *string `help:"Address that gets copies of monitored mail." placeholder:"ADDR"`
	Postal    *string `help:"Postal address, on one line; empty for none." name:"physical-address" placeholder:"TEXT"`
}

func (o operatorCmd) Run(e *environment) error {
	text := func(a api.Account) error {
		if a.Postal != "" {
			a.Name += ", " + a.Postal
		}
		return e.line("%s, oversight address %s", a.Name, a.OversightEmail)
	}
	if o.Name == nil && o.Oversight == nil && o.Postal == nil {
		return show(e, api.GetAccount, api.None{}, text)
	}
	return show(e, api.UpdateAccount, api.AccountPatch{Name: o.Name, OversightEmail: o.Oversight, Postal: o.Postal}, text)
}

type accountCmd struct {
	Delete accountDeleteCmd `cmd:"" help:"Close the account for good; the audit log stays."`
}

type accountDeleteCmd struct {
	Yes bool `help:"Close it: there is no way back." required:""`
}

func (a accountDeleteCmd) Run(e *environment) error {
	return show(e, api.DeleteAccount, api.AccountDeletion{}, func(d api.DeletedAccount) error {
		err := e.line("the account is closed since %s. %s", short(d.DeletedAt), d.Message)
		for _, box := range d.LegalHolds {
			err = errors.Join(err, e.line("kept: %s", box))
		}
		for _, id := range d.Past {
			err = errors.Join(err, e.line("sent: %s", id))
		}
		return err
	})
}

type agentCmd struct {
	Add      agentAddCmd      `cmd:"" help:"Add an agent; prints its SMTP password once."`
	List     agentListCmd     `cmd:"" help:"List agents."`
	Disable  agentDisableCmd  `cmd:"" help:"End its credentials and stop its mail."`
	Enable   agentEnableCmd   `cmd:"" help:"Undo disable."`
	Password agentPasswordCmd `cmd:"" help:"Give it a new SMTP password; the old one is void."`
	Bind     agentBindCmd     `cmd:"" help:"Take tokens of an identity at an issuer as this agent's."`
	Unbind   unbindCmd        `cmd:"" help:"End a binding, and its sessions."`

	Certificate certificateCmd `cmd:"" help:"TLS client certificates that log in over SMTP."`
}

type agentAddCmd struct {
	Name string `arg:"" help:"Name of the agent."`
	Ref  string `help:"Its name at its identity provider." placeholder:"ID"`
}

func (a agentAddCmd) Run(e *environment) error {
	return show(e, api.AddAgent, api.NewAgent{Name: a.Name, AgentRef: a.Ref}, e.password)
}

type agentPasswordCmd struct {
	Name string `arg:"" help:"Name of the agent."`
}

func (a agentPasswordCmd) Run(e *environment) error {
	return show(e, api.ResetPassword, api.NameRef{Name: a.Name}, e.password)
}

func (e *environment) password(p api.AgentPassword) error {
	return e.line("agent %s, SMTP password %s", p.Name, p.Password)
}

type agentListCmd struct{}

func (agentListCmd) Run(e *environment) error {
	return list(e, api.ListAgents, api.None{}, func(all api.Agents) []api.Agent { return all.Agents },
		"AGENT\tSTATE\tREF\tBOUND TO\tCREATED", func(a api.Agent) []string {
			state := "active"
			if a.Disabled {
				state = "disabled"
			}
			var bound []string
			for _, b := range a.Bindings {
				bound = append(bound, b.ID+" "+identity(b))
			}
			return []string{a.Name, state, a.AgentRef, joined(bound), short(a.CreatedAt)}
		})
}

type agentDisableCmd struct {
	Name string `arg:"" help:"Name of the agent."`
}

func (a agentDisableCmd) Run(e *environment) error {
	return show(e, api.DisableAgent, api.NameRef{Name: a.Name},
		func(s api.Stopped) error { return e.stopped("agent "+a.Name+" is disabled", s) })
}

type agentEnableCmd struct {
	Name string `arg:"" help:"Name of the agent."`
}

func (a agentEnableCmd) Run(e *environment) error {
	return show(e, api.EnableAgent, api.NameRef{Name: a.Name},
		func(api.Agent) error { return e.line("agent %s is enabled", a.Name) })
}

type mailboxCmd struct {
	Add  mailboxAddCmd  `cmd:"" help:"Add a mailbox; it starts in gated_send."`
	List mailboxListCmd `cmd:"" help:"List mailboxes."`
	Mode mailboxModeCmd `cmd:"" help:"Change the oversight mode."`
	Set  mailboxSetCmd  `cmd:"" help:"Change other settings."`

	Delete mailboxDeleteCmd `cmd:"" help:"End a mailbox for good; what waits there to be sent is cancelled."`
}

type mailboxAddCmd struct {
	Address string   `arg:"" help:"Address on one of the sending domains."`
	Agent   []string `help:"Agents that may use it." required:"" placeholder:"NAME"`
	Name    string   `help:"Display name." placeholder:"TEXT"`
}

func (m mailboxAddCmd) Run(e *environment) error {
	return show(e, api.CreateMailbox, api.NewMailbox{Address: m.Address, Agents: m.Agent, DisplayName: m.Name}, e.mode)
}

func (e *environment) mode(b api.Mailbox) error {
	return e.line("%s is in %s", b.Address, b.OversightMode)
}

type mailboxListCmd struct{}

func (mailboxListCmd) Run(e *environment) error {
	return list(e, api.ListMailboxes, api.None{}, func(all api.Mailboxes) []api.Mailbox { return all.Mailboxes },
		"MAILBOX\tMODE\tAGENTS\t", func(b api.Mailbox) []string {
			frozen := ""
			if b.Frozen {
				frozen = "frozen"
			}
			return []string{b.Address, b.OversightMode, joined(b.Agents), frozen}
		})
}

type mailboxModeCmd struct {
	Address string `arg:"" help:"Mailbox."`
	Mode    string `arg:"" enum:"read_only,gated_all,gated_send,monitored,autonomous" help:"One of ${enum}."`
}

func (m mailboxModeCmd) Run(e *environment) error {
	return show(e, api.UpdateMailbox, api.MailboxRequest{
		MailboxRef: api.MailboxRef{Mailbox: m.Address}, MailboxPatch: api.MailboxPatch{OversightMode: &m.Mode},
	}, e.mode)
}

type mailboxSetCmd struct {
	Address   string   `arg:"" help:"Mailbox."`
	Name      *string  `help:"Display name." placeholder:"TEXT"`
	Oversight *string  `help:"Address that gets the copies in monitored; empty for the operator's." placeholder:"ADDR"`
	Hold      *int64   `help:"Seconds a mail waits for a decision; 0 for the default." placeholder:"N"`
	AgentRef  *string  `help:"How the identity header names the agent: plain, hmac or none." placeholder:"HOW"`
	Agent     []string `help:"Agents that may use it too." placeholder:"NAME"`

	LegalHold     *bool   `negatable:"" help:"Erase nothing of it; an approver lifts it."`
	AutoCC        *string `name:"auto-cc" help:"Gets a copy of every mail, in Cc; empty for nobody." placeholder:"ADDR"`
	AutoBCC       *string `name:"auto-bcc" help:"Gets a blind copy of every mail; empty for nobody." placeholder:"ADDR"`
	Signature     *string `help:"Plain text below what the server composes; empty for none." placeholder:"TEXT"`
	QuotaOctets   *int64  `help:"What it may keep of incoming mail; 0 for the default." placeholder:"N"`
	QuotaCount    *int    `help:"The same, in mails." placeholder:"N"`
	RetentionDays *int    `help:"Days its mail stays; 0 for the default." placeholder:"N"`
}

func (m mailboxSetCmd) Run(e *environment) error {
	return show(e, api.UpdateMailbox, api.MailboxRequest{
		MailboxRef: api.MailboxRef{Mailbox: m.Address},
		MailboxPatch: api.MailboxPatch{
			DisplayName: m.Name, OversightAddress: m.Oversight, HoldSeconds: m.Hold, AgentRef: m.AgentRef,
			AddAgents: m.Agent, LegalHold: m.LegalHold, QuotaOctets: m.QuotaOctets, QuotaCount: m.QuotaCount,
			RetentionDays: m.RetentionDays, AutoCC: m.AutoCC, AutoBCC: m.AutoBCC, SignatureBlock: m.Signature,
		},
	}, func(b api.Mailbox) error { return e.line("%s is changed", b.Address) })
}

type mailboxDeleteCmd struct {
	Address string `arg:"" help:"Mailbox."`
}

func (m mailboxDeleteCmd) Run(e *environment) error {
	return show(e, api.DeleteMailbox, api.MailboxName{Mailbox: m.Address},
		func(api.Done) error { return e.line("%s is deleted", m.Address) })
}

type allowCmd struct {
	Add  allowAddCmd  `cmd:"" help:"Let mail to an address or *@domain leave undecided."`
	List allowListCmd `cmd:"" help:"List the allowlist of a mailbox."`
	Rm   allowRmCmd   `cmd:"" help:"Take an entry off."`
}

type allowAddCmd struct {
	Mailbox string `arg:"" help:"Mailbox."`
	Pattern string `arg:"" help:"Address, or *@domain."`
	Note    string `help:"Why." placeholder:"TEXT"`
}

func (a allowAddCmd) Run(e *environment) error {
	return show(e, api.AddAllowlistEntry, api.NewAllowRequest{
		MailboxRef:    api.MailboxRef{Mailbox: a.Mailbox},
		NewAllowEntry: api.NewAllowEntry{Pattern: a.Pattern, Note: a.Note},
	}, func(n api.AllowEntry) error { return e.line("%s %s", n.ID, n.Pattern) })
}

type allowListCmd struct {
	Mailbox string `arg:"" help:"Mailbox."`
}

func (a allowListCmd) Run(e *environment) error {
	return list(e, api.ListAllowlist, api.MailboxRef{Mailbox: a.Mailbox},
		func(all api.Allowlist) []api.AllowEntry { return all.Entries }, "ID\tPATTERN\tNOTE\tADDED",
		func(n api.AllowEntry) []string { return []string{n.ID, n.Pattern, n.Note, short(n.CreatedAt)} })
}

type allowRmCmd struct {
	Mailbox string `arg:"" help:"Mailbox."`
	ID      string `arg:"" help:"Id of the entry."`
}

func (a allowRmCmd) Run(e *environment) error {
	return remove(e, api.RemoveAllowlistEntry,
		api.AllowRef{MailboxRef: api.MailboxRef{Mailbox: a.Mailbox}, Entry: a.ID}, a.ID, "is off the allowlist")
}

type keyCmd struct {
	Create keyCreateCmd `cmd:"" help:"Make a key; prints its secret once, or writes it to --out."`
	List   keyListCmd   `cmd:"" help:"List keys."`
	Revoke keyRevokeCmd `cmd:"" help:"End a key."`
}

type keyCreateCmd struct {
	Kind    string   `arg:"" enum:"agent,approver,admin" help:"Whose key: ${enum}."`
	Owner   string   `arg:"" help:"Name of the agent, approver or admin."`
	Scope   []string `help:"Scopes; left out: all of the kind but audit_read and tighten." placeholder:"SCOPE"`
	Mailbox []string `help:"Only these mailboxes." placeholder:"ADDR"`
	Name    string   `help:"A label." placeholder:"TEXT"`
	Out     string   `help:"Write the secret to this new file, mode 0600." type:"path" placeholder:"FILE"`
}

func (k keyCreateCmd) Run(e *environment) error {
	if k.Out != "" && k.Kind == "approver" {
		if in, err := inside(e.globals.Data, k.Out); err != nil {
			return err
		} else if in {
			return errKeyInside
		}
	}
	return e.withClient(func(c *api.Client) error {
		s, err := api.Call(e.ctx, c, api.CreateAPIKey, api.NewKey{
			Name: k.Name, Kind: k.Kind, Owner: k.Owner, Scopes: allScopes(k.Kind, k.Scope), Mailboxes: k.Mailbox,
		})
		if err != nil {
			return err
		}
		if k.Out == "" {
			return e.print(s, func() error { return e.line("%s", s.Secret) })
		}
		if err := writeNew(k.Out, s.Secret+"\n"); err != nil {
			_, undone := api.Call(e.ctx, c, api.RevokeAPIKey, api.KeyRef{ID: s.ID})
			return errors.Join(fmt.Errorf("the key could not be written and is revoked: %w", err), undone)
		}
		s.Secret = ""
		return e.print(s, func() error { return e.line("%s %s %s, in %s", s.ID, s.Kind, s.Owner, k.Out) })
	})
}

// allScopes returns the scopes that were named, or the usual ones of the kind.
func allScopes(kind string, named []string) []string {
	if len(named) > 0 {
		return named
	}
	for _, s := range registry.Kind(kind).Usual() {
		named = append(named, string(s))
	}
	return named
}

type keyListCmd struct{}

func (keyListCmd) Run(e *environment) error {
	return list(e, api.ListAPIKeys, api.None{}, func(all api.Keys) []api.Key { return all.Keys },
		"ID\tKIND\tOWNER\tSCOPES\tSTATE\tCREATED\tSESSIONS", func(k api.Key) []string {
			state := "active"
			if !k.IsActive {
				state = "revoked"
			}
			return []string{k.ID, k.Kind, k.Owner, joined(k.Scopes), state, short(k.CreatedAt),
				sessions(k.Sessions, k.SessionsSince, k.SessionsUsed)}
		})
}

type keyRevokeCmd struct {
	ID string `arg:"" help:"Id of the key."`
}

func (k keyRevokeCmd) Run(e *environment) error {
	return remove(e, api.RevokeAPIKey, api.KeyRef{ID: k.ID}, k.ID, "is revoked")
}

// removed is what is left to say about something that is gone.
type removed struct {
	ID string `json:"id"`
}

// remove carries out an operation that leaves nothing to print but an id.
func remove[In, Out any](e *environment, op api.Op[In, Out], in In, id, what string) error {
	return e.withClient(func(c *api.Client) error {
		if _, err := api.Call(e.ctx, c, op, in); err != nil {
			return err
		}
		return e.print(removed{id}, func() error { return e.line("%s %s", id, what) })
	})
}
