package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/signin"
	"github.com/multimail/multimail/mcpbridge"
)

// signInTime is how long a person may take with the browser.
const signInTime = 10 * time.Minute

type mcpCmd struct {
	SignIn bool `help:"Sign in with a browser now, keep the token, and end."`
}

// Run bridges an MCP client on stdio. Who it speaks for comes from the environment, where MCP
// clients keep credentials: a key, or else the token of whoever signed in.
func (m mcpCmd) Run(e *environment) error {
	base, key := e.getenv("MULTIMAIL_URL"), e.getenv("MULTIMAIL_API_KEY")
	switch {
	case base == "":
		return usageError{hinted{errors.New("MULTIMAIL_URL is required"),
			"`multimail dev-env --mcp` prints settings for a dev daemon"}}
	case m.SignIn && key != "":
		return usageError{errors.New("--sign-in is for a program without MULTIMAIL_API_KEY")}
	}
	c := api.New(base, key)
	remote := mcpbridge.NewRemote(c, c)
	defer remote.Close()
	var caller api.Caller = remote
	if key == "" {
		if err := m.signIn(e, c); err != nil {
			return e.explainSignIn(err)
		}
		caller = signedIn{c} // without notifications: its token is for the API, and not for /mcp
	}
	if m.SignIn {
		return nil
	}
	bridge, err := mcpbridge.New(api.Operations, mcpbridge.Tools(), version)
	if err == nil {
		err = bridge.Stdio(e.ctx, caller, e.getenv("MULTIMAIL_MAILBOX_ID"), e.in, e.out)
	}
	if e.ctx.Err() != nil {
		return nil
	}
	return e.explainSignIn(err)
}

// signIn gives c the token of whoever signed in, and has a person sign in where there is none
// that is good.
func (m mcpCmd) signIn(e *environment, c *api.Client) error {
	file, err := e.tokenFile(c.Base)
	if err != nil {
		return err
	}
	k, err := signin.New(signin.Options{Base: c.Base, File: file, Client: e.getenv("MULTIMAIL_CLIENT_ID"), Now: time.Now,
		Show: func(page string) {
			fmt.Fprintf(e.stderr, "To sign in, open this page in a browser on this machine:\n\n  %s\n\n", page)
			openBrowser(page)
		}})
	if err != nil {
		return err
	}
	c.HTTP.Transport = k.Transport()
	if !m.SignIn {
		if _, err = api.Call(e.ctx, c, api.Whoami, api.None{}); !needsSignIn(err) {
			return err
		}
	}
	ctx, stop := context.WithTimeout(e.ctx, signInTime)
	defer stop()
	if err := k.SignIn(ctx); err != nil {
		return err
	}
	who, err := api.Call(e.ctx, c, api.Whoami, api.None{})
	if err == nil {
		fmt.Fprintf(e.stderr, "Signed in for the %s %s. The token is in %s.\n", who.Kind, who.Name, file)
	}
	return err
}

// needsSignIn reports whether a person has to sign in before anything else can be done.
func needsSignIn(err error) bool {
	var refused *api.Error
	return errors.Is(err, signin.ErrNobody) || errors.Is(err, signin.ErrOver) ||
		errors.As(err, &refused) && refused.Status == http.StatusUnauthorized
}

// signedIn says to the agent what a person has to do when the sign-in is over.
type signedIn struct{ api.Caller }

// Do implements api.Caller.
func (s signedIn) Do(ctx context.Context, op *api.Operation, in any) (any, error) {
	out, err := s.Caller.Do(ctx, op, in)
	if needsSignIn(err) {
		err = &api.Error{Status: http.StatusUnauthorized, Message: "the sign-in is over", Hint: "a person has to run: " +
			"multimail mcp --sign-in"}
	}
	return out, err
}

// explainSignIn is explain for a program that a person signs in for.
func (e *environment) explainSignIn(err error) error {
	switch {
	case errors.Is(err, signin.ErrNobody), errors.Is(err, signin.ErrOver):
		return hinted{err, "run: multimail mcp --sign-in"}
	case errors.Is(err, context.DeadlineExceeded):
		return hinted{errors.New("nobody has signed in"), "run: multimail mcp --sign-in"}
	}
	return e.explain(err)
}

// tokenFile is where the token for a server is kept.
func (e *environment) tokenFile(base string) (string, error) {
	if file := e.getenv("MULTIMAIL_TOKEN_FILE"); file != "" {
		return filepath.Abs(file)
	}
	u, err := url.Parse(base)
	if err != nil {
		return "", signin.ErrAddress
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", hinted{err, "name a file with MULTIMAIL_TOKEN_FILE"}
	}
	name := strings.NewReplacer(":", "_", "[", "", "]", "").Replace(u.Host)
	return filepath.Join(dir, "multimail", name+".json"), nil
}

// openBrowser tries to open a page; its address was printed too.
func openBrowser(page string) {
	program := "xdg-open"
	if runtime.GOOS == "darwin" {
		program = "open"
	}
	c := exec.Command(program, page) // its output goes nowhere: stdout belongs to the MCP client
	if c.Start() == nil {
		go c.Wait() //nolint: it does not matter how it ends
	}
}
