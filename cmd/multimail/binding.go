package main

import (
	"strings"

	"github.com/multimail/multimail/httpd/api"
)

// bindFlags name an identity at an issuer of tokens, and what it is granted.
type bindFlags struct {
	Issuer  string   `help:"Issuer, as the configuration names it." required:"" placeholder:"NAME"`
	Tenant  string   `help:"Tenant, where the issuer has tenants." placeholder:"ID"`
	Object  string   `help:"Object id of the agent, or of the person." required:"" placeholder:"ID"`
	Scope   []string `help:"Scopes; left out: all of the kind but audit_read and tighten." placeholder:"SCOPE"`
	Mailbox []string `help:"Only these mailboxes." placeholder:"ADDR"`
}

func (f bindFlags) request(kind, owner string) api.NewBinding {
	return api.NewBinding{Kind: kind, Owner: owner, Issuer: f.Issuer, Tenant: f.Tenant, Object: f.Object,
		Scopes: allScopes(kind, f.Scope), Mailboxes: f.Mailbox}
}

type agentBindCmd struct {
	Name string `arg:"" help:"Name of the agent."`
	bindFlags
	Client  string `help:"Client id (azp, appid) of the agent: for tokens with a user." placeholder:"ID"`
	Account string `help:"Object id of the agent's own user account." placeholder:"ID"`
}

func (a agentBindCmd) Run(e *environment) error {
	q := a.request("agent", a.Name)
	q.Client, q.Account = a.Client, a.Account
	return show(e, api.AddBinding, q, e.bound)
}

type approverCmd struct {
	Bind   approverBindCmd `cmd:"" help:"Take tokens of a person at an issuer as this approver's."`
	Unbind unbindCmd       `cmd:"" help:"End a binding, and its sessions."`
	List   approverListCmd `cmd:"" help:"List the bindings of approvers."`
}

type approverBindCmd struct {
	Name string `arg:"" help:"Name of the approver; a new one is made."`
	bindFlags
}

func (a approverBindCmd) Run(e *environment) error {
	return show(e, api.AddBinding, a.request("approver", a.Name), e.bound)
}

func (e *environment) bound(b api.Binding) error {
	return e.line("%s %s %s is %s", b.ID, b.Kind, b.Owner, identity(b))
}

// identity writes whom a binding names at its issuer.
func identity(b api.Binding) string {
	return strings.Trim(strings.Join([]string{b.Issuer, b.Tenant, b.Object}, ":"), ":")
}

type unbindCmd struct {
	ID string `arg:"" help:"Id of the binding."`
}

func (u unbindCmd) Run(e *environment) error {
	return remove(e, api.EndBinding, api.BindingRef{ID: u.ID}, u.ID, "is ended")
}

type approverListCmd struct{}

func (approverListCmd) Run(e *environment) error { return e.bindings("approver") }

// adminCmd is for identities that read the audit log or tighten: no token configures.
type adminCmd struct {
	Bind   adminBindCmd `cmd:"" help:"Take tokens of an identity at an issuer as this admin's."`
	Unbind unbindCmd    `cmd:"" help:"End a binding, and its sessions."`
	List   adminListCmd `cmd:"" help:"List the bindings of admins."`
}

type adminBindCmd struct {
	Name   string   `arg:"" help:"Name of the admin; a new one is made."`
	Issuer string   `help:"Issuer, as the configuration names it." required:"" placeholder:"NAME"`
	Tenant string   `help:"Tenant, where the issuer has tenants." placeholder:"ID"`
	Object string   `help:"Object id of the program or person." required:"" placeholder:"ID"`
	Scope  []string `help:"Scopes: audit_read, tighten or both." required:"" placeholder:"SCOPE"`
}

func (a adminBindCmd) Run(e *environment) error {
	return show(e, api.AddBinding, api.NewBinding{Kind: "admin", Owner: a.Name, Issuer: a.Issuer, Tenant: a.Tenant,
		Object: a.Object, Scopes: a.Scope}, e.bound)
}

type adminListCmd struct{}

func (adminListCmd) Run(e *environment) error { return e.bindings("admin") }

// bindings lists those of one kind of principal.
func (e *environment) bindings(kind string) error {
	return list(e, api.ListBindings, api.None{}, func(all api.Bindings) (of []api.Binding) {
		for _, b := range all.Bindings {
			if b.Kind == kind {
				of = append(of, b)
			}
		}
		return of
	}, "ID\t"+strings.ToUpper(kind)+"\tBOUND TO\tSCOPES\tSTATE\tCREATED", func(b api.Binding) []string {
		state := "active"
		if !b.IsActive {
			state = "ended"
		}
		return []string{b.ID, b.Owner, identity(b), joined(b.Scopes), state, short(b.CreatedAt)}
	})
}
