package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/multimail/multimail/internal/config"
	"github.com/multimail/multimail/internal/oauth"
)

type doctorTokenCmd struct {
	File   string `arg:"" optional:"" default:"-" help:"File with the token; - for standard input."`
	Config string `help:"Configuration file of the daemon." type:"path" placeholder:"FILE" required:""`
}

// tokenReport is what `doctor token --json` prints. The token is not in it.
type tokenReport struct {
	Accepted bool `json:"accepted"`
	oauth.Explanation
	Says *tokenSays `json:"says,omitempty"` // of an accepted token
}

// tokenSays is what an accepted token says.
type tokenSays struct {
	Issuer    string        `json:"issuer"`
	Tenant    string        `json:"tenant,omitempty"`
	Shape     oauth.Shape   `json:"shape"`
	Object    string        `json:"object"`
	Client    string        `json:"client"`
	Blueprint string        `json:"blueprint,omitempty"`
	Scopes    []oauth.Scope `json:"scopes"`
	Expires   time.Time     `json:"expires"` // with skew
}

// maxTokenFile bounds what is read: more than a token may have, so that one that is
// too long is called so.
const maxTokenFile = 1 << 20

// tokenTime is how long the issuers are waited for.
const tokenTime = 15 * time.Second

// Run judges a token as the daemon would, and names what to change.
func (d doctorTokenCmd) Run(e *environment) error {
	issuers, err := config.ReadIssuers(d.Config)
	if err != nil {
		return err
	}
	if len(issuers) == 0 {
		return hinted{errors.New("the configuration has no issuer, so no token is accepted"),
			"add an [[issuer]]; docs/entra.md has an example"}
	}
	token, err := d.read(e.in)
	if err != nil {
		return err
	}
	v, err := oauth.New(oauth.Options{Issuers: issuers, Now: time.Now, Trusted: func() bool { return true },
		Log: slog.New(slog.NewTextHandler(e.stderr, nil)), Count: func(string) {}})
	if err != nil {
		return err
	}
	defer v.Close()
	ctx, cancel := context.WithTimeout(e.ctx, tokenTime)
	defer cancel()
	r := tokenReport{Explanation: v.Explain(ctx, token)}
	if r.Accepted = r.Failed == ""; r.Accepted {
		t := r.Token
		r.Says = &tokenSays{t.Issuer, t.Tenant, t.Shape, t.Object, t.Client, t.Blueprint, t.Scopes, t.Expires}
	}
	err = e.print(r, func() error { return printToken(e, r) })
	if err == nil && !r.Accepted {
		err = fmt.Errorf("the token is not accepted: its %s is not as it must be", r.Failed)
	}
	return err
}

func (d doctorTokenCmd) read(in io.Reader) (string, error) {
	if d.File != "-" {
		f, err := os.Open(d.File)
		if err != nil {
			return "", err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxTokenFile))
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(b))
	if scheme, rest, ok := strings.Cut(token, " "); ok && strings.EqualFold(scheme, "bearer") {
		token = strings.TrimSpace(rest) // copied from a header
	}
	if token == "" {
		return "", usageError{errors.New("no token in the input")}
	}
	return token, nil
}

// printToken prints the claims, each check, and what an accepted token says.
func printToken(e *environment, r tokenReport) error {
	p := newPrinter(e.out)
	for _, name := range slices.Sorted(maps.Keys(r.Claims)) {
		p.behind(fmt.Sprintf("  %-16s ", name), strings.Repeat(" ", 19), r.Claims[name])
	}
	marks := map[string]string{"pass": "ok", "fail": "FAILED", "skipped": "-"}
	for _, c := range r.Results {
		p.behind(fmt.Sprintf("%-12s %-7s", c.Check, marks[c.State]), strings.Repeat(" ", 20), c.Hint)
	}
	if r.Says != nil {
		s := r.Says
		p.field("issuer", s.Issuer)
		p.field("shape", string(s.Shape))
		p.field("tenant", s.Tenant)
		p.field("object", s.Object)
		p.field("client", s.Client)
		p.field("may", fmt.Sprint(s.Scopes))
		p.line("Accepted. It gets nothing until an agent or an approver is bound to it.")
	}
	return p.err
}
