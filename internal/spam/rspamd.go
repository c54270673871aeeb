package spam

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/multimail/multimail/mail"
)

// rspamd asks a worker of rspamd over HTTP: one request with the message as its body,
// and what is known of the transaction in fields (POST /checkv2).
type rspamd struct {
	client   *http.Client
	base     string // "http://host:port", without a slash at its end
	password string
	hostname string
}

// maxAnswer bounds the octets that are read of an answer.
const maxAnswer = 1 << 20

// newRspamd returns the question for Options.ask.
func newRspamd(o Options) (func(context.Context, *mail.Mail, []byte) (answer, error), error) {
	r, err := rspamdAt(o, o.Address, o.Password)
	if err != nil {
		return nil, err
	}
	return r.check, nil
}

// rspamdAt returns a client of one worker.
func rspamdAt(o Options, address, password string) (*rspamd, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("spam: the address of rspamd cannot be read: %w", err)
	}
	network, to := "tcp", ""
	switch {
	case u.Scheme == "unix" && u.Path != "":
		network, to = "unix", u.Path
		u = &url.URL{Scheme: "http", Host: "localhost"}
	case (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && strings.Trim(u.Path, "/") == "":
	default:
		return nil, fmt.Errorf("spam: the address of rspamd is http://host:port, https://host:port or unix:/path")
	}
	transport := &http.Transport{ // no proxy of the environment, no connection that another mail has used
		TLSClientConfig: o.TLS, DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10,
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			if to != "" {
				address = to
			}
			return dial(ctx, o, network, address)
		},
	}
	return &rspamd{
		client: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}},
		base: u.Scheme + "://" + u.Host, password: password, hostname: o.Hostname,
	}, nil
}

// dial connects to the filter; errConnect marks the failure.
func dial(ctx context.Context, o Options, network, address string) (net.Conn, error) {
	conn, err := o.Dial(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errConnect, err)
	}
	return conn, nil
}

// check asks for the verdict over one mail.
func (r *rspamd) check(ctx context.Context, m *mail.Mail, raw []byte) (answer, error) {
	body, err := r.post(ctx, "/checkv2", r.fields(m), raw)
	if err != nil {
		return answer{}, err
	}
	return readAnswer(body, m.Header.MessageID)
}

// post sends a message and returns the JSON that answers it.
func (r *rspamd) post(ctx context.Context, path string, fields http.Header, raw []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.base+path, bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	req.Header = fields
	if r.password != "" {
		req.Header.Set("Password", r.password)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case resp.StatusCode != http.StatusOK:
		return nil, lie("HTTP status %d", resp.StatusCode)
	case kind != "application/json":
		return nil, lie("not JSON")
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, err
	case len(body) > maxAnswer:
		return nil, lie("longer than %d octets", maxAnswer)
	}
	return body, nil
}

// fields tells what is known of the transaction. The name of a client in the DNS is
// not looked up, and none is claimed.
func (r *rspamd) fields(m *mail.Mail) http.Header {
	h := http.Header{}
	set := func(name, value string) {
		if value != "" && len(value) <= 1024 && mail.AllPrintable(value) {
			h.Add(name, value)
		}
	}
	set("Queue-Id", m.Transaction())
	set("MTA-Name", r.hostname)
	if m.Envelope.From.IsZero() {
		set("From", "<>")
	} else {
		set("From", m.Envelope.From.String())
	}
	for _, rcpt := range m.Envelope.Rcpts {
		set("Rcpt", rcpt.Addr.String())
	}
	if m.Direction == mail.Outgoing {
		set("User", m.Agent) // rspamd leaves out what it asks of strangers only
		return h
	}
	if a := m.Arrival; a != nil && a.Hop == "" { // of a hop in front, nothing is to be judged
		set("Helo", a.Helo)
		if ip, err := netip.ParseAddr(a.Remote); err == nil {
			set("IP", ip.WithZone("").String())
		}
	}
	return h
}

// actions are what rspamd may ask for. The list is closed: what a later version
// invents is not understood by guessing.
var actions = map[string]mail.Verdict{
	"no action":       mail.SpamClean,
	"greylist":        mail.SpamClean, // the wish to hear again from a doubtful client; the score says the rest
	"add header":      mail.SpamFlagged,
	"rewrite subject": mail.SpamFlagged,
	"quarantine":      mail.SpamQuarantined,
	"reject":          mail.SpamQuarantined,
	"discard":         mail.SpamQuarantined,
}

// checked is an answer of rspamd, as far as it is read.
type checked struct {
	Skipped   bool                       `json:"is_skipped"`
	Score     *float64                   `json:"score"`
	Required  *float64                   `json:"required_score"`
	Action    string                     `json:"action"`
	MessageID string                     `json:"message-id"`
	Symbols   map[string]json.RawMessage `json:"symbols"`
	Error     string                     `json:"error"`
}

// maxSymbols bounds the symbols of an answer; rspamd has some hundred in all.
const maxSymbols = 2000

// readAnswer reads what rspamd says of a mail with that Message-ID, "" for unknown.
func readAnswer(body []byte, messageID string) (a answer, err error) {
	var c checked
	if err := json.Unmarshal(body, &c); err != nil {
		return a, lie("malformed JSON")
	}
	switch {
	case c.Error != "":
		return a, lie("an error instead of a verdict")
	case c.Score == nil:
		return a, lie("no score")
	case c.Required != nil && !(*c.Required >= -maxScore && *c.Required <= maxScore):
		return a, lie("a required_score that cannot be meant")
	case len(c.Symbols) > maxSymbols:
		return a, lie("more than %d symbols", maxSymbols)
	case other(c.MessageID, messageID):
		return a, lie("about another mail")
	}
	a.score = *c.Score
	verdict, known := actions[c.Action]
	switch {
	case c.Action == "soft reject":
		a.later = true
	case !known:
		return a, lie("an action that is not known")
	}
	a.verdict, a.reasons = verdict, symbols(c.Symbols)
	if verdict != mail.SpamClean {
		a.reasons = slices.Insert(a.reasons, 0, "rspamd: "+c.Action)
	}
	return a, nil
}

// other reports whether an answer is plainly about another mail. Programs read an odd
// Message-ID in several ways, and one is compared only if there is one way.
func other(answered, asked string) bool {
	local, domain, _ := strings.Cut(asked, "@")
	return mail.IsDotAtom(local) && mail.IsDotAtom(domain) && answered != "" && answered != "undef" && answered != asked
}

// symbol is one rule that matched.
type symbol struct {
	name        string
	Score       float64 `json:"score"`
	Description string  `json:"description"`
}

// symbols returns the rules that count, those that count most first.
func symbols(raw map[string]json.RawMessage) []string {
	var list []symbol
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		s := symbol{name: name}
		if json.Unmarshal(raw[name], &s) == nil && s.Score != 0 {
			list = append(list, s)
		}
	}
	slices.SortStableFunc(list, func(a, b symbol) int {
		switch {
		case a.Score > b.Score:
			return -1
		case a.Score < b.Score:
			return 1
		}
		return 0
	})
	var out []string
	for _, s := range list {
		line := scored(s.name, s.Score)
		if s.Description != "" {
			line += ": " + s.Description
		}
		out = append(out, line)
	}
	return out
}
