package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/multimail/multimail/httpd/api"
)

type doctorCmd struct {
	Check doctorCheckCmd `cmd:"" default:"1" help:"Examine the daemon, its domains and its way out."`
	Token doctorTokenCmd `cmd:"" help:"Judge a token of an issuer as the daemon would; the token is not printed."`
}

type doctorCheckCmd struct{}

func (doctorCheckCmd) Run(e *environment) error {
	checks := []api.Check{}
	if e.globals.URL == "" {
		checks = append(checks, checkFiles(e.globals.Data))
	}
	err := e.withClient(func(c *api.Client) error {
		found, err := api.Call(e.ctx, c, api.GetDoctor, api.None{})
		checks = append(checks, found.Checks...)
		return err
	})
	if err != nil {
		do := "start it with `multimail serve`, or see its log"
		var h interface{ Hint() string }
		if errors.As(err, &h) {
			do = h.Hint()
		}
		checks = append(checks, api.Check{Name: "daemon", Status: api.CheckFail, Detail: err.Error(), Do: do})
	}
	if err := e.print(checks, func() error { return e.findings(checks) }); err != nil {
		return err
	}
	failed := 0
	for _, c := range checks {
		if c.Status == api.CheckFail {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d checks failed", failed, len(checks))
	}
	return nil
}

// findings prints a line for each check, and what to do.
func (e *environment) findings(checks []api.Check) error {
	for _, c := range checks {
		line := fmt.Sprintf("%-4s  %s", c.Status, c.Name)
		if c.Subject != "" {
			line += " " + c.Subject
		}
		if line += ": " + c.Detail; c.Do != "" {
			line += "; " + c.Do
		}
		if err := e.line("%s", line); err != nil {
			return err
		}
	}
	return nil
}

// checkFiles looks whether others can read the data directory or a key.
func checkFiles(data string) api.Check {
	c := api.Check{Name: "data directory", Status: api.CheckOK, Detail: "its keys are for their owner alone"}
	err := filepath.WalkDir(filepath.Join(data, "keys"), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
			c.Status, c.Detail, c.Do = api.CheckFail, "others may read a key: "+d.Name(), "chmod 600, and make a new key"
		}
		return err
	})
	switch {
	case errors.Is(err, os.ErrPermission):
		c.Status, c.Detail, c.Do = api.CheckWarn, "cannot be read", "run this as the user of the daemon"
	case errors.Is(err, os.ErrNotExist):
		c.Status, c.Detail, c.Do = api.CheckWarn, "has no keys", "name the directory of the daemon with --data"
	case err != nil:
		c.Status, c.Detail, c.Do = api.CheckFail, "cannot be read: "+err.Error(), "see its disk"
	}
	return c
}
