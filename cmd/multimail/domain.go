package main

import (
	"fmt"

	"github.com/multimail/multimail/httpd/api"
)

type domainCmd struct {
	Add     domainAddCmd    `cmd:"" help:"Add a sending domain and make its keys."`
	List    domainListCmd   `cmd:"" help:"List sending domains."`
	Records recordsCmd      `cmd:"" help:"Print the DNS records to publish."`
	Verify  domainVerifyCmd `cmd:"" help:"Compare the DNS with what it should say; status 1 unless the domain may send."`
	Pin     domainPinCmd    `cmd:"" help:"Let a domain send without being verified."`
	Unpin   domainUnpinCmd  `cmd:"" help:"Undo pin."`
	Rm      domainRmCmd     `cmd:"" help:"Remove a domain that no mailbox uses."`

	Export domainExportCmd `cmd:"" help:"Write its public files for a web server of its own."`
}

type domainAddCmd struct {
	Name     string `arg:"" help:"Domain."`
	Internal bool   `help:"Pin it as internal at once; needs a credential that may do both."`
	Bind     bool   `help:"Print a zone file."`
}

func (d domainAddCmd) Run(e *environment) error {
	return e.withClient(func(c *api.Client) error {
		added, err := api.Call(e.ctx, c, api.AddDomain, api.NewDomain{Name: d.Name})
		if err != nil {
			return err
		}
		if d.Internal {
			pinned, err := api.Call(e.ctx, c, api.PinDomain, api.NameRef{Name: d.Name})
			if err != nil {
				fmt.Fprintf(e.stderr, "The domain is added. An approver pins it: multimail domain pin %s --key-file FILE\n",
					printable(d.Name))
				return err
			}
			pinned.DNS = added.DNS
			added = pinned
		}
		return e.print(added, func() error { return e.records(added, d.Bind) })
	})
}

type recordsCmd struct {
	Name string `arg:"" help:"Domain."`
	Bind bool   `help:"Print a zone file, with long texts in strings of 255 octets."`
}

func (d recordsCmd) Run(e *environment) error {
	return show(e, api.GetDomain, api.NameRef{Name: d.Name}, func(v api.Domain) error { return e.records(v, d.Bind) })
}

// records prints a table, or lines for a zone file.
func (e *environment) records(d api.Domain, zone bool) error {
	if zone {
		for _, r := range d.DNS {
			if err := e.line("%s", r.Zone()); err != nil {
				return err
			}
		}
		return nil
	}
	var rows [][]string
	for _, r := range d.DNS {
		rows = append(rows, []string{r.Purpose, r.Type, r.Name, r.Value})
	}
	return e.table("PURPOSE\tTYPE\tNAME\tVALUE", rows)
}

type domainVerifyCmd struct {
	Name string `arg:"" help:"Domain."`
}

func (d domainVerifyCmd) Run(e *environment) error {
	return e.withClient(func(c *api.Client) error {
		v, err := api.Call(e.ctx, c, api.VerifyDomain, api.NameRef{Name: d.Name})
		if err != nil {
			return err
		}
		if err := e.print(v, func() error { return e.checks(v) }); err != nil {
			return err
		}
		if v.Status == "unverified" {
			return hinted{fmt.Errorf("%s is not verified: nothing of it leaves", v.Name),
				"publish the records for ownership and identity, then verify again"}
		}
		return nil
	})
}

// checks prints a line for each record, and under it what is there instead.
func (e *environment) checks(v api.DomainCheck) error {
	for _, r := range v.Records {
		line := fmt.Sprintf("%-9s  %-10s  %s %s", r.Status, r.Purpose, r.Type, r.Name)
		if err := e.line("%s", line); err != nil {
			return err
		}
		if r.Status == "present" {
			continue
		}
		if err := e.line("           wanted: %s", r.Value); err != nil {
			return err
		}
		for _, found := range r.Found {
			if err := e.line("           found:  %s", found); err != nil {
				return err
			}
		}
		if err := e.line("           do:     %s", r.Do); err != nil {
			return err
		}
	}
	return e.line("%s is %s", v.Name, standingOf(v.Domain))
}

// standingOf says what a domain counts as, and for how long.
func standingOf(d api.Domain) string {
	switch d.Status {
	case "verified", "assumed":
		return d.Status + " until " + short(d.VerifiedUntil)
	}
	return d.Status
}

type domainPinCmd struct {
	Name string `arg:"" help:"Domain."`
}

func (d domainPinCmd) Run(e *environment) error {
	return show(e, api.PinDomain, api.NameRef{Name: d.Name}, e.domainLine)
}

type domainUnpinCmd struct {
	Name string `arg:"" help:"Domain."`
}

func (d domainUnpinCmd) Run(e *environment) error {
	return show(e, api.UnpinDomain, api.NameRef{Name: d.Name}, e.domainLine)
}

func (e *environment) domainLine(d api.Domain) error {
	return e.line("%s is %s", d.Name, standingOf(d))
}

type domainRmCmd struct {
	Name string `arg:"" help:"Domain."`
}

func (d domainRmCmd) Run(e *environment) error {
	return remove(e, api.RemoveDomain, api.NameRef{Name: d.Name}, d.Name, "is removed")
}

type domainListCmd struct{}

func (domainListCmd) Run(e *environment) error {
	return list(e, api.ListDomains, api.None{}, func(all api.Domains) []api.Domain { return all.Domains },
		"DOMAIN\tSTATUS\tCHECKED\tCREATED", func(d api.Domain) []string {
			return []string{d.Name, standingOf(d), short(d.CheckedAt), short(d.CreatedAt)}
		})
}
