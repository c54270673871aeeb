package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// call is what a server saw of one request.
type seen struct {
	Method, Target, Auth, Type, Body string
}

// server answers every request with status and body, and keeps what it saw.
func server(t *testing.T, status int, body string) (*Client, *seen) {
	t.Helper()
	got := &seen{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		*got = seen{r.Method, r.RequestURI, r.Header.Get("Authorization"), r.Header.Get("Content-Type"), string(b)}
		if status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "10")
		}
		if status == http.StatusFound {
			w.Header().Set("Location", "http://elsewhere.example/")
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	t.Cleanup(srv.Close)
	return New(srv.URL+"/", "mm_live_x"), got
}

func TestEveryMethodAsksItsEndpoint(t *testing.T) {
	ctx := context.Background()
	mode, at := "gated_all", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		name, method, target, body string
		call                       func(*Client) error
	}{
		{"health", "GET", "/health", "", func(c *Client) error { _, err := c.Health(ctx); return err }},
		{"account", "GET", "/v1/account", "", func(c *Client) error { _, err := c.Account(ctx); return err }},
		{"patch account", "PATCH", "/v1/account", `{"name":"gated_all"}`, func(c *Client) error {
			_, err := c.PatchAccount(ctx, AccountPatch{Name: &mode})
			return err
		}},
		{"usage", "GET", "/v1/usage?from=2026-01-02T03%3A04%3A05Z", "", func(c *Client) error { _, err := c.Usage(ctx, at, time.Time{}); return err }},
		{"mailboxes", "GET", "/v1/mailboxes", "", func(c *Client) error { _, err := c.Mailboxes(ctx); return err }},
		{"a mailbox id is one segment whatever it holds", "GET", "/v1/mailboxes/a%2Fb%3Fc@x.example", "", func(c *Client) error {
			_, err := c.Mailbox(ctx, "a/b?c@x.example")
			return err
		}},
		{"add mailbox", "POST", "/v1/mailboxes", `{"address":"a@x.example","agents":["bot"]}`, func(c *Client) error {
			_, err := c.AddMailbox(ctx, NewMailbox{Address: "a@x.example", Agents: []string{"bot"}})
			return err
		}},
		{"mode", "PATCH", "/v1/mailboxes/a@x.example", `{"oversight_mode":"gated_all"}`, func(c *Client) error {
			_, err := c.SetMode(ctx, "a@x.example", mode)
			return err
		}},
		{"allowlist", "GET", "/v1/mailboxes/a@x.example/allowlist", "", func(c *Client) error {
			_, err := c.Allowlist(ctx, "a@x.example")
			return err
		}},
		{"allow add", "POST", "/v1/mailboxes/a@x.example/allowlist", `{"pattern":"*@y.example"}`, func(c *Client) error {
			_, err := c.AllowAdd(ctx, "a@x.example", NewAllowEntry{Pattern: "*@y.example"})
			return err
		}},
		{"allow remove", "DELETE", "/v1/mailboxes/a@x.example/allowlist/E1", "", func(c *Client) error { return c.AllowRemove(ctx, "a@x.example", "E1") }},
		{"send", "POST", "/v1/mailboxes/a@x.example/send", `{"to":["b@y.example"],"subject":"s","markdown":"m"}`, func(c *Client) error {
			_, err := c.Send(ctx, "a@x.example", Draft{To: []string{"b@y.example"}, Subject: "s", Markdown: "m"})
			return err
		}},
		{"send from any", "POST", "/v1/send", `{"to":null,"subject":"","markdown":""}`, func(c *Client) error { _, err := c.SendAny(ctx, Draft{}); return err }},
		{"emails", "GET", "/v1/mailboxes/a@x.example/emails?cursor=C&direction=inbound&limit=5&since_id=S&status=unread", "", func(c *Client) error {
			_, err := c.Emails(ctx, "a@x.example", EmailQuery{"unread", "inbound", "S", 5, "C"})
			return err
		}},
		{"email", "GET", "/v1/mailboxes/a@x.example/emails/I?wait_seconds=7", "", func(c *Client) error {
			_, err := c.Email(ctx, "a@x.example", "I", 7*time.Second)
			return err
		}},
		{"cancel", "POST", "/v1/mailboxes/a@x.example/emails/I/cancel", "", func(c *Client) error { _, err := c.Cancel(ctx, "a@x.example", "I"); return err }},
		{"wait", "GET", "/v1/mailboxes/a@x.example/wait?sender=b&since_id=I&subject_contains=c&timeout_seconds=9", "", func(c *Client) error {
			_, err := c.Wait(ctx, "a@x.example", WaitQuery{9 * time.Second, "b", "c", "I"})
			return err
		}},
		{"pending", "GET", "/v1/oversight/pending?limit=3", "", func(c *Client) error { _, err := c.Pending(ctx, 3, ""); return err }},
		{"review", "GET", "/v1/oversight/pending/I", "", func(c *Client) error { _, err := c.Review(ctx, "I"); return err }},
		{"raw", "GET", "/v1/oversight/pending/I?raw=1", "", func(c *Client) error { _, err := c.Raw(ctx, "I"); return err }},
		{"decide", "POST", "/v1/oversight/decide", `{"email_id":"I","action":"approve","digest":"D"}`, func(c *Client) error {
			_, err := c.Decide(ctx, Verdict{EmailID: "I", Action: "approve", Digest: "D"})
			return err
		}},
		{"domains", "GET", "/v1/domains", "", func(c *Client) error { _, err := c.Domains(ctx); return err }},
		{"domain", "GET", "/v1/domains/x.example", "", func(c *Client) error { _, err := c.Domain(ctx, "x.example"); return err }},
		{"add domain", "POST", "/v1/domains", `{"name":"x.example"}`, func(c *Client) error { _, err := c.AddDomain(ctx, "x.example"); return err }},
		{"agents", "GET", "/v1/agents", "", func(c *Client) error { _, err := c.Agents(ctx); return err }},
		{"add agent", "POST", "/v1/agents", `{"name":"bot"}`, func(c *Client) error { _, err := c.AddAgent(ctx, NewAgent{Name: "bot"}); return err }},
		{"disable", "POST", "/v1/agents/bot/disable", "", func(c *Client) error { _, err := c.DisableAgent(ctx, "bot"); return err }},
		{"enable", "POST", "/v1/agents/bot/enable", "", func(c *Client) error { _, err := c.EnableAgent(ctx, "bot"); return err }},
		{"password", "POST", "/v1/agents/bot/password", "", func(c *Client) error { _, err := c.ResetPassword(ctx, "bot"); return err }},
		{"keys", "GET", "/v1/api-keys", "", func(c *Client) error { _, err := c.Keys(ctx); return err }},
		{"clock", "GET", "/v1/clock", "", func(c *Client) error { _, err := c.Clock(ctx); return err }},
		{"accept clock", "POST", "/v1/clock/accept", "", func(c *Client) error { _, err := c.AcceptClock(ctx); return err }},
		{"add key", "POST", "/v1/api-keys", `{"kind":"agent","owner":"bot","scopes":["send"]}`, func(c *Client) error {
			_, err := c.AddKey(ctx, NewKey{Kind: "agent", Owner: "bot", Scopes: []string{"send"}})
			return err
		}},
		{"revoke key", "DELETE", "/v1/api-keys/K", "", func(c *Client) error { return c.RevokeKey(ctx, "K") }},
		{"freeze", "POST", "/v1/freeze", `{"scope":"all","reason":"r"}`, func(c *Client) error { _, err := c.Freeze(ctx, "all", "r"); return err }},
		{"thaw", "POST", "/v1/thaw", `{"scope":"all"}`, func(c *Client) error { return c.Thaw(ctx, "all") }},
		{"freezes", "GET", "/v1/freezes", "", func(c *Client) error { _, err := c.Freezes(ctx); return err }},
		{"mails", "GET", "/v1/mails?limit=2&mailbox=a%40x.example&state=held", "", func(c *Client) error {
			_, err := c.Mails(ctx, MailQuery{State: "held", Mailbox: "a@x.example", Limit: 2})
			return err
		}},
		{"mail", "GET", "/v1/mails/I", "", func(c *Client) error { _, err := c.Mail(ctx, "I"); return err }},
		{"cancel mail", "POST", "/v1/mails/I/cancel", "", func(c *Client) error { _, err := c.CancelMail(ctx, "I"); return err }},
		{"retry mail", "POST", "/v1/mails/I/retry", "", func(c *Client) error { _, err := c.RetryMail(ctx, "I"); return err }},
		{"hold mail", "POST", "/v1/mails/I/hold", "", func(c *Client) error { _, err := c.HoldMail(ctx, "I"); return err }},
		{"audit log", "GET", "/v1/audit-log?cursor=9&limit=4", "", func(c *Client) error { _, err := c.AuditLog(ctx, 4, "9"); return err }},
		{"audit export", "GET", "/v1/audit-log/export?openings=1&since=2026-01-02T03%3A04%3A05Z", "", func(c *Client) error {
			b, err := c.AuditExport(ctx, true, at)
			return errors.Join(err, b.Close())
		}},
		{"audit verify", "POST", "/v1/audit-log/verify", "", func(c *Client) error { _, err := c.AuditVerify(ctx); return err }},
		{"metrics", "GET", "/metrics", "", func(c *Client) error { _, err := c.Metrics(ctx); return err }},
		{"signing key", "GET", "/.well-known/multimail-signing-key", "", func(c *Client) error { _, err := c.SigningKey(ctx); return err }},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, got := server(t, http.StatusOK, "{}")
			if err := c.call(client); err != nil {
				t.Fatal(err)
			}
			want := seen{c.method, c.target, "Bearer mm_live_x", "", c.body}
			if c.body != "" {
				want.Type = "application/json"
			}
			if diff := cmp.Diff(want, *got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestErrorsReachTheCaller(t *testing.T) {
	for _, c := range []struct {
		name, body string
		status     int
		want       Error
	}{
		{"with a hint", `{"error":"no","hint":"ask"}`, 400, Error{Status: 400, Message: "no", Hint: "ask"}},
		{"with a reference", `{"error":"internal error","ref":"R"}`, 500, Error{Status: 500, Message: "internal error", Ref: "R"}},
		{"with a time to wait", `{"error":"later"}`, 503, Error{Status: 503, Message: "later", RetryAfter: 10 * time.Second}},
		{"in the words of somebody between", `<h1>Bad Gateway</h1>`, 502, Error{Status: 502, Message: "the server answered 502 Bad Gateway"}},
		{"a redirect is not followed", ``, 302, Error{Status: 302, Message: "the server answered 302 Found"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, _ := server(t, c.status, c.body)
			_, err := client.Mailboxes(context.Background())
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v", err)
			}
			if diff := cmp.Diff(c.want, *e); diff != "" {
				t.Error(diff)
			}
			if c.want.Ref != "" && !strings.Contains(e.Error(), c.want.Ref) {
				t.Errorf("%q does not name the reference", e.Error())
			}
		})
	}
}

func TestDegradedIsAnAnswer(t *testing.T) {
	client, _ := server(t, 503, `{"status":"degraded"}`)
	h, err := client.Health(context.Background())
	if err != nil || h.Status != "degraded" {
		t.Errorf("got %+v, %v", h, err)
	}
}

func TestAnAnswerThatIsNotJSONIsAnError(t *testing.T) {
	client, _ := server(t, 200, `<html>`)
	if _, err := client.Mailboxes(context.Background()); err == nil {
		t.Error("no error")
	}
}

func TestSocketNeedsNoKeyAndNoHost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("a key came along")
		}
		json.NewEncoder(w).Encode(Health{Status: "ok"})
	})}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	h, err := Socket(path).Health(context.Background())
	if err != nil || h.Status != "ok" {
		t.Errorf("got %+v, %v", h, err)
	}
}
