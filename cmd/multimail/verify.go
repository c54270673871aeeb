package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/daemon"
	"github.com/multimail/multimail/sign"
)

type verifyCmd struct {
	File        string `arg:"" help:"Mail file; - for standard input."`
	KeyDocument string `help:"Key document to use instead of the issuer's." type:"path" placeholder:"FILE"`
	Records     string `help:"Records to use, not DNS: as domain records prints them." type:"path" placeholder:"FILE"`
}

// fetchTime bounds each look-up of a key.
const fetchTime = 10 * time.Second

// Run checks the header against the issuer's key document and the DKIM
// signature against the domain's records: those of files, of the daemon of
// --data when it has the domain, or the published ones.
func (v verifyCmd) Run(e *environment) error {
	eml, err := v.read(e.in)
	if err != nil {
		return err
	}
	keys, err := v.keys(e)
	if err != nil {
		return err
	}
	r := sign.Verify(eml, keys)
	err = e.print(verification(r), func() error { return printVerification(e, r) })
	if err == nil && !r.Holds() {
		err = fmt.Errorf("the identity header is %s", r.Status)
	}
	return err
}

// verification is what --json prints: an error as its text, empty lists as [].
func verification(r sign.Verification) any {
	var reason *string
	if r.Err != nil {
		text := r.Err.Error()
		reason = &text
	}
	return struct {
		Status  string
		Checks  []sign.Check
		Claims  sign.Claims
		Unbound []string
		Err     *string
	}{r.Status, append([]sign.Check{}, r.Checks...), r.Claims, append([]string{}, r.Unbound...), reason}
}

// printVerification prints the status, each check, and what nothing covers.
func printVerification(e *environment, r sign.Verification) error {
	if err := e.line("%s", r.Status); err != nil {
		return err
	}
	for _, c := range r.Checks {
		mark := map[bool]string{true: "ok", false: "FAILED"}[c.OK]
		if err := e.line("  %-14s %-6s %s", c.Name, mark, printable(c.Detail)); err != nil {
			return err
		}
	}
	if len(r.Unbound) == 0 {
		return nil
	}
	return e.line("  not bound: anybody may have written or changed %s", printable(strings.Join(r.Unbound, ", ")))
}

// maxMailFile bounds what is read into memory: far more than any mail system takes.
const maxMailFile = 256 << 20

func (v verifyCmd) read(in io.Reader) ([]byte, error) {
	if v.File != "-" {
		f, err := os.Open(v.File)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxMailFile+1))
	if err == nil && len(b) > maxMailFile {
		err = fmt.Errorf("the file is larger than %d octets", maxMailFile)
	}
	return b, err
}

// keys says where keys come from: files first, then the daemon of --data, then
// what the domain publishes.
func (v verifyCmd) keys(e *environment) (sign.Lookup, error) {
	published := sign.Lookup{Document: e.fetchDocument, TXT: e.lookupTXT}
	l := published
	if e.dataGiven {
		local, err := e.localKeys()
		if err != nil {
			return l, err
		}
		l = local.before(published)
	}
	if v.KeyDocument != "" {
		b, err := os.ReadFile(v.KeyDocument)
		if err != nil {
			return l, err
		}
		l.Document = func(string, string) ([]byte, error) { return b, nil }
	}
	if v.Records != "" {
		b, err := os.ReadFile(v.Records)
		if err != nil {
			return l, err
		}
		zone := readZone(string(b))
		l.TXT = func(name string) ([]string, error) { return zone[strings.ToLower(name)], nil }
	}
	return l, nil
}

// fetchDocument fetches the key document of an issuer over HTTPS.
func (e *environment) fetchDocument(iss, _ string) ([]byte, error) {
	if _, err := issuerHost(iss); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(e.ctx, fetchTime)
	defer cancel()
	return api.Read(ctx, api.New(iss, ""), api.GetSigningKey, api.None{})
}

func issuerHost(iss string) (string, error) {
	u, err := url.Parse(iss)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.Path != "" {
		return "", errors.New("the issuer is not an https origin")
	}
	return u.Host, nil
}

func (e *environment) lookupTXT(name string) ([]string, error) {
	ctx, cancel := context.WithTimeout(e.ctx, fetchTime)
	defer cancel()
	return net.DefaultResolver.LookupTXT(ctx, name)
}

// localKeys are the keys of the daemon of --data: mail of its domains can be
// checked before anything is published.
type localKeys struct {
	*environment
	c *api.Client
}

func (e *environment) localKeys() (localKeys, error) {
	path, err := daemon.SocketPath(e.globals.Data)
	if err == nil {
		err = ours(path)
	}
	return localKeys{e, api.Socket(path)}, err
}

// before asks the daemon for its own domains, and l for all others.
func (k localKeys) before(l sign.Lookup) sign.Lookup {
	return sign.Lookup{
		Document: func(iss, kid string) ([]byte, error) {
			host, err := issuerHost(iss)
			if err != nil {
				return nil, err
			}
			if _, err := api.Call(k.ctx, k.c, api.GetDomain, api.NameRef{Name: host}); err != nil {
				return l.Document(iss, kid)
			}
			at := *k.c
			at.Base = "http://" + host
			return api.Read(k.ctx, &at, api.GetSigningKey, api.None{})
		},
		TXT: func(name string) ([]string, error) {
			_, domain, _ := strings.Cut(name, "._domainkey.")
			d, err := api.Call(k.ctx, k.c, api.GetDomain, api.NameRef{Name: domain})
			if err != nil {
				return l.TXT(name)
			}
			var out []string
			for _, r := range d.DNS {
				if strings.EqualFold(r.Name, name) {
					out = append(out, r.Value)
				}
			}
			return out, nil
		},
	}
}

// readZone reads the TXT records of lines as domain records prints them, by
// name in lower case. Other lines are left out.
func readZone(text string) map[string][]string {
	zone := map[string][]string{}
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		kind, value, _ := strings.Cut(rest, " ")
		if kind != "TXT" || !strings.HasPrefix(value, `"`) {
			continue
		}
		var strs []string // every second piece stands between quotes
		for i, s := range strings.Split(value, `"`) {
			if i%2 == 1 {
				strs = append(strs, s)
			}
		}
		name = strings.ToLower(strings.TrimSuffix(name, "."))
		zone[name] = append(zone[name], strings.Join(strs, ""))
	}
	return zone
}
