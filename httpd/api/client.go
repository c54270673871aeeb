package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxAnswer bounds what the client reads of one answer, streams excepted.
const maxAnswer = 64 << 20

// Client speaks to one server with one credential.
type Client struct {
	Base string       // "https://mail.example.com", without a path
	Key  string       // API key; empty only for the local socket
	HTTP *http.Client // nil: http.DefaultClient
}

// New returns a client of the server at base. It follows no redirect: the key
// is for that server alone.
func New(base, key string) *Client {
	return &Client{Base: strings.TrimRight(base, "/"), Key: key, HTTP: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Socket returns a client of the server behind the unix socket at path. The
// operating system tells the server who calls, so there is no key.
func Socket(path string) *Client {
	c := New("http://multimail", "")
	c.HTTP.Transport = &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		},
	}
	return c
}

// Health asks whether the server can take mail. A degraded server answers too:
// then the Health says so and the error is nil.
func (c *Client) Health(ctx context.Context) (Health, error) {
	var h Health
	err := c.do(ctx, "GET", "/health", nil, &h)
	var e *Error
	if errors.As(err, &e) && e.Status == http.StatusServiceUnavailable {
		return Health{Status: "degraded"}, nil
	}
	return h, err
}

// Account returns who answers for the installation.
func (c *Client) Account(ctx context.Context) (Account, error) {
	return call[Account](ctx, c, "GET", "/v1/account", nil)
}

// PatchAccount changes it.
func (c *Client) PatchAccount(ctx context.Context, p AccountPatch) (Account, error) {
	return call[Account](ctx, c, "PATCH", "/v1/account", p)
}

// Usage counts from one time to another; zero times mean the last 30 days.
func (c *Client) Usage(ctx context.Context, from, to time.Time) (Usage, error) {
	q := query{}
	q.time("from", from)
	q.time("to", to)
	return call[Usage](ctx, c, "GET", "/v1/usage"+q.String(), nil)
}

// Metrics returns the server's metrics in the Prometheus text format.
func (c *Client) Metrics(ctx context.Context) ([]byte, error) {
	return c.bytes(ctx, "/metrics")
}

// SigningKey returns the document of the key that signs identity headers.
func (c *Client) SigningKey(ctx context.Context) ([]byte, error) {
	return c.bytes(ctx, "/.well-known/multimail-signing-key")
}

// do makes one request with the JSON of in, unless it is nil, and reads the
// JSON of the answer into out, unless that is nil.
func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	body, err := c.stream(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer body.Close()
	b, err := readAll(body)
	if err == nil && out != nil {
		err = json.Unmarshal(b, out)
	}
	if err != nil {
		return fmt.Errorf("api: read answer to %s %s: %w", method, path, err)
	}
	return nil
}

// bytes returns the body of a GET as it is.
func (c *Client) bytes(ctx context.Context, path string) ([]byte, error) {
	body, err := c.stream(ctx, "GET", path, nil)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return readAll(body)
}

// stream makes one request and returns the body of a successful answer.
func (c *Client) stream(ctx context.Context, method, path string, in any) (io.ReadCloser, error) {
	var send io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("api: write %s %s: %w", method, path, err)
		}
		send = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.Base+path, send)
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Key != "" {
		req.Header.Set("Authorization", "Bearer "+c.Key)
	}
	hc := c.HTTP
	if hc == nil {
		hc = http.DefaultClient
	}
	resp, err := hc.Do(req)
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	if resp.StatusCode >= 200 && resp.StatusCode <= 299 {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	return nil, refusal(resp)
}

// refusal reads an answer that is not a success.
func refusal(resp *http.Response) error {
	e := &Error{}
	b, err := readAll(resp.Body)
	if err != nil || json.Unmarshal(b, e) != nil || e.Message == "" {
		// Something between us and the server answered in its own words.
		e = &Error{Message: "the server answered " + resp.Status}
	}
	e.Status = resp.StatusCode
	if n, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && n > 0 {
		e.RetryAfter = time.Duration(n) * time.Second
	}
	return e
}

func readAll(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxAnswer+1))
	if err == nil && len(b) > maxAnswer {
		err = errors.New("the answer is too large")
	}
	return b, err
}

// query builds the query of a path; zero values are left out.
type query map[string]string

func (q query) set(name, value string) {
	if value != "" {
		q[name] = value
	}
}

func (q query) int(name string, n int) {
	if n != 0 {
		q[name] = strconv.Itoa(n)
	}
}

func (q query) time(name string, t time.Time) {
	if !t.IsZero() {
		q[name] = t.UTC().Format(time.RFC3339)
	}
}

func (q query) String() string {
	if len(q) == 0 {
		return ""
	}
	v := url.Values{}
	for name, value := range q {
		v.Set(name, value)
	}
	return "?" + v.Encode()
}

// path joins segments, each escaped, below /v1.
func path(segments ...string) string {
	var b strings.Builder
	b.WriteString("/v1")
	for _, s := range segments {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(s))
	}
	return b.String()
}

// call is do for an answer of type T.
func call[T any](ctx context.Context, c *Client, method, path string, in any) (T, error) {
	var out T
	err := c.do(ctx, method, path, in, &out)
	return out, err
}
