package mcpbridge

import (
	"net/http"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// protocolErrors gives the SDK's refusals of a message, which are plain text,
// the form of a JSON-RPC error.
type protocolErrors struct {
	http.ResponseWriter
	msg      []byte // the request
	plain    bool   // what is written is the text of a refusal
	answered bool   // the refusal has been written
}

// WriteHeader implements http.ResponseWriter.
func (p *protocolErrors) WriteHeader(status int) {
	h := p.Header()
	if p.plain = status >= 400 && strings.HasPrefix(h.Get("Content-Type"), "text/plain"); p.plain {
		h.Set("Content-Type", "application/json")
		h.Del("Content-Length")
	}
	p.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (p *protocolErrors) Write(b []byte) (int, error) {
	if !p.plain {
		return p.ResponseWriter.Write(b)
	}
	if p.answered {
		return len(b), nil
	}
	p.answered = true
	fault := &jsonrpc.Error{Code: jsonrpc.CodeInvalidRequest, Message: strings.TrimSpace(string(b))}
	if strings.HasPrefix(fault.Message, "JSON RPC not handled") {
		fault.Code, fault.Message = jsonrpc.CodeMethodNotFound, "no such method"
	}
	_, err := p.ResponseWriter.Write(errorAnswer(p.msg, fault))
	return len(b), err
}

// Unwrap lets http.ResponseController reach deadlines and flushing.
func (p *protocolErrors) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// Flush implements http.Flusher.
func (p *protocolErrors) Flush() { _ = http.NewResponseController(p.ResponseWriter).Flush() }
