package authserver

import (
	"context"
	"net/url"
	"slices"
	"time"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Rule lets people of an issuer grant the rights of agents. Whom no rule names, and who is
// no approver, is offered nothing.
type Rule struct {
	Issuer, Tenant string
	Person         string // object id of a person, or
	Role           string // an app role that the issuer gives
	Agents         []string
	Mailboxes      []mail.Address   // the only ones; nil: all of the agent's
	Scopes         []registry.Scope // the most that can be granted
}

// names reports whether the rule is about a person, whose ids are compared octet by octet.
func (r Rule) names(who mail.Person, roles []string) bool {
	if r.Issuer != who.Issuer || r.Tenant != who.Tenant {
		return false
	}
	return r.Person != "" && r.Person == who.ID || r.Role != "" && slices.Contains(roles, r.Role)
}

// Offer is what a person may grant: to act as one principal, within scopes.
type Offer struct {
	Kind      registry.Kind
	Owner     string
	Mailboxes []mail.Address   // nil: all of the owner's
	Scopes    []registry.Scope // what was asked for and may be granted
	Reach     []mail.Address   // of an agent: the mailboxes that this is now
}

// Key names an offer in a form.
func (o Offer) Key() string { return string(o.Kind) + ":" + o.Owner }

// Offers returns what the one who is signed in may grant of a request, and the proof that a
// form must carry. Without any there is nothing to consent to.
func (s *Server) Offers(ctx context.Context, r *Request, in SignedIn) (offers []Offer, proof string, err error) {
	err = s.o.Store.View(ctx, func(tx store.Tx) error {
		offers, err = s.offers(tx, in, r.Scopes)
		if err != nil {
			return err
		}
		ks, err := s.keys(tx)
		if err != nil {
			return err
		}
		proof, err = ks.seal(consentPurpose(r, in), []byte(tx.Now().Add(sessionLife).Format(time.RFC3339)))
		return err
	})
	return offers, proof, err
}

// consentPurpose binds a form to the session and to everything that was asked.
func consentPurpose(r *Request, in SignedIn) string { return "consent " + in.ID + " " + r.binding() }

// offers lists what may be granted. Sending and deciding are never in one of them: no kind of
// principal has both (invariant 4).
func (s *Server) offers(tx store.Tx, in SignedIn, asked []registry.Scope) (out []Offer, err error) {
	using, err := s.using(tx)
	if err != nil {
		return nil, err
	}
	add := func(o Offer, ceiling []registry.Scope) {
		for _, scope := range asked {
			if slices.Contains(ceiling, scope) {
				o.Scopes = append(o.Scopes, scope)
			}
		}
		if len(o.Scopes) > 0 {
			o.Reach = slices.DeleteFunc(slices.Clone(using[o.Owner]), func(a mail.Address) bool {
				return o.Kind != registry.KindAgent || o.Mailboxes != nil && !slices.Contains(o.Mailboxes, a)
			})
			out = append(out, o)
		}
	}
	if in.Admin != nil {
		return out, s.offersOfAdmin(tx, *in.Admin, add)
	}
	bound, approver, err := s.o.Registry.ApproverOf(tx, in.Person)
	if err != nil {
		return nil, err
	}
	if approver { // who decides grants nothing of an agent
		add(Offer{Kind: registry.KindApprover, Owner: bound.Owner, Mailboxes: bound.Mailboxes}, bound.Scopes)
		return out, nil
	}
	if decides, err := s.o.Registry.MayBeApprover(tx, in.Person); err != nil || decides {
		return nil, err
	}
	for _, rule := range s.o.Rules {
		if !rule.names(in.Person, in.Roles) {
			continue
		}
		for _, name := range rule.Agents {
			o := Offer{Kind: registry.KindAgent, Owner: name, Mailboxes: rule.Mailboxes}
			if slices.ContainsFunc(out, func(had Offer) bool { return had.Key() == o.Key() }) {
				continue // the first rule that names an agent counts
			}
			if a, err := s.o.Registry.Agent(tx, name); err == nil && !a.Disabled {
				add(o, both(rule.Scopes, registry.KindAgent.Scopes()))
			}
		}
	}
	return out, nil
}

// using lists the mailboxes of each agent.
func (s *Server) using(tx store.Tx) (map[string][]mail.Address, error) {
	all, err := s.o.Registry.Mailboxes(tx)
	out := map[string][]mail.Address{}
	for _, m := range all {
		for _, agent := range m.Agents {
			out[agent] = append(out[agent], m.Address)
		}
	}
	return out, err
}

func (s *Server) offersOfAdmin(tx store.Tx, a Admin, add func(Offer, []registry.Scope)) error {
	p, err := s.o.Registry.Configures(tx, a.principal())
	if err != nil {
		return err
	}
	agents, err := s.o.Registry.Agents(tx)
	if err != nil {
		return err
	}
	for _, agent := range agents {
		if !agent.Disabled {
			add(Offer{Kind: registry.KindAgent, Owner: agent.Name}, registry.KindAgent.Scopes())
		}
	}
	if p.Kind == registry.KindAdmin {
		add(Offer{Kind: registry.KindAdmin, Owner: p.Name}, p.Gives())
	}
	return nil
}

// Answer is what a person has chosen on the consent page.
type Answer struct {
	Offer  string           // key of the offer that was taken
	Scopes []registry.Scope // of the offer, those that were left
	Proof  string
}

// Consent records the choice and returns where the browser goes, with a code for the client.
// A form counts once, in the session that it was made for, for what it showed.
func (s *Server) Consent(ctx context.Context, r *Request, in SignedIn, a Answer) (redirect string, err error) {
	code := token("mmo_")
	err = s.o.Store.Update(ctx, func(tx store.Tx) error {
		if err := s.take(tx, r, in, a.Proof); err != nil {
			return err
		}
		if err := s.endSession(tx, in); err != nil {
			return err
		}
		offers, err := s.offers(tx, in, r.Scopes)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(offers, func(o Offer) bool { return o.Key() == a.Offer })
		if at < 0 {
			return refuse(AccessDenied, "this cannot be granted any more")
		}
		o := offers[at]
		if o.Scopes = both(o.Scopes, a.Scopes); len(o.Scopes) == 0 {
			return refuse(AccessDenied, "no scope was granted")
		}
		return s.keep(tx, code, r, in, o)
	})
	if err != nil {
		return "", err
	}
	return s.answer(r, url.Values{"code": {code}}), nil
}

// take accepts the proof of a form, once.
func (s *Server) take(tx store.Tx, r *Request, in SignedIn, proof string) error {
	ks, err := s.keys(tx)
	if err != nil {
		return err
	}
	plain, ok := ks.open(consentPurpose(r, in), proof)
	until, bad := time.Parse(time.RFC3339, string(plain))
	if !ok || bad != nil || !tx.Now().Before(until) {
		return refuse(InvalidRequest, "this form is too old, or was made for something else; begin again in the client")
	}
	return s.once(tx, "consent "+proof, until, refuse(InvalidRequest, "this form was answered already"))
}

// once notes that something was used; again refuses it the second time. What is noted is
// forgotten when it could not be used any more.
func (s *Server) once(tx store.Tx, what string, until time.Time, again *Error) error {
	if had, err := s.used(tx, what); err != nil {
		return err
	} else if had {
		return again
	}
	return put(tx, usedAt(what), until)
}

// used reports whether once has noted something.
func (s *Server) used(tx store.Tx, what string) (bool, error) {
	var until time.Time
	return read(tx, usedAt(what), &until)
}

func usedAt(what string) string {
	b, _ := hashOf(what).MarshalText()
	return usedKey + string(b)
}

// both returns what stands in a and in b.
func both(a, b []registry.Scope) (out []registry.Scope) {
	for _, s := range a {
		if slices.Contains(b, s) {
			out = append(out, s)
		}
	}
	return out
}
