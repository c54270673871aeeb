package gate

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// keyLife is how long an idempotency key joins requests, past the end of its mail too.
const keyLife = 24 * time.Hour

var space = store.NewSpace("idem/")

// request is the record behind an idempotency key.
type request struct {
	Mail        mail.ID   `json:"mail"`
	Fingerprint string    `json:"fingerprint"`
	At          time.Time `json:"at"`
}

func requestKey(s Submission) string {
	return "idem/" + s.Mailbox.Key() + "\x00" + s.IdempotencyKey
}

// replay returns the mail of an earlier request with the same key. The same
// key with another request is a conflict and has no effect.
func (g *Gate) replay(tx store.Tx, s Submission) (Receipt, error) {
	if s.IdempotencyKey == "" {
		return Receipt{}, nil
	}
	b, err := space.Get(tx, requestKey(s))
	if errors.Is(err, store.ErrNotFound) {
		return Receipt{}, nil
	}
	var r request
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err != nil {
		return Receipt{}, fmt.Errorf("gate: idempotency record: %w", err)
	}
	if !tx.Now().Before(r.At.Add(keyLife)) {
		return Receipt{}, nil
	}
	if r.Fingerprint != s.Fingerprint {
		return Receipt{}, stale("this idempotency_key was used for another mail; use a new key for a new mail")
	}
	m, err := g.q.Load(tx, r.Mail)
	return Receipt{Mail: m, Replay: err == nil}, err
}

// remember stores the key together with the mail it made.
func (g *Gate) remember(tx store.Tx, s Submission, id mail.ID) error {
	if s.IdempotencyKey == "" {
		return nil
	}
	b, err := json.Marshal(request{Mail: id, Fingerprint: s.Fingerprint, At: tx.Now().UTC()})
	if err != nil {
		return fmt.Errorf("gate: idempotency record: %w", err)
	}
	return space.Put(tx, requestKey(s), b)
}

// forget removes idempotency records that have lapsed.
func (g *Gate) forget(tx store.Tx) error {
	var lapsed []string
	err := space.Scan(tx, store.Prefix("idem/"), func(key string, b []byte) error {
		var r request
		if json.Unmarshal(b, &r) != nil || !tx.Now().Before(r.At.Add(keyLife)) {
			lapsed = append(lapsed, key)
		}
		return nil
	})
	for _, key := range lapsed {
		if err == nil {
			err = space.Delete(tx, key)
		}
	}
	return err
}
