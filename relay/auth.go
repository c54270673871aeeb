package relay

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-sasl"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/multimail/multimail/mail"
)

// AuthMethod is how the client logs in to the smarthost.
type AuthMethod string

// The methods. AuthAuto is XOAUTH2 with a token endpoint, else PLAIN where it is
// offered, else LOGIN. CRAM-MD5 and the like are never used: they need the
// password in the clear at the other end and protect nothing that TLS does not.
const (
	AuthAuto    AuthMethod = "auto"
	AuthPlain   AuthMethod = "plain"
	AuthLogin   AuthMethod = "login"
	AuthXOAuth2 AuthMethod = "xoauth2"
)

// OAuth is where the access token for XOAUTH2 comes from: the grant of client
// credentials (RFC 6749, section 4.4).
type OAuth struct {
	TokenURL     string // https; http on loopback
	ClientID     string
	ClientSecret string
	Scope        string
}

// checkAuth refuses settings that could never log in, or not safely.
func checkAuth(o *Options) error {
	if o.Auth == "" {
		o.Auth = AuthAuto
	}
	oauth := o.OAuth != OAuth{}
	if o.Auth == AuthAuto && oauth {
		o.Auth = AuthXOAuth2
	}
	switch {
	case !slices.Contains([]AuthMethod{AuthAuto, AuthPlain, AuthLogin, AuthXOAuth2}, o.Auth):
		return fmt.Errorf("relay: unknown AUTH method %q", o.Auth)
	case o.Auth != AuthXOAuth2 && oauth:
		return fmt.Errorf("relay: AUTH method %q takes no token endpoint", o.Auth)
	case o.Auth != AuthXOAuth2:
		return nil
	case o.Username == "" || o.OAuth.TokenURL == "" || o.OAuth.ClientID == "" || o.OAuth.ClientSecret == "":
		return errors.New("relay: XOAUTH2 needs a username, a token endpoint, a client id and a client secret")
	case !printable(o.Username):
		return errors.New("relay: the username holds a character that XOAUTH2 cannot carry")
	}
	u, err := url.Parse(o.OAuth.TokenURL)
	if err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())) {
		return errors.New("relay: the token endpoint is no https URL")
	}
	return nil
}

// authenticate logs in by the first method that the settings allow and the
// next hop offers.
func (c *Client) authenticate(ctx context.Context, s *session) *failure {
	if c.o.Username == "" {
		return nil
	}
	if !s.secure && !c.loopback {
		return temporary("4.7.4", "the next hop offers no TLS for the password")
	}
	_, line := s.smtp.Extension("AUTH")
	offered := strings.Fields(line)
	for _, m := range c.methods() {
		if !slices.Contains(offered, m) {
			continue
		}
		mech, err := c.mechanism(ctx, m)
		if err != nil {
			c.o.Log.Error("no access token", "remote", s.host, "err", err)
			return temporary("4.7.0", "no access token could be had for the smarthost")
		}
		if err := s.smtp.Auth(mech); err != nil {
			f := failed("AUTH", err)
			f.badToken = m == "XOAUTH2" && f.Code == 535
			return f
		}
		return nil
	}
	return temporary("4.7.0", "%s", notOffered(offered, c.methods()))
}

// notOffered names what is offered and what is wanted, for the operator.
func notOffered(offered, wanted []string) string {
	what := "no AUTH"
	if len(offered) > 0 {
		what = "AUTH " + strings.Join(offered, " ")
	}
	return fmt.Sprintf("the smarthost offers %s; none of %s", what, strings.Join(wanted, ", "))
}

// methods are the names of the mechanisms that may be used, the preferred one first.
func (c *Client) methods() []string {
	switch c.o.Auth {
	case AuthPlain:
		return []string{"PLAIN"}
	case AuthLogin:
		return []string{"LOGIN"}
	case AuthXOAuth2:
		return []string{"XOAUTH2"}
	}
	return []string{"PLAIN", "LOGIN"}
}

func (c *Client) mechanism(ctx context.Context, name string) (sasl.Client, error) {
	switch name {
	case "PLAIN":
		return sasl.NewPlainClient("", c.o.Username, c.o.Password), nil
	case "LOGIN":
		return &login{answers: []string{c.o.Username, c.o.Password}}, nil
	}
	token, err := c.tokens.get(ctx)
	return xoauth2{c.o.Username, token}, err
}

// login is AUTH LOGIN. go-sasl's sends the user name with the command, which
// not all servers take, and wants one spelling of the prompt; servers differ
// in both, but all ask for the user name first.
type login struct{ answers []string }

// Start begins without an answer.
func (l *login) Start() (mech string, ir []byte, err error) { return "LOGIN", nil, nil }

// Next answers the two prompts and no third one.
func (l *login) Next([]byte) ([]byte, error) {
	if len(l.answers) == 0 {
		return nil, sasl.ErrUnexpectedServerChallenge
	}
	a := l.answers[0]
	l.answers = l.answers[1:]
	return []byte(a), nil
}

// xoauth2 is the mechanism of Google and Microsoft.
type xoauth2 struct{ user, token string }

// Start sends everything with the command.
func (x xoauth2) Start() (mech string, ir []byte, err error) {
	return "XOAUTH2", []byte("user=" + x.user + "\x01auth=Bearer " + x.token + "\x01\x01"), nil
}

// Next answers the challenge that describes an error with an empty line, after
// which the server replies 535. nil would mean success.
func (x xoauth2) Next([]byte) ([]byte, error) { return []byte{}, nil }

const (
	tokenTime   = 30 * time.Second // for the answer of the token endpoint
	tokenMargin = time.Minute      // before its expiry a token is no longer used
	tokenBody   = 64 << 10         // octets of the endpoint's answer
	maxToken    = 8 << 10          // octets of a token
)

// tokens keeps the access token. One request is made at a time: all
// connections want the same one.
type tokens struct {
	config clientcredentials.Config
	client *http.Client
	now    func() time.Time

	turn  chan struct{} // of one element: its holder may make a request
	mu    sync.Mutex
	token *oauth2.Token
}

func newTokens(o Options) *tokens {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true // one request an hour
	if o.RootCAs != nil {
		transport.TLSClientConfig.RootCAs = o.RootCAs
	}
	t := &tokens{now: o.Now, turn: make(chan struct{}, 1),
		config: clientcredentials.Config{ClientID: o.OAuth.ClientID, ClientSecret: o.OAuth.ClientSecret,
			TokenURL: o.OAuth.TokenURL, AuthStyle: oauth2.AuthStyleInParams},
		client: &http.Client{Timeout: tokenTime, Transport: bounded{transport},
			// The secret is in the body: it goes where the settings say and nowhere else.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
	if o.OAuth.Scope != "" {
		t.config.Scopes = strings.Fields(o.OAuth.Scope)
	}
	return t
}

// get returns a token that is valid for another while.
func (t *tokens) get(ctx context.Context) (string, error) {
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if tok := t.kept(); tok != "" {
		return tok, nil
	}
	tok, err := t.config.Token(context.WithValue(ctx, oauth2.HTTPClient, t.client))
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused): // its text holds the whole answer
		return "", fmt.Errorf("relay: the token endpoint answers %d %s", refused.Response.StatusCode,
			mail.PlainLine(refused.ErrorCode))
	case err != nil:
		return "", fmt.Errorf("relay: token endpoint: %w", err)
	case tok.AccessToken == "" || len(tok.AccessToken) > maxToken || strings.ContainsFunc(tok.AccessToken, notToken):
		return "", errors.New("relay: the token endpoint's token is malformed")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.token = tok
	return tok.AccessToken, nil
}

func notToken(r rune) bool { return r == ' ' || !mail.IsPrintable(r) }

func (t *tokens) kept() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token == nil || !t.token.Expiry.IsZero() && !t.now().Add(tokenMargin).Before(t.token.Expiry) {
		return ""
	}
	return t.token.AccessToken
}

// forget drops the token that a server has refused.
func (t *tokens) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.token = nil
}

// bounded limits the length of every answer.
type bounded struct{ http.RoundTripper }

// RoundTrip answers with a body of bounded length.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, tokenBody)
	}
	return resp, err
}
