package main

import (
	"errors"
	"net/http"
	"os"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/mcpbridge"
)

// version is set by the linker at a release.
var version = "dev"

type mcpCmd struct{}

// Run bridges an MCP client on stdio. Who it speaks for comes from the
// environment, where MCP clients keep credentials, and from nowhere else.
func (mcpCmd) Run(e *environment) error {
	base, key := os.Getenv("MULTIMAIL_URL"), os.Getenv("MULTIMAIL_API_KEY")
	if base == "" || key == "" {
		return usageError{hinted{errors.New("MULTIMAIL_URL and MULTIMAIL_API_KEY are required"),
			"`multimail dev-env --mcp` prints settings for a dev daemon"}}
	}
	err := mcpbridge.Stdio(e.ctx, api.New(base, key), os.Getenv("MULTIMAIL_MAILBOX_ID"), version, e.in, e.out)
	if e.ctx.Err() != nil {
		return nil
	}
	return e.explain(err)
}

// mcpHandler makes the handler of /mcp; its API calls do not touch a socket.
func mcpHandler(maxMail int64) func(*http.Client) http.Handler {
	return func(hc *http.Client) http.Handler {
		return mcpbridge.Handler("http://multimail", hc, maxMail, version)
	}
}
