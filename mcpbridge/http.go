package mcpbridge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/multimail/multimail/httpd/api"
)

// Header fields of MCP.
const (
	headerVersion = "Mcp-Protocol-Version"
	headerSession = "Mcp-Session-Id"
)

// modernVersion is the first version of MCP without sessions.
const modernVersion = "2026-07-28"

// sessionExtra is where the token info of the SDK has the session.
const sessionExtra = "session"

// door serves Streamable HTTP: requests that stand alone go to one handler of the SDK,
// those of sessions to another, and both to the same servers.
type door struct {
	b       *Bridge
	dial    func(key string) api.Caller
	limit   int64 // octets of a body
	alone   http.Handler
	kept    http.Handler
	streams *counts
}

// Handler serves Streamable HTTP. Every request carries a credential as its bearer; dial
// returns what calls the API with one. maxMail is the largest mail the API takes, in octets.
func (b *Bridge) Handler(dial func(key string) api.Caller, maxMail int64) http.Handler {
	d := &door{b: b, dial: dial, limit: maxBody(maxMail),
		streams: &counts{each: maxStreams, all: maxAllStreams}}
	server := func(r *http.Request) *mcp.Server {
		if of, ok := r.Context().Value(sessionKey{}).(*session); ok {
			return b.server(of)
		}
		return nil
	}
	known := auth.RequireBearerToken(func(ctx context.Context, _ string, _ *http.Request) (*auth.TokenInfo, error) {
		of, ok := ctx.Value(sessionKey{}).(*session)
		if !ok {
			return nil, auth.ErrInvalidToken // never: open has answered
		}
		return &auth.TokenInfo{UserID: of.who.Credential, Extra: map[string]any{sessionExtra: of}}, nil
	}, &auth.RequireBearerTokenOptions{AllowMissingExpiration: true})
	d.alone = known(mcp.NewStreamableHTTPHandler(server, &mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true,
		MaxRequestBodyBytes: d.limit, PropagateRequestCancellation: true, DisableLocalhostProtection: true}))
	// A session may outlive a token of its grant, and no call is made with an earlier one.
	d.kept = known(mcp.NewStreamableHTTPHandler(server, &mcp.StreamableHTTPOptions{
		MaxRequestBodyBytes: d.limit, SessionTimeout: sessionIdle, DisableLocalhostProtection: true}))
	return d
}

// ServeHTTP implements http.Handler.
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key, err := api.PresentedKey(r.Header)
	if key == "" || err != nil {
		w.Header().Set("WWW-Authenticate", "Bearer")
		refuse(w, http.StatusUnauthorized, "one API key is needed: Authorization: Bearer KEY")
		return
	}
	of, err := open(r.Context(), d.dial(key), "")
	if err != nil {
		turnAway(w, err)
		return
	}
	of.profile = r.URL.Query().Get("profile")
	if _, ok := profiles[of.profile]; !ok && of.profile != "" {
		refuse(w, http.StatusNotFound, "there is no such profile; send, inbox and full are")
		return
	}
	var msg message
	if r.Method == http.MethodPost {
		var ok bool
		if msg, ok = admitMessage(w, r, d.limit); !ok || !d.permitted(w, r, of, msg) {
			return
		}
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Add("Vary", "Authorization")
	w = &protocolErrors{ResponseWriter: w, msg: msg.text}
	r = r.WithContext(context.WithValue(r.Context(), sessionKey{}, of))
	of.request = r.Context()
	r.Header = r.Header.Clone()
	r.Header.Del("X-Api-Key")
	r.Header.Set("Authorization", "Bearer seen") // the SDK needs to hold no secret
	d.route(w, r, of, msg)
}

// route chooses the handler. A request that belongs to no session is served alone, in
// both eras: not every client of the older one keeps sessions.
func (d *door) route(w http.ResponseWriter, r *http.Request, of *session, msg message) {
	modern := r.Header.Get(headerVersion) >= modernVersion
	id := r.Header.Get(headerSession)
	switch {
	case modern && msg.method == "subscriptions/listen":
		d.stream(w, r, of, d.alone)
	case modern:
		d.alone.ServeHTTP(w, r)
	case id != "" && !d.b.sessions.owns(id, d.owner(of)):
		http.Error(w, "there is no such session: initialize a new one", http.StatusNotFound)
	case id != "" && r.Method == http.MethodGet:
		d.b.sessions.renew(id, of)
		d.stream(w, r, of, d.kept)
	case id != "" || r.Method != http.MethodPost:
		d.b.sessions.renew(id, of)
		d.kept.ServeHTTP(w, r)
	case msg.method == "initialize" && msg.streams:
		d.initialize(w, r, of)
	default:
		d.alone.ServeHTTP(w, r)
	}
}

// owner names who may use a session: one credential, for as long as it is offered the same
// tools.
func (d *door) owner(of *session) owner { return owner{of.who.Credential, d.b.server(of)} }

// initialize begins a session. A credential that has too many of them is served without.
func (d *door) initialize(w http.ResponseWriter, r *http.Request, of *session) {
	place, ok := d.b.sessions.reserve(d.owner(of))
	if !ok {
		d.alone.ServeHTTP(w, r)
		return
	}
	defer place.giveUp()
	d.kept.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), placeKey{}, place)))
}

// permitted decides by scope before the SDK sees a call. A client whose token could have
// the scope learns which to ask for (RFC 6750, section 3.1); what no credential of its kind
// could call is unknown to it.
func (d *door) permitted(w http.ResponseWriter, r *http.Request, of *session, msg message) bool {
	if msg.method != "tools/call" {
		return true
	}
	name, _, wrong := current(msg.tool, msg.arguments())
	t := d.b.tool(name)
	if t == nil || wrong != "" || !inProfile(of.profile, name) ||
		t.op.ToolAllows(of.who.Has) || !t.op.ToolAllows(of.who.Could) {
		return true
	}
	need := of.who.Scopes
	for _, s := range t.op.ToolScopes() {
		if of.who.Could(s) {
			need = append(need[:len(need):len(need)], s)
			break
		}
	}
	w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope", scope="`+strings.Join(need, " ")+`"`)
	answer(w, http.StatusForbidden, msg.text, invalid("this tool needs a credential with the scopes %s",
		strings.Join(need, " ")))
	return false
}

// answer gives a client a fault of its message.
func answer(w http.ResponseWriter, status int, msg []byte, fault *jsonrpc.Error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(errorAnswer(msg, fault)) // whoever hung up needs no answer
}

// message is what the door knows of a message that it lets through.
type message struct {
	text         []byte
	method, tool string
	streams      bool // the client takes event streams
}

// arguments returns those of a call by a name that is an alias, which say what it means.
func (m message) arguments() json.RawMessage {
	if _, ok := aliases[m.tool]; !ok {
		return nil
	}
	var call struct {
		Params struct {
			Arguments json.RawMessage `json:"arguments"`
		} `json:"params"`
	}
	_ = json.Unmarshal(m.text, &call) // it has been examined
	return call.Params.Arguments
}

// admitMessage reads the message of a POST, answers what is none with its
// JSON-RPC error, and leaves the rest to the SDK. The SDK demands that a client
// accepts event streams too; a client that accepts JSON alone is served with it.
func admitMessage(w http.ResponseWriter, r *http.Request, limit int64) (m message, ok bool) {
	msg, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	status := http.StatusBadRequest
	seen, fault := examine(msg)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		status = http.StatusRequestEntityTooLarge
		fault = invalid("the message is longer than %d octets", limit)
		msg = nil
	case err != nil: // too slow, or gone
		status, msg = http.StatusRequestTimeout, nil
		fault = invalid("the message did not arrive whole")
	}
	if fault != nil {
		answer(w, status, msg, fault)
		return m, false
	}
	r.Body = io.NopCloser(bytes.NewReader(msg))
	accept := strings.ToLower(strings.Join(r.Header.Values("Accept"), ","))
	m = message{text: msg, method: textOf(seen.method), tool: textOf(seen.tool),
		streams: strings.Contains(accept, "text/event-stream")}
	if accept == "" || strings.Contains(accept, "application/json") {
		r.Header.Set("Accept", "application/json, text/event-stream")
	}
	return m, true
}

// turnAway answers a request whose key the API would not vouch for.
func turnAway(w http.ResponseWriter, err error) {
	status, text := http.StatusServiceUnavailable, "try again later"
	var e *api.Error
	if errors.As(err, &e) {
		if e.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(e.RetryAfter.Seconds())))
		}
		if e.Status < http.StatusInternalServerError {
			status, text = e.Status, e.Message
		}
	}
	if status == http.StatusUnauthorized { // RFC 6750, section 3.1
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		text = "this API key is not valid"
	}
	refuse(w, status, text)
}

// refusedBody is how long the body of a request that was refused may take.
const refusedBody = 5 * time.Second

// refuse answers before the body has come: the server would wait for it first.
func refuse(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Connection", "close")
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(refusedBody)) // none in-process
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(api.Error{Message: text}) // whoever hung up needs no answer
}
