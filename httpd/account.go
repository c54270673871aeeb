package httpd

import (
	"context"
	"errors"
	"slices"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// account shows who answers for the installation.
func (s *Server) account(ctx context.Context, _ caller, _ api.None) (api.Account, error) {
	var out api.Account
	err := s.o.Store.View(ctx, func(tx store.Tx) error {
		o, err := s.o.Registry.Operator(tx)
		if err != nil {
			return err
		}
		freezes, err := s.o.Registry.Freezes(tx)
		out = api.Account{Name: o.Name, OversightEmail: o.Oversight.String(), Postal: o.Postal}
		if slices.ContainsFunc(freezes, func(f registry.Freeze) bool { return f.Scope.Kind == registry.FreezeAll }) {
			out.SendingDisabled, out.DisabledReason = true, "frozen"
		}
		closure, closed, cerr := s.o.Registry.Closed(tx)
		if closed {
			out.SendingDisabled, out.DisabledReason, out.DeletedAt = true, "deleted", closure.At
		}
		return errors.Join(err, cerr)
	})
	return out, err
}

// closeAccount closes the account for good.
func (s *Server) closeAccount(ctx context.Context, c caller, _ api.AccountDeletion) (out api.DeletedAccount, _ error) {
	closed, err := s.o.Gate.CloseAccount(ctx, c.Principal)
	if err != nil {
		return out, err
	}
	out = api.DeletedAccount{Status: "deleted", DeletedAt: closed.At,
		Message: "Nothing comes in or leaves any more. Contents are being erased; the audit log stays."}
	for _, id := range closed.Past {
		out.Past = append(out.Past, string(id))
	}
	for _, box := range closed.Kept {
		out.LegalHolds = append(out.LegalHolds, box.String())
	}
	if len(closed.Kept) > 0 {
		out.Message += " A legal hold is in force: what these mailboxes have is erased once an approver lifts it."
	}
	return out, nil
}

func (s *Server) patchAccount(ctx context.Context, c caller, in api.AccountPatch) (out api.Account, _ error) {
	var address mail.Address
	if in.OversightEmail != nil {
		var err error
		if address, err = mail.ParseAddress(*in.OversightEmail); err != nil {
			return out, err
		}
	}
	err := s.o.Store.Update(ctx, func(tx store.Tx) error {
		o, err := s.o.Registry.Operator(tx)
		if err != nil {
			return err
		}
		if in.Name != nil {
			o.Name = *in.Name
		}
		if in.OversightEmail != nil {
			o.Oversight = address
		}
		if in.Postal != nil {
			o.Postal = *in.Postal
		}
		if err := s.o.Registry.SetOperator(tx, c.Principal, o); err != nil {
			return err
		}
		return s.budgets(tx)
	})
	if err != nil {
		return out, err
	}
	return s.account(ctx, c, api.None{})
}

// whoami says whom a credential speaks for: a bridge shows its client only
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
	who.Credential, who.Until, who.Possible = string(c.Credential.Kind), c.Until(), []string{}
	if c.Credential.ID != "" {
		who.Credential += ":" + c.Credential.ID
	}
	for _, scope := range c.Possible() {
		who.Possible = append(who.Possible, string(scope))
	}
	return who, nil
}

func (s *Server) agents(ctx context.Context, _ caller, _ api.None) (api.Agents, error) {
	var all []registry.Agent
	var bindings []registry.Binding
	err := s.o.Store.View(ctx, func(tx store.Tx) (err error) {
		if all, err = s.o.Registry.Agents(tx); err != nil {
			return err
		}
		bindings, err = s.o.Registry.Bindings(tx)
		return err
	})
	list := api.Agents{Agents: []api.Agent{}}
	for _, a := range all {
		v := agentOf(a)
		for _, b := range bindings {
			if b.Kind == registry.KindAgent && b.Owner == a.Name && b.EndedAt.IsZero() {
				v.Bindings = append(v.Bindings, bindingOf(b))
			}
		}
		list.Agents = append(list.Agents, v)
	}
	return list, err
}

func agentOf(a registry.Agent) api.Agent {
	return api.Agent{Name: a.Name, AgentRef: a.Ref, Disabled: a.Disabled, CreatedAt: a.CreatedAt}
}

func (s *Server) addAgent(ctx context.Context, c caller, in api.NewAgent) (api.AgentPassword, error) {
	var v api.AgentPassword
	err := s.o.Store.Update(ctx, func(tx store.Tx) error {
		a, password, err := s.o.Registry.AddAgent(tx, c.Principal, in.Name, in.AgentRef)
		v = api.AgentPassword{Agent: agentOf(a), Password: password}
		return err
	})
	return v, err
}

func (s *Server) disableAgent(ctx context.Context, c caller, in api.NameRef) (api.Stopped, error) {
	report, err := s.o.Gate.DisableAgent(ctx, c.Principal, in.Name)
	return stoppedOf(report), err
}

func (s *Server) enableAgent(ctx context.Context, c caller, in api.NameRef) (out api.Agent, _ error) {
	err := s.o.Store.Update(ctx, func(tx store.Tx) error {
		if err := s.o.Registry.EnableAgent(tx, c.Principal, in.Name); err != nil {
			return err
		}
		a, err := s.o.Registry.Agent(tx, in.Name)
		out = agentOf(a)
		return err
	})
	return out, err
}

func (s *Server) resetPassword(ctx context.Context, c caller, in api.NameRef) (out api.AgentPassword, _ error) {
	err := s.o.Store.Update(ctx, func(tx store.Tx) error {
		password, err := s.o.Registry.ResetPassword(tx, c.Principal, in.Name)
		if err != nil {
			return err
		}
		a, err := s.o.Registry.Agent(tx, in.Name)
		out = api.AgentPassword{Agent: agentOf(a), Password: password}
		return err
	})
	return out, err
}

func (s *Server) keys(ctx context.Context, _ caller, _ api.None) (api.Keys, error) {
	var all []registry.Key
	err := s.o.Store.View(ctx, func(tx store.Tx) (err error) {
		all, err = s.o.Registry.Keys(tx)
		return err
	})
	list := api.Keys{Keys: []api.Key{}}
	for _, k := range all {
		v := keyOf(k)
		v.Sessions, v.SessionsSince, v.SessionsUsed = s.sessionsOf(registry.CredentialKey, k.ID)
		list.Keys = append(list.Keys, v)
	}
	return list, err
}

func keyOf(k registry.Key) api.Key {
	v := api.Key{
		ID: k.ID, Name: k.Name, Kind: string(k.Kind), Owner: k.Owner, Prefix: k.Prefix, Scopes: texts(k.Scopes),
		IsActive: k.RevokedAt.IsZero(), CreatedAt: k.CreatedAt, CreatedBy: k.CreatedBy, RevokedAt: k.RevokedAt,
	}
	if len(k.Mailboxes) > 0 {
		v.Mailboxes = addresses(k.Mailboxes)
	}
	return v
}

func (s *Server) addKey(ctx context.Context, c caller, in api.NewKey) (out api.KeySecret, _ error) {
	boxes, err := limits(in.Mailboxes)
	if err != nil {
		return out, err
	}
	if in.Kind == "" {
		in.Kind = string(registry.KindAgent)
	}
	if in.Owner == "" && c.Kind != registry.KindOperator {
		return out, invalid("owner is needed: whom the key speaks for")
	}
	q := registry.KeyRequest{Name: in.Name, Kind: registry.Kind(in.Kind), Owner: in.Owner,
		Scopes: scopes(in.Scopes), Mailboxes: boxes}
	var v api.KeySecret
	err = s.o.Store.Update(ctx, func(tx store.Tx) error {
		k, secret, err := s.o.Registry.AddKey(tx, c.Principal, q)
		v = api.KeySecret{Key: keyOf(k), Secret: secret}
		return err
	})
	return v, err
}

// limits reads the mailboxes that a credential is limited to: [] is no mailbox at
// all, not every mailbox.
func limits(texts []string) ([]mail.Address, error) {
	if texts == nil {
		return nil, nil
	}
	out := []mail.Address{}
	for _, text := range texts {
		a, err := mail.ParseAddress(text)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

func scopes(texts []string) (out []registry.Scope) {
	for _, text := range texts {
		out = append(out, registry.Scope(text))
	}
	return out
}

func texts(scopes []registry.Scope) []string {
	out := []string{}
	for _, scope := range scopes {
		out = append(out, string(scope))
	}
	return out
}

// patchKey renames a key or takes scopes from it, from its next use on.
func (s *Server) patchKey(ctx context.Context, c caller, in api.KeyPatch) (out api.Key, _ error) {
	patch := registry.KeyPatch{Name: in.Name}
	if in.Scopes != nil {
		patch.Scopes = append([]registry.Scope{}, scopes(in.Scopes)...)
	}
	err := s.o.Store.Update(ctx, func(tx store.Tx) error {
		k, err := s.o.Registry.SetKey(tx, c.Principal, in.ID, patch)
		out = keyOf(k)
		return err
	})
	return out, err
}

// revokeKey ends a key at its next use.
func (s *Server) revokeKey(ctx context.Context, c caller, in api.KeyRef) (out api.Done, _ error) {
	err := s.o.Store.Update(ctx, func(tx store.Tx) error {
		return s.o.Registry.RevokeKey(tx, c.Principal, in.ID)
	})
	if err != nil {
		return out, err
	}
	s.endSessions(registry.CredentialKey, in.ID)
	return api.Done{Status: "revoked"}, nil
}
