// Package bounce makes the envelope senders to which reports about a mail come
// back, and says what such a report means.
//
// The address of each transaction names its mail, its recipient and its day, and
// proves by an HMAC that it was made here (variable envelope return paths). Who
// does not hold it can report nothing, and who does nothing about anybody else.
//
//	a, err := addresses.Make(tx, "example.com", bounce.Token{Mail: id, Group: 0})
//	t, ok, err := addresses.Read(tx, a)
//
// What comes back is read by package message. What it says of an address for good is kept
// in the suppression list: suppress.go.
package bounce

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

const (
	keysKey = "bounce/keys"
	toldKey = "bounce/told/" // + day + "/" + mail + "/" + group + "/" + action
)

var space = store.NewSpace("bounce/", suppressPrefix)

// key is one secret. It is in the store, so that it survives a restart, is part
// of every backup, and is the same for all nodes.
type key struct {
	Secret    []byte    `json:"secret"`
	CreatedAt time.Time `json:"created_at"`
}

// keys are those that are accepted, the newest first: it makes the tokens.
type keys struct {
	Keys []key `json:"keys"`
}

// keyLife is how old the newest key becomes. The one before is accepted for as
// long, which is longer than any of its tokens is good.
const keyLife = 180 * 24 * time.Hour

// Addresses makes and reads bounce addresses.
type Addresses struct{ label string }

// New returns the addresses below one label of each sending domain; without a
// label there are none.
func New(label string) *Addresses { return &Addresses{strings.ToLower(label)} }

// Prepare makes the first key, and the next one when the newest has become old.
// It is called at every start.
func (a *Addresses) Prepare(tx store.Tx) error {
	ks, err := read(tx)
	if err != nil {
		return err
	}
	now := tx.Now().UTC()
	if len(ks.Keys) > 0 && now.Sub(ks.Keys[0].CreatedAt) < keyLife {
		return nil
	}
	k := key{Secret: make([]byte, sha256.Size), CreatedAt: now}
	rand.Read(k.Secret) // never fails: the runtime ends the process first
	ks.Keys = append([]key{k}, ks.Keys...)
	if len(ks.Keys) > 2 {
		ks.Keys = ks.Keys[:2]
	}
	b, err := json.Marshal(ks)
	if err != nil {
		return err
	}
	return space.Put(tx, keysKey, b)
}

func read(tx store.Tx) (ks keys, err error) {
	b, err := space.Get(tx, keysKey)
	if errors.Is(err, store.ErrNotFound) {
		return ks, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &ks)
	}
	if err != nil {
		return keys{}, fmt.Errorf("bounce: keys: %w", err)
	}
	return ks, nil
}

// Domain returns the bounce domain of a sending domain, "" where there is none.
func (a *Addresses) Domain(sending string) string {
	if a.label == "" {
		return ""
	}
	return a.label + "." + sending
}

// Of returns the sending domain whose bounce domain an address is of.
func (a *Addresses) Of(to mail.Address) (sending string, ok bool) {
	label, sending, _ := strings.Cut(to.Domain(), ".")
	return sending, a.label != "" && label == a.label
}

// Make returns the address for today of a transaction of a mail of a sending domain.
// ErrNone says that the domain can have none: no label, or no room for an address.
func (a *Addresses) Make(tx store.Tx, sending string, t Token) (mail.Address, error) {
	ks, err := read(tx)
	if err != nil {
		return mail.Address{}, err
	}
	if a.label == "" || len(ks.Keys) == 0 {
		return mail.Address{}, ErrNone
	}
	t.Day = day(tx.Now())
	local, err := ks.Keys[0].seal(t)
	if err != nil {
		return mail.Address{}, fmt.Errorf("bounce: token of %s: %w", t.Mail, err)
	}
	to, err := mail.ParseAddress(local + "@" + a.Domain(sending))
	if err != nil {
		return mail.Address{}, ErrNone
	}
	return to, nil
}

// ErrNone says that there is no bounce address for a domain.
var ErrNone = errors.New("bounce: this domain has no bounce addresses")

// Read returns what a bounce address says; ok is false for every address that was
// not made here, or too long ago.
func (a *Addresses) Read(tx store.Tx, to mail.Address) (t Token, ok bool, err error) {
	if _, ours := a.Of(to); !ours {
		return Token{}, false, nil
	}
	ks, err := read(tx)
	if err != nil {
		return Token{}, false, err
	}
	t, ok = ks.open(to.Local())
	today := day(tx.Now())
	if !ok || t.Day > today || today-t.Day > Life {
		return Token{}, false, nil
	}
	return t, true, nil
}

// maxSwept is how many old records one call of Told removes.
const maxSwept = 10

// Told notes that the author was told of an action other than a failure, and
// reports whether that was noted before: a report may come any number of times.
func (a *Addresses) Told(tx store.Tx, t Token, action string) (before bool, err error) {
	name := fmt.Sprintf("%s%05d/%s/%05d/%s", toldKey, t.Day, t.Mail, t.Group, action)
	if _, err := space.Get(tx, name); err == nil || !errors.Is(err, store.ErrNotFound) {
		return err == nil, err
	}
	if err := sweep(tx); err != nil {
		return false, err
	}
	return false, space.Put(tx, name, []byte("{}"))
}

// sweep removes a few records of tokens that are good no more, so that there are
// never many.
func sweep(tx store.Tx) error {
	today := day(tx.Now())
	if today <= Life {
		return nil
	}
	var old []string
	r := store.Range{From: toldKey, To: fmt.Sprintf("%s%05d", toldKey, today-Life)}
	err := space.Scan(tx, r, func(k string, _ []byte) error {
		if old = append(old, k); len(old) == maxSwept {
			return store.Stop
		}
		return nil
	})
	for _, k := range old {
		if err == nil {
			err = space.Delete(tx, k)
		}
	}
	return err
}
