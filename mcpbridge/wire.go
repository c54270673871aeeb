package mcpbridge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// Bounds of one message, apart from the texts in the arguments of a tool, which
// hold mails: what the SDK decodes into values costs it far more than its octets,
// and what is echoed in an answer is the client's own.
const (
	maxValues = 20000 // names, texts, numbers, objects and lists
	maxName   = 256   // octets of a member's name and of an id
	maxText   = 8192  // octets of a text outside the arguments
)

// maxNesting is how deep the JSON of a message may be. The arguments of our
// tools have four levels; clients put further ones into _meta.
const maxNesting = 64

// inspect says what is wrong with a message before the SDK sees it, which ends
// the whole connection at some of these faults, or nil. The codes are those of
// JSON-RPC 2.0, section 5.1. Members that stand twice are refused as in the
// API: of two readers one takes the first and another the last.
func inspect(msg []byte) *jsonrpc.Error {
	fault := func(code int64, format string, args ...any) *jsonrpc.Error {
		return &jsonrpc.Error{Code: code, Message: fmt.Sprintf(format, args...)}
	}
	if !utf8.Valid(msg) || !json.Valid(msg) {
		return fault(jsonrpc.CodeParseError, "the message is not JSON")
	}
	if bytes.TrimLeft(msg, " \t\r\n")[0] != '{' {
		return fault(jsonrpc.CodeInvalidRequest, "the message is not one JSON object; batches are not supported")
	}
	if why := shape(msg); why != "" {
		return fault(jsonrpc.CodeInvalidRequest, "%s", why)
	}
	if why := request(msg); why != "" {
		return fault(jsonrpc.CodeInvalidRequest, "%s", why)
	}
	m, err := jsonrpc.DecodeMessage(msg)
	if r, ok := m.(*jsonrpc.Response); ok && r.Result == nil && r.Error == nil {
		err = errors.New("neither a request nor a response")
	}
	if err != nil {
		return fault(jsonrpc.CodeInvalidRequest, "the message is not a JSON-RPC 2.0 request, notification or response")
	}
	if why := call(msg); why != "" {
		return fault(jsonrpc.CodeInvalidParams, "%s", why)
	}
	return nil
}

// shape says what is wrong with the JSON of a message, or "": a member that
// stands twice, or more of something than a message has.
func shape(text []byte) string {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var open []level
	name := false // the next token is a name
	for values := 0; ; values++ {
		tok, err := dec.Token()
		if err == io.EOF {
			return ""
		}
		if err != nil {
			return "the message is not JSON"
		}
		if values == maxValues {
			return fmt.Sprintf("the message has more than %d values", maxValues)
		}
		switch d, isDelim := tok.(json.Delim); {
		case isDelim && (d == '{' || d == '['):
			if len(open) == maxNesting {
				return fmt.Sprintf("the message is nested more than %d levels deep", maxNesting)
			}
			open = append(open, newLevel(d == '{'))
		case isDelim:
			open = open[:len(open)-1]
		case name:
			if why := open[len(open)-1].enter(tok.(string)); why != "" {
				return why
			}
			name = false
			continue
		default:
			if s, ok := tok.(string); ok && len(s) > maxText && !inArguments(open) {
				return fmt.Sprintf("a text outside the arguments is longer than %d octets", maxText)
			}
		}
		name = len(open) > 0 && open[len(open)-1].seen != nil && dec.More()
	}
}

// level is an object or a list that is open.
type level struct {
	seen map[string]bool // names of an object; nil for a list
	at   string          // the name that was entered last
}

func newLevel(object bool) level {
	if object {
		return level{seen: map[string]bool{}}
	}
	return level{}
}

// enter notes a name, or says why it may not stand there.
func (l *level) enter(name string) string {
	switch {
	case len(name) > maxName:
		return fmt.Sprintf("the name of a member is longer than %d octets", maxName)
	case l.seen[name]:
		return fmt.Sprintf("the member %.60q stands twice", name)
	}
	l.seen[name], l.at = true, name
	return ""
}

// inArguments reports whether the next value is inside params.arguments.
func inArguments(open []level) bool {
	return len(open) > 2 && open[0].at == "params" && open[1].at == "arguments"
}

// request says what is wrong with the members that JSON-RPC and MCP define, in
// words that hold nothing of the SDK's types, or "". An id is what the client
// finds its answer by, so it must come back as it was sent.
func request(msg []byte) string {
	var r struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
	}
	if err := json.Unmarshal(msg, &r); err != nil {
		return "a member of the message has the wrong type"
	}
	switch {
	case len(r.ID) > maxName:
		return fmt.Sprintf("the id is longer than %d octets", maxName)
	case len(r.ID) > 0 && r.ID[0] != '"' && len(bytes.Trim(r.ID, "-0123456789")) > 0:
		return "the id is neither a text nor a whole number"
	case lossy(r.ID):
		return "the id holds half of a character"
	case len(r.Method) > maxName:
		return fmt.Sprintf("the method is longer than %d octets", maxName)
	}
	return ""
}

// lossy reports whether a JSON text loses something when it is decoded: half of
// a surrogate pair becomes U+FFFD.
func lossy(text json.RawMessage) bool {
	var s string
	return len(text) > 0 && text[0] == '"' && json.Unmarshal(text, &s) == nil && strings.ContainsRune(s, utf8.RuneError)
}

// call says what is wrong with the parameters of a tool call, or "".
func call(msg []byte) string {
	var r struct {
		Method string
		Params json.RawMessage
	}
	if json.Unmarshal(msg, &r) != nil || r.Method != "tools/call" {
		return ""
	}
	var p struct {
		Name      *string         `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
	}
	switch {
	case len(r.Params) == 0 || r.Params[0] != '{' || json.Unmarshal(r.Params, &p) != nil || p.Name == nil:
		return "params must be an object with the name of a tool"
	case len(*p.Name) > maxName:
		return fmt.Sprintf("the name of the tool is longer than %d octets", maxName)
	}
	return ""
}

// errorAnswer is the message that tells a client of a fault. The id is that of
// the request if it can be read, else null.
func errorAnswer(msg []byte, fault *jsonrpc.Error) []byte {
	var asked struct {
		ID json.RawMessage `json:"id"`
	}
	answer := struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Error   *jsonrpc.Error  `json:"error"`
	}{Version: "2.0", ID: json.RawMessage("null"), Error: fault}
	if fault.Code != jsonrpc.CodeParseError && json.Unmarshal(msg, &asked) == nil && len(asked.ID) > 0 &&
		len(asked.ID) <= maxName && asked.ID[0] != '{' && asked.ID[0] != '[' {
		answer.ID = asked.ID
	}
	b, err := json.Marshal(answer)
	if err != nil { // these types always marshal
		return []byte(`{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"internal error"}}`)
	}
	return b
}
