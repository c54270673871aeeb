//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var (
	root    string // of the repository
	binary  string // the program under test
	peers   string // where npm put its programs
	longRun = os.Getenv("LONG") != ""
)

func TestMain(m *testing.M) {
	wd, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	root = filepath.Join(wd, "..", "..")
	peers = filepath.Join(root, "test", "peers")
	dir, err := os.MkdirTemp("", "multimail-e2e-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "multimail")
	build := exec.Command("go", "build", "-o", binary, "./cmd/multimail")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// devJSON is the contract of dev.json, written down a second time.
type devJSON struct {
	PID         int    `json:"pid"`
	Submission  string `json:"submission"`
	Submissions string `json:"submissions"`
	Inbound     string `json:"inbound"`
	HTTP        string `json:"http"`
	CAFile      string `json:"ca_file"`
	Operator    string `json:"operator"`
	Domain      string `json:"domain"`
	Mailbox     string `json:"mailbox"`
	Username    string `json:"username"`
	Password    string `json:"password"`
	AgentKey    string `json:"agent_key"`
	AdminKey    string `json:"admin_key"`
	AdminSocket string `json:"admin_socket"`
	Captured    string `json:"captured"`
}

func (d devJSON) port() string    { return d.Submission[strings.LastIndexByte(d.Submission, ':')+1:] }
func (d devJSON) tlsPort() string { return d.Submissions[strings.LastIndexByte(d.Submissions, ':')+1:] }

// daemon is one running dev daemon.
type daemon struct {
	t    *testing.T
	data string
	args []string
	dev  devJSON
	cmd  *exec.Cmd
	log  *lockedBuffer
	done chan struct{} // closed when cmd has ended
}

// lockedBuffer gathers what a process says while others read it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start runs a dev daemon with further arguments in a directory of its own.
func start(t *testing.T, args ...string) *daemon {
	t.Helper()
	h := &daemon{t: t, data: filepath.Join(t.TempDir(), "data"), args: args}
	h.run()
	t.Cleanup(func() {
		h.kill(syscall.SIGTERM)
		if t.Failed() {
			t.Logf("daemon said:\n%s", h.log)
		}
	})
	return h
}

// run starts the daemon and waits for its dev.json.
func (h *daemon) run() {
	h.t.Helper()
	before, _ := os.Stat(filepath.Join(h.data, "dev.json"))
	h.log = &lockedBuffer{}
	h.cmd = exec.Command(binary, append([]string{"serve", "--dev", "--verbose", "--ports", "auto", "--data", h.data},
		h.args...)...)
	h.cmd.Stdout, h.cmd.Stderr = h.log, h.log
	if err := h.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.done = make(chan struct{})
	go func() { _ = h.cmd.Wait(); close(h.done) }()
	h.until("dev.json", func() bool {
		select {
		case <-h.done:
			h.t.Fatalf("the daemon ended:\n%s", h.log)
		default:
		}
		fi, err := os.Stat(filepath.Join(h.data, "dev.json"))
		if err != nil || before != nil && os.SameFile(fi, before) {
			return false
		}
		b, err := os.ReadFile(filepath.Join(h.data, "dev.json"))
		return err == nil && json.Unmarshal(b, &h.dev) == nil && h.dev.PID == h.cmd.Process.Pid
	})
}

// kill ends the daemon, by its pid, and waits for it.
func (h *daemon) kill(sig syscall.Signal) {
	_ = h.cmd.Process.Signal(sig)
	select {
	case <-h.done:
	case <-time.After(40 * time.Second):
		_ = h.cmd.Process.Kill()
		<-h.done
		h.t.Errorf("the daemon did not end on %v", sig)
	}
}

// until polls for something another process does. It fails after a generous
// bound; no test asserts how long anything took.
func (h *daemon) until(what string, ok func() bool) {
	h.t.Helper()
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); {
		if ok() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	h.t.Fatalf("waited in vain for %s", what)
}

// result is what a program said.
type result struct {
	out, err string
	code     int
}

// command runs a program with a bound on its time.
func command(t *testing.T, stdin string, env []string, name string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, name, args...)
	c.Stdin = strings.NewReader(stdin)
	c.Env = append(os.Environ(), env...)
	// A file, not a pipe: Node's programs exit before a pipe has taken all.
	path := filepath.Join(t.TempDir(), "stdout")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	var errs bytes.Buffer
	c.Stdout, c.Stderr = out, &errs
	err = c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", name, err)
	}
	said, readErr := os.ReadFile(path)
	if readErr != nil {
		t.Fatal(readErr)
	}
	return result{string(said), errs.String(), c.ProcessState.ExitCode()}
}

// cli runs a command against the daemon.
func (h *daemon) cli(args ...string) result {
	h.t.Helper()
	return command(h.t, "", nil, binary, append(args, "--data", h.data)...)
}

// must is cli for commands that have to work.
func (h *daemon) must(args ...string) string {
	h.t.Helper()
	r := h.cli(args...)
	if r.code != 0 {
		h.t.Fatalf("multimail %s: exit %d\n%s%s", strings.Join(args, " "), r.code, r.out, r.err)
	}
	return r.out
}

// pendingMail is an element of `pending --json`.
type pendingMail struct {
	ID          string   `json:"id"`
	Rev         int      `json:"rev"`
	Digest      string   `json:"digest"`
	Subject     string   `json:"subject"`
	Mailbox     string   `json:"mailbox"`
	Agent       string   `json:"agent"`
	Door        string   `json:"door"`
	Mode        string   `json:"mode"`
	From        string   `json:"from"`
	To          []string `json:"to"`
	Cc          []string `json:"cc"`
	Bcc         []string `json:"bcc"`
	Size        int64    `json:"size"`
	Attachments int      `json:"attachments"`
}

func (h *daemon) pending() []pendingMail {
	h.t.Helper()
	var l []pendingMail
	decode(h.t, h.must("pending", "--all", "--json"), &l)
	return l
}

// only returns the one pending mail with this subject.
func (h *daemon) only(subject string) pendingMail {
	h.t.Helper()
	var found []pendingMail
	for _, m := range h.pending() {
		if m.Subject == subject {
			found = append(found, m)
		}
	}
	if len(found) != 1 {
		h.t.Fatalf("%d pending mails with subject %q", len(found), subject)
	}
	return found[0]
}

// state returns the state of a mail.
func (h *daemon) state(id string) string {
	h.t.Helper()
	var m struct {
		State string `json:"state"`
	}
	decode(h.t, h.must("mail", "show", id, "--json"), &m)
	return m.State
}

// captured returns the files of a mail in the capture directory.
func (h *daemon) captured(id string) []string {
	h.t.Helper()
	files, err := filepath.Glob(filepath.Join(h.dev.Captured, id+"-*.eml"))
	if err != nil {
		h.t.Fatal(err)
	}
	return files
}

// approveAndCapture approves by id and digest and returns the delivered bytes
// of the first recipient, once all n have arrived.
func (h *daemon) approveAndCapture(m pendingMail, n int) []byte {
	h.t.Helper()
	h.must("approve", m.ID, "--digest", m.Digest)
	h.until("delivery of "+m.ID, func() bool { return len(h.captured(m.ID)) >= n })
	files := h.captured(m.ID)
	if len(files) != n {
		h.t.Fatalf("%d files for %d recipients: %v", len(files), n, files)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		h.t.Fatal(err)
	}
	return b
}

// envelopeTo returns the envelope recipient of each captured file of a mail.
func (h *daemon) envelopeTo(id string) []string {
	h.t.Helper()
	var to []string
	for _, f := range h.captured(id) {
		b, err := os.ReadFile(strings.TrimSuffix(f, ".eml") + ".json")
		if err != nil {
			h.t.Fatal(err)
		}
		var e struct {
			From string          `json:"from"`
			To   json.RawMessage `json:"to"`
		}
		decode(h.t, string(b), &e)
		to = append(to, strings.Trim(string(e.To), `[]"`))
	}
	return to
}

// request is an API request with the agent's key.
func (h *daemon) request(method, path, body string) *http.Request {
	h.t.Helper()
	req, err := http.NewRequest(method, h.dev.HTTP+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+h.dev.AgentKey)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return req
}

// http makes one.
func (h *daemon) http(method, path, body string) (int, string) {
	h.t.Helper()
	resp, err := http.DefaultClient.Do(h.request(method, path, body))
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func decode(t *testing.T, text string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func encode(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// node runs a script of the peers.
func node(t *testing.T, script string, env ...string) result {
	t.Helper()
	return command(t, "", env, filepath.Join(peers, "node_modules", ".bin", "node"), filepath.Join(peers, script))
}
