package main

import (
	"fmt"
	"strings"

	"github.com/multimail/multimail/httpd/api"
)

type domainCmd struct {
	Add     domainAddCmd  `cmd:"" help:"Add a sending domain and make its keys."`
	List    domainListCmd `cmd:"" help:"List sending domains."`
	Records recordsCmd    `cmd:"" help:"Print the DNS records to publish."`
}

type domainAddCmd struct {
	Name string `arg:"" help:"Domain."`
}

func (d domainAddCmd) Run(e *environment) error {
	return e.withClient(func(c *api.Client) error {
		dom, err := c.AddDomain(e.ctx, d.Name)
		if err != nil {
			return err
		}
		return e.print(dom, func() error { return e.records(dom) })
	})
}

type recordsCmd struct {
	Name string `arg:"" help:"Domain."`
}

func (d recordsCmd) Run(e *environment) error {
	return e.withClient(func(c *api.Client) error {
		dom, err := c.Domain(e.ctx, d.Name)
		if err != nil {
			return err
		}
		return e.print(dom, func() error { return e.records(dom) })
	})
}

// zoneText writes a TXT value for a zone file: each string holds 255 octets at most.
func zoneText(v string) string {
	var strs []string
	for v != "" {
		n := min(255, len(v))
		strs = append(strs, `"`+v[:n]+`"`)
		v = v[n:]
	}
	return strings.Join(strs, " ")
}

// records prints lines for a zone file.
func (e *environment) records(d api.Domain) error {
	for _, r := range d.DNS {
		if err := e.line("%s. %s %s", r.Name, r.Type, zoneText(r.Value)); err != nil {
			return err
		}
	}
	return nil
}

type domainListCmd struct{}

func (domainListCmd) Run(e *environment) error {
	return e.withClient(func(c *api.Client) error {
		l, err := c.Domains(e.ctx)
		if err != nil {
			return err
		}
		return e.print(l, func() error {
			rows := make([][]string, 0, len(l))
			for _, d := range l {
				rows = append(rows, []string{d.Name, fmt.Sprint(d.Verified), short(d.CreatedAt)})
			}
			return e.table("DOMAIN\tVERIFIED\tCREATED", rows)
		})
	})
}
