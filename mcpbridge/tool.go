package mcpbridge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/multimail/multimail/httpd/api"
)

// Tool is an operation of the API with what renders its answer for a model. All
// else of it (its name, texts, hints, schemas and scopes) stands in the table.
type Tool struct {
	op   *api.Operation
	call func(ctx context.Context, c api.Caller, in any) (*Answer, error)
}

// Render makes a tool of one call of the API.
func Render[In, Out any](op api.Op[In, Out], render func(In, Out) *Answer) Tool {
	return Compose(op, func(ctx context.Context, c api.Caller, in In) (*Answer, error) {
		out, err := api.Call(ctx, c, op, in)
		if err != nil {
			return nil, err
		}
		return render(in, out), nil
	})
}

// Compose makes a tool whose answer takes more than one call.
func Compose[In, Out any](op api.Op[In, Out], answer func(context.Context, api.Caller, In) (*Answer, error)) Tool {
	return Tool{op: op.Operation, call: func(ctx context.Context, c api.Caller, in any) (*Answer, error) {
		return answer(ctx, c, in.(In))
	}}
}

// describe returns the description of a tool for clients.
func (t Tool) describe() *mcp.Tool {
	of := t.op.Tool
	d := &mcp.Tool{Name: t.op.Name, Title: of.Title, Description: of.Description,
		InputSchema: t.op.ToolInput(), OutputSchema: t.op.ToolOutput(),
		Annotations: &mcp.ToolAnnotations{Title: of.Title, ReadOnlyHint: of.ReadOnly, IdempotentHint: of.Idempotent}}
	if !of.ReadOnly {
		d.Annotations.DestructiveHint = &of.Destructive
	}
	return d
}

// handle carries out one call of a tool, whose arguments have been decoded. That is done without the SDK's typed
// tools, which check arguments against the schema before anyone could read null as absence or a
// text as a list. held, if it is not nil, becomes the mail that waits for a human.
func (t Tool) handle(ctx context.Context, s *session, in any, held *taskMail) (*mcp.CallToolResult, error) {
	a, err := t.call(ctx, s.c, in)
	if waits := (*api.PendingApproval)(nil); errors.As(err, &waits) {
		a, err = &Answer{Data: *waits, Notes: []string{waits.Message}}, nil
	}
	if err != nil {
		return coded(failed(explain(err)), codeOf(err)), nil
	}
	if held != nil && a.held != nil {
		*held = *a.held
	}
	return a.result()
}

// codeInvalid is the code of arguments that the schema does not take.
const codeInvalid = "invalid"

// codeOf is the code that the API gives an error, "" where it did not answer.
func codeOf(err error) string {
	if e := (*api.Error)(nil); errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// coded puts the code of an error beside its words, for programs.
func coded(r *mcp.CallToolResult, code string) *mcp.CallToolResult {
	if code != "" {
		r.Meta = mcp.Meta{"code": code}
	}
	return r
}

// failed is a tool's error: words for the model, not an error of the protocol.
func failed(text string) *mcp.CallToolResult {
	f := newFramer()
	r := &mcp.CallToolResult{IsError: true, Content: []mcp.Content{&mcp.TextContent{Text: f.text(text)}}}
	if f.marked {
		r.Content = append(r.Content, &mcp.TextContent{Text: f.warning()})
	}
	return r
}

// Answer is what a tool says: data, and apart from it what strangers wrote at
// length. Short texts of theirs stand in the data, where the types of the API
// declare them untrusted.
type Answer struct {
	Data     any
	Notes    []string
	Foreign  []Foreign
	Links    []*mcp.ResourceLink
	Warnings bool // the data holds words of strangers, even where nothing of it is declared so

	held *taskMail // it waits for a human
}

// written is how data is written: as encoding/json does, but a list is never
// null, since clients check data against the schema of the tool.
var written = json.JoinOptions(jsonv1.DefaultOptionsV1(),
	json.FormatNilSliceAsNull(false), json.FormatNilMapAsNull(false), jsontext.WithIndent("  "))

// structured is what clients read as data.
func structured(b []byte) any { return jsontext.Value(b) }

// Foreign is a long text that a stranger wrote, and what it is.
type Foreign struct{ What, Text string }

// explain puts an API error into words that say to a model what to do next.
func explain(err error) string {
	var e *api.Error
	if !errors.As(err, &e) {
		return "the mail server could not be asked; try again later"
	}
	text := e.Error()
	switch e.Status {
	case http.StatusUnauthorized:
		text = "the credential is not valid; ask your operator"
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if e.Stage > 0 && e.Sent != nil { // what lasts until a day is over, and is no fault of the pace
			text += fmt.Sprintf(" (warm-up stage %d: %d of %d recipients)", e.Stage, *e.Sent, e.Limit)
		} else if !strings.HasSuffix(text, "try again later") {
			text += "; try again later"
		}
		if e.RetryAfter > 0 {
			text += fmt.Sprintf(", not before %s", e.RetryAfter.Round(time.Second))
		}
	}
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	return text
}
