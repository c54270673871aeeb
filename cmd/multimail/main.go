// Command multimail is the whole product in one binary: the daemon, the bridge
// for MCP agents, and the command line of the people who answer for them.
//
//	multimail serve --dev        everything embedded, on loopback
//	multimail pending            what waits for a decision
//	multimail approve ID         asks, showing the digest
//
// Results go to stdout, everything else to stderr. Exit status: 0 done, 1 refused or
// failed, 2 wrong usage. An error is one line, then perhaps a hint.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/willabides/kongplete"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
}

// Exit statuses.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// hinted is an error with a line that says what to do about it.
type hinted struct {
	err  error
	hint string
}

func (h hinted) Error() string { return h.err.Error() }
func (h hinted) Unwrap() error { return h.err }
func (h hinted) Hint() string  { return h.hint }

// usageError is a mistake in how the command was called.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

// run is main without the process, so that tests can call it.
func run(ctx context.Context, args []string, in io.Reader, out, stderr io.Writer, getenv func(string) string) int {
	e := &environment{ctx: ctx, in: in, out: out, stderr: stderr, asks: terminal, getenv: getenv}
	return e.run(args)
}

// run carries out one command line and returns the exit status.
func (e *environment) run(args []string) (code int) {
	defer func() {
		if r := recover(); r != nil {
			x, ok := r.(exited)
			if !ok {
				panic(r)
			}
			code = x.code
		}
	}()
	var cli commands
	parser, err := kong.New(&cli,
		kong.Name("multimail"),
		kong.Description("Governed e-mail for AI agents."),
		kong.Writers(e.out, e.stderr),
		kong.Exit(func(code int) { panic(exited{code}) }),
		kong.Bind(e),
		globalsHelp,
		kong.Resolvers(fromEnvironment(e.getenv)),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
	)
	if err != nil {
		fmt.Fprintln(e.stderr, "error:", err)
		return exitUsage
	}
	kongplete.Complete(parser) // exits if a shell asked for it
	kctx, err := parser.Parse(args)
	if err != nil {
		return report(e.stderr, usageError{err})
	}
	e.globals = cli.Globals
	// Of args: the path of kong has the flags of the environment, too.
	e.dataGiven = slices.ContainsFunc(args, func(a string) bool {
		return a == "--data" || strings.HasPrefix(a, "--data=")
	})
	return report(e.stderr, kctx.Run())
}

// fromEnvironment sets flags that the command line does not from the variables
// that their tags name.
func fromEnvironment(getenv func(string) string) kong.Resolver {
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		for _, name := range flag.Tag.Envs {
			if v := getenv(name); v != "" {
				return v, nil
			}
		}
		return nil, nil
	})
}

// exited unwinds the exits of kong and kongplete: help and completion.
type exited struct{ code int }

// report prints an error as one line, then its hint, and returns the status.
func report(stderr io.Writer, err error) int {
	if err == nil {
		return exitDone
	}
	fmt.Fprintln(stderr, "error:", printable(err.Error()))
	var h interface{ Hint() string } // ours, or that of the daemon
	if errors.As(err, &h) {
		fmt.Fprintln(stderr, "hint:", printable(h.Hint()))
	}
	var u usageError
	if errors.As(err, &u) {
		return exitUsage
	}
	return exitFailed
}
