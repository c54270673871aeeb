package daemon

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"github.com/multimail/multimail/internal/config"
	"github.com/multimail/multimail/internal/metrics"
	"github.com/multimail/multimail/internal/secret"
	"github.com/multimail/multimail/internal/spam"
)

// makeFilter makes what judges mail, and what teaches it.
func (d *Daemon) makeFilter(m *metrics.Metrics) error {
	c := d.o.Config.Filter
	o, err := filterOptions(c)
	if err != nil {
		return err
	}
	o.Hostname, o.Log, o.Metrics = d.o.Config.SMTP.Hostname, d.o.Log, m
	if d.filter, err = spam.New(o); err != nil || c.Controller == "" {
		return err
	}
	password, err := readPassword("filter.controller_password_file", c.ControllerPasswordFile)
	if err != nil {
		return err
	}
	d.trainer, err = spam.NewTrainer(o, c.Controller, password, d.reader.Raw)
	return err
}

// filterOptions reads what the configuration names.
func filterOptions(c config.Filter) (o spam.Options, err error) {
	o = spam.Options{
		Kind: c.Kind, Address: c.Address, Timeout: time.Duration(c.Timeout), MaxSize: int64(c.MaxSize),
		Outgoing: c.Outgoing, WhenDown: c.WhenDown,
		FlagScore: float64(c.FlagScore), QuarantineScore: float64(c.QuarantineScore),
	}
	if o.Password, err = readPassword("filter.password_file", c.PasswordFile); err != nil || c.CAFile == "" {
		return o, err
	}
	system, err := x509.SystemCertPool()
	if err != nil {
		return o, err
	}
	roots, err := pool("filter.ca_file", c.CAFile, system)
	o.TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return o, err
}

// readPassword reads the file that a key names, "" for none.
func readPassword(key, path string) (string, error) {
	if path == "" {
		return "", nil
	}
	b, _, err := secret.Read(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", key, err)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}
