package registry

import (
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Closure says that the account was closed: the installation takes and sends no mail any
// more. There is no way back.
type Closure struct {
	At time.Time `json:"at"`
	By string    `json:"by"` // id of the principal
}

// ErrClosed is what a change is told once the account is closed.
var ErrClosed = mail.ReasonClosed.Errorf("the account is closed: its audit log can be read, and nothing of it changes")

// closer is who ends what a closed account leaves.
var closer = Principal{Kind: "system", Name: "account", UID: -1}

// Closed returns when and by whom the account was closed; ok is false while it is open.
func (r *Registry) Closed(tx store.Tx) (c Closure, ok bool, err error) {
	return get[Closure](tx, closedKey)
}

// Open returns ErrClosed once the account is closed.
func (r *Registry) Open(tx store.Tx) error {
	_, closed, err := r.Closed(tx)
	if err == nil && closed {
		err = ErrClosed
	}
	return err
}

// lets returns ErrCredentials once the account is closed: to whom is not let in it says nothing
// more.
func (r *Registry) lets(tx store.Tx) error {
	_, closed, err := r.Closed(tx)
	if err == nil && closed {
		err = ErrCredentials.Because(ErrClosed)
	}
	return err
}

// CloseAccount closes the account. From its commit on no agent is let in, no grant or
// webhook is worth anything, no mailbox takes mail and none sends it; EndClosed then ends
// them one by one. Closing twice changes and records nothing.
func (r *Registry) CloseAccount(tx store.Tx, actor Principal) error {
	p, err := r.authorizeClosed(tx, actor, configure)
	if err != nil {
		return err
	}
	if _, closed, err := r.Closed(tx); err != nil || closed {
		return err
	}
	if err := put(tx, closedKey, Closure{At: tx.Now(), By: p.ID()}); err != nil {
		return err
	}
	return r.policy(tx, p, audit.AccountClose, nil, nil)
}

// authorizePatch is authorize for a change of a mailbox. That of a closed account takes one.
func (r *Registry) authorizePatch(
	tx store.Tx, actor Principal, addr mail.Address, patch MailboxPatch,
) (Principal, error) {
	if patch.liftsHold() {
		return r.authorizeClosed(tx, actor, tighten(addr))
	}
	return r.authorize(tx, actor, tighten(addr))
}

// EndClosed ends up to limit records of a closed account, each with its own entry, and returns
// how many it did: 0 once nothing is left to end. Credentials of admins and approvers stay:
// somebody must answer for what happened, and lift a legal hold, whose mailbox stays too.
func (r *Registry) EndClosed(tx store.Tx, limit int) (n int, err error) {
	if _, closed, err := r.Closed(tx); err != nil || !closed {
		return 0, err
	}
	for _, part := range []func(store.Tx, int) (int, error){
		r.endMailboxes, r.endGrants, r.endKeys, r.endBindings, r.endCertificates, r.endAgents, r.endWaiting,
	} {
		k, err := part(tx, limit-n)
		if n += k; err != nil || n >= limit {
			return n, err
		}
	}
	return n, nil
}

// endEach ends up to limit of the records that are in force, and counts them.
func endEach[T any](all []T, err error, limit int, inForce func(T) bool, end func(T) error) (n int, _ error) {
	for _, one := range all {
		if err != nil || n >= limit {
			break
		}
		if inForce(one) {
			err = end(one)
			n++
		}
	}
	return n, err
}

func (r *Registry) endMailboxes(tx store.Tx, limit int) (int, error) {
	all, err := r.Mailboxes(tx)
	return endEach(all, err, limit, func(m Mailbox) bool { return !m.LegalHold },
		func(m Mailbox) error { return r.deleteMailbox(tx, closer, m) })
}

func (r *Registry) endGrants(tx store.Tx, limit int) (int, error) {
	all, err := r.Grants(tx)
	return endEach(all, err, limit, func(g Grant) bool { return g.EndedAt.IsZero() },
		func(g Grant) error { return r.endGrant(tx, closer, g, "closed") })
}

func (r *Registry) endKeys(tx store.Tx, limit int) (int, error) {
	all, err := r.Keys(tx)
	return endEach(all, err, limit, func(k Key) bool { return k.Kind == KindAgent && k.RevokedAt.IsZero() },
		func(k Key) error { return r.revokeKey(tx, closer, k) })
}

func (r *Registry) endBindings(tx store.Tx, limit int) (int, error) {
	all, err := r.Bindings(tx)
	return endEach(all, err, limit, func(b Binding) bool { return b.Kind == KindAgent && b.EndedAt.IsZero() },
		func(b Binding) error { return r.unbind(tx, closer, b) })
}

func (r *Registry) endCertificates(tx store.Tx, limit int) (int, error) {
	all, err := r.Certificates(tx)
	return endEach(all, err, limit, func(c Certificate) bool { return c.RevokedAt.IsZero() },
		func(c Certificate) error { return r.revokeCertificate(tx, closer, c) })
}

func (r *Registry) endAgents(tx store.Tx, limit int) (int, error) {
	all, err := r.Agents(tx)
	return endEach(all, err, limit, func(a Agent) bool { return !a.Disabled },
		func(a Agent) error { return r.switchAgent(tx, closer, a.Name, true) })
}

// endWaiting voids the requests that wait for a code of the operator.
func (r *Registry) endWaiting(tx store.Tx, limit int) (int, error) {
	type waiting struct {
		key string
		q   CodeRequest
	}
	var all []waiting
	err := each(tx, waitKey, func(at string, q CodeRequest) (string, error) {
		all = append(all, waiting{waitKey + at, q})
		return at, nil
	})
	return endEach(all, err, limit, func(waiting) bool { return true }, func(w waiting) error {
		if err := space.Delete(tx, w.key); err != nil || !tx.Now().Before(w.q.ExpiresAt) {
			return err
		}
		return r.noteCode(tx, closer, audit.CodeVoid, w.q, "closed")
	})
}
