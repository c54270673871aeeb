package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/httpd/api"
)

type auditCmd struct {
	List   auditListCmd   `cmd:"" help:"List entries, newest first."`
	Export auditExportCmd `cmd:"" help:"Print the log as JSON lines, in order."`
	Verify auditVerifyCmd `cmd:"" help:"Check the chain: of the daemon, or offline of an export."`
}

type auditListCmd struct {
	Limit int `help:"How many." default:"50"`
}

func (a auditListCmd) Run(e *environment) error {
	return e.withClient(func(c *api.Client) error {
		entries := []api.AuditEntry{}
		for cursor := ""; len(entries) < a.Limit; {
			l, err := c.AuditLog(e.ctx, min(page, a.Limit-len(entries)), cursor)
			if err != nil {
				return err
			}
			entries = append(entries, l.Entries...)
			if cursor = l.Cursor; cursor == "" {
				break
			}
		}
		return e.print(entries, func() error {
			rows := make([][]string, 0, len(entries))
			for _, x := range entries {
				rows = append(rows, []string{x.ID, short(x.Time), x.Kind, x.Mail, x.Actor.Kind + " " + x.Actor.ID, x.Hash[:min(12, len(x.Hash))]})
			}
			return e.table("SEQ\tTIME\tKIND\tMAIL\tACTOR\tHASH", rows)
		})
	})
}

type auditExportCmd struct {
	Openings bool      `help:"With the personal data that has not been erased."`
	Since    time.Time `help:"Only entries from this time on (RFC 3339)." placeholder:"TIME"`
}

func (a auditExportCmd) Run(e *environment) error {
	return e.withClient(func(c *api.Client) error {
		r, err := c.AuditExport(e.ctx, a.Openings, a.Since)
		if err != nil {
			return err
		}
		defer r.Close()
		_, err = io.Copy(e.out, r)
		return err
	})
}

type auditVerifyCmd struct {
	File  string   `arg:"" optional:"" help:"An export; - for standard input. Left out: the daemon's log."`
	Known []string `help:"A size and root that were noted before: the log must still hold them." placeholder:"CHAIN:SIZE:ROOT"`
}

// checkpoints reads what was noted before: a chain alone cannot show that its
// tail was cut.
func (a auditVerifyCmd) checkpoints() (known []audit.Checkpoint, err error) {
	for _, k := range a.Known {
		var c audit.Checkpoint
		parts := strings.Split(k, ":")
		if len(parts) == 3 {
			c.Chain = parts[0]
			_, err = fmt.Sscan(parts[1], &c.Size)
			err = errors.Join(err, c.Root.UnmarshalText([]byte(parts[2])))
		}
		if len(parts) != 3 || err != nil {
			return nil, usageError{errors.New("--known: expected CHAIN:SIZE:ROOT, as a verification prints them")}
		}
		known = append(known, c)
	}
	return known, nil
}

// Run checks every entry here, whoever holds the log: a daemon's own word about
// its log would prove little.
func (a auditVerifyCmd) Run(e *environment) error {
	known, err := a.checkpoints()
	if err != nil {
		return err
	}
	verify := func(r io.Reader) error {
		report, err := audit.VerifyAgainst(r, known...)
		if err != nil {
			return err
		}
		return e.print(report, func() error {
			for _, c := range report.Chains {
				if err := e.line("chain %s: %d entries, head %s, root %s, %d erased", c.Chain, c.Size, c.Head, c.Root, c.Erased); err != nil {
					return err
				}
			}
			return nil
		})
	}
	switch a.File {
	case "":
		return e.withClient(func(c *api.Client) error {
			r, err := c.AuditExport(e.ctx, true, time.Time{})
			if err != nil {
				return err
			}
			defer r.Close()
			return verify(r)
		})
	case "-":
		return verify(e.in)
	}
	f, err := os.Open(a.File)
	if err != nil {
		return fmt.Errorf("audit verify: %w", err)
	}
	defer f.Close()
	return verify(f)
}
