// Package registry knows who may do what: the operator, its domains, agents,
// mailboxes, allowlists and freezes, and the credentials of everyone who asks.
//
// Its operations are methods of [Registry]. Every method takes the caller's transaction, so
// that the gate reads policy in the transaction that acts on it, and every
// write appends its audit entry there too: no entry, no change. Writes name the
// [Principal] who asks, read it again from the store, and refuse what its kind
// may not do. Two directions decide most of them: tightening is open to nearly
// everyone, loosening only to whoever may approve mail ([CanLoosen]).
//
//	err := db.Update(ctx, func(tx store.Tx) error {
//		_, err := reg.AddDomain(tx, principal, "example.com")
//		return err
//	})
package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
)

// Registry reads and writes the records of this package. It holds no state of
// its own: two of them on one store are one.
type Registry struct {
	log   *audit.Log
	hold  time.Duration               // of a mailbox that does not say
	judge func(Grant, time.Time) bool // see JudgeGrants
}

// New returns a Registry that writes its audit entries to log. A mailbox that
// does not say how long a mail is held holds it for hold, which must be what the
// configuration says: otherwise a longer hold could pass for a shorter one.
func New(log *audit.Log, hold time.Duration) *Registry {
	if hold <= 0 {
		panic("registry: a hold is required")
	}
	return &Registry{log: log, hold: hold}
}

// Where the records stand. Names in keys are lower case; an address has no
// slash behind its last @, so one mailbox's keys never begin another's.
const (
	operatorKey    = "registry/operator"
	epochKey       = "registry/epoch"
	closedKey      = "registry/closed"
	nameKey        = "registry/name/"        // + name: which kind of principal has it
	domainKey      = "registry/domain/"      // + domain
	agentKey       = "registry/agent/"       // + agent
	passwordKey    = "registry/password/"    // + agent
	scramKey       = "registry/scram"        // the secret behind the salts of SCRAM
	certificateKey = "registry/certificate/" // + id
	certifiedKey   = "registry/certified/"   // + "pin/" or "san/" + hash: the id of the one in force
	mailboxKey     = "registry/mailbox/"     // + address
	usesKey        = "registry/uses/"        // + agent + "/" + address: what an agent may use
	allowKey       = "allow/"                // + address + "/" + id
	freezeKey      = "freeze/"               // + scope
	credKey        = "key/"                  // + key id: the lookup of a presented key
	bindingKey     = "binding/"              // + binding id
	boundKey       = "bound/"                // + hash of an id of an issuer: its binding
	grantKey       = "grant/"                // + grant id
	waitKey        = "code/wait/"            // + operation + "/" + principal + "/" + address
	askedKey       = "code/asked/"           // + principal + "/" + address: when codes were asked for
	revisionKey    = "code/policy/"          // + "mailbox/" + address, "agent/" + name, "operator": how often it changed
)

var space = store.NewSpace("registry/", allowKey, freezeKey, credKey, bindingKey, boundKey, grantKey,
	waitKey, askedKey, revisionKey)

// Epoch returns the number of policy changes so far: modes, allowlists,
// freezes, agents switched off or on, oversight addresses, hold times. Who acts
// on policy it read earlier compares the epoch to learn whether it still holds.
func (r *Registry) Epoch(tx store.Tx) (uint64, error) {
	n, _, err := get[uint64](tx, epochKey)
	return n, err
}

// bump makes the next epoch and returns it.
func (r *Registry) bump(tx store.Tx) (uint64, error) {
	n, err := r.Epoch(tx)
	if err != nil {
		return 0, err
	}
	return n + 1, put(tx, epochKey, n+1)
}

// policy bumps the epoch and notes the change under it.
func (r *Registry) policy(
	tx store.Tx, actor Principal, kind audit.Kind, facts, private details,
) error {
	epoch, err := r.bump(tx)
	if err != nil {
		return err
	}
	facts = maps.Clone(facts)
	if facts == nil {
		facts = details{}
	}
	facts["epoch"] = strconv.FormatUint(epoch, 10)
	return r.note(tx, actor, kind, facts, private)
}

// details are the named values of an audit entry.
type details map[string]string

// note appends the audit entry of a write. What could point at a person (an
// address, an approver's name, a reason, the credential used) goes to private,
// which stands beside the chain.
func (r *Registry) note(
	tx store.Tx, actor Principal, kind audit.Kind, facts, private details,
) error {
	_, err := r.log.Append(tx, actor.Signed(audit.Record{Kind: kind, Facts: facts, Private: private}))
	if err != nil {
		return fmt.Errorf("registry: record %s: %w", kind, err)
	}
	return r.revise(tx, kind, facts, private)
}

// get reads the record at key; ok is false when there is none.
func get[T any](tx store.Tx, key string) (v T, ok bool, err error) {
	b, err := space.Get(tx, key)
	if errors.Is(err, store.ErrNotFound) {
		return v, false, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	if err != nil {
		return v, false, fmt.Errorf("registry: read %s: %w", key, err)
	}
	return v, true, nil
}

// put writes the record v at key.
func put(tx store.Tx, key string, v any) error {
	b, err := json.Marshal(v)
	if err == nil {
		err = space.Put(tx, key, b)
	}
	if err != nil {
		return fmt.Errorf("registry: write %s: %w", key, err)
	}
	return nil
}

// list reads every record below prefix in the order of its key.
func list[T any](tx store.Tx, prefix string) ([]T, error) {
	var out []T
	err := space.Scan(tx, store.Prefix(prefix), func(_ string, b []byte) error {
		var v T
		if err := json.Unmarshal(b, &v); err != nil {
			return err
		}
		out = append(out, v)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("registry: list %s: %w", prefix, err)
	}
	return out, nil
}

// words joins names for an entry or a message.
func words[T any](list []T) string {
	s := make([]string, len(list))
	for i, v := range list {
		s[i] = fmt.Sprint(v)
	}
	return strings.Join(s, " ")
}
