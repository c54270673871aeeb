package httpd

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/authserver"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
)

// errNoServer refuses what only the embedded authorization server has.
var errNoServer = refuse(http.StatusConflict, "clients are not kept here: oauth.server is not embedded")

// clientServer returns the authorization server that keeps clients.
func (s *Server) clientServer() (*authserver.Server, error) {
	if s.o.OAuth == nil || s.o.OAuth.Server == nil {
		return nil, errNoServer
	}
	return s.o.OAuth.Server, nil
}

func (s *Server) clientList(ctx context.Context, _ caller, _ api.None) (out api.OAuthClients, _ error) {
	server, err := s.clientServer()
	if err != nil {
		return out, err
	}
	err = s.o.Store.View(ctx, func(tx store.Tx) error {
		all, err := server.Clients(tx)
		out.Clients = make([]api.OAuthClient, 0, len(all))
		for _, c := range all {
			out.Clients = append(out.Clients, clientOf(c))
		}
		return err
	})
	return out, err
}

func clientOf(c authserver.Client) api.OAuthClient {
	return api.OAuthClient{ID: c.ID, Name: c.Name, Source: string(c.Source), Redirects: c.Redirects,
		Method: string(c.Method), Own: c.Own, IsActive: c.EndedAt.IsZero(), CreatedAt: c.CreatedAt, UsedAt: c.UsedAt}
}

func (s *Server) clientAdd(ctx context.Context, c caller, in api.NewOAuthClient) (out api.OAuthClientSecret, _ error) {
	server, err := s.clientServer()
	if err != nil {
		return out, err
	}
	if in.Method == "" {
		in.Method = string(authserver.MethodNone)
	}
	q := authserver.NewClient{Name: in.Name, Redirects: in.Redirects, Method: authserver.Method(in.Method),
		Keys: []byte(in.Keys), KeysURI: in.KeysURI, Agent: in.Agent, Scopes: scopes(in.Scopes), Resource: in.Resource}
	err = s.o.Store.Update(ctx, func(tx store.Tx) error {
		added, secret, err := server.AddClient(tx, c.Principal, q)
		out = api.OAuthClientSecret{OAuthClient: clientOf(added), Secret: secret}
		return err
	})
	return out, err
}

func (s *Server) clientRotate(ctx context.Context, c caller, in api.OAuthClientRef) (out api.OAuthSecret, _ error) {
	server, err := s.clientServer()
	if err != nil {
		return out, err
	}
	err = s.o.Store.Update(ctx, func(tx store.Tx) (err error) {
		out.Secret, err = server.RotateClient(tx, c.Principal, in.ID)
		return err
	})
	return out, err
}

func (s *Server) clientRemove(ctx context.Context, c caller, in api.OAuthClientRef) (out api.Done, _ error) {
	server, err := s.clientServer()
	if err != nil {
		return out, err
	}
	err = s.o.Store.Update(ctx, func(tx store.Tx) error { return server.RemoveClient(tx, c.Principal, in.ID) })
	if err != nil {
		return out, err
	}
	return api.Done{Status: "removed"}, nil
}

// Sessions are the sessions of clients of MCP, by the credential that opened them, as whoami
// names it: "grant:" or "key:" and an id.
type Sessions interface {
	// Open says how many there are, when the oldest began, and when one was last used.
	Open(credential string) (n int, since, used time.Time)
	// End ends them at once, with their streams.
	End(credential string)
}

// sessionsOf are the sessions that a credential has on this node.
func (s *Server) sessionsOf(kind registry.CredentialKind, id string) (n int, since, used time.Time) {
	if s.o.Sessions == nil {
		return 0, since, used
	}
	return s.o.Sessions.Open(string(kind) + ":" + id)
}

// endSessions ends those of a credential that is worth nothing any more.
func (s *Server) endSessions(kind registry.CredentialKind, id string) {
	if s.o.Sessions != nil {
		s.o.Sessions.End(string(kind) + ":" + id)
	}
}

func (s *Server) grantList(ctx context.Context, _ caller, _ api.None) (out api.Grants, _ error) {
	err := s.o.Store.View(ctx, func(tx store.Tx) error {
		all, err := s.o.Registry.Grants(tx)
		out.Grants = make([]api.Grant, 0, len(all))
		for _, g := range all {
			v := grantOf(g)
			if v.IsActive, err = s.o.Registry.GrantIsActive(tx, g); err != nil {
				return err
			}
			v.Sessions, v.SessionsSince, v.SessionsUsed = s.sessionsOf(registry.CredentialGrant, g.ID)
			out.Grants = append(out.Grants, v)
		}
		return err
	})
	return out, err
}

func grantOf(g registry.Grant) api.Grant {
	v := api.Grant{ID: g.ID, Kind: string(g.Kind), Owner: g.Owner, Client: g.Client, Person: g.Person.String(),
		Scopes: texts(g.Scopes), Resource: g.Resource, CreatedAt: g.CreatedAt,
		EndedAt: g.EndedAt}
	if len(g.Mailboxes) > 0 {
		v.Mailboxes = addresses(slices.Clone(g.Mailboxes))
	}
	return v
}

func (s *Server) grantEnd(ctx context.Context, c caller, in api.GrantRef) (out api.Done, _ error) {
	err := s.o.Store.Update(ctx, func(tx store.Tx) error { return s.o.Registry.EndGrant(tx, c.Principal, in.ID) })
	if err != nil {
		return out, err
	}
	s.endSessions(registry.CredentialGrant, in.ID)
	return api.Done{Status: "ended"}, nil
}
