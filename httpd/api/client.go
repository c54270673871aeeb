package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"slices"
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
// operating system says to the server who calls, so there is no key.
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

// Caller carries out operations: a [Client] over HTTP, or a server for others in
// its own process.
type Caller interface {
	// Do carries out an operation that answers JSON. in is a value of its
	// request type, the answer one of its response type.
	Do(ctx context.Context, op *Operation, in any) (any, error)
}

// Call carries out an operation.
func Call[In, Out any](ctx context.Context, c Caller, op Op[In, Out], in In) (out Out, err error) {
	answer, err := c.Do(ctx, op.Operation, in)
	if err == nil {
		out = answer.(Out)
	}
	return out, err
}

// Open begins an answer that is not JSON. The caller closes it.
func Open[In any](ctx context.Context, c *Client, op Op[In, Octets], in In) (io.ReadCloser, error) {
	return c.open(ctx, op.Operation, in)
}

// Read is Open for a document that fits into memory.
func Read[In any](ctx context.Context, c *Client, op Op[In, Octets], in In) ([]byte, error) {
	body, err := Open(ctx, c, op, in)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return readAll(body)
}

// Do implements Caller.
func (c *Client) Do(ctx context.Context, op *Operation, in any) (any, error) {
	body, err := c.open(ctx, op, in)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	out := reflect.New(op.out)
	b, err := readAll(body)
	if err == nil {
		err = json.Unmarshal(b, out.Interface())
	}
	if err != nil {
		return nil, fmt.Errorf("api: read answer to %s: %w", op.Name, err)
	}
	return out.Elem().Interface(), nil
}

// open makes one request and returns the body of a successful answer.
func (c *Client) open(ctx context.Context, op *Operation, in any) (io.ReadCloser, error) {
	req, err := op.newRequest(ctx, c.Base, in)
	if err != nil {
		return nil, fmt.Errorf("api: %s: %w", op.Name, err)
	}
	if c.Key != "" {
		req.Header.Set("Authorization", "Bearer "+c.Key)
	}
	if trace := TraceOf(ctx); trace != "" {
		req.Header.Set("Traceparent", trace)
	}
	hc := c.HTTP
	if hc == nil {
		hc = http.DefaultClient
	}
	resp, err := hc.Do(req)
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	if op.Tier.ByCode() && resp.StatusCode == http.StatusAccepted {
		defer resp.Body.Close()
		return nil, pending(resp)
	}
	if resp.StatusCode >= 200 && resp.StatusCode <= 299 || slices.Contains(op.Also, resp.StatusCode) {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	return nil, refusal(resp)
}

// pending reads an answer that says that a code is needed.
func pending(resp *http.Response) error {
	p := &PendingApproval{}
	b, err := readAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(b, p)
	}
	if err != nil {
		return fmt.Errorf("api: read answer: %w", err)
	}
	return p
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
