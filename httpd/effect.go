package httpd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// effect is what a request for a code comes to, as this server knows it: what is in force,
// and what stands there afterwards where the request leaves something out. The operator
// reads it beside the words of the agent.
type effect struct {
	ours     []message.CodeValue
	stranger []message.CodeValue // words of whoever wrote a mail
}

func (e *effect) add(name, format string, args ...any) {
	e.ours = append(e.ours, message.CodeValue{Name: name, Value: fmt.Sprintf(format, args...)})
}

// effectOf returns the effect of a request. One of a type that it does not know cannot be
// shown, and so cannot be asked for.
func (s *Server) effectOf(tx store.Tx, c caller, op *api.Operation, in any) (e effect, err error) {
	switch in := in.(type) {
	case api.MailboxRequest:
		err = s.mailboxEffect(tx, c, in.Mailbox, op.Parameters(in), &e)
		if len(in.AddAgents) > 0 {
			e.add("agents", "those that are added send from it, and read all of its mail")
		}
	case api.SetupRequest:
		err = s.mailboxEffect(tx, c, in.Mailbox, op.Parameters(in), &e)
	case api.NewAllowRequest:
		err = s.mailboxEffect(tx, c, in.Mailbox, nil, &e)
		covers := "one address"
		if strings.HasPrefix(in.Pattern, "*@") {
			covers = "every address of the domain"
		}
		e.add("covers", "%s, for good: in gated_send, mail to it leaves without a decision", covers)
	case api.NewMailbox:
		err = s.newMailboxEffect(tx, in, &e)
	case api.NewKey:
		keyEffect(c, in, &e)
	case api.NewWebhook:
		e.left("format", in.Format != "", "raw")
		e.left("mailboxes", in.Mailbox != "", c.allMailboxes())
		e.add("expires", "never")
	case api.AccountPatch:
		err = s.accountEffect(tx, op.Parameters(in), &e)
	case api.AccountDeletion:
		err = s.closingEffect(tx, &e)
	case api.SuppressionRef:
		e.add("mailboxes", "%s may send to it again", words(c.Mailboxes))
	case api.ContactRef:
		err = s.contactEffect(tx, c, in.ID, &e)
	case api.SpamRelease: // the caller adds it
	default:
		err = fmt.Errorf("httpd: nothing says what %s comes to", op.Name)
	}
	return e, err
}

// left says what a value is that a request may leave out.
func (e *effect) left(name string, given bool, otherwise string) {
	if given {
		otherwise = "what the request says"
	}
	e.add(name, "%s", otherwise)
}

func words[T any](list []T) string {
	s := make([]string, len(list))
	for i, v := range list {
		s[i] = fmt.Sprint(v)
	}
	return strings.Join(s, ", ")
}

// changes says of each value of a request what is in force now and what it becomes.
func (e *effect) changes(now any, values []api.Parameter) error {
	b, err := json.Marshal(now)
	if err != nil {
		return err
	}
	var known map[string]any
	if err := json.Unmarshal(b, &known); err != nil {
		return err
	}
	for _, v := range values {
		is, ok := known[v.Name]
		becomes := "what the request says"
		if v.Name == "oversight_mode" {
			becomes = v.Value // the name of a mode, or it would have been refused
		}
		if ok {
			e.add(v.Name, "is %v, becomes %s", is, becomes)
		}
	}
	return nil
}

// mailboxEffect says in which mode a mailbox is, and what changes.
func (s *Server) mailboxEffect(tx store.Tx, c caller, name string, values []api.Parameter, e *effect) error {
	box, err := c.reaches(name)
	if err != nil {
		return err
	}
	m, err := s.o.Registry.Mailbox(tx, box)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(values, func(v api.Parameter) bool { return v.Name == "oversight_mode" }) {
		e.add("oversight_mode", "is %s, and stays", m.Mode)
	}
	now, err := s.mailboxOf(tx, c.Principal, m)
	if err != nil {
		return err
	}
	return e.changes(now, values)
}

func (s *Server) newMailboxEffect(tx store.Tx, in api.NewMailbox, e *effect) error {
	a, err := s.newAddress(tx, in)
	if err != nil {
		return err
	}
	agents, err := s.newUsers(tx, in.Agents)
	if err != nil {
		return err
	}
	e.add("address", "%s", a)
	e.add("agents", "%s", words(agents))
	e.add("oversight_mode", "%s", mail.GatedSend)
	return nil
}

// allMailboxes are those that a credential reaches, and that what it asks for reaches where
// it names none.
func (c caller) allMailboxes() string {
	if c.Limited() {
		return words(c.Mailboxes) + ", as the key that asks"
	}
	return "all of " + c.ID() + ", those it gets later too; now " + words(c.Mailboxes)
}

// keyEffect says what the key that an agent asks for would be.
func keyEffect(c caller, in api.NewKey, e *effect) {
	e.add("owner", "%s", c.ID())
	e.left("name", in.Name != "", c.Name)
	e.left("scopes", len(in.Scopes) > 0, string(registry.ScopeRead))
	e.left("mailboxes", in.Mailboxes != nil, c.allMailboxes())
	e.add("expires", "never")
}

func (s *Server) accountEffect(tx store.Tx, values []api.Parameter, e *effect) error {
	o, err := s.o.Registry.Operator(tx)
	if err != nil {
		return err
	}
	return e.changes(api.Account{Name: o.Name, OversightEmail: o.Oversight.String()}, values)
}

// closingEffect says what ends with the account, most of which is not of the agent that asks.
func (s *Server) closingEffect(tx store.Tx, e *effect) error {
	all, err := s.o.Registry.Mailboxes(tx)
	if err != nil {
		return err
	}
	e.add("account", "is open, becomes closed for good: there is no way back")
	e.add("mailboxes", "all %d of this server, of every agent; contents are erased", len(all))
	return nil
}

// contactEffect names a contact. Its name may be a stranger's.
func (s *Server) contactEffect(tx store.Tx, c caller, id string, e *effect) error {
	for _, box := range c.Mailboxes {
		all, err := s.o.Inbox.Contacts(tx, box, "")
		if err != nil {
			return err
		}
		for _, found := range all {
			if string(found.ID) == id {
				e.add("mailbox", "%s", box)
				e.stranger = []message.CodeValue{{Name: "address", Value: found.Address.String()},
					{Name: "name", Value: found.Name}}
				return nil
			}
		}
	}
	e.add("contact", "none of %s has this id", c.ID())
	return nil
}

// spamEffect shows the mail that would be let in or called clean. Mail that is kept from
// the agent is shown too: only the operator reads it here.
func (s *Server) spamEffect(ctx context.Context, c caller, id string, e *effect) error {
	m, err := s.o.Queue.Mail(ctx, mail.ID(id))
	if err != nil && !errors.Is(err, mail.ErrNotFound) {
		return err
	}
	if err != nil || m.Direction != mail.Incoming || !c.Covers(m.Mailbox) {
		e.add("mail", "none of %s has this id", c.ID())
		return nil
	}
	e.add("mailbox", "%s", m.Mailbox)
	e.add("status", "%s", statusWord(m, s.o.Now()))
	e.add("received", "%s", m.SubmittedAt.UTC().Format("2006-01-02 15:04 MST"))
	e.stranger = []message.CodeValue{{Name: "from", Value: fromOf(m)}, {Name: "name", Value: m.Header.FromName},
		{Name: "subject", Value: m.Header.Subject}}
	return nil
}
