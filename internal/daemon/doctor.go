package daemon

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/multimail/multimail/dkim"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/config"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/zone"
)

// Bounds of an examination.
const (
	examineTime   = 90 * time.Second
	examineAtOnce = 4                   // domains
	expiresSoon   = 14 * 24 * time.Hour // of a certificate: a warning
)

// finding makes a check; do is what to do unless it is ok.
func finding(name, subject, status, detail, do string) api.Check {
	return api.Check{Name: name, Subject: subject, Status: status, Detail: detail, Do: do}
}

// examine looks for what keeps mail from leaving or from being believed.
func (d *Daemon) examine(ctx context.Context) []api.Check {
	ctx, cancel := context.WithTimeout(ctx, examineTime)
	defer cancel()
	out := []api.Check{d.examineStore(), d.examineClock()}
	out = append(out, d.examineCertificates(time.Now())...)
	out = append(out, d.examineInbound(), d.examineHop(ctx), d.examineFilter(ctx), d.examineAlgorithms())
	return append(out, d.examineDomains(ctx)...)
}

func (d *Daemon) examineStore() api.Check {
	if err := d.db.Healthy(); err != nil {
		return finding("store", "", api.CheckFail, "takes no mail: "+err.Error(), "make space on its disk, or see the log")
	}
	return finding("store", "", api.CheckOK, "takes mail", "")
}

func (d *Daemon) examineClock() api.Check {
	if why := d.clock.Doubt(); why != "" {
		return finding("clock", "", api.CheckWarn, "in doubt: "+why,
			"set the machine's clock; then `multimail clock accept`, or wait until it is trusted again")
	}
	return finding("clock", "", api.CheckOK, "is trusted", "")
}

// examineCertificates checks chain, names and time of what the listeners show.
func (d *Daemon) examineCertificates(now time.Time) (out []api.Check) {
	for _, l := range []struct {
		key  string
		conf *tls.Config
	}{{"smtp.tls_cert_file", d.smtpTLS}, {"http.tls_cert_file", d.apiTLS}} {
		if l.conf == nil {
			continue
		}
		pair, err := l.conf.GetCertificate(&tls.ClientHelloInfo{})
		if err != nil {
			out = append(out, finding("certificate", l.key, api.CheckFail, err.Error(), "name a certificate and its key"))
			continue
		}
		out = append(out, judgeCertificate(l.key, pair, d.o.Config.SMTP.Hostname, now, d.dev != nil))
	}
	return out
}

// judgeCertificate checks a pair as a client of a host would. The chain of the dev
// mode ends in an authority that nobody else knows.
func judgeCertificate(key string, pair *tls.Certificate, host string, now time.Time, dev bool) api.Check {
	var chain []*x509.Certificate
	for _, der := range pair.Certificate {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return finding("certificate", key, api.CheckFail, err.Error(), "replace it by one that can be read")
		}
		chain = append(chain, c)
	}
	leaf := chain[0]
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	until := leaf.NotAfter.UTC().Format(time.DateOnly)
	_, chainErr := leaf.Verify(x509.VerifyOptions{Intermediates: between, CurrentTime: now})
	nameErr := leaf.VerifyHostname(host)
	switch {
	case now.After(leaf.NotAfter) || now.Before(leaf.NotBefore):
		return finding("certificate", key, api.CheckFail, "is not valid now; it ends on "+until, "renew it")
	case key == "smtp.tls_cert_file" && nameErr != nil:
		return finding("certificate", key, api.CheckFail, "is not for "+host,
			"get one for smtp.hostname, or set that to the name that clients use")
	case chainErr != nil && !dev:
		return finding("certificate", key, api.CheckWarn, "clients of this machine do not trust its chain",
			"add the certificates between it and a known authority to the file, or have clients trust yours")
	case leaf.NotAfter.Sub(now) < expiresSoon:
		return finding("certificate", key, api.CheckWarn, "ends on "+until, "renew it")
	}
	return finding("certificate", key, api.CheckOK, "is valid until "+until, "")
}

func (d *Daemon) examineHop(ctx context.Context) api.Check {
	host, secure, err := d.relay.Probe(ctx)
	switch {
	case err != nil:
		return finding("next hop", host, api.CheckFail, err.Error(), "see whether relay.smarthost and its login are right")
	case host == "":
		return finding("next hop", "", api.CheckOK, "mail goes by MX; no host is asked before there is a mail", "")
	case !secure && !config.Loopback(host):
		return finding("next hop", host, api.CheckWarn, "answers without TLS", "set relay.tls to required if it offers TLS")
	}
	return finding("next hop", host, api.CheckOK, "answers", "")
}

func (d *Daemon) examineFilter(ctx context.Context) api.Check {
	kind, err := d.filter.Probe(ctx)
	switch {
	case err != nil:
		return finding("spam filter", kind, api.CheckFail, err.Error(),
			"start it, or correct filter.address; what happens to mail meanwhile is filter.when_down")
	case kind == "":
		return finding("spam filter", "", api.CheckOK, "none is asked; incoming mail is judged by the signs built in", "")
	}
	return finding("spam filter", kind, api.CheckOK, "answers", "")
}

func (d *Daemon) examineAlgorithms() api.Check {
	if !slices.Contains(d.o.Config.DKIM.Algorithms, dkim.RSA) {
		return finding("dkim.algorithms", "", api.CheckWarn, "has no rsa: to most receivers the mail is unsigned", "add rsa")
	}
	return finding("dkim.algorithms", "", api.CheckOK, "has rsa", "")
}

func (d *Daemon) examineDomains(ctx context.Context) []api.Check {
	var all []registry.Domain
	err := d.db.View(ctx, func(tx store.Tx) (err error) { all, err = d.registry.Domains(tx); return err })
	if err != nil {
		return []api.Check{finding("domains", "", api.CheckFail, "could not be read: "+err.Error(), "see the log")}
	}
	parts := make([][]api.Check, len(all))
	var wg sync.WaitGroup
	free := make(chan struct{}, examineAtOnce)
	for i, dom := range all {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			parts[i] = d.examineDomain(ctx, dom.Name)
		})
	}
	wg.Wait()
	return slices.Concat(parts...)
}

// examineDomain says what a domain counts as, and what of its DNS is not as it
// should be.
func (d *Daemon) examineDomain(ctx context.Context, name string) (out []api.Check) {
	var dom registry.Domain
	var now time.Time
	read := func(tx store.Tx) (err error) {
		now = tx.Now()
		dom, err = d.registry.Domain(tx, name)
		return err
	}
	if err := d.db.View(ctx, read); err != nil {
		return []api.Check{finding("domain", name, api.CheckFail, err.Error(), "see the log")}
	}
	if dom.Internal {
		return []api.Check{finding("domain", name, api.CheckOK, "is internal: it sends without being verified", "")}
	}
	report, err := d.watcher.Verify(ctx, name)
	if err == nil {
		err = d.db.View(ctx, read)
	}
	if err != nil {
		return []api.Check{finding("domain", name, api.CheckFail, err.Error(), "see whether its key files are there")}
	}
	out = append(out, judgeDomain(dom, now))
	for _, f := range report.Findings {
		if f.Status == zone.Present {
			continue
		}
		status := api.CheckWarn
		counts := f.Purpose == zone.Ownership || f.Purpose == zone.Identity && !f.Spare
		if counts && f.Status != zone.Unknown {
			status = api.CheckFail
		}
		out = append(out, finding("record "+string(f.Purpose), f.Name, status, string(f.Status), f.Do))
	}
	return append(out, d.examineDocument(ctx, name))
}

func judgeDomain(dom registry.Domain, now time.Time) api.Check {
	until := dom.VerifiedUntil().UTC().Format(time.RFC3339)
	switch {
	case dom.Verified(now) && dom.FailedAt.IsZero():
		return finding("domain", dom.Name, api.CheckOK, "is verified", "")
	case dom.Verified(now):
		return finding("domain", dom.Name, api.CheckWarn, "counts as verified until "+until+" only",
			"publish the records for ownership and identity")
	case dom.MaySend(now):
		return finding("domain", dom.Name, api.CheckWarn, "was never verified; its mail leaves until "+until,
			"publish the records for ownership and identity")
	}
	return finding("domain", dom.Name, api.CheckFail, "is not verified: nothing of it leaves",
		"publish what `multimail domain records "+dom.Name+"` prints, or have an approver pin it as internal")
}

// examineDocument compares the key document that the domain serves with the one of
// the key files.
func (d *Daemon) examineDocument(ctx context.Context, name string) api.Check {
	const what = "key document"
	ours, err := d.identity.Document(name)
	if err != nil {
		return finding(what, name, api.CheckFail, err.Error(), "bring the key files back")
	}
	served, err := d.document(ctx, name)
	if err != nil {
		return finding(what, name, api.CheckWarn, err.Error(),
			"serve /.well-known/multimail-signing-key at this name; without it only the DNS has the key")
	}
	if a, b := currentKey(ours), currentKey(served.Body); a == "" || a != b {
		return finding(what, name, api.CheckFail, "the domain serves another key than the one that signs",
			"serve the document of this installation")
	}
	return finding(what, name, api.CheckOK, "is the one that signs", "")
}

// currentKey returns the id of the current key of a document.
func currentKey(doc []byte) string {
	var key struct {
		KID string `json:"kid"`
		X   string `json:"x"`
		Y   string `json:"y"`
	}
	if json.Unmarshal(doc, &key) != nil || key.KID == "" {
		return ""
	}
	return fmt.Sprintf("%s %s %s", key.KID, key.X, key.Y)
}
