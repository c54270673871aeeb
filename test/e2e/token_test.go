//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	entraTenant  = "aaaaaaaa-1111-2222-3333-444444444444"
	entraAgent   = "cccccccc-1111-2222-3333-444444444444"
	entraUser    = "dddddddd-1111-2222-3333-444444444444"
	entraAccount = "dddddddd-9999-2222-3333-444444444444"
	entraParent  = "eeeeeeee-1111-2222-3333-444444444444"
	entraNew     = "ffffffff-1111-2222-3333-444444444444"
)

// entraClients are clients of the issuer, by name, with the claims of their tokens.
func entraClients() map[string]map[string]any {
	claims := func(more ...any) map[string]any {
		c := map[string]any{"tid": entraTenant, "ver": "2.0", "azp": entraAgent, "xms_par_app_azp": entraParent}
		for i := 0; i < len(more); i += 2 {
			c[more[i].(string)] = more[i+1]
		}
		return c
	}
	roles := []string{"Mail.Send", "Mail.Read"}
	return map[string]map[string]any{
		"autonomous": claims("idtyp", "app", "oid", entraAgent, "roles", roles, "xms_act_fct", "3 11", "xms_sub_fct", "11"),
		"onbehalf":   claims("idtyp", "user", "oid", entraUser, "scp", "Mail.Send Mail.Read", "xms_act_fct", "11"),
		"account": claims("idtyp", "user", "oid", entraAccount, "scp", "Mail.Send", "xms_act_fct", "11",
			"xms_sub_fct", "13"),
		"person": {"tid": entraTenant, "ver": "2.0", "azp": entraParent, "oid": entraUser, "idtyp": "user",
			"scp": "Mail.Send"},
		"reader":  claims("idtyp", "app", "oid", entraAgent, "roles", roles[1:], "xms_act_fct", "11", "xms_sub_fct", "11"),
		"unknown": claims("idtyp", "app", "oid", entraParent, "roles", roles, "xms_act_fct", "11", "xms_sub_fct", "11"),
		"new": claims("idtyp", "app", "oid", entraNew, "azp", entraNew, "roles", append(roles, "Agent"),
			"xms_act_fct", "11", "xms_sub_fct", "11"),
	}
}

// issuer is node-oidc-provider.
type issuer struct {
	t   *testing.T
	url string
}

// startIssuer runs it until the test ends.
func startIssuer(t *testing.T) issuer {
	t.Helper()
	clients, err := json.Marshal(entraClients())
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(filepath.Join(peers, "node_modules", ".bin", "node"), filepath.Join(peers, "issuer.mjs"))
	c.Env = append(c.Environ(), "ISSUER=https://login.microsoftonline.com/"+entraTenant+"/v2.0",
		"AUDIENCE=api://multimail", "CLIENTS="+string(clients))
	out := &lockedBuffer{}
	c.Stdout, c.Stderr = out, &bytes.Buffer{}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = c.Wait(); close(done) }()
	t.Cleanup(func() { _ = c.Process.Signal(syscall.SIGTERM); <-done })
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if at, _, ok := strings.Cut(out.String(), "\n"); ok {
			return issuer{t, at}
		}
	}
	t.Fatalf("the issuer did not start: %s", c.Stderr)
	return issuer{}
}

// token returns a token of a client.
func (is issuer) token(client string) string {
	is.t.Helper()
	q := url.Values{"grant_type": {"client_credentials"}, "resource": {"urn:multimail"}}
	req, err := http.NewRequest("POST", is.url+"/token", strings.NewReader(q.Encode()))
	if err != nil {
		is.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(client, "secret")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		is.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err != nil || json.Unmarshal(b, &answer) != nil || strings.Count(answer.AccessToken, ".") != 2 {
		is.t.Fatalf("the issuer says %s (%v)", b, err)
	}
	return answer.AccessToken
}

// config writes the configuration that knows the issuer.
func (is issuer) config() string {
	is.t.Helper()
	return write(is.t, "issuers.toml", `
[[issuer]]
name = 'entra'
preset = 'entra'
audiences = ['api://multimail']
tenants = ['`+entraTenant+`']
jwks_url = '`+is.url+`/jwks'
[issuer.scopes]
read = ['Mail.Read']
send = ['Mail.Send']
[[issuer.provision]]
tenant = '`+entraTenant+`'
role = 'Agent'
address = 'agent-{object}@example.test'
`)
}

// byCurl submits with curl, which knows OAUTHBEARER and XOAUTH2.
func (h *daemon) byCurl(mechanism, token, from, subject string) result {
	eml := write(h.t, "token.eml", "From: "+from+"\r\nTo: to@dest.test\r\nSubject: "+subject+"\r\n\r\nHello.\r\n")
	return command(h.t, "", nil, "curl", "-sv", "--ssl-reqd", "--cacert", h.dev.CAFile, "--url",
		"smtp://localhost:"+h.dev.port(), "-u", from+":", "--oauth2-bearer", token, "--login-options", "AUTH="+mechanism,
		"--mail-from", from, "--mail-rcpt", "to@dest.test", "-T", eml)
}

func (h *daemon) bySmtplib(mechanism, token, subject string) result {
	env := append(h.env(subject, false), "MECHANISM="+mechanism, "TOKEN="+token)
	return command(h.t, "", env, "/usr/bin/python3", "testdata/submittoken.py")
}

// An agent of another issuer submits with its own token; the approver sees who it is,
// and a stranger finds the agent in the header of the mail.
func TestAnAgentSubmitsWithItsOwnToken(t *testing.T) {
	is := startIssuer(t)
	h := start(t, "--issuers", is.config())
	h.must("agent", "bind", "demo", "--issuer", "entra", "--tenant", entraTenant, "--object", entraAgent,
		"--client", entraAgent, "--account", entraAccount)
	for _, client := range []string{"autonomous", "onbehalf", "account"} {
		byHTTP := h.in(t)
		byHTTP.dev.AgentKey = is.token(client)
		code, body := byHTTP.http("POST", "/v1/send", `{"to":["to@dest.test"],"subject":"`+client+`","markdown":"Hello."}`)
		if m := h.only(client); code/100 != 2 || m.Door != "http" || m.Agent != "demo" {
			t.Errorf("HTTP answers %d %s, and %+v is held", code, body, m)
		}
		sent := h.mcp(is.token(client)).call("send_email", map[string]any{"to": []string{"to@dest.test"},
			"subject": client + " by MCP", "markdown": "Hello."})
		if m := h.only(client + " by MCP"); sent.failed || m.Door != "mcp" || m.Agent != "demo" {
			t.Errorf("the tool says %+v, and %+v is held", sent, m)
		}
		for _, mechanism := range []string{"OAUTHBEARER", "XOAUTH2"} {
			for program, submit := range map[string]func(*daemon, string) result{
				"curl": func(h *daemon, subject string) result {
					return h.byCurl(mechanism, is.token(client), h.dev.Mailbox, subject)
				},
				"smtplib": func(h *daemon, subject string) result {
					return h.bySmtplib(mechanism, is.token(client), subject)
				},
			} {
				t.Run(fmt.Sprint(client, " ", mechanism, " ", program), func(t *testing.T) {
					h := h.in(t)
					subject := strings.ReplaceAll(t.Name(), "/", " ")
					if r := submit(h, subject); r.code != 0 || !queuedAs.MatchString(r.out+r.err) {
						t.Fatalf("exit %d\n%s%s", r.code, r.out, r.err)
					}
					m := h.only(subject)
					shown := h.must("show", m.ID)
					for _, want := range []string{"entra", entraTenant, entraAgent, entraParent} {
						if !strings.Contains(shown, want) {
							t.Errorf("the approver is not shown %s:\n%s", want, shown)
						}
					}
					h.approveAndCapture(m, 1)
					h.wantAgent(h.captured(m.ID)[0], entraAgent)
				})
			}
		}
	}
}

// wantAgent has jose verify the identity header, as the documentation shows.
func (h *daemon) wantAgent(file, agent string) {
	h.t.Helper()
	var jose struct {
		Payload struct {
			AgentRef string `json:"agent_ref"`
		}
		Forged string
	}
	out := must(h.t, node(h.t, "jose.mjs", "EML="+file, "DOCUMENT="+h.dev.HTTP+"/.well-known/multimail-signing-key"))
	decode(h.t, out, &jose)
	if jose.Payload.AgentRef != agent || jose.Forged != "refused" || strings.Contains(out, entraUser) {
		h.t.Errorf("jose says %s", out)
	}
}

// What a token does not give, no door gives.
func TestATokenThatIsNotEnoughGetsNothing(t *testing.T) {
	is := startIssuer(t)
	h := start(t, "--issuers", is.config())
	h.must("agent", "bind", "demo", "--issuer", "entra", "--tenant", entraTenant, "--object", entraAgent)
	good := is.token("autonomous")
	for name, token := range map[string]string{
		"of an agent that is not bound": is.token("unknown"),
		"of a person":                   is.token("person"),
		"of a shape that is not bound":  is.token("onbehalf"),
		"that may only read":            is.token("reader"),
		"that was changed":              good[:len(good)-8] + "AAAAAAAA",
		"that is none":                  "a.b.c",
		"that is a password":            h.dev.Password,
	} {
		t.Run(name, func(t *testing.T) {
			h := h.in(t)
			r := h.byCurl("OAUTHBEARER", token, h.dev.Mailbox, "no")
			if r.code == 0 || queuedAs.MatchString(r.err) {
				t.Errorf("taken:\n%s", r.err)
			}
			h.dev.AgentKey = token
			code, body := h.http("POST", "/v1/send", `{"to":["to@dest.test"],"subject":"no","markdown":"no"}`)
			if code != 401 && code != 403 {
				t.Errorf("HTTP answers %d %s", code, body)
			}
		})
	}
	if n := len(h.pending()); n != 0 {
		t.Errorf("%d mails are held", n)
	}
	conf := is.config()
	r := command(t, good, nil, binary, "doctor", "token", "--config", conf)
	if r.code != 0 || !strings.Contains(r.out, "Accepted.") || strings.Contains(r.out, good[len(good)-40:]) {
		t.Errorf("doctor says %s%s", r.out, r.err)
	}
	if r := command(t, is.token("person"), nil, binary, "doctor", "token", "--json", "--config", conf); !strings.Contains(
		r.out, `"shape": "person"`) {
		t.Errorf("doctor says %s%s", r.out, r.err)
	}
}

// A role that the configuration names makes an agent with its first token.
func TestAnAgentIsProvisionedWithItsFirstToken(t *testing.T) {
	is := startIssuer(t)
	h := start(t, "--issuers", is.config())
	box := "agent-" + entraNew + "@example.test"
	if r := h.byCurl("OAUTHBEARER", is.token("new"), box, "first"); r.code != 0 {
		t.Fatalf("exit %d\n%s", r.code, r.err)
	}
	m := h.only("first")
	if m.Agent != "entra-"+entraNew || m.Mode != "gated_send" {
		t.Errorf("pending shows %+v", m)
	}
	h.approveAndCapture(m, 1)
	h.wantAgent(h.captured(m.ID)[0], entraNew)
}
