// Package relay makes one delivery attempt: it finds the next hop, sends the mail
// over SMTP and returns a result for each recipient.
//
// It reads a [mail.Mail] and its canonical bytes and changes neither. Whether
// there is another attempt, and when, is for gate and delivery to decide: this package
// only says temporary or permanent, because it alone saw the reply.
//
//	c, err := relay.New(relay.Options{Hostname: "mail.a.test", Smarthost: "relay.a.test:587", …})
//	results := c.Deliver(ctx, m, raw, func(mail.Phase) error { return nil })
//
// The commands are go-smtp's. What it cannot do stands beside it: the STARTTLS
// verb (tls.go), the body up to the final dot (body.go) and what is a
// reply (wire.go).
package relay

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/multimail/multimail/mail"
)

// TLSPolicy is what a connection must be before mail goes through it.
type TLSPolicy string

// The policies. Opportunistic encrypts without verification when STARTTLS is
// offered, and goes on in plaintext, on a new connection, when the handshake
// fails: an attacker who breaks the handshake could as well have hidden the offer.
// Required verifies the certificate against the name of the host, and without
// that sends nothing: there is no way back to plaintext.
const (
	None          TLSPolicy = "none"
	Opportunistic TLSPolicy = "opportunistic"
	Required      TLSPolicy = "required"
)

// Resolver looks up names in the DNS; a *net.Resolver is one.
type Resolver interface {
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupHost(ctx context.Context, host string) ([]string, error)
}

// Options are what a client is made from. Required are Hostname, PerDestination
// and GreetingTimeout.
type Options struct {
	Hostname  string // our own name, for EHLO and to know ourselves in an MX
	Smarthost string // host:port that takes everything; "" means by MX

	TLS         TLSPolicy      // "": Required for a smarthost that is not loopback, else Opportunistic
	ImplicitTLS bool           // TLS from the first octet (RFC 8314), smarthost only
	Username    string         // for AUTH with the smarthost; "" means no AUTH
	Password    string         // beside Username, for PLAIN and LOGIN
	Auth        AuthMethod     // "" means AuthAuto
	OAuth       OAuth          // for XOAUTH2
	RootCAs     *x509.CertPool // nil means those of the system

	Resolver Resolver                                                          // nil means the system's
	Dialer   func(ctx context.Context, network, addr string) (net.Conn, error) // nil means net.Dialer

	PerDestination int           // attempts at the same time to one destination
	IdleConns      int           // idle connections kept to one host; 0 means PerDestination
	IdleTimeout    time.Duration // how long they are kept; 0 means 30 seconds

	ConnectTimeout time.Duration // of one address; 0 means 30 seconds
	// GreetingTimeout is how long the greeting and each reply before MAIL may take.
	// RFC 5321, section 4.5.3.2, allows five minutes. A host that is that slow to
	// greet holds a worker meanwhile, and what it did not take before MAIL
	// can be offered again without any risk.
	GreetingTimeout time.Duration
	CommandTimeout  time.Duration // of a reply, or of writing 64 KiB; 0 means 5 minutes
	DataTimeout     time.Duration // of the reply to the final dot; 0 means 10 minutes
	AttemptTimeout  time.Duration // of a whole Deliver; 0 means 12 minutes

	Now func() time.Time // nil means time.Now
	Log *slog.Logger     // nil means slog.Default
}

// Client delivers mail. Its methods may be called at any time.
type Client struct {
	o        Options
	loopback bool                // the smarthost is on this machine
	own      map[netip.Addr]bool // addresses of this machine
	tickets  tls.ClientSessionCache
	slots    slots
	pool     *pool
	tokens   *tokens
}

// New checks the options and returns a client. It connects to nothing yet.
func New(o Options) (*Client, error) {
	c := &Client{tickets: tls.NewLRUClientSessionCache(0), slots: newSlots()}
	if _, err := mail.ParseDomain(o.Hostname); err != nil && o.Hostname != "localhost" {
		return nil, fmt.Errorf("relay: hostname %q: %w", o.Hostname, err)
	}
	if o.PerDestination <= 0 || o.GreetingTimeout <= 0 {
		return nil, errors.New("relay: PerDestination and GreetingTimeout are required")
	}
	if o.Smarthost != "" {
		host, port, err := net.SplitHostPort(o.Smarthost)
		n, perr := strconv.ParseUint(port, 10, 16)
		if err != nil || perr != nil || n == 0 || host == "" {
			return nil, fmt.Errorf("relay: smarthost %q is not host:port", o.Smarthost)
		}
		c.loopback = isLoopback(host)
	}
	if err := checkTLS(&o, c.loopback); err != nil {
		return nil, err
	}
	if err := checkAuth(&o); err != nil {
		return nil, err
	}
	fixed(&o)
	c.o = o
	c.pool = &pool{perHost: o.IdleConns, keep: o.IdleTimeout, now: o.Now}
	c.tokens = newTokens(o)
	if err := c.learnOwn(); err != nil {
		return nil, fmt.Errorf("relay: list own addresses: %w", err)
	}
	return c, nil
}

// checkTLS chooses the policy and refuses what could never be safe.
func checkTLS(o *Options, loopback bool) error {
	if o.TLS == "" {
		o.TLS = Opportunistic
		if o.Smarthost != "" && !loopback {
			o.TLS = Required
		}
	}
	switch {
	case o.TLS != None && o.TLS != Opportunistic && o.TLS != Required:
		return fmt.Errorf("relay: unknown TLS policy %q", o.TLS)
	case o.ImplicitTLS && o.Smarthost == "":
		return errors.New("relay: implicit TLS needs a smarthost")
	case o.ImplicitTLS && o.TLS == None:
		return errors.New(`relay: implicit TLS contradicts the TLS policy "none"`)
	case o.Username != "" && o.Smarthost == "":
		return errors.New("relay: a username needs a smarthost")
	case o.Username != "" && o.TLS != Required && !loopback:
		return errors.New(`relay: a password needs the TLS policy "required" or a loopback smarthost`)
	}
	return nil
}

// fixed fills in the limits that are no settings.
func fixed(o *Options) {
	def := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&o.IdleTimeout, 30*time.Second)
	def(&o.ConnectTimeout, 30*time.Second)
	def(&o.CommandTimeout, 5*time.Minute) // RFC 5321, section 4.5.3.2
	def(&o.DataTimeout, 10*time.Minute)   // the same, 4.5.3.2.6
	def(&o.AttemptTimeout, 12*time.Minute)
	if o.IdleConns <= 0 {
		o.IdleConns = o.PerDestination
	}
	if o.Resolver == nil {
		o.Resolver = rooted{net.DefaultResolver}
	}
	if o.Dialer == nil {
		o.Dialer = new(net.Dialer).DialContext
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
}

// Close sends QUIT on every idle connection. Attempts under way go on; what
// they give back afterwards is closed at once.
func (c *Client) Close() error {
	c.pool.close()
	return nil
}
