package httpd

import "github.com/multimail/multimail/httpd/api"

// whoami tells a credential whom it speaks for: a bridge shows its client only
// what the credential can call.
func (s *Server) whoami(r *request) (answer, error) {
	who := api.Identity{Kind: string(r.p.Kind), Name: r.p.Name, Scopes: []string{}}
	for _, scope := range r.p.Scopes {
		if r.p.Has(scope) {
			who.Scopes = append(who.Scopes, string(scope))
		}
	}
	for _, a := range r.p.Mailboxes {
		who.Mailboxes = append(who.Mailboxes, a.String())
	}
	return ok(who)
}
