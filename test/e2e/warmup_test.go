//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// A new domain has 50 recipients a day, by whichever door the mail comes, and each door says so in
// its own words.
func TestANewDomainIsWarmedUpAtEveryDoor(t *testing.T) {
	s := serveWorld(t, "", "[queue]\nwarmup = true\n")
	to := func(n int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprintf("a%d@dest.test", i))
		}
		return list
	}
	swaks := func(to []string) result {
		return command(t, "", nil, "swaks", "--server", "localhost", "--port",
			s.dev.tlsPort(), "--tls-on-connect", "--auth", "PLAIN", "--auth-user", s.dev.Username, "--auth-password",
			s.dev.Password, "--from", s.dev.Mailbox, "--to", strings.Join(to, ","), "--body", "Hello")
	}
	must(t, swaks(to(30)))
	draft, _ := json.Marshal(map[string]any{"to": to(15), "subject": "Hello", "markdown": "Hello."})
	if status, said := s.http("POST", "/v1/send", string(draft)); status != http.StatusAccepted {
		t.Fatalf("%d %s", status, said)
	}
	agent := s.mcp(s.dev.AgentKey)
	agent.held("Hello", nil)

	if r := swaks(to(5)); r.code == 0 || !strings.Contains(r.out, " 451 4.7.1 the sending domain is new") {
		t.Errorf("SMTP: %+v", r)
	}
	resp, err := http.DefaultClient.Do(s.request("POST", "/v1/send", string(draft)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var said map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&said); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" || said["hint"] == "" ||
		said["code"] != "warm_up" || said["warmup_stage"] != 1.0 || said["daily_sent"] != 46.0 ||
		said["daily_limit"] != 50.0 {
		t.Errorf("REST: %s %q %v", resp.Status, resp.Header.Get("Retry-After"), said)
	}
	m := agent.call("send_email", map[string]any{"to": to(5), "subject": "Hello", "markdown": "Hello."})
	if !m.failed || !strings.Contains(m.text, "warm-up stage 1: 46 of 50 recipients), not before ") {
		t.Errorf("MCP: %+v", m)
	}
	must(t, swaks(to(4)))
	if r := swaks(to(1)); r.code == 0 {
		t.Error("a fifty-first recipient is taken")
	}
}
