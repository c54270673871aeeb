// Package fetch gets the key document that another domain publishes, and cannot
// be used to reach anything else.
//
//	keys := fetch.NewCache(fetch.New(nil), nil)
//	doc, err := keys.Document(ctx, "example.com", kid)
//
// Which domain is asked is chosen by whoever wrote the mail, so a request must
// not become a tool against servers that the verifier reaches and the writer
// does not. The host is the domain itself over HTTPS on port 443, at an address
// that is public; a redirect is an error, no proxy of the environment is used,
// no credential is sent, and size and time are bounded.
package fetch

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/multimail/multimail/mail"
)

// Path is where a domain publishes its key document.
const Path = "/.well-known/multimail-signing-key"

// The bounds of one request. A document of a hundred keys has about 20 KiB.
const (
	maxTime      = 10 * time.Second
	maxDial      = 3 * time.Second // for one address
	maxAddresses = 4
	maxHeader    = 16 << 10
	maxDocument  = 256 << 10
)

// Resolver finds the addresses of a host; nil at [New] means net.DefaultResolver.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Client makes the requests. It keeps nothing between two of them.
type Client struct {
	resolver Resolver
	allowed  func(netip.Addr) bool // IsPublic, but in tests
	inside   func(host string) bool
	port     int           // 443, but in tests
	limit    time.Duration // maxTime, but in tests
	http     *http.Client
}

// New returns a client that asks the resolver for addresses.
func New(r Resolver) *Client {
	if r == nil {
		r = net.DefaultResolver
	}
	c := &Client{resolver: r, allowed: IsPublic, port: 443, limit: maxTime,
		inside: func(string) bool { return false }}
	c.http = &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                  nil, // a proxy would choose the address that is dialled
			DialContext:            c.dial,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    maxDial,
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxHeader,
		},
	}
	return c
}

// Inside lets [Client.JSON] fetch from hosts, as URLs name them, that are of the caller's own
// network: at whatever address they have, and at any port.
func (c *Client) Inside(names func(host string) bool) *Client {
	c.inside = names
	return c
}

// Document is what a domain publishes: a JSON object, nothing more is checked.
type Document struct {
	Body   []byte
	MaxAge time.Duration // of Cache-Control; 0 when the server does not say
}

// The reasons for which there is no document. A name that does not resolve, an
// address that is not public and one that does not answer are one reason: the
// answer says nothing about the network of whoever asks.
var (
	ErrDomain      = errors.New("is not the name of a domain")
	ErrUnreachable = errors.New("does not answer over HTTPS at a public address")
	ErrCertificate = errors.New("has no valid certificate for its name")
	ErrRedirect    = errors.New("redirects, which a key document must not")
	ErrStatus      = errors.New("publishes no key document")
	ErrType        = errors.New("does not serve its key document as application/json")
	ErrSize        = errors.New("has a key document that is too large")
	ErrBusy        = errors.New("was not asked, because too many others are asked now; try again later")
	ErrBroken      = errors.New("has a key document that is cut short or no JSON object")
)

// Document fetches the key document of a domain. Its errors wrap those above.
func (c *Client) Document(ctx context.Context, domain string) (Document, error) {
	doc, err := c.get(ctx, domain)
	if err != nil {
		return Document{}, fmt.Errorf("%.253s %w", domain, err)
	}
	return doc, nil
}

func (c *Client) get(ctx context.Context, domain string) (doc Document, err error) {
	if name, err := mail.ParseDomain(domain); err != nil || name != domain {
		return doc, ErrDomain
	}
	return c.ask(ctx, "https://"+domain+Path)
}

// JSON fetches a JSON object that anybody may have named, such as what an OAuth client
// publishes of itself: from the host of an https URL, by the same rules as a key document.
func (c *Client) JSON(ctx context.Context, address string) ([]byte, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.User != nil {
		return nil, ErrDomain
	}
	name, err := mail.ParseDomain(u.Hostname())
	if !c.inside(u.Hostname()) && (err != nil || name != u.Hostname() || u.Port() != "") {
		return nil, ErrDomain
	}
	doc, err := c.ask(ctx, address)
	return doc.Body, err
}

// ask makes one request. The host of the address is the name of a domain.
func (c *Client) ask(ctx context.Context, address string) (doc Document, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return doc, ErrDomain
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "MultiMail-verify")
	resp, err := c.http.Do(req)
	if err != nil {
		return doc, unreachable(err)
	}
	defer resp.Body.Close()
	if err := checkAnswer(resp); err != nil {
		return doc, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	switch {
	case len(body) > maxDocument:
		return doc, ErrSize
	case err != nil && ctx.Err() != nil:
		return doc, ErrUnreachable
	case err != nil || !json.Valid(body) || bytes.TrimLeft(body, " \t\r\n")[0] != '{':
		return doc, ErrBroken
	}
	return Document{body, maxAge(resp.Header)}, nil
}

// unreachable sorts an error of a request.
func unreachable(err error) error {
	var bad *tls.CertificateVerificationError
	var name x509.HostnameError
	if errors.As(err, &bad) || errors.As(err, &name) {
		return ErrCertificate
	}
	return ErrUnreachable
}

// checkAnswer judges everything before the body.
func checkAnswer(resp *http.Response) error {
	switch code := resp.StatusCode; {
	case code >= 300 && code <= 399:
		return ErrRedirect
	case code != http.StatusOK:
		return fmt.Errorf("%w: it answered %d", ErrStatus, code)
	case resp.ContentLength > maxDocument:
		return ErrSize
	}
	switch typ, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); {
	case err != nil:
		return ErrType
	case typ == "application/json", typ == "application/jwk+json", typ == "application/jwk-set+json":
		return nil
	}
	return ErrType
}

// maxAge reads max-age of Cache-Control (RFC 9111, section 5.2.2.1).
func maxAge(h http.Header) time.Duration {
	for directive := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		n, err := strconv.Atoi(strings.Trim(value, `"`))
		if strings.EqualFold(name, "max-age") && err == nil && n > 0 {
			return time.Duration(min(n, 1<<30)) * time.Second
		}
	}
	return 0
}

// dial resolves the host once, and connects to addresses that it has checked: a
// second answer of the resolver could be another one (DNS rebinding).
func (c *Client) dial(ctx context.Context, network, hostport string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, err
	}
	inside := c.inside(host)
	if !inside {
		port = strconv.Itoa(c.port)
	}
	found, err := c.addresses(ctx, host)
	if err != nil {
		return nil, err
	}
	err = errors.New("no public address")
	for _, a := range found[:min(len(found), maxAddresses)] {
		if a = a.Unmap(); !inside && !c.allowed(a) {
			continue
		}
		d := net.Dialer{Timeout: maxDial}
		var conn net.Conn
		if conn, err = d.DialContext(ctx, network, net.JoinHostPort(a.String(), port)); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

func (c *Client) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	return c.resolver.LookupNetIP(ctx, "ip", host)
}
