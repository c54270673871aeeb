package mcpbridge

import (
	"context"
	"encoding/json"

	"github.com/multimail/multimail/httpd/api"
)

// setup is the block that says that nobody has gone through the settings of a mailbox yet. It
// informs and stops nothing.
type setup struct {
	Required bool          `json:"setup_required"`
	Current  setupSettings `json:"current_settings"`
	Prompt   string        `json:"prompt"`
}

type setupSettings struct {
	OversightMode     string `json:"oversight_mode"`
	DisplayName       string `json:"display_name"`
	AutoCC            string `json:"auto_cc"`
	AutoBCC           string `json:"auto_bcc"`
	DefaultGateTiming string `json:"default_gate_timing"`
	SignatureBlock    string `json:"signature_block"`
}

const setupPrompt = "Nobody has gone through the settings of this mailbox yet. Show them to the user and ask whether " +
	"they are right, then call configure_mailbox with what shall change, or without settings. The call " +
	"went through all the same."

// nudged makes a call of the API, and says where the settings of its mailbox are still to be
// gone through. A credential that may not see them is told nothing.
func nudged[In, Out any](ctx context.Context, c api.Caller, op api.Op[In, Out], in In, box string,
	render func(In, Out) *Answer) (*Answer, error) {
	out, err := api.Call(ctx, c, op, in)
	if err != nil {
		return nil, err
	}
	a := render(in, out)
	m, err := api.Call(ctx, c, api.GetMailbox, api.MailboxRef{Mailbox: box})
	if err != nil || m.MCPConfigured {
		return a, nil
	}
	b, err := json.MarshalIndent(setup{Required: true, Prompt: setupPrompt, Current: setupSettings{
		OversightMode: m.OversightMode, DisplayName: m.DisplayName, AutoCC: m.AutoCC, AutoBCC: m.AutoBCC,
		DefaultGateTiming: m.DefaultGateTiming, SignatureBlock: m.SignatureBlock}}, "", "  ")
	if err != nil {
		return nil, err
	}
	a.Notes = append(a.Notes, string(b))
	return a, nil
}
