//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/multimail/multimail/internal/hook"
)

// keepsMail makes Postfix put every mail into one Maildir, and returns its directory.
func keepsMail(t *testing.T) (settings, dir string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "multimail-maildir-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, command(t, "", nil, "chown", "nobody", dir))
	must(t, command(t, "", nil, "chmod", "755", dir))
	return "default_transport = virtual:\nvirtual_mailbox_base = " + dir + "\nvirtual_mailbox_maps = static:all/\n" +
		"virtual_uid_maps = static:65534\nvirtual_gid_maps = static:65534\n", dir
}

// inMaildir returns the mails of a Maildir whose text holds a word.
func inMaildir(t *testing.T, dir, word string) (mails []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "all", "new", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte(word)) {
			mails = append(mails, string(b))
		}
	}
	return mails
}

var codeLine = regexp.MustCompile(`(?m)^Code: ([0-9A-Z]{3}-[0-9A-Z]{3}-[0-9A-Z]{4})\r?$`)

// elicited connects a client that can be asked for values, and notes what it is asked for.
func (h *daemon) elicited(asked *[]string) *mcpClient {
	h.t.Helper()
	k := &keyed{key: h.dev.AgentKey}
	o := &mcp.ClientOptions{ElicitationHandler: func(_ context.Context, r *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
		*asked = append(*asked, r.Params.Message)
		return &mcp.ElicitResult{Action: "decline"}, nil
	}}
	s, err := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1"}, o).Connect(h.t.Context(),
		&mcp.StreamableClientTransport{Endpoint: h.dev.HTTP + "/mcp", HTTPClient: &http.Client{Transport: k}}, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = s.Close() })
	return &mcpClient{h.t, s, k}
}

// An agent asks for an entry of its allowlist; the code reaches the operator by Postfix and
// nobody else; with it the entry is there, and mail leaves undecided. The client is go-sdk's.
func TestAnAgentGetsWhatItsOperatorGivesACodeFor(t *testing.T) {
	settings, dir := keepsMail(t)
	p := startPostfix(t, settings)
	h, r := start(t, "--next-hop", p.addr), startReceiver(t)
	h.webhook(r, "/all", "--event", strings.Join(hook.EventNames(), ","))
	var asked []string
	c := h.elicited(&asked)
	args := map[string]any{"pattern": "*@friend.test", "note": "they know us"}
	m := c.call("add_allowlist_entry", args)
	if m.failed || m.Status != "pending_approval" || !strings.Contains(m.text, "approval_code") {
		t.Fatalf("the first call: %+v", m)
	}
	if got := h.must("allow", "list", h.dev.Mailbox, "--json"); strings.Contains(got, "friend.test") {
		t.Fatalf("the entry is there without a code: %s", got)
	}
	h.until("the mail of the code", func() bool { return len(inMaildir(t, dir, "add_allowlist_entry")) == 1 })
	letter := inMaildir(t, dir, "add_allowlist_entry")[0]
	code := codeLine.FindStringSubmatch(letter)
	if code == nil || !strings.Contains(letter, "\nX-Original-To: oversight@example.test") &&
		!strings.Contains(letter, "\nDelivered-To: oversight@example.test") ||
		!strings.Contains(letter, "| *@friend.test") || !strings.Contains(letter, "| they know us") {
		t.Fatalf("the operator got:\n%s", letter)
	}
	for name, wrong := range map[string]map[string]any{
		"a wrong code":      {"pattern": "*@friend.test", "note": "they know us", "approval_code": "AAA-AAA-AAAA"},
		"for another value": {"pattern": "*@evil.test", "note": "they know us", "approval_code": code[1]},
	} {
		if m := c.call("add_allowlist_entry", wrong); !m.failed || strings.Contains(m.text, code[1]) {
			t.Errorf("%s: %+v", name, m)
		}
	}
	args["approval_code"] = code[1]
	if m := c.call("add_allowlist_entry", args); m.failed || m.ID == "" {
		t.Fatalf("with the code: %+v", m)
	}
	if m := c.call("add_allowlist_entry", args); !m.failed {
		t.Errorf("the code is good twice: %+v", m)
	}
	sent := c.call("send_email", map[string]any{"to": []string{"ada@friend.test"}, "subject": "Hello", "markdown": "Hi."})
	h.until("delivery", func() bool { return h.state(sent.ID) == "sent" })
	held := c.call("send_email", map[string]any{"to": []string{"ada@evil.test"}, "subject": "Hello", "markdown": "Hi."})
	if held.Status != "pending_send_approval" {
		t.Errorf("mail to somebody else: %+v", held)
	}
	if len(asked) > 0 {
		t.Errorf("the client was asked for %q", asked)
	}
	h.until("what webhooks are told", func() bool {
		all := toldAll(r)
		return strings.Contains(all, "allow.add") && strings.Contains(all, "message.sent") &&
			strings.Contains(all, "oversight.pending")
	})
	if all := toldAll(r); strings.Contains(all, code[1]) || strings.Contains(all, strings.ReplaceAll(code[1], "-", "")) {
		t.Errorf("the code stands in what webhooks are told: %s", all)
	}
	h.nowhere(code[1])
}

// nowhere fails if a code stands in what the daemon says, lists or keeps.
func (h *daemon) nowhere(code string) {
	h.t.Helper()
	places := map[string]string{"the log": h.log.String(), "the audit log": h.must("audit", "list", "--json")}
	for _, path := range []string{"/v1/mailboxes/" + h.dev.Mailbox + "/emails", "/v1/account", "/v1/mailboxes"} {
		_, places[path] = h.http("GET", path, "")
	}
	h.kill(syscall.SIGTERM)
	err := filepath.WalkDir(h.data, func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		places[path] = string(b)
		return err
	})
	if err != nil || len(places) < 10 {
		h.t.Fatalf("%d places, %v", len(places), err)
	}
	for name, text := range places {
		if strings.Contains(text, code) || strings.Contains(text, strings.ReplaceAll(code, "-", "")) {
			h.t.Errorf("the code stands in %s", name)
		}
	}
}

// codes returns the codes that were mailed for an operation, oldest first.
func (h *daemon) codes(operation string) (list []string) {
	h.t.Helper()
	files, err := filepath.Glob(filepath.Join(h.dev.Captured, "*.eml"))
	if err != nil {
		h.t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			h.t.Fatal(err)
		}
		if m := codeLine.FindStringSubmatch(string(b)); m != nil && strings.Contains(string(b), operation) {
			list = append(list, m[1])
		}
	}
	return list
}

// The daemon is killed while a code is presented. Afterwards what it is for has been done and the
// code is spent, or neither.
func TestACodeIsCarriedOutOnceThoughTheDaemonIsKilledMeanwhile(t *testing.T) {
	h := start(t)
	for i := range 3 { // as many as an agent gets in an hour
		pattern := fmt.Sprintf("friend%d@far.test", i)
		path, body := "/v1/mailboxes/"+h.dev.Mailbox+"/allowlist", `{"pattern":"`+pattern+`"`
		if status, said := h.http("POST", path, body+"}"); status != http.StatusAccepted {
			t.Fatalf("asked: %d %s", status, said)
		}
		codes := h.codes("add_allowlist_entry")
		if len(codes) != i+1 {
			t.Fatalf("%d codes", len(codes))
		}
		body += `,"approval_code":"` + codes[i] + `"}`
		before := h.dev
		presented := make(chan struct{})
		go func() {
			defer close(presented)
			req, _ := http.NewRequest("POST", before.HTTP+path, strings.NewReader(body))
			req.Header.Set("Authorization", "Bearer "+before.AgentKey)
			req.Header.Set("Content-Type", "application/json")
			if resp, err := http.DefaultClient.Do(req); err == nil {
				resp.Body.Close()
			}
		}()
		time.Sleep(time.Duration(rand.IntN(12)) * time.Millisecond)
		h.kill(syscall.SIGKILL)
		<-presented
		h.run()
		there := strings.Contains(h.must("allow", "list", h.dev.Mailbox, "--json"), pattern)
		want := map[bool]int{true: http.StatusNotFound, false: http.StatusCreated}[there]
		if status, said := h.http("POST", path, body); status != want {
			t.Errorf("done: %t, and once more: %d %s", there, status, said)
		}
		log := h.must("audit", "export")
		if n := strings.Count(log, `\"kind\":\"code.redeem\"`); n != i+1 {
			t.Errorf("%d entries of redeeming, want %d", n, i+1)
		}
		if list := h.must("allow", "list", h.dev.Mailbox, "--json"); strings.Count(list, pattern) != 1 {
			t.Errorf("the list is %s", list)
		}
	}
	h.must("audit", "verify")
}

// toldAll is what a receiver of webhooks has got.
func toldAll(r *receiver) (all string) {
	for _, one := range r.got("/all") {
		all += string(one.Raw)
	}
	return all
}
