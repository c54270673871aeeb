package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
)

// maxKeyFile bounds the file of a client's public keys.
const maxKeyFile = 64 << 10

type clientCmd struct {
	Add    clientAddCmd    `cmd:"" help:"Add an OAuth client; prints its secret once, or writes it to --out."`
	List   clientListCmd   `cmd:"" help:"List OAuth clients."`
	Rotate clientRotateCmd `cmd:"" help:"Give a client a new secret; the old one is void."`
	Rm     clientRmCmd     `cmd:"" help:"Remove a client, and end all that it was granted."`
}

type clientAddCmd struct {
	Name     string   `arg:"" help:"What people are shown."`
	Redirect []string `help:"Redirect URI as the client sends it; a loopback port is free." placeholder:"URI"`
	Method   string   `help:"How it proves itself: ${enum}." default:"none" enum:"${client_methods}"`
	JWKS     string   `name:"jwks" help:"File with its public keys, a JWK set." type:"path" placeholder:"FILE" xor:"keys"`
	JWKSURI  string   `name:"jwks-uri" help:"Where its public keys are." placeholder:"URL" xor:"keys"`
	Agent    string   `help:"It acts for itself, as this agent, and nobody consents." placeholder:"NAME"`
	Scope    []string `help:"With --agent: what it may do; read and send if left out." placeholder:"SCOPE"`
	Resource string   `help:"With --agent: what its tokens are for; the address with /mcp if left out." placeholder:"URL"`
	Out      string   `help:"Write the secret to this new file, mode 0600." type:"path" placeholder:"FILE"`
}

func (a clientAddCmd) Run(e *environment) error {
	q := api.NewOAuthClient{Name: a.Name, Redirects: a.Redirect, Method: a.Method, KeysURI: a.JWKSURI, Agent: a.Agent,
		Scopes: a.Scope, Resource: a.Resource}
	secret := a.Method == "client_secret_basic" || a.Method == "client_secret_post"
	switch {
	case a.Out != "" && !secret:
		return usageError{fmt.Errorf("--out takes a secret, and a client of --method %s has none", a.Method)}
	case a.Agent == "" && (len(a.Scope) > 0 || a.Resource != ""):
		return usageError{errors.New("--scope and --resource are for a client with --agent")}
	case a.Agent != "":
		q.Scopes = allScopes(string(registry.KindAgent), a.Scope)
	}
	if a.JWKS != "" {
		b, err := readBounded(a.JWKS)
		if err != nil {
			return err
		}
		q.Keys = string(b)
	}
	return e.withClient(func(c *api.Client) error {
		made, err := api.Call(e.ctx, c, api.AddClient, q)
		if err != nil {
			return err
		}
		if a.Out != "" {
			if err := writeNew(a.Out, made.Secret+"\n"); err != nil {
				_, undone := api.Call(e.ctx, c, api.RemoveClient, api.OAuthClientRef{ID: made.ID})
				return errors.Join(fmt.Errorf("the secret could not be written and the client is removed: %w", err), undone)
			}
			made.Secret = ""
		}
		return e.print(made, func() error {
			switch {
			case a.Out != "":
				return e.line("client %s, its secret in %s", made.ID, a.Out)
			case made.Secret != "":
				return e.line("client %s, secret %s", made.ID, made.Secret)
			}
			return e.line("client %s", made.ID)
		})
	})
}

// readBounded reads the file of a client's public keys.
func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxKeyFile {
		return nil, fmt.Errorf("%s is not a file of at most %d octets", path, maxKeyFile)
	}
	return os.ReadFile(path)
}

type clientListCmd struct{}

func (clientListCmd) Run(e *environment) error {
	return list(e, api.ListClients, api.None{}, func(all api.OAuthClients) []api.OAuthClient { return all.Clients },
		"CLIENT\tNAME\tFROM\tMETHOD\tREDIRECTS\tSTATE\tCREATED", func(c api.OAuthClient) []string {
			state := "active"
			switch {
			case !c.IsActive:
				state = "removed"
			case c.Source == "self" && c.UsedAt.IsZero():
				state = "unused"
			}
			return []string{c.ID, c.Name, c.Source, c.Method, joined(c.Redirects), state, short(c.CreatedAt)}
		})
}

type clientRotateCmd struct {
	ID  string `arg:"" help:"Id of the client."`
	Out string `help:"Write the secret to this new file, mode 0600." type:"path" placeholder:"FILE"`
}

func (r clientRotateCmd) Run(e *environment) error {
	if r.Out != "" { // the old secret is void at once: what cannot be written is found out before
		if err := writeNew(r.Out, ""); err != nil {
			return err
		}
	}
	return e.withClient(func(c *api.Client) error {
		made, err := api.Call(e.ctx, c, api.RotateClient, api.OAuthClientRef{ID: r.ID})
		if r.Out == "" {
			if err != nil {
				return err
			}
			return e.print(made, func() error { return e.line("%s", made.Secret) })
		}
		if err != nil {
			return errors.Join(err, os.Remove(r.Out))
		}
		if err := os.WriteFile(r.Out, []byte(made.Secret+"\n"), 0o600); err != nil {
			return fmt.Errorf("the new secret could not be written; rotate again: %w", err)
		}
		made.Secret = ""
		return e.print(made, func() error { return e.line("client %s, its secret in %s", r.ID, r.Out) })
	})
}

type clientRmCmd struct {
	ID string `arg:"" help:"Id of the client."`
}

func (r clientRmCmd) Run(e *environment) error {
	return remove(e, api.RemoveClient, api.OAuthClientRef{ID: r.ID}, r.ID, "is removed, and its grants have ended")
}

type grantCmd struct {
	List   grantListCmd   `cmd:"" help:"List what people have let OAuth clients do."`
	Revoke grantRevokeCmd `cmd:"" help:"End a grant, and every token and session of it."`
}

type grantListCmd struct {
	All bool `help:"Also those that have ended or are void."`
}

func (g grantListCmd) Run(e *environment) error {
	return list(e, api.ListGrants, api.None{}, func(all api.Grants) (shown []api.Grant) {
		for _, x := range all.Grants {
			if x.IsActive || g.All {
				shown = append(shown, x)
			}
		}
		return shown
	}, "ID\tACTS AS\tMAILBOXES\tSCOPES\tCLIENT\tGRANTED BY\tFOR\tSTATE\tCREATED\tSESSIONS", func(x api.Grant) []string {
		state, by, boxes := "active", x.Person, joined(x.Mailboxes)
		switch {
		case !x.EndedAt.IsZero():
			state = "ended"
		case !x.IsActive: // who granted could not do so any more
			state = "void"
		}
		if by == "" {
			by = "operator"
		}
		if boxes == "" {
			boxes = "all"
		}
		return []string{x.ID, x.Kind + " " + x.Owner, boxes, joined(x.Scopes), x.Client, by, x.Resource, state,
			short(x.CreatedAt), sessions(x.Sessions, x.SessionsSince, x.SessionsUsed)}
	})
}

// sessions says what is open with a credential.
func sessions(n int, since, used time.Time) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprintf("%d since %s, used %s", n, short(since), short(used))
}

type grantRevokeCmd struct {
	ID string `arg:"" help:"Id of the grant."`
}

func (g grantRevokeCmd) Run(e *environment) error {
	return remove(e, api.EndGrant, api.GrantRef{ID: g.ID}, g.ID, "is ended")
}
