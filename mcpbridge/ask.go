package mcpbridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	questionTime    = 45 * time.Second // a client may take to answer
	maxQuestions    = 5                // of one credential that wait for an answer
	maxAllQuestions = 200              // of all together
	maxReply        = 8000             // characters of a text that a person gives
	maxChoices      = 50               // mailboxes to choose from
	questionID      = "missing"        // of the one question of a call
)

// askable are the parameters that a person may be asked for, by tool. What is not here is asked for
// of nobody: a person at the client of the agent is the agent's principal, and neither decides
// nor loosens nor proves anything there.
var askable = map[string][]string{
	"send_email":          {"mailbox_id", "to", "subject", "markdown"},
	"reply_email":         {"mailbox_id", "markdown"},
	"check_inbox":         {"mailbox_id"},
	"read_email":          {"mailbox_id"},
	"get_thread":          {"mailbox_id"},
	"download_attachment": {"mailbox_id"},
	"wait_for_email":      {"mailbox_id"},
}

// questions are what a person is shown of a parameter. All are texts, since a form has no lists.
var questions = map[string]jsonschema.Schema{
	"mailbox_id": {Title: "Mailbox", Description: "which mailbox this is about"},
	"to":         {Title: "To", Description: "addresses of recipients, with commas between them"},
	"subject":    {Title: "Subject", Description: "one line"},
	"markdown":   {Title: "Text", Description: "the text of the mail, in Markdown"},
}

// ask has a person complete the arguments of a call, which are wrong, where something is left
// out that may be asked for and the client can ask. What they answer is taken as if it had been
// given at first. out, if it is not nil, is the answer to the call.
func (b *Bridge) ask(
	ctx context.Context, t Tool, of *session, r *mcp.CallToolRequest, wrong error,
) (in any, out *mcp.CallToolResult) {
	missing := t.missing(of, r.Params.Arguments)
	if len(missing) == 0 || !takesForms(r.ClientCapabilities()) {
		return nil, coded(failed(wrong.Error()), codeInvalid)
	}
	given, asked := r.Params.InputResponses[questionID]
	if !asked {
		q := question(t.op.Name, of, missing)
		if r.ProtocolVersion() >= modernVersion { // the client asks, and calls again
			return nil, &mcp.CallToolResult{InputRequests: mcp.InputRequestMap{questionID: q}}
		}
		var err error
		if given, err = b.elicit(ctx, of, r.Session, q); err != nil {
			return nil, coded(failed("nobody answered what was asked: give "+strings.Join(missing, ", ")+" in the arguments"),
				codeInvalid)
		}
	}
	args, err := complete(r.Params.Arguments, of, missing, given)
	if err == nil {
		in, err = t.op.DecodeArguments(args, of.fill)
	}
	if err != nil {
		return nil, coded(failed(err.Error()), codeInvalid)
	}
	return in, nil
}

// takesForms reports whether a client shows forms to a person. In its first version the
// capability had no members, and meant forms.
func takesForms(c *mcp.ClientCapabilities) bool {
	return c != nil && c.Elicitation != nil && (c.Elicitation.Form != nil || c.Elicitation.URL == nil)
}

// missing returns the parameters of a call to ask for: none where anything else is missing too.
func (t Tool) missing(of *session, arguments json.RawMessage) (missing []string) {
	may := askable[t.op.Name]
	if may == nil {
		return nil
	}
	for _, name := range t.op.MissingArguments(arguments) {
		if name == "mailbox_id" {
			if _, err := of.fill(name); err == nil {
				continue
			}
			if n := len(of.who.Mailboxes); n == 0 || n > maxChoices {
				return nil
			}
		}
		if !slices.Contains(may, name) {
			return nil
		}
		missing = append(missing, name)
	}
	return missing
}

// question is the form for what is missing. It holds nothing that came from the client.
func question(tool string, of *session, missing []string) *mcp.ElicitParams {
	form := &jsonschema.Schema{Type: "object", Properties: map[string]*jsonschema.Schema{}, Required: missing,
		PropertyOrder: missing}
	for _, name := range missing {
		p := questions[name]
		p.Type = "string"
		if name == "mailbox_id" {
			for _, box := range of.who.Mailboxes {
				p.Enum = append(p.Enum, box)
			}
		} else {
			p.MinLength, p.MaxLength = jsonschema.Ptr(1), jsonschema.Ptr(maxReply)
		}
		form.Properties[name] = &p
	}
	return &mcp.ElicitParams{Mode: "form", RequestedSchema: form, Message: "The agent called " + tool +
		" and left something out. What you give is used for this call alone."}
}

// elicit asks a client of the era with sessions, and waits for the answer within bounds.
func (b *Bridge) elicit(
	ctx context.Context, of *session, s *mcp.ServerSession, q *mcp.ElicitParams,
) (*mcp.ElicitResult, error) {
	leave, ok := b.questions.enter(of.who.Credential)
	if !ok {
		return nil, errors.New("mcpbridge: too many questions wait for an answer")
	}
	defer leave()
	ctx, stop := context.WithTimeout(ctx, questionTime)
	defer stop()
	return s.Elicit(ctx, q)
}

// complete adds an answer to the arguments of a call.
func complete(
	arguments json.RawMessage, of *session, missing []string, given mcp.InputResponse,
) (json.RawMessage, error) {
	answer, ok := given.(*mcp.ElicitResult)
	if !ok || answer.Action != "accept" {
		return nil, errors.New("the person did not answer, so nothing was done; do not ask them again for this")
	}
	args := map[string]json.RawMessage{}
	if err := json.Unmarshal(arguments, &args); err != nil && len(arguments) > 0 {
		return nil, errors.New("the arguments must be an object")
	}
	if args == nil { // null
		args = map[string]json.RawMessage{}
	}
	for name := range answer.Content {
		if !slices.Contains(missing, name) {
			return nil, errors.New("the answer of the person holds more than was asked for")
		}
	}
	for _, name := range missing {
		text, ok := answer.Content[name].(string)
		switch {
		case !ok || text == "":
			return nil, fmt.Errorf("the person gave no text for %s", name)
		case utf8.RuneCountInString(text) > maxReply:
			return nil, fmt.Errorf("the person gave more than %d characters for %s", maxReply, name)
		case name == "mailbox_id" && !slices.Contains(of.who.Mailboxes, text):
			return nil, errors.New("the person chose a mailbox that this key does not have")
		}
		var value any = text
		if name == "to" {
			value = addresses(text)
		}
		args[name], _ = json.Marshal(value) // texts
	}
	return json.Marshal(args)
}

// addresses takes a list that a person wrote apart. Whether they are addresses is for the API.
func addresses(text string) []string {
	list := strings.Split(text, ",")
	for i := range list {
		list[i] = strings.Trim(list[i], " ")
	}
	return list
}
