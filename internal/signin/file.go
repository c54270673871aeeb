package signin

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/sys/unix"

	"github.com/multimail/multimail/internal/secret"
)

// kept is what the file has of a sign-in.
type kept struct {
	Resource string    `json:"resource"` // what the tokens are for
	Client   string    `json:"client_id"`
	TokenURL string    `json:"token_endpoint"`
	Access   string    `json:"access_token"`
	Refresh  string    `json:"refresh_token,omitempty"`
	Expires  time.Time `json:"expires_at,omitzero"`
}

// set takes the tokens of an answer. One without a refresh token leaves the one there is in
// use (RFC 6749, section 6).
func (t *kept) set(next *oauth2.Token, now time.Time) {
	t.Access, t.Expires = next.AccessToken, time.Time{}
	if next.ExpiresIn > 0 {
		t.Expires = now.Add(time.Duration(next.ExpiresIn) * time.Second)
	}
	if next.RefreshToken != "" {
		t.Refresh = next.RefreshToken
	}
}

func (t kept) token() *oauth2.Token { return &oauth2.Token{AccessToken: t.Access, TokenType: "Bearer"} }

// read reads the file. Tokens for another server are none: they are not for this one to see.
func (k *Keeper) read() (t kept, err error) {
	b, _, err := secret.Read(k.o.File)
	if errors.Is(err, fs.ErrNotExist) {
		return t, ErrNobody
	}
	if err != nil {
		return t, err
	}
	if json.Unmarshal(b, &t) != nil || t.Resource != k.o.Base+resourcePath {
		return kept{}, ErrNobody
	}
	return t, nil
}

// write puts tokens into the file, whole and with mode 0600.
func (k *Keeper) write(t kept) error {
	b, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return err
	}
	if err = secret.Write(k.o.File, append(b, '\n')); errors.Is(err, fs.ErrExist) {
		return secret.Replace(k.o.File, append(b, '\n'))
	}
	return err
}

// lock keeps other processes from the file until unlock is called. They hold it for as long
// as one request takes.
func (k *Keeper) lock() (unlock func(), err error) {
	f, err := os.OpenFile(k.o.File+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNobody // not even its directory is there
	}
	if err != nil {
		return nil, err
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(err, f.Close())
		}
	}
	return func() { f.Close() }, nil
}
