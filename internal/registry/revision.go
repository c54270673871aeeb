package registry

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// revised are the entries that change the policy an operator had in mind when a code was
// asked for, and whose policy it is: that of a mailbox, an agent or the operator. A freeze is
// not among them: it holds every code while it stands, and changes nothing of what was shown.
var revised = map[audit.Kind]string{
	audit.ModeTighten:   "mailbox",
	audit.ModeLoosen:    "mailbox",
	audit.AllowAdd:      "mailbox",
	audit.AllowRemove:   "mailbox",
	audit.MailboxSet:    "mailbox",
	audit.MailboxGrant:  "mailbox",
	audit.MailboxDelete: "mailbox",
	audit.AgentDisable:  "agent",
	audit.AgentEnable:   "agent",
	audit.OperatorSet:   "operator",
}

// revise counts a change of policy under whose it is. A count never goes back, so a policy
// that was changed and changed back is another one than before.
func (r *Registry) revise(tx store.Tx, kind audit.Kind, facts, private details) error {
	key := revisionKey + revised[kind]
	switch revised[kind] {
	case "":
		return nil
	case "mailbox":
		a, err := mail.ParseAddress(private["mailbox"])
		if err != nil {
			return fmt.Errorf("registry: %s names no mailbox: %w", kind, err)
		}
		key += "/" + a.Key()
	case "agent":
		key += "/" + facts["agent"]
	}
	n, _, err := get[uint64](tx, key)
	if err != nil {
		return err
	}
	return put(tx, key, n+1)
}

// underPolicy is a hash of the policy that a request of an agent was made under: that of
// the mailbox it is about, or of all that the credential reaches, of the agent, and of the
// operator. It changes with each of their changes and never comes back.
func (r *Registry) underPolicy(tx store.Tx, p Principal, a Asked) (Hash, error) {
	scopes := []string{"operator", "agent/" + p.Name}
	boxes := p.Mailboxes
	if !a.Mailbox.IsZero() {
		boxes = []mail.Address{a.Mailbox}
	}
	for _, box := range boxes {
		scopes = append(scopes, "mailbox/"+box.Key())
	}
	slices.Sort(scopes)
	var b strings.Builder
	for _, scope := range scopes {
		n, _, err := get[uint64](tx, revisionKey+scope)
		if err != nil {
			return Hash{}, err
		}
		fmt.Fprintf(&b, "%q %d\n", scope, n)
	}
	return sha256.Sum256([]byte(b.String())), nil
}

// outdated reports whether policy has changed since a request was made.
func (r *Registry) outdated(tx store.Tx, p Principal, a Asked, q CodeRequest) (bool, error) {
	now, err := r.underPolicy(tx, p, a)
	return !now.is(q.Policy), err
}
