// Package origin finds out who an incoming mail is really from: SPF, DKIM, DMARC, ARC
// and the identity header of another installation.
//
// It works on the bytes as they came, asks the DNS within fixed bounds, and says what
// it found in one field of its own, Authentication-Results (RFC 8601). What a message
// says about itself in the name of this installation is removed from the bytes after
// the signatures were checked, which may cover it.
//
// Nothing that a stranger sends or publishes can make it fail: a record that cannot be
// read, an answer that does not come and a bomb are results, each with its word.
package origin

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/resolver"
	"github.com/multimail/multimail/mail"
)

// The words of a result that the package itself uses (RFC 8601, section 2.7).
const (
	pass      = "pass"
	fail      = "fail"
	none      = "none"
	neutral   = "neutral"
	policy    = "policy"
	temperror = "temperror"
	permerror = "permerror"
)

// DNS answers questions as [resolver.Resolver] does: an error wraps resolver.ErrNone
// where there is no such record, and resolver.ErrTemporary where that is not known.
type DNS interface {
	TXT(ctx context.Context, name string) ([]string, error)
	MX(ctx context.Context, name string) ([]resolver.MX, error)
	A(ctx context.Context, host string) ([]netip.Addr, error)
	AAAA(ctx context.Context, host string) ([]netip.Addr, error)
	PTR(ctx context.Context, addr netip.Addr) ([]string, error)
}

// Identity checks the identity header of another installation on a message that bears
// a good DKIM signature of the domain of its From address. txt asks the DNS within the
// bounds of this mail.
type Identity func(ctx context.Context, raw []byte, domain string, txt TXT) mail.Check

// TXT looks up the texts of a name.
type TXT func(name string) ([]string, error)

// Options say how mail is judged. DNS and Host are required.
type Options struct {
	DNS  DNS
	Host string // authserv-id of what is stamped, lower case: the name of this host
	// TrustedSealers are the domains, lower case, whose ARC seals are believed.
	TrustedSealers []string
	Policy         Policy
	Identity       Identity // nil: the header is not looked at
	// Count is told each result with its method; nil: nobody is.
	Count func(method, result string)
}

// Checker judges incoming mail. It keeps nothing from one mail to the next.
type Checker struct{ o Options }

// New returns a Checker, or why the options are of no use.
func New(o Options) (*Checker, error) {
	if o.DNS == nil || o.Host == "" {
		return nil, errors.New("origin: DNS and Host are required")
	}
	if err := o.Policy.fill(); err != nil {
		return nil, err
	}
	o.Host = strings.ToLower(o.Host)
	o.TrustedSealers = slices.Clone(o.TrustedSealers)
	for i, s := range o.TrustedSealers {
		o.TrustedSealers[i] = strings.ToLower(s)
	}
	return &Checker{o}, nil
}

// Mail is a mail as it came.
type Mail struct {
	// Remote is the address of the client, on which SPF is computed. It is the zero Addr
	// where the client is not the sender's own server: over LMTP and behind a trusted hop.
	Remote netip.Addr
	Helo   string       // what the client called itself
	From   mail.Address // MAIL FROM; zero for the null sender
	Raw    []byte       // whole message, lines end in CRLF; it is not changed
	// HopID is the authserv-id of the trusted hop that brought the mail, "" if none did or
	// its results are not to be believed.
	HopID string
	// HopNoID: the results of the trusted hop are to be believed, and have no authserv-id.
	HopNoID bool
}

// Finding is what is known of a mail.
type Finding struct {
	Auth     mail.Authentication
	Raw      []byte   // Mail.Raw without what only this installation may say
	Stamp    []byte   // the Authentication-Results field, folded, with its CRLF
	Warnings []string // what of the message is odd, short, ours
}

// total bounds the time of all checks of one mail.
const total = 30 * time.Second

// Check judges one mail. The error is a *mail.Error: the policy of the domain in From
// refuses the mail, or it could not be learnt. Finding is filled in then too.
func (c *Checker) Check(ctx context.Context, m Mail) (Finding, error) {
	ctx, cancel := context.WithTimeout(ctx, total)
	defer cancel()
	e := newExamination(m, c.o)
	told := e.hopResults()
	e.spf = c.spf(ctx, e, told)
	e.helo = c.helo(ctx, e)
	e.dkim(ctx)
	e.dkimTold(told)
	e.arc = e.checkARC(ctx)
	e.dmarc = e.checkDMARC(ctx, told)
	identity := e.identity(ctx)

	f := Finding{Raw: m.Raw, Warnings: e.warnings}
	f.Auth = mail.Authentication{SPF: e.spf.Check, HELO: e.helo.Check, ARC: e.arc.Check, DMARC: e.dmarc.Check,
		Identity: identity}
	for _, s := range e.signatures {
		f.Auth.DKIM = append(f.Auth.DKIM, s.Check)
	}
	var removed []message.RawField
	f.Raw, removed = removeForged(m.Raw, c.o.Host)
	if told != nil && len(removed) > 0 && &removed[0].Raw[0] == &e.all(resultsHeader)[0].Raw[0] {
		removed = removed[1:] // the hop bears our name: what it says stands in the stamp now
	}
	f.Warnings = append(f.Warnings, warnForged(removed, e.signatures)...)
	outcome := c.o.Policy.apply(e.dmarc)
	f.Auth.Quarantine = outcome.quarantine
	f.Stamp = stamp(c.o.Host, e, identity)
	c.count(f.Auth)
	return f, outcome.err
}

// count tells the results of one mail.
func (c *Checker) count(a mail.Authentication) {
	if c.o.Count == nil {
		return
	}
	for method, check := range map[string]mail.Check{
		"spf": a.SPF, "helo": a.HELO, "dmarc": a.DMARC, "arc": a.ARC, "identity": a.Identity,
	} {
		if check.Result != "" {
			c.o.Count(method, check.Result)
		}
	}
	for _, check := range a.DKIM {
		c.o.Count("dkim", check.Result)
	}
}
