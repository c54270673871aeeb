//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// rereader is a client of the Go SDK that reads a resource again when it is told of it.
type rereader struct {
	*mcpClient
	mu    sync.Mutex
	reads map[string]string // URI: what the last read after a notification said
}

// subscribes connects in an era of the protocol.
func (h *daemon) subscribes(version, key string) *rereader {
	h.t.Helper()
	s := &rereader{reads: map[string]string{}}
	o := &mcp.ClientOptions{ResourceUpdatedHandler: func(_ context.Context, q *mcp.ResourceUpdatedNotificationRequest) {
		go func() { // a handler must not wait for its own session
			text, err := s.read(q.Params.URI)
			if err != nil {
				text = err.Error()
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			s.reads[q.Params.URI] = text
		}()
	}}
	session, err := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1"}, o).Connect(context.Background(),
		&mcp.StreamableClientTransport{Endpoint: h.dev.HTTP + "/mcp", HTTPClient: &http.Client{Transport: &keyed{key: key}}},
		&mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		h.t.Fatal(err)
	}
	if got := session.InitializeResult().ProtocolVersion; got != version {
		h.t.Fatalf("the session speaks %s, not %s", got, version)
	}
	h.t.Cleanup(func() { _ = session.Close() })
	s.mcpClient = &mcpClient{t: h.t, s: session}
	return s
}

// read reads a resource; binary parts count too.
func (s *rereader) read(uri string) (text string, err error) {
	got, err := s.s.ReadResource(context.Background(), &mcp.ReadResourceParams{URI: uri})
	if err != nil {
		return "", err
	}
	for _, c := range got.Contents {
		text += c.Text + string(c.Blob)
	}
	return text, nil
}

func (s *rereader) told(uri string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads[uri]
}

func (s *rereader) subscribe(uris ...string) {
	s.t.Helper()
	for _, uri := range uris {
		if err := s.s.Subscribe(context.Background(), &mcp.SubscribeParams{URI: uri}); err != nil {
			s.t.Fatal(err)
		}
	}
}

// links returns the resources that a tool's result points to.
func (c *mcpClient) links(tool string, args map[string]any) (uris []string) {
	c.t.Helper()
	r, err := c.s.CallTool(c.t.Context(), &mcp.CallToolParams{Name: tool, Arguments: args})
	if err != nil || r.IsError {
		c.t.Fatalf("%s: %+v %v", tool, r, err)
	}
	for _, b := range r.Content {
		if l, ok := b.(*mcp.ResourceLink); ok {
			uris = append(uris, l.URI)
		}
	}
	return uris
}

// Whoever has subscribed is told when mail is decided and delivered, refused, and when it
// arrives, in both eras; each time a read says what became of it.
func TestTheGoClientIsToldOfWhatHappens(t *testing.T) {
	h := start(t)
	for _, version := range []string{"2025-11-25", "2026-07-28"} {
		t.Run(version, func(t *testing.T) {
			h := h.in(t)
			s := h.subscribes(version, h.dev.AgentKey)
			box := "multimail://mailbox/" + h.dev.Mailbox
			draft := func(subject string) map[string]any {
				return map[string]any{"to": []string{"to@dest.test"}, "subject": subject + version, "markdown": "Hello."}
			}
			sent, rejected := s.links("send_email", draft("yes ")), s.links("send_email", draft("no "))
			if len(sent) != 1 || len(rejected) != 1 || !strings.HasPrefix(sent[0], box+"/mail/") {
				t.Fatalf("links to %q and %q", sent, rejected)
			}
			if text, err := s.read(sent[0]); err != nil || !strings.Contains(text, "yes "+version) {
				t.Errorf("the link leads to %s %v", text, err)
			}
			s.subscribe(box, sent[0], rejected[0])
			h.must("reject", h.only("no "+version).ID, "--reason", "not this one")
			h.until("the rejection", func() bool { return strings.Contains(s.told(rejected[0]), `"status": "rejected"`) })
			if text := s.told(sent[0]); text != "" {
				t.Errorf("told of what did not happen: %s", text)
			}
			h.approveAndCapture(h.only("yes "+version), 1)
			h.until("the delivery", func() bool { return strings.Contains(s.told(sent[0]), `"status": "sent"`) })
			raw := "From: Bob <bob@far.test>\r\nSubject: News " + version + "\r\nMessage-ID: <" + version + "@far.test>\r\n" +
				"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n" +
				"Hello there.\r\n--b\r\nContent-Type: text/csv\r\nContent-Disposition: attachment; filename=a.csv\r\n\r\n" +
				"1,2,3\r\n--b--\r\n"
			id := h.comesIn(raw)
			h.until("the news", func() bool { return strings.Contains(s.told(box), "News "+version) })

			// The mail, its thread and its attachment are resources; the results of tools point to them.
			mail := box + "/mail/" + id
			if got := s.links("read_email", map[string]any{"email_id": id}); len(got) > 0 && got[0] != mail {
				t.Errorf("read_email points to %q", got)
			}
			thread := s.call("read_email", map[string]any{"email_id": id}).ThreadID
			for uri, want := range map[string]string{mail: "Hello there.", mail + "/attachment/1": "1,2,3",
				box + "/thread/" + thread: "News " + version, box: "News " + version} {
				text, err := s.read(uri)
				if err != nil || !strings.Contains(text, want) || strings.Count(strings.ToUpper(text), "UNTRUSTED") == 0 {
					t.Errorf("%s: %s %v", uri, text, err)
				}
			}
			for _, uri := range []string{mail + "/attachment/2", box + "/mail/01ARZ3NDEKTSV4RRFFQ69G5FAV",
				"multimail://mailbox/other@example.test"} {
				if text, err := s.read(uri); err == nil {
					t.Errorf("%s: %s", uri, text)
				}
			}
		})
	}
}

// The clients of TypeScript are told the same, until the credential is revoked: then they hear
// nothing more, and the stream of the era without sessions ends.
// toldState is what each client was told, by the name of the client and the URI, and whose
// stream was closed.
type toldState struct {
	Told   map[string]map[string]string
	Closed map[string]string
}

func TestTheTypeScriptClientsAreToldUntilTheKeyIsRevoked(t *testing.T) {
	h := start(t)
	key := strings.TrimSpace(h.must("key", "create", "agent", h.dev.Username, "--scope", "read", "--scope", "send"))
	agent := h.mcp(h.dev.AgentKey)
	m, later := agent.held("told", nil), agent.held("not told", nil)
	box := "multimail://mailbox/" + h.dev.Mailbox
	uris := []string{box, box + "/mail/" + m.ID, box + "/mail/" + later.ID}
	c := exec.Command(filepath.Join(peers, "node_modules", ".bin", "node"), filepath.Join(peers, "told.mjs"))
	c.Env = append(c.Environ(), "MCP_URL="+h.dev.HTTP+"/mcp", "KEY="+key, "URIS="+encode(t, uris))
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	said := &lockedBuffer{}
	c.Stderr = said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = c.Wait() })
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	if !lines.Scan() || lines.Text() != "subscribed" {
		t.Fatalf("%s: %s", lines.Text(), said)
	}
	ask := func() (s toldState) {
		if _, err := io.WriteString(in, "told\n"); err != nil || !lines.Scan() {
			t.Fatalf("%v: %s", err, said)
		}
		decode(t, lines.Text(), &s)
		return s
	}
	h.must("approve", m.ID, "--digest", m.Digest)
	h.comesIn("From: Bob <bob@far.test>\r\nSubject: News\r\nMessage-ID: <n@far.test>\r\n\r\nHello\r\n")
	h.until("all are told", func() bool {
		s := ask()
		for _, name := range []string{"1.x", "2.x", "2.x auto"} {
			if !strings.Contains(s.Told[name][uris[1]], `"status": "sent"`) || !strings.Contains(s.Told[name][box], "News") {
				return false
			}
		}
		return true
	})
	h.must("key", "revoke", keyID(t, h))
	h.must("approve", later.ID, "--digest", later.Digest)
	h.until("the delivery", func() bool { return h.state(later.ID) == "sent" })
	h.until("the end of the stream", func() bool { return ask().Closed["2.x auto"] != "" })
	for name, told := range ask().Told {
		if text := told[uris[2]]; text != "" {
			t.Errorf("%s is told of %s after the revocation: %s", name, uris[2], text)
		}
	}
	fmt.Fprintln(in, "end")
}

// keyID is the id of the newest key of the demo agent.
func keyID(t *testing.T, h *daemon) string {
	t.Helper()
	var list []struct {
		ID        string
		CreatedAt time.Time `json:"created_at"`
	}
	decode(t, h.must("key", "list", "--json"), &list)
	newest := 0
	for i, k := range list {
		if k.CreatedAt.After(list[newest].CreatedAt) {
			newest = i
		}
	}
	return list[newest].ID
}
