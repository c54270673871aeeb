package rotation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/keyset"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
)

// keyPrefix is where the store keeps what it knows of each key.
const keyPrefix = "signingkey/"

var space = store.NewSpace(keyPrefix)

// known is what the store knows of a key.
type known struct {
	State  keyset.State  `json:"state"`
	Reason keyset.Reason `json:"reason,omitempty"`
}

// note compares the files of a domain with the store, and writes an entry for
// each difference: for who, or for the daemon itself where it is nil.
func (k *Keeper) note(ctx context.Context, domain string, who *registry.Principal) error {
	for _, p := range purposes("") {
		ring, err := k.ring(p)
		if err != nil {
			return err
		}
		infos, err := ring.Keys(domain)
		if err != nil {
			return err
		}
		changed := false
		err = k.o.Store.View(ctx, func(tx store.Tx) (err error) {
			_, changed, err = k.differences(tx, p, domain, infos)
			return err
		})
		if err == nil && changed {
			err = k.o.Store.Update(ctx, func(tx store.Tx) error { return k.record(tx, p, domain, infos, who) })
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func prefix(p Purpose, domain string) string { return keyPrefix + domain + "/" + string(p) + "/" }

// differences returns what the store knows of the keys of a ring, and whether
// that is not what the files say.
func (k *Keeper) differences(tx store.Tx, p Purpose, domain string, infos []keyset.Info) (
	before map[string]known, differ bool, err error) {
	before = map[string]known{}
	at := prefix(p, domain)
	err = space.Scan(tx, store.Prefix(at), func(key string, b []byte) error {
		var one known
		if err := json.Unmarshal(b, &one); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		before[strings.TrimPrefix(key, at)] = one
		return nil
	})
	for _, i := range infos {
		b, ok := before[i.Name]
		differ = differ || !ok || b != stands(i)
	}
	return before, differ || len(before) != len(infos), err
}

func stands(i keyset.Info) known { return known{i.State(), i.Reason} }

// record writes the entries, and makes the store know the keys as they are.
func (k *Keeper) record(tx store.Tx, p Purpose, domain string, infos []keyset.Info, who *registry.Principal) error {
	before, _, err := k.differences(tx, p, domain, infos)
	if err != nil {
		return err
	}
	for _, i := range infos {
		was := before[i.Name]
		delete(before, i.Name)
		if was == stands(i) {
			continue
		}
		// A key that was retired is said by the entry of the key that signs now.
		if was.State != keyset.Current || i.State() != keyset.Retired {
			r := entry(was, i)
			r.Facts["domain"], r.Facts["purpose"], r.Facts["key"] = domain, string(p), i.Name
			if one := replaced(infos, before, i); one != "" && r.Kind == audit.SigningKeyRotate {
				r.Facts["before"] = one
			}
			err = errors.Join(err, k.append(tx, r, who))
		}
		b, marshal := json.Marshal(stands(i))
		err = errors.Join(err, marshal, space.Put(tx, prefix(p, domain)+i.Name, b))
	}
	for name, was := range before {
		r := dropped(was)
		r.Facts["domain"], r.Facts["purpose"], r.Facts["key"] = domain, string(p), name
		err = errors.Join(err, k.append(tx, r, who), space.Delete(tx, prefix(p, domain)+name))
	}
	return err
}

// entry returns the entry for a key that the store knew as was, which is zero for
// a new one. What no ring does was done by other hands.
func entry(was known, i keyset.Info) audit.Record {
	to := i.State()
	switch {
	case was.State == "":
		return audit.Record{Kind: audit.SigningKeyAdd,
			Facts: map[string]string{"algorithm": i.Alg, "state": string(to)}}
	case was.State == keyset.Next && to == keyset.Current:
		return audit.Record{Kind: audit.SigningKeyRotate, Facts: map[string]string{"algorithm": i.Alg}}
	case to == keyset.Revoked && (was.State != keyset.Revoked || i.Reason == keyset.Compromised):
		return audit.Record{Kind: audit.SigningKeyRevoke,
			Facts: map[string]string{"algorithm": i.Alg, "reason": string(i.Reason)}}
	}
	return audit.Record{Kind: audit.SigningKeyDiffer,
		Facts: map[string]string{"from": string(was.State), "to": string(to)}}
}

// dropped returns the entry for a key that the files have no more.
func dropped(was known) audit.Record {
	if was.State == keyset.Retired || was.State == keyset.Revoked {
		return audit.Record{Kind: audit.SigningKeyDrop, Facts: map[string]string{"state": string(was.State)}}
	}
	return audit.Record{Kind: audit.SigningKeyDiffer, Facts: map[string]string{"from": string(was.State), "to": "gone"}}
}

// replaced returns the key of the same algorithm that signed until now: keys are
// ordered so that it comes after i, and the store still knows it as current.
func replaced(infos []keyset.Info, before map[string]known, i keyset.Info) string {
	for _, o := range infos {
		if o.Alg == i.Alg && before[o.Name].State == keyset.Current {
			return o.Name
		}
	}
	return ""
}

// append writes an entry for who, or for the daemon itself.
func (k *Keeper) append(tx store.Tx, r audit.Record, who *registry.Principal) error {
	if r.Kind == audit.SigningKeyDiffer {
		k.o.Log.Error("signing key changed by other hands", "domain", r.Facts["domain"], "key", r.Facts["key"])
	}
	r.Actor = audit.System
	if who != nil {
		r = who.Signed(r)
	}
	_, err := k.o.Audit.Append(tx, r)
	return err
}
