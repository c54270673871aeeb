package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

func TestExitStatuses(t *testing.T) {
	empty := shortDir(t)
	for _, c := range []struct {
		name   string
		args   []string
		code   int
		stderr string
	}{
		{"nothing to do is wrong usage", nil, exitUsage, "error: "},
		{"an unknown command", []string{"fly"}, exitUsage, "error: "},
		{"an unknown flag", []string{"pending", "--fast"}, exitUsage, "--fast"},
		{"a missing argument", []string{"show"}, exitUsage, "<id>"},
		{"a mode that does not exist", []string{"mailbox", "mode", "a@b.test", "free"}, exitUsage, "read_only"},
		{"serve without a choice", []string{"serve"}, exitUsage, "either --dev or --config"},
		{"serve with both", []string{"serve", "--dev", "--config", "x"}, exitUsage, "either --dev or --config"},
		{"a dev flag outside dev mode", []string{"serve", "--config", "x", "--ports", "auto"}, exitUsage, "belong to --dev"},
		{"a next hop without a port", []string{"serve", "--dev", "--next-hop", "mx"}, exitUsage, "HOST:PORT"},
		{"a negative hold", []string{"serve", "--dev", "--approval-ttl=-1s"}, exitUsage, "positive"},
		{"a digest for two mails", []string{"approve", "A", "B", "--digest", strings.Repeat("0", 64)}, exitUsage, "one mail"},
		{"half a digest", []string{"approve", "A", "--digest", "00"}, exitUsage, "64 lowercase hex digits"},
		{"an approval that nobody can confirm", []string{"approve", "A"}, exitUsage, "hint: give --digest D"},
		{"a daemon elsewhere without a key", []string{"pending", "--url", "http://127.0.0.1:1"},
			exitUsage, "needs --key-file"},
		{"a checkpoint that is none", []string{"audit", "verify", "--known", "dev:1"}, exitUsage, "CHAIN:SIZE:ROOT"},
		{"no daemon", []string{"pending", "--data", empty}, exitFailed, "hint: start one"},
		{"no daemon to decide", []string{"approve", "A", "--yes", "--data", empty},
			exitFailed, "no daemon answers for " + empty},
		{"no dev daemon", []string{"dev-env", "--data", empty}, exitFailed, "hint: start one"},
		{"no such key file", []string{"pending", "--data", empty, "--key-file", "/nowhere/key"}, exitFailed, "/nowhere/key"},
		{"no such export", []string{"audit", "verify", "/nowhere/log"}, exitFailed, "/nowhere/log"},
		{"no such mail file", []string{"verify", "/nowhere/mail"}, exitFailed, "/nowhere/mail"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := call(t, c.args...).want(t, c.code, c.stderr)
			if a.out != "" {
				t.Errorf("stdout says %q", a.out)
			}
			if n := strings.Count(a.stderr, "\n"); n > 2 || !strings.HasPrefix(a.stderr, "error: ") {
				t.Errorf("more than an error and a hint:\n%s", a.stderr)
			}
		})
	}
}

func TestRunIsTheSameWithoutAnEnvironment(t *testing.T) {
	var out, stderr bytes.Buffer
	code := run(t.Context(), []string{"fly"}, strings.NewReader(""), &out, &stderr, os.Getenv)
	if code != exitUsage || out.Len() > 0 {
		t.Errorf("exit %d, %s", code, &out)
	}
}

func TestHelpIsAResultAndNoError(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"serve", "--help"}, {"mail", "--help"}, {"mailbox", "mode", "-h"}} {
		a := call(t, args...).want(t, exitDone)
		if !strings.Contains(a.out, "Usage: multimail") || a.stderr != "" {
			t.Errorf("%v: %s%s", args, a.out, a.stderr)
		}
	}
}

func TestCompletionLinesAreForTheShellThatIsNamed(t *testing.T) {
	t.Setenv("SHELL", "/usr/bin/zsh")
	for arg, want := range map[string]string{
		"bash": "complete -C ", "zsh": "bashcompinit", "fish": "complete -f -c multimail", "": "bashcompinit",
	} {
		args := []string{"completion"}
		if arg != "" {
			args = append(args, arg)
		}
		if a := call(t, args...).want(t, exitDone); !strings.Contains(a.out, want) || strings.Count(a.out, "\n") != 1 {
			t.Errorf("%s: %s", arg, a.out)
		}
	}
	t.Setenv("SHELL", "/bin/odd")
	call(t, "completion").want(t, exitUsage, "hint: name one")
	call(t, "completion", "ksh").want(t, exitUsage)
}

func TestAShellIsToldWhatMayFollow(t *testing.T) {
	for line, want := range map[string][]string{
		"multimail ap":                      {"approve"},
		"multimail mail ":                   {"list", "show", "hold", "cancel", "retry"},
		"multimail serve --ne":              {"--next-hop"},
		"multimail mailbox mode a@b.test g": {"gated_all", "gated_send"},
	} {
		t.Setenv("COMP_LINE", line)
		// A shell passes words of its own, which are no command line of ours.
		a := call(t, "multimail", "word", "before").want(t, exitDone)
		got := strings.Fields(a.out)
		for _, w := range want {
			if !strings.Contains(" "+strings.Join(got, " ")+" ", " "+w+" ") {
				t.Errorf("%q: no %s in %v", line, w, got)
			}
		}
		if a.stderr != "" {
			t.Errorf("%q: the terminal shows %s", line, a.stderr)
		}
	}
}

func TestHiddenRunesInErrorsAreShownAndNotObeyed(t *testing.T) {
	a := call(t, "pending", "--data", filepath.Join(shortDir(t), "a\x1b[2Jb\u202ec")).want(t, exitFailed)
	harmless(t, a.stderr)
}

func TestTheManualNamesEveryCommand(t *testing.T) {
	page, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	parser, err := kong.New(&commands{}, kong.Name("multimail"), globalsHelp)
	if err != nil {
		t.Fatal(err)
	}
	for _, leaf := range parser.Model.Leaves(true) {
		name, _, _ := strings.Cut(leaf.Path(), " <")
		name, _, _ = strings.Cut(name, " [")
		if !strings.Contains(string(page), "`"+name) {
			t.Errorf("docs/cli.md does not name %s", name)
		}
	}
}
