package signin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
	"golang.org/x/oauth2"
)

// clientName is what people are shown; every program chooses its own.
const clientName = "multimail mcp"

// callback is where the browser comes back to.
const callback = "/callback"

// SignIn has a person sign in with a browser, and keeps the tokens. It waits until ctx ends. It
// is the client that it was at the last sign-in, and registers when the server does not know
// that any more.
func (k *Keeper) SignIn(ctx context.Context) error {
	had, _ := k.read() // a file that is not good is written anew
	if k.o.Client != "" || had.Client == "" {
		return k.signIn(ctx, k.o.Client)
	}
	err := k.signIn(ctx, had.Client)
	if errors.Is(err, errForgotten) {
		err = k.signIn(ctx, "")
	}
	return err
}

// errForgotten says that the server does not know a client that registered earlier.
var errForgotten = errors.New("signin: the server does not know this client any more")

// signIn has a person sign in as a client; "" registers one.
func (k *Keeper) signIn(ctx context.Context, client string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0") // the port is free to choose (RFC 8252, section 7.3)
	if err != nil {
		return err
	}
	defer l.Close()
	conf := &auth.AuthorizationCodeHandlerConfig{RedirectURL: "http://" + l.Addr().String() + callback,
		AuthorizationCodeFetcher: func(ctx context.Context, a *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
			if client != "" && client != k.o.Client && !k.takes(ctx, a.URL) {
				return nil, errForgotten
			}
			return k.browse(ctx, l, a.URL)
		},
		Client: k.http, NewTokenSource: k.keep, RequestRefreshToken: true, AcceptUnadvertisedIss: true}
	if client != "" {
		conf.PreregisteredClient = &oauthex.ClientCredentials{ClientID: client}
	} else {
		conf.DynamicClientRegistrationConfig = &auth.DynamicClientRegistrationConfig{
			Metadata: &oauthex.ClientRegistrationMetadata{ClientName: clientName, RedirectURIs: []string{conf.RedirectURL},
				TokenEndpointAuthMethod: "none", GrantTypes: []string{"authorization_code", "refresh_token"},
				ResponseTypes: []string{"code"}}}
	}
	handler, err := auth.NewAuthorizationCodeHandler(conf)
	if err != nil {
		return err
	}
	asked, resp, err := k.challenge(ctx)
	if err != nil {
		return err
	}
	return handler.Authorize(ctx, asked, resp)
}

// takes reports whether the server takes an authorization request: without a sign-in it shows a
// page or goes on, and to a client that it does not know it shows an error, which only a person
// would see.
func (k *Keeper) takes(ctx context.Context, page string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page, http.NoBody)
	if err != nil {
		return false
	}
	resp, err := k.http.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode < http.StatusBadRequest || resp.StatusCode >= http.StatusInternalServerError ||
		resp.StatusCode == http.StatusTooManyRequests
}

// challenge returns the answer to a request without a token, which says what to ask for, and
// the request of the resource that tokens are for.
func (k *Keeper) challenge(ctx context.Context) (*http.Request, *http.Response, error) {
	resource, err := http.NewRequestWithContext(ctx, http.MethodGet, k.o.Base+resourcePath, http.NoBody)
	if err != nil {
		return nil, nil, err
	}
	req := resource.Clone(ctx)
	req.URL.Path = askedPath
	resp, err := k.http.Do(req)
	if err != nil {
		return nil, nil, err
	}
	if resp.StatusCode != http.StatusUnauthorized {
		resp.Body.Close()
		return nil, nil, fmt.Errorf("signin: the server answered %s; is its address right?", resp.Status)
	}
	return resource, resp, nil
}

// keep writes the tokens of a sign-in into the file.
func (k *Keeper) keep(_ context.Context, conf *oauth2.Config, token *oauth2.Token) (oauth2.TokenSource, error) {
	t := kept{Resource: k.o.Base + resourcePath, Client: conf.ClientID, TokenURL: conf.Endpoint.TokenURL}
	t.set(token, k.o.Now())
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := os.MkdirAll(filepath.Dir(k.o.File), 0o700); err != nil {
		return nil, err
	}
	unlock, err := k.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := k.write(t); err != nil {
		return nil, err
	}
	k.last = t
	return oauth2.StaticTokenSource(t.token()), nil
}

// browse has a person open a page, and returns the answer that comes to l.
func (k *Keeper) browse(ctx context.Context, l net.Listener, page string) (*auth.AuthorizationResult, error) {
	u, err := url.Parse(page)
	if err != nil || !safe(u) {
		return nil, ErrAddress
	}
	answers := make(chan url.Values, 1)
	srv := &http.Server{Handler: answering(l.Addr().String(), u.Query().Get("state"), answers),
		ReadHeaderTimeout: timeout, ReadTimeout: timeout, WriteTimeout: timeout, MaxHeaderBytes: 16 << 10}
	go srv.Serve(l) //nolint: it ends with the server
	defer func() {
		end, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer stop()
		_ = srv.Shutdown(end) // the browser gets its page
		_ = srv.Close()
	}()
	k.o.Show(page)
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case q := <-answers:
		if q.Get("error") != "" {
			return nil, fmt.Errorf("signin: the server refused the sign-in: %.200q", q.Get("error"))
		}
		return &auth.AuthorizationResult{Code: q.Get("code"), State: q.Get("state"), Iss: q.Get("iss")}, nil
	}
}

// answering takes the one answer with the state of this sign-in. Other programs and pages can
// ask a port of loopback too: what they send changes nothing.
func answering(host, state string, answers chan<- url.Values) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		h := w.Header()
		h.Set("Content-Type", "text/plain; charset=utf-8")
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer") // the address has the code
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		if r.Method != http.MethodGet || r.URL.Path != callback || r.Host != host || state == "" || !once(q) ||
			q.Get("state") != state || q.Has("code") == q.Has("error") {
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, "This is no answer to the sign-in that is under way.\n")
			return
		}
		select {
		case answers <- q:
			io.WriteString(w, "The answer has arrived. You can close this page and go back to the program.\n")
		default:
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, "The answer was there already.\n")
		}
	})
}

// once reports whether no parameter stands twice (RFC 6749, section 3.1).
func once(q url.Values) bool {
	for _, values := range q {
		if len(values) != 1 {
			return false
		}
	}
	return true
}

// bounded reads no endless answer, and asks nothing where others could read along: the
// addresses come from metadata.
type bounded struct{ base http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if !safe(r.URL) {
		return nil, ErrAddress
	}
	resp, err := b.base.RoundTrip(r)
	if err == nil {
		resp.Body = &limited{resp.Body, maxAnswer}
	}
	return resp, err
}

// limited is a body of a bounded size.
type limited struct {
	io.ReadCloser
	left int
}

var errTooLarge = errors.New("signin: the answer is too large")

func (l *limited) Read(b []byte) (int, error) {
	if l.left <= 0 {
		return 0, errTooLarge
	}
	n, err := l.ReadCloser.Read(b[:min(len(b), l.left)])
	l.left -= n
	return n, err
}
