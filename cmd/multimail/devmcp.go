package main

import (
	"os"
	"strings"

	"github.com/multimail/multimail/internal/daemon"
)

// mcpServer is how the settings of MCP clients name a server.
type mcpServer struct {
	Type    string            `json:"type,omitempty"`
	Command string            `json:"command,omitempty"`
	Args    []string          `json:"args,omitempty"`
	Env     map[string]string `json:"env,omitempty"`
	URL     string            `json:"url,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
}

// mcpClient is what one client is given: the file that its settings stand in, the
// settings, a command, or the address of a document. docs/clients has a page for each.
type mcpClient struct {
	File     string         `json:"file,omitempty"`
	Settings map[string]any `json:"settings,omitempty"`
	Command  string         `json:"command,omitempty"`
	// Env is the environment that the program of its page reads.
	Env      map[string]string `json:"env,omitempty"`
	URL      string            `json:"url,omitempty"`
	Document string            `json:"document,omitempty"`
	Note     string            `json:"note,omitempty"`
}

// printMCPSettings prints the settings that most MCP clients read, over stdio and over
// HTTP, and those of each client by its name.
func printMCPSettings(e *environment, i daemon.DevInfo) error {
	program, args, err := bridgeCommand()
	if err != nil {
		return err
	}
	env := map[string]string{"MULTIMAIL_URL": i.HTTP, "MULTIMAIL_API_KEY": i.AgentKey}
	plain := mcpServer{Command: program, Args: args, Env: env}
	stdio := mcpServer{Type: "stdio", Command: program, Args: args, Env: map[string]string{
		"MULTIMAIL_URL": i.HTTP, "MULTIMAIL_API_KEY": i.AgentKey, "MULTIMAIL_MAILBOX_ID": i.Mailbox}}
	key := "Authorization: Bearer " + i.AgentKey
	http := mcpServer{URL: i.HTTP + "/mcp", Headers: map[string]string{"Authorization": "Bearer " + i.AgentKey}}
	typed := http
	typed.Type = "http"
	const public = "it calls from the cloud: give the server a public name first"
	one := func(list string, s mcpServer) map[string]any {
		return map[string]any{list: map[string]mcpServer{"multimail": s}}
	}
	return e.json(map[string]any{
		"mcpServers": map[string]mcpServer{"multimail": stdio, "multimail-http": typed},
		"clients": map[string]mcpClient{
			"claude": {File: "claude_desktop_config.json", Settings: one("mcpServers", plain),
				Command: "claude mcp add --transport http multimail " + http.URL + " --header " + quote(key)},
			"vscode": {File: ".vscode/mcp.json", Settings: one("servers", typed)},
			"cursor": {File: ".cursor/mcp.json", Settings: one("mcpServers", http)},
			"inspector": {Command: "npx @modelcontextprotocol/inspector --cli " + http.URL + " --transport http --header " +
				quote(key) + " --method tools/list"},
			"typescript":     {URL: http.URL, Env: env, Document: i.HTTP + "/swagger.json"},
			"python":         {URL: http.URL, Env: env, Document: i.HTTP + "/swagger.json"},
			"foundry":        {URL: http.URL, Note: public},
			"copilot-studio": {URL: http.URL, Document: i.HTTP + "/swagger-mcp.json", Note: public},
		},
	})
}

// bridgeCommand is how a client starts the bridge on stdio: this program, or what `go
// run` made it from, since that is gone when it ends.
func bridgeCommand() (program string, args []string, err error) {
	self, err := os.Executable()
	if err != nil || !strings.Contains(self, "/go-build") {
		return self, []string{"mcp"}, err
	}
	wd, err := os.Getwd()
	return "go", []string{"-C", wd, "run", "./cmd/multimail", "mcp"}, err
}
