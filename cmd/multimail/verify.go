package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/multimail/multimail/sign"
)

type verifyCmd struct {
	File    string `arg:"" help:"Mail file; - for standard input."`
	Key     string `help:"File with the key: key document, JWK set or PEM." type:"path" placeholder:"FILE" xor:"source"`
	DNS     bool   `name:"dns" help:"Take the key from the DNS record of the domain instead." xor:"source,quiet"`
	Offline bool   `help:"Ask nobody: what needs a look-up is not checked." xor:"quiet"`
	Records string `help:"Records to use, not DNS: as domain records --bind prints them." type:"path" placeholder:"FILE"`

	Received time.Time `help:"When your own server stored it, should its key be compromised since." placeholder:"TIME"`
}

// Run checks the header against the key that the From domain publishes, and the
// DKIM signature against its records.
func (v verifyCmd) Run(e *environment) error {
	eml, err := v.read(e.in)
	if err != nil {
		return err
	}
	keys, source, err := v.keys(e)
	if err != nil {
		return err
	}
	keys.ReceivedAt = v.Received
	r := sign.Verify(eml, keys)
	report := r.Report(*source)
	err = e.print(report, func() error { return printReport(e, report) })
	if err == nil && !report.Valid {
		err = failures[r.Status]
	}
	return err
}

// failures are the errors of a mail that is not valid.
var failures = map[string]error{
	sign.Unbound: errors.New("this mail is not what its identity header was made for"),
	sign.Invalid: errors.New("the identity header is invalid"),
	sign.None:    errors.New("the mail has no identity header"),
}

// printReport prints the status, each check, what was not checked, what nothing
// covers, and what the domain states.
func printReport(e *environment, r sign.Report) error {
	lines := []string{r.Status, "  " + r.Summary}
	if r.KeySource != "" {
		lines = append(lines, "  key from "+r.KeySource)
	}
	for _, c := range r.Checks {
		mark := map[bool]string{true: "ok", false: "FAILED"}[c.OK]
		lines = append(lines, fmt.Sprintf("  %-14s %-6s %s", c.Name, mark, c.Detail))
	}
	if len(r.NotChecked) > 0 {
		lines = append(lines, "  not checked: "+joined(r.NotChecked))
	}
	if len(r.NotBound) > 0 {
		lines = append(lines, "  not bound: anybody may have written or changed "+joined(r.NotBound))
	}
	for _, text := range append(lines, stated(r.Claims)...) {
		if err := e.line("%s", printable(text)); err != nil {
			return err
		}
	}
	return nil
}

// stated words the claims of a token whose signature is good.
func stated(c *sign.Claims) []string {
	if c == nil {
		return nil
	}
	lines := []string{
		fmt.Sprintf("  the domain states: %s answers for %s", c.Operator, c.Subject),
		fmt.Sprintf("    oversight %s, released by %s (decided %s)", c.Mode, c.Approval.By,
			time.Unix(c.Approval.At, 0).UTC().Format(time.RFC3339)),
		fmt.Sprintf("    AI generated: %v, operator verified: %v, may: %s", c.AIGenerated, c.VerifiedOperator,
			strings.Join(c.Capabilities, " ")),
	}
	if c.AgentRef != "" {
		lines = append(lines, "    agent "+c.AgentRef)
	}
	return lines
}

// maxMailFile bounds what is read into memory: far more than any mail system takes.
const maxMailFile = 256 << 20

func (v verifyCmd) read(in io.Reader) ([]byte, error) {
	if v.File != "-" {
		return readFile(v.File)
	}
	return readAll(in)
}

// readFile reads a file that somebody named. A device or a FIFO may have no end, or
// no beginning: opening one waits where no signal ends it.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file; - reads a mail from standard input", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f)
}

func readAll(in io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(in, maxMailFile+1))
	if err == nil && len(b) > maxMailFile {
		err = fmt.Errorf("the file is larger than %d octets", maxMailFile)
	}
	return b, err
}
