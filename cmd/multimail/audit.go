package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate/step"
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
			l, err := api.Call(e.ctx, c, api.GetAuditLog, api.AuditQuery{Limit: min(page, a.Limit-len(entries)), Cursor: cursor})
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
				rows = append(rows, []string{x.ID, short(x.Time), x.Kind, x.Mail,
					x.Actor.Kind + " " + x.Actor.ID, x.Hash[:min(12, len(x.Hash))]})
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
		r, err := api.Open(e.ctx, c, api.ExportAuditLog, api.ExportQuery{Openings: a.Openings, Since: a.Since})
		if err != nil {
			return err
		}
		defer r.Close()
		var end audit.Ending
		if _, err = io.Copy(e.out, io.TeeReader(r, &end)); err != nil {
			return fmt.Errorf("audit export: the log broke off: %w", err)
		}
		if !end.Whole() {
			return hinted{errors.New("audit export: the log broke off, what was printed is incomplete"),
				"run it again; the daemon's log says why it stopped"}
		}
		return nil
	})
}

type auditVerifyCmd struct {
	File  string   `arg:"" optional:"" help:"An export; - for standard input. Left out: the daemon's log."`
	Known []string `help:"A size and root noted before: the log must still hold them." placeholder:"CHAIN:SIZE:ROOT"`
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
			return nil, usageError{errors.New("--known: expected CHAIN:SIZE:ROOT, as audit verify --json prints them")}
		}
		known = append(known, c)
	}
	return known, nil
}

// verified is what --json prints.
type verified struct {
	OK bool `json:"ok"`
	audit.Report
}

// Run checks every entry here, whoever holds the log: a daemon's own word about
// its log would prove little. Only the daemon can hold its records against it.
func (a auditVerifyCmd) Run(e *environment) error {
	known, err := a.checkpoints()
	if err != nil {
		return err
	}
	o := audit.Options{Known: known, Replay: step.Check}
	report, err := a.verify(e, o)
	if err != nil {
		return err
	}
	return e.print(verified{true, report}, func() error { return e.line("ok: %s", report) })
}

func (a auditVerifyCmd) verify(e *environment, o audit.Options) (report audit.Report, err error) {
	switch a.File {
	case "":
		err = e.withClient(func(c *api.Client) error {
			report, err = verifyDaemon(e, c, o)
			return err
		})
		return report, err
	case "-":
		return audit.Verify(e.in, o)
	}
	f, err := os.Open(a.File)
	if err != nil {
		return report, fmt.Errorf("audit verify: %w", err)
	}
	defer f.Close()
	return audit.Verify(f, o)
}

// verifyDaemon checks the log as the daemon exports it, and has the daemon hold
// its records against it.
func verifyDaemon(e *environment, c *api.Client, o audit.Options) (audit.Report, error) {
	r, err := api.Open(e.ctx, c, api.ExportAuditLog, api.ExportQuery{Openings: true})
	if err != nil {
		return audit.Report{}, err
	}
	defer r.Close()
	report, err := audit.Verify(r, o)
	if err != nil {
		return report, err
	}
	own, err := api.Call(e.ctx, c, api.VerifyAuditLog, api.None{})
	if err == nil && !own.OK {
		err = errors.New(own.Error)
	}
	report.Settings = own.Settings
	return report, err
}

type clockCmd struct {
	Show   clockShowCmd   `cmd:"" default:"1" help:"Say whether the clock is trusted."`
	Accept clockAcceptCmd `cmd:"" help:"Trust the clock as it is now."`
}

type clockShowCmd struct{}

func (clockShowCmd) Run(e *environment) error { return show(e, api.GetClock, api.None{}, e.clock) }

type clockAcceptCmd struct{}

func (clockAcceptCmd) Run(e *environment) error { return show(e, api.AcceptClock, api.None{}, e.clock) }

// clock prints what the server says of its clock.
func (e *environment) clock(s api.Clock) error {
	if s.Trusted {
		return e.line("trusted, it shows %s", short(s.Now))
	}
	return e.line("in doubt: %s; it shows %s. No hold expires, no scheduled mail leaves, no retry ends.",
		printable(s.Doubt), short(s.Now))
}
