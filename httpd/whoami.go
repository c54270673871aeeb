package httpd

import (
	"context"

	"github.com/multimail/multimail/httpd/api"
)

// whoami tells a credential whom it speaks for: a bridge shows its client only
// what the credential can call.
func (s *Server) whoami(_ context.Context, c caller, _ api.None) (api.Identity, error) {
	who := api.Identity{Kind: string(c.Kind), Name: c.Name, Scopes: []string{}}
	for _, scope := range c.Scopes {
		if c.Has(scope) {
			who.Scopes = append(who.Scopes, string(scope))
		}
	}
	for _, a := range c.Mailboxes {
		who.Mailboxes = append(who.Mailboxes, a.String())
	}
	return who, nil
}
