//go:build e2e

package e2e

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// unseen fails if a secret stands in what somebody else was told.
func unseen(t *testing.T, secrets []string, told map[string]string) {
	t.Helper()
	for name, text := range told {
		if len(text) < 100 {
			t.Errorf("%s was told nothing: %q", name, text)
		}
		for _, secret := range secrets {
			if len(secret) < 20 {
				t.Fatalf("%q is no secret", secret)
			}
			if strings.Contains(text, secret) || strings.Contains(text, url.QueryEscape(secret)) {
				t.Errorf("%s has a secret of a client", name)
			}
		}
	}
}

// What a client proves itself with goes no further than this server: neither the next hop nor the
// receiver of a webhook has it, nor a log.
func TestNoTokenOfAClientIsPassedOn(t *testing.T) {
	h, r := start(t), startReceiver(t)
	h.webhook(r, "/raw", "--event", "oversight.pending,message.sent")
	p := h.programOf("client_secret_post", "https://client.test/callback")
	_, tool, refresh := p.redeem(p.code("/mcp"))
	_, rest, again := p.redeem(p.code("/v1"))
	h.mcp(tool).held("by a tool", nil)
	p.dev.AgentKey, rest = rest, p.dev.AgentKey
	status, said := p.http("POST", "/v1/send", `{"to":["to@dest.test"],"subject":"by REST","markdown":"Hi."}`)
	if status != 202 {
		t.Fatal(status, said)
	}
	p.dev.AgentKey, rest = rest, p.dev.AgentKey
	told := map[string]string{}
	for _, subject := range []string{"by a tool", "by REST"} {
		m := h.only(subject)
		h.approveAndCapture(m, 1)
		for _, file := range h.captured(m.ID) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			told["the next hop of "+subject] += string(b)
		}
	}
	h.until("the webhook", func() bool { return len(r.got("/raw")) == 4 })
	told["the receiver of the webhook"] = r.out.String()
	told["the log"], told["the audit log"] = h.log.String(), h.must("audit", "export")
	unseen(t, []string{tool, rest, refresh, again, p.secret}, told)
}

// Nor has the issuer at which people sign in.
func TestNoTokenGoesToTheIssuerOfASignIn(t *testing.T) {
	secret := write(t, "entra.secret", "a secret of the server\n")
	e := newEntra(t, "Mail.Agents")
	s := e.serve("[oauth]\nserver = \"embedded\"\nclient_hosts = [\"loopback\"]\n[[oauth.grant]]\nissuer = \"corp\"\n" +
		"tenant = \"" + entraTenant + "\"\nrole = \"Mail.Agents\"\nagents = [\"bot\"]\n" + corpEntra +
		"[issuer.login]\nclient_id = \"multimail\"\nclient_secret_file = \"" + secret + "\"\n")
	ctx, stop := context.WithTimeout(t.Context(), 3*time.Minute)
	defer stop()
	heard := &listened{}
	c := &signedClient{t: t, http: &http.Client{Transport: heard}, ask: func(start string) consented {
		return consent(t, start, "as the agent bot", "LINK=Sign in with corp", "PROXY="+e.proxy)
	}}
	session, err := c.connect(ctx, s.dev.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	got, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "list_mailboxes", Arguments: map[string]any{}})
	if err != nil || got.IsError {
		t.Fatalf("%+v %v", got, err)
	}
	_, tokens, _, _ := heard.seen()
	if len(tokens) == 0 {
		t.Fatal("no token was seen")
	}
	unseen(t, tokens, map[string]string{"the issuer": e.said.String()})
}
