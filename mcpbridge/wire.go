package mcpbridge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
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
	_, err := examine(msg)
	return err
}

// examine is inspect; it returns what the message says, too.
func examine(msg []byte) (reader, *jsonrpc.Error) {
	r := reader{text: msg}
	if !utf8.Valid(msg) {
		return r, fault(jsonrpc.CodeParseError, "the message is not JSON")
	}
	r.dec = jsontext.NewDecoder(bytes.NewBuffer(msg), jsontext.AllowInvalidUTF8(true))
	if err := r.readAll(); err != nil {
		return r, err
	}
	return r, r.judge()
}

func fault(code int64, format string, args ...any) *jsonrpc.Error {
	return &jsonrpc.Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) *jsonrpc.Error {
	return fault(jsonrpc.CodeInvalidRequest, format, args...)
}

// reader goes through a message once and keeps what the members say that
// JSON-RPC and MCP define: each as it stands in the message, nil where it is not.
type reader struct {
	text   []byte
	dec    *jsontext.Decoder
	names  []string // of the objects that are open; "" for a list
	values int

	version, id, method, tool json.RawMessage
	params                    jsontext.Kind
	answers                   bool // it has a result or an error
}

// readAll reads the one value that a message is.
func (r *reader) readAll() *jsonrpc.Error {
	switch kind := r.dec.PeekKind(); kind {
	case jsontext.KindBeginObject:
	case jsontext.KindInvalid:
		return fault(jsonrpc.CodeParseError, "the message is not JSON")
	default:
		if !json.Valid(r.text) {
			return fault(jsonrpc.CodeParseError, "the message is not JSON")
		}
		return invalid("the message is not one JSON object; batches are not supported")
	}
	for {
		if err := r.next(); err != nil {
			return err
		}
		if r.dec.StackDepth() == 0 {
			break
		}
	}
	if _, err := r.dec.ReadToken(); err != io.EOF {
		return fault(jsonrpc.CodeParseError, "the message is not JSON")
	}
	return nil
}

// next reads one token, or one text, number, truth value or null.
func (r *reader) next() *jsonrpc.Error {
	open, n := r.dec.StackIndex(r.dec.StackDepth())
	isName := open == jsontext.KindBeginObject && n%2 == 0
	from, kind := r.dec.InputOffset(), r.dec.PeekKind()
	var err error
	switch kind {
	case jsontext.KindBeginObject, jsontext.KindBeginArray, jsontext.KindEndObject, jsontext.KindEndArray:
		_, err = r.dec.ReadToken()
	default:
		err = r.dec.SkipValue()
	}
	if errors.Is(err, jsontext.ErrDuplicateName) {
		var at *jsontext.SyntacticError
		errors.As(err, &at)
		return invalid("the member %.60q stands twice", at.JSONPointer.LastToken())
	}
	if err != nil {
		return fault(jsonrpc.CodeParseError, "the message is not JSON")
	}
	if kind == jsontext.KindEndObject || kind == jsontext.KindEndArray {
		r.names = r.names[:len(r.names)-1]
		return nil
	}
	if r.values++; r.values > maxValues {
		return invalid("the message has more than %d values", maxValues)
	}
	raw := bytes.TrimLeft(r.text[from:r.dec.InputOffset()], " \t\r\n,:")
	if isName {
		return r.enter(raw)
	}
	return r.take(kind, raw)
}

// enter notes the name of the member that comes next.
func (r *reader) enter(raw []byte) *jsonrpc.Error {
	name, err := jsontext.AppendUnquote(nil, raw)
	if len(name) > maxName {
		return invalid("the name of a member is longer than %d octets", maxName)
	}
	if err != nil && !utf8.Valid(name) {
		return fault(jsonrpc.CodeParseError, "the message is not JSON")
	}
	r.names[len(r.names)-1] = string(name)
	return nil
}

// take keeps a value that is of interest, and refuses one that is out of bounds.
func (r *reader) take(kind jsontext.Kind, raw []byte) *jsonrpc.Error {
	switch {
	case len(r.names) == 1:
		r.keep(kind, raw)
	case len(r.names) == 2 && r.names[0] == "params" && r.names[1] == "name":
		r.tool = raw
	}
	if kind == jsontext.KindBeginObject || kind == jsontext.KindBeginArray {
		if len(r.names) == maxNesting {
			return invalid("the message is nested more than %d levels deep", maxNesting)
		}
		r.names = append(r.names, "")
		return nil
	}
	inArguments := len(r.names) > 2 && r.names[0] == "params" && r.names[1] == "arguments"
	if kind == jsontext.KindString && len(raw) > maxText && !inArguments && len(textOf(raw)) > maxText {
		return invalid("a text outside the arguments is longer than %d octets", maxText)
	}
	return nil
}

// keep notes a member of the message itself.
func (r *reader) keep(kind jsontext.Kind, raw []byte) {
	switch r.names[0] {
	case "jsonrpc":
		r.version = raw
	case "id":
		r.id = raw
	case "method":
		r.method = raw
	case "params":
		r.params = kind
	case "result", "error":
		r.answers = r.answers || kind != jsontext.KindNull
	}
}

// textOf returns a text of JSON without its quotes, "" for any other value.
func textOf(raw []byte) string {
	if len(raw) == 0 || raw[0] != '"' {
		return ""
	}
	text, _ := jsontext.AppendUnquote(nil, raw) // an error is half of a character, which becomes U+FFFD
	return string(text)
}

// judge says what is wrong with the members that JSON-RPC and MCP define, in
// words that hold nothing of the SDK's types. An id is what the client finds its
// answer by, so it must come back as it was sent.
func (r *reader) judge() *jsonrpc.Error {
	method := textOf(r.method)
	switch {
	case len(r.id) > maxName:
		return invalid("the id is longer than %d octets", maxName)
	case len(r.id) > 0 && r.id[0] != '"' && len(bytes.Trim(r.id, "-0123456789")) > 0:
		return invalid("the id is neither a text nor a whole number")
	case strings.ContainsRune(textOf(r.id), utf8.RuneError):
		return invalid("the id holds half of a character")
	case changes(r.id):
		return invalid("the id is a number that not every reader takes for the same")
	case len(r.method) > 0 && r.method[0] != '"':
		return invalid("a member of the message has the wrong type")
	case len(method) > maxName:
		return invalid("the method is longer than %d octets", maxName)
	case textOf(r.version) != "2.0", method == "" && !r.answers, (method == "" || r.answers) && !r.decodes():
		return invalid("the message is not a JSON-RPC 2.0 request, notification or response")
	case method == "tools/call" && (r.params != jsontext.KindBeginObject || len(r.tool) == 0 || r.tool[0] != '"'):
		return fault(jsonrpc.CodeInvalidParams, "params must be an object with the name of a tool")
	case method == "tools/call" && len(textOf(r.tool)) > maxName:
		return fault(jsonrpc.CodeInvalidParams, "the name of the tool is longer than %d octets", maxName)
	}
	return nil
}

// changes reports whether a number is another one as an IEEE 754 double, which
// most readers make of it.
func changes(number json.RawMessage) bool {
	if len(number) == 0 || number[0] == '"' {
		return false
	}
	f, err := strconv.ParseFloat(string(number), 64)
	return err != nil || strconv.FormatFloat(f, 'f', -1, 64) != string(number) || f > 1<<53 || f < -1<<53
}

// decodes reports whether the SDK takes the message. Requests are the common
// case, and every one of those that get here decodes.
func (r *reader) decodes() bool {
	_, err := jsonrpc.DecodeMessage(r.text)
	return err == nil
}

// errorAnswer is the message that gives a client a fault. The id is that of the
// request if it can be read, else null.
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
