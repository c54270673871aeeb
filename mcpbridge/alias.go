package mcpbridge

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// alias is a name that a tool once had. It is not listed, and stands for a tool that is.
type alias struct {
	to     string            // the tool
	action map[string]string // the tool by the argument action; instead of to
	set    map[string]string // arguments that the name says
	need   string            // an argument that the tool does without
}

// aliases are names of earlier versions of these tools.
var aliases = map[string]alias{
	"schedule_email":    {to: "send_email", need: "send_at"},
	"request_upgrade":   {to: "manage_upgrade", set: map[string]string{"action": "request"}},
	"apply_upgrade":     {to: "manage_upgrade", set: map[string]string{"action": "apply"}},
	"report_spam":       {to: "manage_spam_status", set: map[string]string{"action": "report"}},
	"not_spam":          {to: "manage_spam_status", set: map[string]string{"action": "clear"}},
	"check_suppression": {to: "list_suppression"},
	"tag_email":         {action: map[string]string{"set": "set_tags", "get": "get_tags", "delete": "delete_tag"}},
	"manage_contacts": {action: map[string]string{"add": "add_contact", "search": "search_contacts",
		"delete": "delete_contact"}},
	"manage_suppression": {action: map[string]string{"check": "list_suppression", "remove": "remove_suppression"}},
	"manage_webhooks":    {action: map[string]string{"list": "list_webhooks", "delete": "delete_webhook"}},
}

// EarlierNames returns the tools that each earlier name of one stands for, by the argument
// action; by "" where the name stands for one tool.
func EarlierNames() map[string]map[string]string {
	out := map[string]map[string]string{}
	for name, a := range aliases {
		if out[name] = a.action; a.action == nil {
			out[name] = map[string]string{"": a.to}
		}
	}
	return out
}

// current returns the tool and the arguments that a call means; a name that is no alias
// means itself. wrong says what is wrong with the arguments of an alias.
func current(name string, arguments json.RawMessage) (tool string, args json.RawMessage, wrong string) {
	a, ok := aliases[name]
	if !ok {
		return name, arguments, ""
	}
	given := map[string]json.RawMessage{}
	if len(arguments) > 0 && json.Unmarshal(arguments, &given) != nil {
		return name, arguments, "the arguments must be an object"
	}
	if given == nil { // null
		given = map[string]json.RawMessage{}
	}
	tool = a.to
	if a.action != nil {
		var action string
		_ = json.Unmarshal(given["action"], &action) // what is no text names no action
		if tool = a.action[action]; tool == "" {
			actions := make([]string, 0, len(a.action))
			for each := range a.action {
				actions = append(actions, each)
			}
			slices.Sort(actions)
			return name, arguments, "action must be one of " + strings.Join(actions, ", ")
		}
		delete(given, "action")
	}
	if _, ok := given[a.need]; a.need != "" && !ok {
		return name, arguments, "the argument " + a.need + " is missing"
	}
	for member, value := range a.set {
		given[member], _ = json.Marshal(value) // a text
	}
	args, _ = json.Marshal(given) // what was read as JSON
	return tool, args, ""
}

// renameCalls hands calls by an earlier name to the tool that there is now.
func renameCalls(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, r mcp.Request) (mcp.Result, error) {
		call, ok := r.(*mcp.CallToolRequest)
		if !ok || call.Params == nil {
			return next(ctx, method, r)
		}
		if _, ok := aliases[call.Params.Name]; !ok {
			return next(ctx, method, r)
		}
		tool, args, wrong := current(call.Params.Name, call.Params.Arguments)
		if wrong != "" {
			return coded(failed(wrong), codeInvalid), nil
		}
		params := *call.Params
		params.Name, params.Arguments = tool, args
		return next(ctx, method, &mcp.CallToolRequest{Session: call.Session, Params: &params, Extra: call.Extra})
	}
}
