package main

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"

	"github.com/multimail/multimail/internal/daemon"
)

type devEnvCmd struct {
	MCP bool `name:"mcp" help:"Print settings for MCP clients instead."`
}

func (d devEnvCmd) Run(e *environment) error {
	data, err := filepath.Abs(e.globals.Data)
	if err != nil {
		return err
	}
	info, found, err := daemon.ReadDev(data)
	if err != nil {
		return err
	}
	if !found {
		return hinted{errors.New("no dev daemon has run in " + data),
			"start one with `multimail serve --dev`, or name its directory with --data DIR"}
	}
	if d.MCP {
		return printMCPSettings(e, info)
	}
	return printShellSettings(e, info, data)
}

// printShellSettings prints assignments for eval: the authority for the libraries that read
// one from the environment, and the submission settings.
func printShellSettings(e *environment, i daemon.DevInfo, data string) error {
	host, port, err := net.SplitHostPort(i.Submission)
	if err != nil {
		return err
	}
	_, tlsPort, err := net.SplitHostPort(i.Submissions)
	if err != nil {
		return err
	}
	_, inbound, err := net.SplitHostPort(i.Inbound)
	if err != nil {
		return err
	}
	vars := [][2]string{
		{"SSL_CERT_FILE", i.CAFile}, {"CURL_CA_BUNDLE", i.CAFile},
		{"REQUESTS_CA_BUNDLE", i.CAFile}, {"NODE_EXTRA_CA_CERTS", i.CAFile},
		{"SMTP_HOST", host}, {"SMTP_PORT", port}, {"SMTP_TLS_PORT", tlsPort},
		{"INBOUND_PORT", inbound},
		{"SMTP_USERNAME", i.Username}, {"SMTP_PASSWORD", i.Password}, {"SMTP_FROM", i.Mailbox},
		{"MULTIMAIL_URL", i.HTTP}, {"MULTIMAIL_API_KEY", i.AgentKey}, {"MULTIMAIL_DATA", data},
	}
	if e.globals.JSON {
		m := map[string]string{}
		for _, v := range vars {
			m[v[0]] = v[1]
		}
		return e.json(m)
	}
	for _, v := range vars {
		// Exact octets: a shell reads this.
		if _, err := fmt.Fprintf(e.out, "export %s=%s\n", v[0], quote(v[1])); err != nil {
			return err
		}
	}
	return nil
}

// shellWord is quote for what looks nicer bare.
func shellWord(s string) string {
	if s != "" && strings.Trim(s, "/._-+abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == "" {
		return s
	}
	return quote(s)
}

// quote makes one word of s for a POSIX shell.
func quote(s string) string {
	return fmt.Sprintf("'%s'", strings.ReplaceAll(s, "'", `'\''`))
}
