package registry

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Hash is the SHA-256 of a secret. A fast hash is right here: every secret is
// made by us from 128 random bits or more, so there is nothing to guess.
type Hash [sha256.Size]byte

func hashOf(secret string) Hash { return sha256.Sum256([]byte(secret)) }

// is compares in constant time.
func (h Hash) is(other Hash) bool { return subtle.ConstantTimeCompare(h[:], other[:]) == 1 }

// String returns lowercase hex.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText writes String.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (h *Hash) UnmarshalText(b []byte) error {
	if len(b) != hex.EncodedLen(len(h)) {
		return hex.ErrLength
	}
	_, err := hex.Decode(h[:], b)
	return err
}

// login is the password of an agent.
type login struct {
	ID        string    `json:"id"` // another one after every reset
	Hash      Hash      `json:"hash"`
	SCRAM     *SCRAM    `json:"scram,omitempty"` // nil for one that was made before there was SCRAM
	CreatedBy string    `json:"created_by"`
	CreatedAt time.Time `json:"created_at"`
}

// newPassword gives the agent a password in place of the one it had.
func newPassword(tx store.Tx, by Principal, agent string) (string, error) {
	secret := rand.Text() // 26 base32 characters, 130 bits
	derived, err := newSCRAM(tx, agent, secret)
	if err != nil {
		return "", err
	}
	now := tx.Now()
	return secret, put(tx, passwordKey+agent, login{
		ID: string(mail.NewID(now)), Hash: hashOf(secret), SCRAM: derived, CreatedBy: by.ID(), CreatedAt: now,
	})
}

// ResetPassword gives the agent a new password, shown this once. The old one
// and every session that used it end. Admins and the socket may (invariant 4: who
// could make itself a sender's password would hold its scopes).
func (r *Registry) ResetPassword(tx store.Tx, actor Principal, name string) (string, error) {
	p, err := r.authorize(tx, actor, configure)
	if err != nil {
		return "", err
	}
	if _, err := r.Agent(tx, name); err != nil {
		return "", err
	}
	secret, err := newPassword(tx, p, name)
	if err != nil {
		return "", err
	}
	err = r.note(tx, p, audit.AgentPassword, details{"agent": name}, nil)
	if err != nil {
		return "", err
	}
	return secret, nil
}

// leastBearers is for how many agents at least a password is looked at: a mailbox
// of fewer agents cannot be told from an address that is not here.
const leastBearers = 4

// ByPassword returns the agent that user and password name, or ErrCredentials.
// The user is the name of the agent or the address of a mailbox it uses;
// anything else is a name nobody has. The same work is done for a name that is
// not here.
func (r *Registry) ByPassword(tx store.Tx, user, password string) (Principal, error) {
	_, names, err := r.bearers(tx, user)
	if err != nil {
		return Principal{}, err
	}
	for len(names) < leastBearers {
		names = append(names, "") // nobody's: an unknown user costs the same reads and comparisons
	}
	presented, found, by := hashOf(password), "", Credential{Kind: CredentialPassword}
	for _, name := range names {
		w, ok, err := get[login](tx, passwordKey+name)
		if err != nil {
			return Principal{}, err
		}
		if presented.is(w.Hash) && ok {
			found, by.ID = name, w.ID
		}
	}
	return r.ofAgent(tx, found, by)
}
