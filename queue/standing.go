package queue

import (
	"encoding/json"
	"strings"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Standings lists what the records say, by id from the one after the given id,
// for audit.Options. A damaged record is listed as such.
func (l *Ledger) Standings(tx store.Tx, after string, limit int) ([]audit.Standing, error) {
	r := store.Prefix(mailPrefix)
	if after != "" {
		r.From = mailPrefix + after + "\x00"
	}
	var out []audit.Standing
	err := space.Scan(tx, r, func(key string, b []byte) error {
		if len(out) >= limit {
			return store.Stop
		}
		s := audit.Standing{Mail: strings.TrimPrefix(key, mailPrefix)}
		var m mail.Mail
		switch err := json.Unmarshal(b, &m); {
		case err != nil:
			s.Damage = err.Error()
		case string(m.ID) != s.Mail:
			s.Damage = "it names another mail"
		}
		s.Rev, s.State, s.Basis, s.Digest = m.Rev, m.State.String(), m.Basis.String(), string(m.Digest)
		out = append(out, s)
		return nil
	})
	return out, err
}
