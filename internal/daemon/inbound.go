package daemon

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/config"
	"github.com/multimail/multimail/internal/metrics"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/throttle"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/smtpd"
)

// makeSubmission makes the server for agents, if it listens.
func (d *Daemon) makeSubmission(
	users *registry.Authenticator, logins *throttle.Logins, messages *throttle.Bytes, m *metrics.Metrics,
) (err error) {
	c := d.o.Config.SMTP
	if c.Submission+c.Submissions == "" {
		return nil
	}
	d.smtp, err = smtpd.New(d.gate, users, smtpd.Options{
		Hostname: c.Hostname, TLSConfig: d.smtpTLS,
		MaxSize: int64(c.MaxSize), MaxRecipients: c.MaxRecipients, MaxCommands: c.MaxCommands,
		MaxConnections: c.MaxConnections, MaxPerSource: c.MaxPerSource,
		Logins: logins, Messages: messages, Log: d.o.Log, Metrics: m, TokenScope: tokenScope(d.o.Config.Issuers),
	})
	return err
}

// makeInbound makes the servers for mail from the world that the configuration names.
func (d *Daemon) makeInbound(inspector smtpd.Inspector, strangers *throttle.Bytes, m *metrics.Metrics) error {
	conf := d.o.Config
	in := conf.Inbound
	hops, err := hopRules(in.Trusted)
	if err != nil {
		return err
	}
	o := smtpd.InboundOptions{
		Hostname: conf.InboundHostname(), TLSConfig: inboundTLS(d.smtpTLS, hops),
		MaxSize: int64(conf.SMTP.MaxSize), MaxRecipients: in.MaxRecipients, MaxConnections: in.MaxConnections,
		MaxPerSource: in.MaxPerSource, ConnectionsPerMinute: in.ConnectionsPerMinute,
		MessagesPerMinute: in.MessagesPerMinute, UnknownPerMinute: in.UnknownPerMinute,
		Messages: strangers, Hops: hops, Inspector: inspector, Postmaster: d.postmaster, Log: d.o.Log, Metrics: m,
	}
	if in.Listen != "" {
		if d.inbound, err = smtpd.NewInbound(d.gate, o); err != nil {
			return err
		}
	}
	if in.LMTP != "" {
		d.lmtp, err = smtpd.NewLMTP(d.gate, o, smtpd.Hop{Name: "lmtp", AuthServID: in.LMTPAuthServID})
	}
	return err
}

// inboundTLS returns the configuration of a listener that other servers connect to. They
// are asked for a certificate only where one is a proof: most have none that means
// anything.
func inboundTLS(smtp *tls.Config, hops []smtpd.HopRule) *tls.Config {
	if smtp == nil {
		return nil
	}
	c := smtp.Clone()
	c.ClientAuth = tls.NoClientCert
	for _, h := range hops {
		if len(h.Certificates) > 0 {
			c.ClientAuth = tls.RequestClientCert
		}
	}
	return c
}

// hopRules returns the trusted hops of the configuration, which was checked.
func hopRules(list []config.Hop) (rules []smtpd.HopRule, err error) {
	for _, h := range list {
		r := smtpd.HopRule{Hop: smtpd.Hop{Name: h.Name, AuthServID: h.AuthServID, NoAuthServID: h.NoAuthServID},
			Private: h.Proof == "private", Field: h.Header, Value: h.Value}
		if r.Ranges, err = h.Prefixes(); err != nil {
			return nil, err
		}
		for _, s := range h.Certificates {
			sum, err := config.Fingerprint(s)
			if err != nil {
				return nil, err
			}
			r.Certificates = append(r.Certificates, sum)
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// postmaster returns who <postmaster> without a domain is: that of the domain which the
// name of this host belongs to, or else of the first domain.
func (d *Daemon) postmaster(ctx context.Context) (a mail.Address, err error) {
	err = d.db.View(ctx, func(tx store.Tx) error {
		all, err := d.registry.Domains(tx)
		if err != nil {
			return err
		}
		a, err = postmasterOf(d.o.Config.InboundHostname(), all)
		return err
	})
	return a, err
}

func postmasterOf(host string, domains []registry.Domain) (mail.Address, error) {
	best := ""
	for _, dom := range domains {
		if within(host, dom.Name) && len(dom.Name) > len(best) {
			best = dom.Name
		}
	}
	if best == "" {
		if len(domains) == 0 {
			return mail.Address{}, mail.ReasonNoMailbox.Errorf("no such mailbox here; check the address")
		}
		best = domains[0].Name
	}
	return mail.ParseAddress("postmaster@" + best)
}

// within reports whether a host is a name of a domain.
func within(host, domain string) bool {
	host = strings.ToLower(host)
	return host == domain || strings.HasSuffix(host, "."+domain)
}

// listenLMTP opens a host:port, or a unix socket that its group may use too: that of the
// mail server in front. A socket that a dead daemon left is replaced.
func listenLMTP(listener string) (net.Listener, error) {
	path, ok := config.UnixPath(listener)
	if !ok {
		return net.Listen("tcp", listener)
	}
	switch fi, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case fi.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("%s is there and no socket", path)
	default:
		if c, err := net.Dial("unix", path); err == nil {
			c.Close()
			return nil, fmt.Errorf("another program listens on %s", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o660); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// examineInbound says what keeps mail of the world from coming in, or from being taken
// under TLS.
func (d *Daemon) examineInbound() api.Check {
	const what = "inbound"
	at := d.Addresses()
	host := d.o.Config.InboundHostname()
	switch {
	case at.Inbound == "" && at.LMTP == "":
		return finding(what, "", api.CheckOK, "no mail of the world is taken here", "")
	case at.Inbound == "":
		return finding(what, at.LMTP, api.CheckOK, "takes mail over LMTP", "")
	case d.smtpTLS == nil:
		return finding(what, at.Inbound, api.CheckWarn, "takes mail without TLS",
			"name a certificate in smtp.tls_cert_file")
	case d.dev != nil:
		return finding(what, at.Inbound, api.CheckOK, "takes mail", "")
	case !slices.ContainsFunc(d.o.Config.DNS.MX, func(mx string) bool { return strings.EqualFold(mx, host) }) &&
		len(d.o.Config.Inbound.Trusted) == 0:
		return finding(what, at.Inbound, api.CheckWarn, host+" is not in dns.mx: no record that leads mail here is checked",
			"name it in dns.mx, or the servers in front in [[inbound.trusted]]")
	}
	pair, err := d.smtpTLS.GetCertificate(&tls.ClientHelloInfo{})
	if err == nil {
		var leaf *x509.Certificate
		if leaf, err = x509.ParseCertificate(pair.Certificate[0]); err == nil {
			err = leaf.VerifyHostname(host)
		}
	}
	if err != nil {
		return finding(what, at.Inbound, api.CheckWarn, "smtp.tls_cert_file is not for "+host,
			"get a certificate for inbound.hostname too: servers that check it send nothing else")
	}
	return finding(what, at.Inbound, api.CheckOK, "takes mail as "+host, "")
}
