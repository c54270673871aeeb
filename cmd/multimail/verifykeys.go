package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/daemon"
	"github.com/multimail/multimail/internal/resolver"
	"github.com/multimail/multimail/sign"
	"github.com/multimail/multimail/sign/fetch"
)

// recordTime is how long one DNS server may take for one answer.
const recordTime = 5 * time.Second

var errOffline = errors.New("nobody was asked for it; --key FILE names one")

// keys says where keys come from: files first, then the daemon of --data, then
// what the domain publishes. source is what the report calls it, once the key
// was asked for.
func (v verifyCmd) keys(e *environment) (l sign.Lookup, source *string, err error) {
	source = new(string)
	if !v.Offline {
		*source = "https"
		if l, err = e.published(); err != nil {
			return l, nil, err
		}
	}
	if e.dataGiven && !v.Offline {
		local, err := e.localKeys(source)
		if err != nil {
			return l, nil, err
		}
		l = local.before(l)
	}
	if v.Records != "" {
		b, err := readFile(v.Records)
		if err != nil {
			return l, nil, err
		}
		zone := readZone(string(b))
		l.TXT = func(name string) ([]string, error) { return zone[strings.ToLower(name)], nil }
	}
	switch {
	case v.Key != "":
		b, err := readFile(v.Key)
		if err != nil {
			return l, nil, err
		}
		doc, err := sign.FromFile(b)
		l.Document, *source = func(string, string) ([]byte, error) { return doc, nil }, "file"
		return l, source, err
	case v.DNS:
		l.Document, *source = sign.RecordKeys(l.TXT), "dns"
	case v.Offline:
		l.Document = func(string, string) ([]byte, error) { return nil, errOffline }
	}
	return l, source, nil
}

// published are the keys as every stranger finds them.
func (e *environment) published() (sign.Lookup, error) {
	if e.lookup != nil {
		return *e.lookup, nil
	}
	client := fetch.New(nil)
	records, err := resolver.New(resolver.Options{Timeout: recordTime})
	return daemon.Published{
		Records: records,
		Document: func(ctx context.Context, domain, _ string) ([]byte, error) {
			doc, err := client.Document(ctx, domain)
			return doc.Body, err
		},
	}.Lookup(e.ctx), err
}

// localKeys are the keys of the daemon of --data: mail of its domains can be
// checked before anything is published.
type localKeys struct {
	*environment
	c      *api.Client
	source *string // set to "daemon" where it had the key
}

func (e *environment) localKeys(source *string) (localKeys, error) {
	path, err := daemon.SocketPath(e.globals.Data)
	if err == nil {
		err = ours(path)
	}
	return localKeys{e, api.Socket(path), source}, err
}

// before asks the daemon for its own domains, and l for all others.
func (k localKeys) before(l sign.Lookup) sign.Lookup {
	return sign.Lookup{
		Document: func(iss, kid string) ([]byte, error) {
			host := strings.TrimPrefix(iss, "https://")
			if _, err := api.Call(k.ctx, k.c, api.GetDomain, api.NameRef{Name: host}); err != nil {
				return l.Document(iss, kid)
			}
			*k.source = "daemon"
			at := *k.c
			at.Base = "http://" + host
			return api.Read(k.ctx, &at, api.GetSigningKey, api.None{})
		},
		TXT: func(name string) ([]string, error) {
			d, err := api.Call(k.ctx, k.c, api.GetDomain, api.NameRef{Name: sign.RecordDomain(name)})
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

// readZone reads the TXT records of lines as domain records --bind prints them, by
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
