package mcpbridge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
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
	if why := twice(msg); why != "" {
		return fault(jsonrpc.CodeInvalidRequest, "%s", why)
	}
	m, err := jsonrpc.DecodeMessage(msg)
	if r, ok := m.(*jsonrpc.Response); ok && r.Result == nil && r.Error == nil {
		err = errors.New("neither a request nor a response")
	}
	if err != nil {
		return fault(jsonrpc.CodeInvalidRequest, "the message is not a JSON-RPC 2.0 request, notification or response")
	}
	return nil
}

// twice says which member of a JSON value stands twice, or "".
func twice(text []byte) string {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var open []map[string]bool // of each object or list that is open; nil for a list
	name := false              // the next token is a name
	for {
		tok, err := dec.Token()
		if err == io.EOF {
			return ""
		}
		if err != nil {
			return "the message is not JSON"
		}
		switch d, isDelim := tok.(json.Delim); {
		case isDelim && (d == '{' || d == '['):
			if len(open) == maxNesting {
				return fmt.Sprintf("the message is nested more than %d levels deep", maxNesting)
			}
			var seen map[string]bool
			if d == '{' {
				seen = map[string]bool{}
			}
			open = append(open, seen)
		case isDelim:
			open = open[:len(open)-1]
		case name:
			key := tok.(string)
			seen := open[len(open)-1]
			if seen[key] {
				return fmt.Sprintf("the member %.60q stands twice", key)
			}
			seen[key] = true
			name = false
			continue
		}
		name = len(open) > 0 && open[len(open)-1] != nil && dec.More()
	}
}

// errorAnswer is the message that tells a client of a fault. The id is that of
// the request if it can be read, else null.
func errorAnswer(msg []byte, fault *jsonrpc.Error) []byte {
	var request struct {
		ID json.RawMessage `json:"id"`
	}
	answer := struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Error   *jsonrpc.Error  `json:"error"`
	}{Version: "2.0", ID: json.RawMessage("null"), Error: fault}
	if fault.Code != jsonrpc.CodeParseError && json.Unmarshal(msg, &request) == nil && len(request.ID) > 0 &&
		request.ID[0] != '{' && request.ID[0] != '[' {
		answer.ID = request.ID
	}
	b, err := json.Marshal(answer)
	if err != nil { // these types always marshal
		return []byte(`{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"internal error"}}`)
	}
	return b
}
