package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/mail"
)

type approveCmd struct {
	IDs    []string `arg:"" name:"id" help:"Ids of held mail."`
	Digest string   `help:"Digest that was shown; for one mail." placeholder:"HEX"`
	Yes    bool     `short:"y" help:"Do not ask: take the digest that is read now."`
	Reason string   `help:"Goes to the audit log." placeholder:"TEXT"`
}

// Validate refuses what cannot be meant.
func (a approveCmd) Validate() error {
	if a.Digest == "" {
		return nil
	}
	if len(a.IDs) != 1 {
		return errors.New("--digest names one mail: give one ID")
	}
	_, err := mail.ParseDigest(a.Digest)
	if err != nil {
		return errors.New("--digest: a digest is 64 lowercase hex digits")
	}
	return nil
}

// outcome is the line or object for one of several decisions.
type outcome struct {
	ID     string `json:"id"`
	Status string `json:"status,omitempty"`
	State  string `json:"state,omitempty"`
	Digest string `json:"digest,omitempty"`
	Error  string `json:"error,omitempty"`
}

func (a approveCmd) Run(e *environment) error {
	if a.Digest == "" && !a.Yes && !e.asks(e.in) {
		return usageError{hinted{errors.New("nobody is there to ask"), "give --digest D, or --yes to take what is read now"}}
	}
	in := bufio.NewReader(e.in)
	return e.decide(a.IDs, func(c *api.Client, id string) (api.Verdict, error) {
		v := api.Verdict{EmailID: id, Action: "approve", Digest: a.Digest, Reason: a.Reason}
		if a.Digest != "" {
			return v, nil
		}
		r, err := c.Review(e.ctx, id)
		if err != nil {
			return v, err
		}
		v.Digest = r.Digest
		if a.Yes {
			return v, nil
		}
		if err := errors.Join(printReview(e.talk, r, false), printQuestion(e.talk, r)); err != nil {
			return v, err
		}
		answer, err := in.ReadString('\n')
		if strings.TrimSpace(answer) != "yes" {
			return v, errors.Join(errors.New("not approved"), err)
		}
		return v, nil
	})
}

type rejectCmd struct {
	IDs    []string `arg:"" name:"id" help:"Ids of held mail."`
	Reason string   `help:"The agent reads it in its notice." placeholder:"TEXT"`
	Digest string   `help:"Digest that was shown; for one mail." placeholder:"HEX"`
}

// Validate refuses what cannot be meant.
func (r rejectCmd) Validate() error { return approveCmd{IDs: r.IDs, Digest: r.Digest}.Validate() }

func (r rejectCmd) Run(e *environment) error {
	return e.decide(r.IDs, func(_ *api.Client, id string) (api.Verdict, error) {
		return api.Verdict{EmailID: id, Action: "reject", Digest: r.Digest, Reason: r.Reason}, nil
	})
}

// decide makes one decision after the other; one that fails hides none of the
// others.
func (e *environment) decide(ids []string, verdict func(*api.Client, string) (api.Verdict, error)) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	var failed error
	outcomes := make([]outcome, 0, len(ids))
	for _, id := range ids {
		o := outcome{ID: id}
		v, err := verdict(c, id)
		if err == nil {
			var d api.Decided
			d, err = c.Decide(e.ctx, v)
			o.Status, o.State, o.Digest = d.Status, d.State, v.Digest
		}
		if err = e.explain(err); err != nil {
			o.Error = err.Error()
			if len(ids) > 1 {
				fmt.Fprintf(e.talk, "%s: %s\n", printable(id), printable(o.Error))
				err = errors.New("not every mail was decided; see the lines above")
			}
			failed = err
		} else if !e.globals.JSON {
			if err := e.line("%s %s", printable(id), o); err != nil {
				return err
			}
		}
		outcomes = append(outcomes, o)
	}
	if e.globals.JSON {
		if err := e.json(outcomes); err != nil {
			return err
		}
	}
	return failed
}

func (o outcome) String() string { return o.Status + " (" + o.State + ")" }

// terminal reports whether somebody sits at the other end.
func terminal(in any) bool {
	f, ok := in.(*os.File)
	if !ok {
		return false
	}
	fi, err := f.Stat()
	return err == nil && fi.Mode()&os.ModeCharDevice != 0 && fi.Name() != "null"
}

func splitLines(s string) []string { return strings.Split(strings.TrimRight(s, "\n"), "\n") }
