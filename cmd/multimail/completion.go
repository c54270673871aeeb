package main

import (
	"errors"
	"os"
	"path/filepath"
)

type completionCmd struct {
	Shell string `arg:"" optional:"" enum:"bash,zsh,fish," default:"" help:"bash, zsh or fish; left out: what SHELL names."`
}

// completionLines turn completion on; the shell then calls this program with
// the line so far in COMP_LINE.
var completionLines = map[string]string{
	"bash": "complete -C %s multimail",
	"zsh":  "autoload -U +X bashcompinit && bashcompinit; complete -C %s multimail",
	"fish": `complete -f -c multimail -a "(COMP_LINE=(commandline -cp) %s)"`,
}

func (c completionCmd) Run(e *environment) error {
	shell := c.Shell
	if shell == "" {
		shell = filepath.Base(os.Getenv("SHELL"))
	}
	line, ok := completionLines[shell]
	if !ok {
		return usageError{hinted{errors.New("no completion for this shell"), "name one: multimail completion bash"}}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return e.line(line, shellWord(self))
}
