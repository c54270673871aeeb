//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// told are the addresses that a client was told of.
type told struct{ lockedBuffer }

func (w *told) of(uri string) int {
	n := 0
	for line := range strings.Lines(w.String()) {
		if strings.TrimSpace(line) == uri {
			n++
		}
	}
	return n
}

// subscriber is a client of an official library, over stdio or HTTP, in one era.
type subscriber struct {
	name      string
	stdio     bool
	subscribe func(t *testing.T, at, key string, stdio bool, uris []string) *told
}

func subscribers() (list []subscriber) {
	for _, stdio := range []bool{true, false} {
		where := map[bool]string{true: " over stdio", false: " over HTTP"}[stdio]
		for _, era := range eras {
			list = append(list, subscriber{"go-sdk " + era + where, stdio, subscribeGo(era)})
		}
		for _, mode := range []string{"legacy", "auto"} {
			list = append(list, subscriber{"typescript " + mode + where, stdio, subscribeNode(mode)})
		}
	}
	return list
}

func subscribeGo(era string) func(*testing.T, string, string, bool, []string) *told {
	return func(t *testing.T, at, key string, stdio bool, uris []string) *told {
		t.Helper()
		w, acknowledged := &told{}, make(chan struct{}, len(uris))
		c := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1"}, &mcp.ClientOptions{
			ResourceUpdatedHandler: func(_ context.Context, q *mcp.ResourceUpdatedNotificationRequest) {
				_, _ = w.Write([]byte(q.Params.URI + "\n"))
			}})
		c.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
			return func(ctx context.Context, method string, q mcp.Request) (mcp.Result, error) {
				if method == "notifications/subscriptions/acknowledged" {
					acknowledged <- struct{}{}
				}
				return next(ctx, method, q)
			}
		})
		var transport mcp.Transport = &mcp.StreamableClientTransport{Endpoint: at + "/mcp",
			HTTPClient: &http.Client{Transport: &keyed{key: key}}}
		if stdio {
			cmd := exec.Command(binary, "mcp")
			cmd.Env = append(os.Environ(), "MULTIMAIL_URL="+at, "MULTIMAIL_API_KEY="+key)
			transport = &mcp.CommandTransport{Command: cmd}
		}
		s, err := c.Connect(context.Background(), transport, &mcp.ClientSessionOptions{ProtocolVersion: era})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		for _, uri := range uris {
			if err := s.Subscribe(t.Context(), &mcp.SubscribeParams{URI: uri}); err != nil {
				t.Fatal(err)
			}
			if era == eras[1] {
				<-acknowledged
			}
		}
		return w
	}
}

func subscribeNode(mode string) func(*testing.T, string, string, bool, []string) *told {
	return func(t *testing.T, at, key string, stdio bool, uris []string) *told {
		t.Helper()
		w, log := &told{}, &lockedBuffer{}
		cmd := exec.Command(filepath.Join(peers, "node_modules", ".bin", "node"), filepath.Join(peers, "notify.mjs"))
		cmd.Env = append(os.Environ(), "URL="+at, "KEY="+key, "MODE="+mode, "URIS="+encode(t, uris))
		if stdio {
			cmd.Env = append(cmd.Env, "BINARY="+binary)
		}
		cmd.Stdout, cmd.Stderr = w, log
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = in.Close()
			_ = cmd.Wait()
			if t.Failed() {
				t.Logf("the client said:\n%s%s", w, log)
			}
		})
		(&daemon{t: t}).until("the subscriptions", func() bool { return w.of("subscribed") == 1 })
		return w
	}
}

// receive delivers a mail from elsewhere to the agent's mailbox.
func (h *daemon) receive(subject string) {
	h.t.Helper()
	must(h.t, command(h.t, "", nil, "swaks", "--server", "127.0.0.1", "--port", h.inboundPort(), "--from", "to@dest.test",
		"--to", h.dev.Mailbox, "--header", "Subject: "+subject, "--body", "Hello."))
}

func TestSubscribersAreToldOfDecisionsDeliveriesAndArrivals(t *testing.T) {
	h := start(t)
	agent := h.mcp(h.dev.AgentKey)
	for _, c := range subscribers() {
		t.Run(c.name, func(t *testing.T) {
			h := h.in(t)
			m := agent.held(c.name, nil)
			box := "multimail://mailbox/" + h.dev.Mailbox
			uri := box + "/mail/" + m.ID
			var key struct {
				ID     string `json:"id"`
				Secret string `json:"api_key"`
			}
			decode(t, h.must("key", "create", "agent", "demo", "--scope", "read", "--json"), &key)
			w := c.subscribe(t, h.dev.HTTP, key.Secret, c.stdio, []string{uri, box})
			h.must("approve", m.ID, "--digest", m.Digest)
			h.until("word of the decision", func() bool { return w.of(uri) > 0 })
			h.until("delivery", func() bool { return h.state(m.ID) == "sent" })
			h.receive("to " + c.name)
			h.until("word of the arrival", func() bool { return w.of(box) > 0 })

			h.must("key", "revoke", key.ID)
			before := w.of(box)
			h.receive("unseen by " + c.name)
			h.until("arrival", func() bool {
				_, body := h.http("GET", "/v1/mailboxes/"+h.dev.Mailbox+"/emails?direction=inbound", "")
				var l struct{ Emails []struct{ Subject string } }
				return json.Unmarshal([]byte(body), &l) == nil && slices.ContainsFunc(l.Emails,
					func(e struct{ Subject string }) bool { return e.Subject == "unseen by "+c.name })
			})
			// Another subscriber is told, so that this one would have been by then.
			other := subscribeGo(eras[0])(t, h.dev.HTTP, h.dev.AgentKey, true, []string{box})
			h.receive("seen after " + c.name)
			h.until("word of the next", func() bool { return other.of(box) > 0 })
			if n := w.of(box); n != before {
				t.Errorf("told %d times with a key that is revoked", n-before)
			}
		})
	}
}
