package hook

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/multimail/multimail/mail"
)

// The bounds of one attempt.
const (
	maxTime   = 15 * time.Second
	maxDial   = 3 * time.Second // for one address
	maxDialed = 4               // addresses of one host
	maxAnswer = 64 << 10        // octets of an answer that are read
	maxHeader = 64 << 10        // octets of its header
)

const statusGone = http.StatusGone

// Problem is why an attempt failed, in a word that says nothing about the network.
type Problem string

// The problems.
const (
	ProblemTarget      Problem = "target"      // the URL is not allowed any more
	ProblemUnreachable Problem = "unreachable" // no answer from an address that is allowed
	ProblemTimeout     Problem = "timeout"     // no answer in time
	ProblemCertificate Problem = "certificate" // not valid for the host
	ProblemRedirect    Problem = "redirect"    // answered 3xx, which is not followed
	ProblemStatus      Problem = "status"      // answered anything else but 2xx
	ProblemRecord      Problem = "record"      // the mail cannot be read
)

// answer is what became of an attempt; without a problem it is delivered.
type answer struct {
	status  int // 0: there was none
	problem Problem
}

// Resolver finds the addresses of a host.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Targets are hosts and ranges of addresses that the configuration lets requests reach beyond
// the Internet.
type Targets struct {
	hosts  []string
	ranges []netip.Prefix
}

// ParseTargets reads host names, addresses, and ranges such as 10.0.0.0/8.
func ParseTargets(list []string) (t Targets, err error) {
	for _, s := range list {
		if p, err := netip.ParsePrefix(s); err == nil && p == p.Masked() {
			t.ranges = append(t.ranges, p)
			continue
		}
		if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
			t.ranges = append(t.ranges, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		if name, err := mail.ParseDomain(s); s != "localhost" && (err != nil || name != s) {
			return t, fmt.Errorf("%q is not a host name in lower case, an address, or a range of addresses", s)
		}
		t.hosts = append(t.hosts, s)
	}
	return t, nil
}

// Names reports whether a host of a URL is one that is listed.
func (t Targets) Names(host string) bool {
	a, err := netip.ParseAddr(host)
	return slices.Contains(t.hosts, host) || err == nil && t.has(a)
}

func (t Targets) has(a netip.Addr) bool {
	return slices.ContainsFunc(t.ranges, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
}

// check refuses a URL that no event is sent to: https to a host of the Internet at its usual
// port, but for what is listed.
func (t Targets) check(address string) error {
	refused := mail.ErrInvalid.Errorf("the url of a webhook is https://, a host name in lower case and a path, " +
		"without a port, a user or a fragment; other targets must be listed in hooks.allow_targets")
	u, err := url.Parse(address)
	if err != nil || len(address) > maxURL || !visible(address) || u.Opaque != "" || u.User != nil ||
		u.Fragment != "" || strings.Contains(address, "#") || u.Hostname() == "" ||
		u.Hostname() != strings.ToLower(u.Hostname()) {
		return refused
	}
	if t.Names(u.Hostname()) && (u.Scheme == "https" || u.Scheme == "http") {
		return nil
	}
	name, err := mail.ParseDomain(u.Hostname())
	if err != nil || name != u.Hostname() || u.Scheme != "https" || u.Port() != "" && u.Port() != "443" {
		return refused
	}
	return nil
}

// visible reports whether s is ASCII that prints, without blanks.
func visible(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c >= 0x7f })
}

// client sends. It keeps nothing between two requests.
type client struct {
	resolver Resolver
	public   func(netip.Addr) bool
	allow    Targets
	http     *http.Client
}

func newClient(r Resolver, public func(netip.Addr) bool, allow Targets) *client {
	c := &client{resolver: r, public: public, allow: allow}
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

// send makes one attempt.
func (c *client) send(ctx context.Context, j *job) answer {
	if c.allow.check(j.s.URL) != nil { // the list may have become shorter
		return answer{problem: ProblemTarget}
	}
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, j.s.URL, bytes.NewReader(j.body))
	if err != nil {
		return answer{problem: ProblemTarget}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "MultiMail-webhook")
	sign(req.Header, j.s, j.d.ID, j.now, j.body)
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{problem: problemOf(ctx, err)}
	}
	defer resp.Body.Close()
	// The answer is read, within bounds, so that a receiver that writes one is not cut off;
	// what it says is nobody's business.
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	switch code := resp.StatusCode; {
	case code >= 300 && code <= 399:
		return answer{code, ProblemRedirect}
	case code < 200 || code > 299:
		return answer{code, ProblemStatus}
	case err != nil && ctx.Err() != nil:
		return answer{code, ProblemTimeout}
	}
	return answer{status: resp.StatusCode}
}

func problemOf(ctx context.Context, err error) Problem {
	var bad *tls.CertificateVerificationError
	var name x509.HostnameError
	switch {
	case errors.As(err, &bad), errors.As(err, &name):
		return ProblemCertificate
	case ctx.Err() != nil:
		return ProblemTimeout
	}
	return ProblemUnreachable
}

// dial resolves the host once, and connects to addresses that it has checked: a second
// answer of the resolver could be another one (DNS rebinding).
func (c *client) dial(ctx context.Context, network, hostport string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, err
	}
	found, err := c.addresses(ctx, host)
	if err != nil {
		return nil, err
	}
	err = errors.New("no address that is allowed")
	for _, a := range found[:min(len(found), maxDialed)] {
		if a = a.Unmap(); !c.public(a) && !c.allow.has(a) && !slices.Contains(c.allow.hosts, host) {
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

func (c *client) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	return c.resolver.LookupNetIP(ctx, "ip", host)
}
