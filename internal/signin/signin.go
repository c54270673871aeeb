// Package signin signs a program on a person's machine in at a server (RFC 8252): a browser
// asks the person, its answer comes to a port of loopback, and the tokens that it brings are
// kept in a file that nobody else can read.
//
// A refresh token is good once, and a second use of it ends everything that it brought. So
// whoever shares the file takes turns: a token is refreshed under a lock, after the file was
// read again, and the next one is in the file before the first request has it.
package signin

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

// Errors of a token that a person has to sign in for.
var (
	ErrNobody = errors.New("signin: nobody is signed in; sign in first")
	ErrOver   = errors.New("signin: the sign-in is over; sign in again")
)

// ErrAddress means that tokens would travel where others can read them.
var ErrAddress = errors.New("signin: the address of the server begins with https://, or with http:// on loopback")

const (
	resourcePath = "/v1"        // what the tokens are for, behind the address of the server
	askedPath    = "/v1/whoami" // answers with a challenge where no token is
	margin       = 30 * time.Second
	timeout      = 20 * time.Second // of one request
	maxAnswer    = 1 << 20          // octets
)

// Options are what a Keeper works with.
type Options struct {
	Base   string           // of the server, as its metadata name it, such as https://mail.example.com
	File   string           // where the tokens are kept; absolute
	Client string           // id of the client; "": it registers itself
	Show   func(url string) // has a person open a URL in a browser; it may be called from any goroutine
	Now    func() time.Time
}

// Keeper keeps the tokens of a sign-in. It is safe for concurrent use, also by several
// processes with one file.
type Keeper struct {
	o    Options
	http *http.Client

	mu   sync.Mutex
	last kept
}

// New returns a Keeper. It reads and asks nothing yet.
func New(o Options) (*Keeper, error) {
	o.Base = strings.TrimRight(o.Base, "/")
	if u, err := url.Parse(o.Base); err != nil || !safe(u) || u.Path != "" || u.RawQuery != "" {
		return nil, ErrAddress
	}
	if o.File == "" || o.Show == nil || o.Now == nil {
		return nil, errors.New("signin: File, Show and Now are required")
	}
	return &Keeper{o: o, http: &http.Client{Timeout: timeout, Transport: bounded{http.DefaultTransport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil
}

// safe reports whether nobody on the way can read what is sent to u.
func safe(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Host != "" && u.User == nil && u.Fragment == "" && (u.Scheme == "https" ||
		u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()))
}

// Transport adds the token to each request, and refreshes it first where it is over. It is
// for the server of the Keeper alone.
func (k *Keeper) Transport() http.RoundTripper { return &oauth2.Transport{Source: k} }

// Token implements oauth2.TokenSource. An error is ErrNobody, ErrOver, or one after which it
// may be tried again.
func (k *Keeper) Token() (*oauth2.Token, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fresh(k.last) {
		return k.last.token(), nil
	}
	unlock, err := k.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	if k.last, err = k.read(); err != nil { // somebody else may have refreshed it
		return nil, err
	}
	if !k.fresh(k.last) {
		if k.last, err = k.refresh(k.last); err != nil {
			return nil, err
		}
	}
	return k.last.token(), nil
}

func (k *Keeper) fresh(t kept) bool {
	return t.Access != "" && (t.Expires.IsZero() || k.o.Now().Before(t.Expires.Add(-margin)))
}

// refresh brings the next pair of tokens, and keeps it.
func (k *Keeper) refresh(t kept) (kept, error) {
	if t.Refresh == "" {
		return kept{}, ErrOver
	}
	conf := oauth2.Config{ClientID: t.Client, Endpoint: oauth2.Endpoint{TokenURL: t.TokenURL,
		AuthStyle: oauth2.AuthStyleInParams}}
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, k.http)
	next, err := conf.TokenSource(ctx, &oauth2.Token{RefreshToken: t.Refresh}).Token()
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused) && over(refused.ErrorCode):
		return kept{}, ErrOver
	case err != nil:
		return kept{}, errors.New("signin: the token cannot be refreshed now; try again")
	}
	t.set(next, k.o.Now())
	return t, k.write(t)
}

// over lists the refusals after which a refresh token brings nothing any more (RFC 6749,
// section 5.2).
func over(code string) bool {
	return code == "invalid_grant" || code == "invalid_client" || code == "unauthorized_client"
}
