package registry

import (
	"crypto/rand"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Key is an API key, without its secret.
type Key struct {
	ID        string         `json:"id"`
	Name      string         `json:"name"` // a label
	Kind      Kind           `json:"kind"`
	Owner     string         `json:"owner"` // name of the agent, approver or admin
	Scopes    []Scope        `json:"scopes"`
	Mailboxes []mail.Address `json:"mailboxes,omitempty"` // the only ones; nil: all of the owner's
	Prefix    string         `json:"prefix"`              // how the secret begins
	CreatedAt time.Time      `json:"created_at"`
	RevokedAt time.Time      `json:"revoked_at,omitzero"`
	CreatedBy string         `json:"created_by"` // id of the principal
	Hash      Hash           `json:"hash"`
}

// KeyRequest is what a new key shall be.
type KeyRequest struct {
	Name      string         // a label; empty: the owner
	Kind      Kind           // agent, approver or admin
	Owner     string         // an agent that is here; a new name makes an approver or admin
	Scopes    []Scope        // empty: read, for an agent; others name theirs
	Mailboxes []mail.Address // the only ones it shall reach; nil: all of the owner's
}

// A secret is secretPrefix, the id of the key, "_" and 32 random bytes in
// base64url: a scanner knows it on sight and a look-up needs no search.
const (
	secretPrefix = "mm_live_"
	idLen        = 26
	secretLen    = len(secretPrefix) + idLen + 1 + 43
)

// newSecret returns a fresh secret for the key id.
func newSecret(id string) string {
	var b [32]byte
	rand.Read(b[:]) // never fails: the runtime ends the process first
	return secretPrefix + id + "_" + base64.RawURLEncoding.EncodeToString(b[:])
}

// secretID returns the key id in a secret, "" if it has not the form of one.
func secretID(s string) string {
	if len(s) != secretLen || !strings.HasPrefix(s, secretPrefix) {
		return ""
	}
	id := s[len(secretPrefix) : len(secretPrefix)+idLen]
	if _, err := mail.ParseID(id); err != nil {
		return ""
	}
	return id
}

// AddKey makes a key and returns its secret, which is shown this once. Who may
// make it follows from its kind (invariant 4): a credential counts as the principal
// that made it, so no admin makes approvers and no approver makes senders.
func (r *Registry) AddKey(tx store.Tx, actor Principal, q KeyRequest) (Key, string, error) {
	p, err := r.authorize(tx, actor, either(configure, CanLoosen))
	if err != nil {
		return Key{}, "", err
	}
	if err := r.mayGive(tx, p, &q); err != nil {
		return Key{}, "", err
	}
	now := tx.Now()
	k := Key{
		ID: string(mail.NewID(now)), Name: q.Name, Kind: q.Kind, Owner: q.Owner,
		Scopes: q.Scopes, Mailboxes: q.Mailboxes, CreatedAt: now, CreatedBy: p.ID(),
	}
	secret := newSecret(k.ID)
	k.Prefix, k.Hash = secretPrefix+k.ID, hashOf(secret)
	if err := put(tx, credKey+k.ID, k); err != nil {
		return Key{}, "", err
	}
	facts, private := k.details()
	if err := r.note(tx, p, audit.KeyCreate, facts, private); err != nil {
		return Key{}, "", err
	}
	return k, secret, nil
}

// mayGive judges whether p may give somebody a credential with these rights, fills in
// what q leaves open, and makes an approver or admin that is not here yet.
func (r *Registry) mayGive(tx store.Tx, p Principal, q *KeyRequest) error {
	if q.Owner == "" && p.redeemed != nil {
		q.Owner = p.redeemed.requester.Name
	}
	if by, ok := p.Requester(); ok && q.Mailboxes == nil && by.Limited() {
		q.Mailboxes = slices.Clone(by.Mailboxes) // a key reaches no more than the one that asked for it
	}
	if err := q.check(); err != nil {
		return err
	}
	if err := r.mayIssue(tx, p, *q); err != nil {
		return err
	}
	if err := r.checkReach(tx, *q); err != nil {
		return err
	}
	fresh, err := r.owner(tx, *q)
	if err == nil && fresh && q.Kind == KindApprover {
		err = r.note(tx, p, audit.ApproverAdd, nil, details{"approver": q.Owner})
	}
	return err
}

// check refuses a request that no principal could make, and fills in defaults.
func (q *KeyRequest) check() error {
	if q.Kind != KindAgent && q.Kind != KindApprover && q.Kind != KindAdmin {
		return in(ErrInvalid, "a key is of kind agent, approver or admin")
	}
	if q.Name == "" {
		q.Name = q.Owner
	}
	if err := checkText("name of the key", q.Name, 200); err != nil {
		return err
	}
	if len(q.Scopes) == 0 && q.Kind == KindAgent {
		q.Scopes = []Scope{ScopeRead}
	}
	q.Scopes = slices.Compact(slices.Sorted(slices.Values(q.Scopes)))
	if len(q.Scopes) == 0 {
		return in(ErrInvalid, "the key needs scopes: some of %s", words(q.Kind.Scopes()))
	}
	for _, s := range q.Scopes {
		if !slices.Contains(q.Kind.Scopes(), s) {
			return in(ErrInvalid, "a key of kind %s holds only %s", q.Kind, words(q.Kind.Scopes()))
		}
	}
	if q.Mailboxes != nil && len(q.Mailboxes) == 0 {
		return in(ErrInvalid, "the key is limited to no mailbox at all")
	}
	if q.Mailboxes != nil && q.Kind == KindAdmin {
		return in(ErrInvalid, "the key of an admin cannot be limited to mailboxes")
	}
	return nil
}

// mayIssue judges whether p may make such a key.
func (r *Registry) mayIssue(tx store.Tx, p Principal, q KeyRequest) error {
	if p.redeemed != nil {
		return p.mayIssueByCode(q)
	}
	if q.Kind != KindApprover {
		return mayConfigureKey(p, q)
	}
	if CanLoosen(p) {
		for _, a := range q.Mailboxes {
			if !p.Covers(a) {
				return in(ErrForbidden, "your own key does not reach %s", a)
			}
		}
		if q.Mailboxes == nil && !p.everywhere() {
			return in(ErrForbidden, "your own key does not reach every mailbox; name some")
		}
		return r.ownName(tx, p, q.Owner)
	}
	if p.Kind != KindSocket {
		return in(ErrForbidden, "approvers are made by approvers, not by an admin's key")
	}
	exists, err := r.hasApprover(tx)
	if err != nil {
		return err
	}
	if exists {
		return in(ErrForbidden, "there is an approver already; ask one to make this key")
	}
	// The first approver must be able to make the next ones, since nobody else can.
	if q.Mailboxes != nil || !slices.Contains(q.Scopes, ScopeOversight) {
		return in(ErrForbidden, "the first approver needs the scope oversight and every mailbox")
	}
	return nil
}

// mayConfigureKey judges keys of agents and admins. An admin's key cannot make
// an admin that holds more than itself.
func mayConfigureKey(p Principal, q KeyRequest) error {
	if !configure(p) {
		return in(ErrForbidden, "keys of agents and admins are made by an admin")
	}
	for _, s := range q.Scopes {
		if q.Kind == KindAdmin && !p.gives(s) {
			return in(ErrForbidden, "your own key does not hold the scope %s", s)
		}
	}
	return nil
}

// hasApprover reports whether there ever was an approver. One whose keys are
// all revoked still counts: otherwise revoking would be a way to make one.
func (r *Registry) hasApprover(tx store.Tx) (bool, error) {
	kinds, err := list[Kind](tx, nameKey)
	return slices.Contains(kinds, KindApprover), err
}

// checkReach refuses a limit to mailboxes that are not here or not the agent's.
func (r *Registry) checkReach(tx store.Tx, q KeyRequest) error {
	for _, a := range q.Mailboxes {
		m, err := r.Mailbox(tx, a)
		if err != nil {
			return err
		}
		if q.Kind == KindAgent && !slices.Contains(m.Agents, q.Owner) {
			return in(ErrInvalid, "agent %q does not use mailbox %s", q.Owner, a)
		}
	}
	return nil
}

// owner finds whom the key is for, and makes an approver or admin that is not
// here yet. fresh reports that it did.
func (r *Registry) owner(tx store.Tx, q KeyRequest) (fresh bool, err error) {
	if q.Kind == KindAgent {
		_, err := r.Agent(tx, q.Owner)
		return false, err
	}
	if validName(q.Owner) {
		kind, ok, err := get[Kind](tx, nameKey+q.Owner)
		if err != nil || ok && kind == q.Kind {
			return false, err
		}
	}
	return true, r.claimName(tx, q.Owner, q.Kind)
}

// Keys returns every key, revoked ones too, oldest first.
func (r *Registry) Keys(tx store.Tx) ([]Key, error) { return list[Key](tx, credKey) }

// RevokeKey ends a key at its next use. Who may stop everything may, and
// everyone may revoke the key they hold; but the last key that decides
// everywhere stays. Revoking twice changes nothing.
func (r *Registry) RevokeKey(tx store.Tx, actor Principal, id string) error {
	own := func(p Principal) bool { return p.Credential == Credential{CredentialKey, id} }
	p, err := r.authorizeClosed(tx, actor, either(stop, own))
	if err != nil {
		return err
	}
	if _, err := mail.ParseID(id); err != nil {
		return in(ErrNotFound, "no such key")
	}
	k, ok, err := get[Key](tx, credKey+id)
	if err != nil {
		return err
	}
	if !ok {
		return in(ErrNotFound, "no such key")
	}
	if !k.RevokedAt.IsZero() {
		return nil
	}
	if err := r.keepsApprover(tx, p, k); err != nil {
		return err
	}
	return r.revokeKey(tx, p, k)
}

func (r *Registry) revokeKey(tx store.Tx, p Principal, k Key) error {
	k.RevokedAt = tx.Now()
	if err := put(tx, credKey+k.ID, k); err != nil {
		return err
	}
	facts, private := k.details()
	return r.note(tx, p, audit.KeyRevoke, facts, private)
}

// KeyPatch names what changes of a key; nil leaves a value as it is.
type KeyPatch struct {
	Name   *string
	Scopes []Scope // some of those that it has
}

// SetKey renames a key, or takes scopes from it, which is in force at its next use. Who may
// revoke a key may take scopes from it, its holder too; who may make one like it renames it.
// No key gets a scope that it did not have: that is a new key.
func (r *Registry) SetKey(tx store.Tx, actor Principal, id string, patch KeyPatch) (Key, error) {
	own := func(p Principal) bool { return p.Credential == Credential{CredentialKey, id} }
	p, err := r.authorize(tx, actor, either(stop, own))
	if err != nil {
		return Key{}, err
	}
	k, err := r.keyInForce(tx, id)
	if err != nil {
		return Key{}, err
	}
	before := k
	if patch.Name != nil {
		if k.Kind == KindApprover && !release(p) || k.Kind != KindApprover && !configure(p) {
			return Key{}, in(ErrForbidden, "a key is renamed by who may make one like it")
		}
		if err := checkText("name of the key", *patch.Name, 200); err != nil {
			return Key{}, err
		}
		if k.Name = *patch.Name; k.Name == "" {
			k.Name = k.Owner
		}
	}
	if patch.Scopes != nil {
		if k.Scopes, err = fewer(k.Scopes, patch.Scopes); err != nil {
			return Key{}, err
		}
	}
	if before.decidesEverywhere() && !k.decidesEverywhere() {
		if err := r.keepsApprover(tx, p, before); err != nil {
			return Key{}, err
		}
	}
	if k.Name == before.Name && slices.Equal(k.Scopes, before.Scopes) {
		return k, nil
	}
	if err := put(tx, credKey+id, k); err != nil {
		return Key{}, err
	}
	facts, private := k.details()
	return k, r.note(tx, p, audit.KeySet, facts, private)
}

// keyInForce returns a key that is not revoked.
func (r *Registry) keyInForce(tx store.Tx, id string) (Key, error) {
	if _, err := mail.ParseID(id); err != nil {
		return Key{}, in(ErrNotFound, "no such key")
	}
	k, ok, err := get[Key](tx, credKey+id)
	if err == nil && (!ok || !k.RevokedAt.IsZero()) {
		err = in(ErrNotFound, "no such key")
	}
	return k, err
}

// fewer returns the scopes that are asked for, which must be some of those held.
func fewer(held, asked []Scope) ([]Scope, error) {
	if len(asked) == 0 {
		return nil, in(ErrInvalid, "the key needs scopes; revoke it to end it")
	}
	for _, s := range asked {
		if !slices.Contains(held, s) {
			return nil, in(ErrForbidden, "a key gets no scope that it does not have; make a new key")
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(asked))), nil
}

// decidesEverywhere reports whether the holder of k can decide over every mail
// and make keys for other approvers.
func (k Key) decidesEverywhere() bool {
	return k.Kind == KindApprover && k.RevokedAt.IsZero() && k.Mailboxes == nil &&
		slices.Contains(k.Scopes, ScopeOversight)
}

// keepsApprover refuses to end the last key that decides everywhere, whoever
// asks, its holder too: only such a key makes the next one, or in dev mode the
// socket.
func (r *Registry) keepsApprover(tx store.Tx, p Principal, k Key) error {
	if !k.decidesEverywhere() || p.Kind == KindSocket && p.Has(ScopeOversight) {
		return nil
	}
	all, err := r.Keys(tx)
	if err != nil || slices.ContainsFunc(all, func(o Key) bool { return o.ID != k.ID && o.decidesEverywhere() }) {
		return err
	}
	return in(ErrForbidden, "this is the last key that decides everywhere; make another approver's key first")
}

// ByKey returns the principal a secret belongs to, or ErrCredentials. Nothing
// is recorded: for that, see NoteAuthFailure.
func (r *Registry) ByKey(tx store.Tx, secret string) (Principal, error) {
	presented := hashOf(secret)
	k, ok, err := get[Key](tx, credKey+secretID(secret))
	if err != nil {
		return Principal{}, err
	}
	if !presented.is(k.Hash) || !ok {
		return Principal{}, ErrCredentials
	}
	return r.ofKey(tx, k)
}

// ofKey returns the principal that holds k now.
func (r *Registry) ofKey(tx store.Tx, k Key) (Principal, error) {
	if !k.RevokedAt.IsZero() {
		return Principal{}, ErrCredentials
	}
	p, err := r.holder(tx, k.Kind, k.Owner, k.Mailboxes, Credential{CredentialKey, k.ID})
	if err != nil {
		return Principal{}, err
	}
	p.Scopes = k.Scopes
	return p, nil
}

// details are what an audit entry says of k. Approvers and admins are people:
// their names, and the key that stands for them, are private.
func (k Key) details() (facts, private details) {
	facts = details{"kind": string(k.Kind), "scopes": words(k.Scopes)}
	private = details{"label": k.Name, "key": k.ID}
	if k.Kind == KindAgent {
		facts["agent"] = k.Owner
	} else {
		private["owner"] = k.Owner
	}
	if k.Mailboxes != nil {
		private["mailboxes"] = words(k.Mailboxes)
	}
	return facts, private
}

// ownName keeps a limited approver from deciding under a colleague's name, whether the
// colleague has a key, a binding, or none any more.
func (r *Registry) ownName(tx store.Tx, p Principal, owner string) error {
	if p.everywhere() || p.Name == owner {
		return nil
	}
	if !validName(owner) {
		return nil // nobody's: claimName refuses it
	}
	kind, taken, err := get[Kind](tx, nameKey+owner)
	if err == nil && taken && kind == KindApprover {
		err = in(ErrForbidden, "your own key makes no key for another approver")
	}
	return err
}
