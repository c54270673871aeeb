package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/dkim"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/bolt"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/sign"
)

type initCmd struct {
	Operator    string `help:"Name of the accountable organisation." required:"" placeholder:"TEXT"`
	Domain      string `help:"First sending domain." required:"" placeholder:"DOMAIN"`
	Oversight   string `help:"Address that gets copies of monitored mail." required:"" placeholder:"ADDR"`
	Approver    string `help:"Name of the first approver." required:"" placeholder:"NAME"`
	ApproverKey string `help:"New file for the approver's key, outside the data directory." required:"" type:"path" placeholder:"FILE"`
	Node        string `help:"Name of this node, as in the configuration." default:"node" placeholder:"NAME"`
}

// Run makes a data directory that serve --config accepts. It prints the DNS
// records to publish.
func (i initCmd) Run(e *environment) error {
	if in, err := inside(e.globals.Data, i.ApproverKey); err != nil {
		return err
	} else if in {
		return errKeyInside
	}
	if strings.TrimSpace(i.Operator) == "" {
		return usageError{errors.New("--operator: a name is required")}
	}
	oversight, err := mail.ParseAddress(i.Oversight)
	if err != nil {
		return usageError{fmt.Errorf("--oversight: %w", err)}
	}
	if err := sign.CheckBudget(i.Domain, "postmaster@"+i.Domain, i.Operator, ""); err != nil {
		return usageError{err}
	}
	if err := os.MkdirAll(e.globals.Data, 0o700); err != nil {
		return err
	}
	db, err := bolt.Open(bolt.Options{Dir: e.globals.Data, Create: true})
	if err != nil {
		return err
	}
	err = i.fill(e.ctx, e, db, oversight)
	var wrong *mail.Error
	if errors.As(err, &wrong) && errors.Is(err, registry.ErrInvalid) {
		err = usageError{errors.New(wrong.Public)} // its codes are for doors
	}
	return errors.Join(err, db.Close())
}

func (i initCmd) fill(ctx context.Context, e *environment, db store.Store, oversight mail.Address) error {
	identity, signing := sign.OpenKeys(e.globals.Data), dkim.OpenKeys(e.globals.Data, dkim.Options{})
	if err := errors.Join(identity.Ensure(i.Domain, time.Now()), signing.Ensure(i.Domain)); err != nil {
		return err
	}
	reg := registry.New(audit.New(i.Node))
	me := registry.Socket(os.Getuid(), false)
	var secret string
	err := db.Update(ctx, func(tx store.Tx) error {
		if op, err := reg.Operator(tx); err != nil {
			return err
		} else if op.Name != "" {
			return errors.New("this data directory is in use already")
		}
		if err := reg.SetOperator(tx, me, registry.Operator{Name: i.Operator, Oversight: oversight}); err != nil {
			return err
		}
		if _, err := reg.AddDomain(tx, me, i.Domain); err != nil {
			return err
		}
		var err error
		_, secret, err = reg.AddKey(tx, me, registry.KeyRequest{
			Name: i.Approver, Kind: registry.KindApprover, Owner: i.Approver,
			Scopes: []registry.Scope{registry.ScopeOversight, registry.ScopeOversightRead},
		})
		if err != nil {
			return err
		}
		// Inside the transaction: no key in the store whose secret is nowhere.
		return writeNew(i.ApproverKey, secret+"\n")
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(e.talk, "The key of approver %s is in %s. Publish these records:\n", i.Approver, i.ApproverKey)
	return printRecords(e, identity, signing, i.Domain)
}

// printRecords prints what `domain records` will print.
func printRecords(e *environment, identity *sign.Keyring, signing *dkim.Keyring, domain string) error {
	name, txt, err := identity.DNS(domain)
	if err != nil {
		return err
	}
	d := api.Domain{Name: domain, DNS: []api.Record{{Type: "TXT", Name: name, Value: txt}}}
	records, err := signing.Records(domain)
	if err != nil {
		return err
	}
	for _, r := range records {
		d.DNS = append(d.DNS, api.Record{Type: "TXT", Name: r.Name, Value: r.TXT})
	}
	return e.print(d, func() error { return e.records(d) })
}

// writeNew writes a secret to a file that must not be there yet.
func writeNew(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}
