package registry

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"

	"github.com/xdg-go/scram"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// SCRAM is what a server needs of a user for SCRAM-SHA-256 (RFC 7677). With it
// nobody can log in, nor learn the password.
type SCRAM struct {
	Salt       []byte `json:"salt"`
	Iterations int    `json:"iterations"`
	StoredKey  []byte `json:"stored_key"`
	ServerKey  []byte `json:"server_key"`

	agent, id string // whose password it is, and which; "" for nobody
}

// iterations is the least that RFC 7677 allows. It slows guessing at a stolen
// StoredKey; more is not needed for a password of 130 random bits.
const iterations = 4096

// saltLen is the length of a salt in octets.
const saltLen = 16

// scramSecret makes the salts of users. The same user has the same salt whether it
// is here or not, before it is added and after a reset: a salt tells nothing.
type scramSecret struct {
	Secret []byte `json:"secret"`
}

// Prepare makes what logins need in a store that was written before there was
// SCRAM. It may be called at every start.
func (r *Registry) Prepare(tx store.Tx) error {
	_, err := prepare(tx)
	return err
}

func prepare(tx store.Tx) (scramSecret, error) {
	s, ok, err := get[scramSecret](tx, scramKey)
	if err != nil || ok {
		return s, err
	}
	s.Secret = make([]byte, sha256.Size)
	rand.Read(s.Secret) // never fails: the runtime ends the process first
	return s, put(tx, scramKey, s)
}

// of returns an HMAC of a user's name for one purpose.
func (s scramSecret) of(purpose, user string) []byte {
	h := hmac.New(sha256.New, s.Secret)
	h.Write([]byte(purpose + "\x00" + user))
	return h.Sum(nil)
}

// TaskKey returns the key that the ids of tasks of MCP are sealed with, 32 octets, the same
// on every node. Prepare was called before.
func (r *Registry) TaskKey(tx store.Tx) ([]byte, error) {
	s, err := prepare(tx)
	return s.of("mcp tasks", ""), err
}

// newSCRAM derives what the server stores of a password.
func newSCRAM(tx store.Tx, agent, secret string) (*SCRAM, error) {
	s, err := prepare(tx)
	if err != nil {
		return nil, err
	}
	c, err := scram.SHA256.NewClient(agent, secret, "")
	if err != nil {
		return nil, err
	}
	salt := s.of("salt", agent)[:saltLen]
	k, err := c.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(salt), Iters: iterations})
	if err != nil {
		return nil, err
	}
	return &SCRAM{Salt: salt, Iterations: k.Iters, StoredKey: k.StoredKey, ServerKey: k.ServerKey}, nil
}

// SCRAM returns what the server side of SCRAM needs of a user: the name of an
// agent, or the address of a mailbox that one agent alone uses, because the exchange
// takes the salt of one user. Every other name gets values of the same form that no
// proof fits: a user who is not here, an agent whose password is older than SCRAM, a
// mailbox of several agents. The same records are read for all of them.
func (r *Registry) SCRAM(tx store.Tx, user string) (SCRAM, error) {
	s, ok, err := get[scramSecret](tx, scramKey)
	if err == nil && !ok {
		err = errors.New("registry: there is no secret for SCRAM: Prepare was not called")
	}
	if err != nil {
		return SCRAM{}, err
	}
	user, names, err := r.bearers(tx, user)
	if err != nil {
		return SCRAM{}, err
	}
	if len(names) != 1 {
		names = []string{""}
	}
	w, ok, err := get[login](tx, passwordKey+names[0])
	if err != nil {
		return SCRAM{}, err
	}
	nobody := SCRAM{Salt: s.of("salt", user)[:saltLen], Iterations: iterations,
		StoredKey: s.of("stored", user), ServerKey: s.of("server", user)}
	if !ok || w.SCRAM == nil {
		return nobody, nil
	}
	known := *w.SCRAM
	known.agent, known.id = names[0], w.ID
	return known, nil
}

// BySCRAM returns the agent whose password was proved, or ErrCredentials. Whether
// it was is for the caller to know.
func (r *Registry) BySCRAM(tx store.Tx, known SCRAM) (Principal, error) {
	w, ok, err := get[login](tx, passwordKey+known.agent)
	if err != nil {
		return Principal{}, err
	}
	if !ok || known.id == "" || w.ID != known.id {
		return Principal{}, ErrCredentials
	}
	return r.ofAgent(tx, known.agent, Credential{CredentialPassword, known.id})
}

// bearers returns the agents that a user name may mean, none for a name that
// nobody has, and the one spelling of that name. Nothing that a client sent becomes
// part of a key unless it is a name or an address by our own grammar (invariant 9).
func (r *Registry) bearers(tx store.Tx, user string) (spelt string, names []string, err error) {
	if validName(user) {
		return user, []string{user}, nil
	}
	a, err := mail.ParseAddress(user)
	if err != nil {
		return user, nil, nil
	}
	m, _, err := get[Mailbox](tx, mailboxKey+a.Key())
	return a.Key(), m.Agents, err
}
