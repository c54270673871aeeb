//go:build e2e

package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startIn is start for a data directory with a name of the test's own.
func startIn(t *testing.T, data string, args ...string) *daemon {
	t.Helper()
	h := &daemon{t: t, data: data, args: args}
	h.run()
	t.Cleanup(func() {
		h.kill(syscall.SIGTERM)
		if t.Failed() {
			t.Logf("daemon said:\n%s", h.log)
		}
	})
	return h
}

func plainAuth(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
}

// restart ends the daemon with a signal and starts it again on the same data.
func (h *daemon) restart(sig syscall.Signal) {
	h.t.Helper()
	h.kill(sig)
	h.run()
}

func TestDevFileHasExactlyThePromisedKeys(t *testing.T) {
	h := start(t)
	path := filepath.Join(h.data, "dev.json")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	decode(t, string(b), &m)
	want := strings.Fields("admin_key admin_socket agent_key ca_file captured domain http inbound mailbox operator " +
		"password pid submission submissions username")
	if got := slices.Sorted(maps.Keys(m)); !slices.Equal(got, want) {
		t.Errorf("keys %v, want %v", got, want)
	}
	for k, v := range m {
		if v == "" || v == nil {
			t.Errorf("%s is empty", k)
		}
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
	for _, p := range []string{h.dev.CAFile, h.dev.AdminSocket, h.dev.Captured} {
		if !filepath.IsAbs(p) {
			t.Errorf("%s is not absolute", p)
		}
		if _, err := os.Stat(p); err != nil {
			t.Error(err)
		}
	}
	for _, a := range []string{h.dev.Submission, h.dev.Submissions, h.dev.Inbound,
		strings.TrimPrefix(h.dev.HTTP, "http://")} {
		host, _, err := net.SplitHostPort(a)
		if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
			t.Errorf("%s is no loopback address", a)
		}
	}
	if h.dev.Domain != "example.test" || h.dev.Mailbox != "agent@example.test" || h.dev.Username != "demo" ||
		h.dev.Operator != "Example" {
		t.Errorf("the demo account is %+v", h.dev)
	}
}

func TestDevFileAppearsWhenEveryListenerAccepts(t *testing.T) {
	h := start(t)
	for range 3 {
		for network, addrs := range map[string][]string{
			"unix": {h.dev.AdminSocket},
			"tcp":  {h.dev.Submission, h.dev.Submissions, h.dev.Inbound, strings.TrimPrefix(h.dev.HTTP, "http://")},
		} {
			for _, a := range addrs {
				c, err := net.Dial(network, a)
				if err != nil {
					t.Error(err)
					continue
				}
				c.Close()
			}
		}
		h.plain().do("QUIT", "221")
		h.restart(syscall.SIGTERM)
	}
}

func TestDevFileIsReplacedByRenameAtEveryStart(t *testing.T) {
	h := start(t)
	path := filepath.Join(h.data, "dev.json")
	// A second name of the old file: a writer that truncates in place shows here.
	old := filepath.Join(h.data, "old.json")
	if err := os.Link(path, old); err != nil {
		t.Fatal(err)
	}
	before := h.dev
	h.restart(syscall.SIGTERM)
	var kept devJSON
	b, err := os.ReadFile(old)
	if err != nil {
		t.Fatal(err)
	}
	decode(t, string(b), &kept)
	if kept != before || h.dev.PID == before.PID {
		t.Errorf("the old file now says %+v", kept)
	}
	if left, _ := filepath.Glob(filepath.Join(h.data, ".tmp-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDevCredentialsAndHeldMailSurviveARestart(t *testing.T) {
	h := start(t)
	h.login().deliver(h.dev.Mailbox, []string{"a@dest.test"}, h.message("kept"), "250")
	before, m := h.dev, h.only("kept")
	ca, err := os.ReadFile(before.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	h.restart(syscall.SIGTERM)
	if h.dev.Username != before.Username || h.dev.Password != before.Password || h.dev.AgentKey != before.AgentKey {
		t.Error("the credentials changed")
	}
	if again, err := os.ReadFile(h.dev.CAFile); err != nil || !bytes.Equal(again, ca) {
		t.Errorf("the authority changed: %v", err)
	}
	h.login().do("NOOP", "250")
	if code, body := h.http("GET", "/v1/mailboxes", ""); code != 200 {
		t.Errorf("the agent's key: %d %s", code, body)
	}
	if again := h.only("kept"); again.ID != m.ID || again.Digest != m.Digest {
		t.Errorf("held was %+v, is %+v", m, again)
	}
	h.approveAndCapture(m, 1)
}

func TestDevFileLostMeansFreshCredentialsAndVoidOldOnes(t *testing.T) {
	h := start(t)
	before := h.dev
	h.kill(syscall.SIGTERM)
	if err := os.Remove(filepath.Join(h.data, "dev.json")); err != nil {
		t.Fatal(err)
	}
	h.run()
	fresh := h.dev
	if fresh.Password == before.Password || fresh.AgentKey == before.AgentKey {
		t.Fatal("the credentials are the old ones")
	}
	h.login().do("NOOP", "250")
	h.dev.AgentKey = before.AgentKey
	if code, _ := h.http("GET", "/v1/mailboxes", ""); code != 401 {
		t.Errorf("the old key is answered %d", code)
	}
	h.dev.AgentKey = fresh.AgentKey
	if code, body := h.http("GET", "/v1/mailboxes", ""); code != 200 {
		t.Errorf("the new key is answered %d %s", code, body)
	}
	s := h.secure()
	s.do("EHLO test", "250")
	s.do("AUTH PLAIN "+plainAuth(before.Username, before.Password), "535")
}

func TestDevSocketOfAKilledDaemonIsReplaced(t *testing.T) {
	h := start(t)
	h.kill(syscall.SIGKILL)
	if _, err := os.Lstat(h.dev.AdminSocket); err != nil {
		t.Fatalf("nothing was left: %v", err)
	}
	if r := h.cli("pending"); r.code != 1 || !strings.Contains(r.err, "no daemon answers") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
	h.run()
	h.must("pending")
}

func TestDevDataTakesNoSecondDaemon(t *testing.T) {
	h := start(t)
	before, err := os.ReadFile(filepath.Join(h.data, "dev.json"))
	if err != nil {
		t.Fatal(err)
	}
	r := command(t, "", nil, binary, "serve", "--dev", "--ports", "auto", "--data", h.data)
	if r.code != 1 || r.out != "" || !strings.HasPrefix(r.err, "error: ") || !strings.Contains(r.err, "another daemon") {
		t.Errorf("exit %d\n%s%s", r.code, r.out, r.err)
	}
	if after, err := os.ReadFile(filepath.Join(h.data, "dev.json")); err != nil || !bytes.Equal(before, after) {
		t.Errorf("dev.json now is %s, %v", after, err)
	}
	h.must("pending")
}

func TestDevSocketOfALongPathMovesAndTheCommandLineFindsIt(t *testing.T) {
	tmp, err := os.MkdirTemp("", "mm-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(tmp) })
	t.Setenv("TMPDIR", tmp)
	h := startIn(t, filepath.Join(t.TempDir(), strings.Repeat("d", 60), strings.Repeat("e", 60)))
	if !strings.HasPrefix(h.dev.AdminSocket, tmp) || len(h.dev.AdminSocket) > 100 {
		t.Errorf("the socket is %s", h.dev.AdminSocket)
	}
	if fi, err := os.Stat(filepath.Dir(h.dev.AdminSocket)); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", fi.Mode(), err)
	}
	h.must("pending")
	h.restart(syscall.SIGKILL)
	h.must("pending")
}

func TestDevEnvIsTakenByAShell(t *testing.T) {
	h := startIn(t, filepath.Join(t.TempDir(), `it's "here" $HOME`))
	r := command(t, "", []string{"B=" + binary, "D=" + h.data}, "sh", "-euc",
		`eval "$("$B" dev-env --data "$D")"; printf '%s\n' "$SSL_CERT_FILE" "$SMTP_HOST:$SMTP_PORT" \
			"$SMTP_HOST:$SMTP_TLS_PORT" "$SMTP_HOST:$INBOUND_PORT" "$SMTP_USERNAME" "$SMTP_PASSWORD" "$SMTP_FROM" \
			"$MULTIMAIL_URL" "$MULTIMAIL_API_KEY" "$MULTIMAIL_DATA"; "$B" pending --json`)
	want := strings.Join([]string{h.dev.CAFile, h.dev.Submission, h.dev.Submissions, h.dev.Inbound, h.dev.Username,
		h.dev.Password, h.dev.Mailbox, h.dev.HTTP, h.dev.AgentKey, h.data, "[]\n"}, "\n")
	if r.code != 0 || r.out != want {
		t.Errorf("exit %d, got\n%swant\n%s%s", r.code, r.out, want, r.err)
	}
	if r := command(t, "", nil, binary, "dev-env", "--data", t.TempDir()); r.code != 1 ||
		!strings.Contains(r.err, "hint: ") || r.out != "" {
		t.Errorf("without a daemon: exit %d %s%s", r.code, r.out, r.err)
	}
}

func TestDevEnvForMCPNamesAnStdioAndAnHTTPServer(t *testing.T) {
	h := start(t)
	var got struct {
		Servers map[string]struct {
			Type, Command, URL string
			Args               []string
			Env, Headers       map[string]string
		} `json:"mcpServers"`
	}
	decode(t, h.must("dev-env", "--mcp"), &got)
	types := map[string]bool{}
	for _, s := range got.Servers {
		types[s.Type] = true
		switch s.Type {
		case "stdio":
			if s.Command != binary || !slices.Equal(s.Args, []string{"mcp"}) || s.Env["MULTIMAIL_API_KEY"] != h.dev.AgentKey {
				t.Errorf("stdio: %+v", s)
			}
		case "http":
			if s.URL != h.dev.HTTP+"/mcp" || s.Headers["Authorization"] != "Bearer "+h.dev.AgentKey {
				t.Errorf("http: %+v", s)
			}
		}
	}
	if len(got.Servers) != 2 || !types["stdio"] || !types["http"] {
		t.Errorf("servers: %+v", got.Servers)
	}
}

// printedCommands are the commands of the welcome, continued lines joined.
func (h *daemon) printedCommands() []string {
	h.t.Helper()
	_, after, ok := strings.Cut(h.log.String(), "Try, in another shell:\n\n")
	if !ok {
		h.t.Fatalf("no welcome in %s", h.log)
	}
	block, _, _ := strings.Cut(after, "\n\n")
	return strings.Split(strings.TrimSpace(strings.ReplaceAll(block, "\\\n", "")), "\n")
}

func TestDevWelcomePrintsCommandsThatWork(t *testing.T) {
	h := startIn(t, filepath.Join(t.TempDir(), "it's here"))
	h.until("the welcome", func() bool { return strings.Contains(h.log.String(), "# then look into") })
	cmds := h.printedCommands()
	if len(cmds) != 3 {
		t.Fatalf("printed: %q", cmds)
	}
	bash := func(cmd string) string {
		r := command(t, "", nil, "bash", "-c", cmd)
		if r.code != 0 {
			t.Fatalf("%s: exit %d\n%s%s", cmd, r.code, r.out, r.err)
		}
		return r.out
	}
	bash(cmds[0])
	m := h.only("hello")
	if out := bash(cmds[1]); !strings.Contains(out, m.ID) {
		t.Errorf("pending says %s", out)
	}
	// Nobody sits at this terminal: what a reader answers, --yes answers.
	r := command(t, "", nil, "bash", "-c", strings.Replace(cmds[2], " ID ", " "+m.ID+" ", 1))
	if r.code != 2 || !strings.Contains(r.err, "--yes") {
		t.Errorf("without a terminal: exit %d %s", r.code, r.err)
	}
	bash(strings.Replace(cmds[2], " ID ", " "+m.ID+" --yes ", 1))
	h.until("delivery", func() bool { return len(h.captured(m.ID)) == 1 })
	if !strings.Contains(cmds[2], h.dev.Captured) {
		t.Errorf("the reader is not led to %s", h.dev.Captured)
	}
}

func TestDevNextHopThatIsDeadLeavesTheMailReadyAndSaysWhy(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := l.Addr().String()
	l.Close()
	h := start(t, "--next-hop", dead)
	h.login().deliver(h.dev.Mailbox, []string{"a@dest.test"}, h.message("stuck"), "250")
	m := h.only("stuck")
	h.must("approve", m.ID, "--digest", m.Digest)
	h.until("a second attempt", func() bool {
		var show struct {
			State    string `json:"state"`
			Attempts int    `json:"attempts"`
		}
		decode(t, h.must("mail", "show", m.ID, "--json"), &show)
		if show.State != "ready" && show.State != "sending" {
			t.Fatalf("the mail is %s", show.State)
		}
		return show.Attempts >= 2
	})
	h.until("the reason", func() bool {
		out := h.must("mail", "show", m.ID)
		return strings.Contains(out, "a@dest.test") && strings.Contains(out, "no connection to "+dead)
	})
	if files, err := os.ReadDir(h.dev.Captured); err == nil && len(files) > 0 {
		t.Errorf("captured nevertheless: %v", files)
	}
}

func TestDevCaptureIsOnePairOfFilesForEachRecipient(t *testing.T) {
	h := start(t)
	h.must("mailbox", "mode", h.dev.Mailbox, "monitored")
	to := []string{"a@dest.test", "b@dest.test"}
	h.login().deliver(h.dev.Mailbox, to, h.message("pair"), "250")
	files := func() []string {
		l, err := filepath.Glob(filepath.Join(h.dev.Captured, "*.eml"))
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	h.until("three deliveries", func() bool { return len(files()) >= 3 })
	var got []string
	for _, f := range files() {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(b, []byte("\n")); n == 0 || n != bytes.Count(b, []byte("\r\n")) ||
			bytes.Count(b, []byte("\r")) != n {
			t.Errorf("%s: not every line ends in CRLF", f)
		}
		envelope, err := os.ReadFile(strings.TrimSuffix(f, ".eml") + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var e map[string]string
		decode(t, string(envelope), &e)
		if keys := slices.Sorted(maps.Keys(e)); !slices.Equal(keys, []string{"from", "received_at", "to"}) ||
			e["from"] != h.dev.Mailbox {
			t.Errorf("%s", envelope)
		}
		if _, err := time.Parse(time.RFC3339, e["received_at"]); err != nil {
			t.Error(err)
		}
		got = append(got, e["to"])
	}
	slices.Sort(got)
	if want := append(to, "oversight@example.test"); !slices.Equal(got, want) {
		t.Errorf("delivered to %v, want %v", got, want)
	}
}

func TestDevDoorServesBesideManyIdleConnections(t *testing.T) {
	h := start(t)
	for i := range 300 {
		c, err := net.Dial("tcp", h.dev.Submission)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		t.Cleanup(func() { c.Close() })
	}
	s := h.login()
	s.deliver(h.dev.Mailbox, []string{"a@dest.test"}, h.message("one more"), "250")
	h.only("one more")
}

func TestDevPortsThatAreTakenAreNamedWithAWayOut(t *testing.T) {
	// Whoever holds it, the fixed port is taken now.
	if l, err := net.Listen("tcp", "127.0.0.1:8025"); err == nil {
		defer l.Close()
	}
	r := command(t, "", nil, binary, "serve", "--dev", "--data", filepath.Join(t.TempDir(), "data"))
	if r.code != 1 || !strings.Contains(r.err, "127.0.0.1:8025") ||
		!strings.Contains(r.err, "hint: another program uses this port; try --ports auto") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
}

func TestDevFileThatIsDamagedStopsTheStart(t *testing.T) {
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "dev.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := command(t, "", nil, binary, "serve", "--dev", "--ports", "auto", "--data", data)
	if r.code != 1 || !strings.Contains(r.err, "dev.json") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
}

func TestDevFilePrintsAsOneJSONObject(t *testing.T) {
	h := start(t)
	out, err := exec.Command("cat", filepath.Join(h.data, "dev.json")).Output()
	if err != nil || !json.Valid(out) || !bytes.HasSuffix(out, []byte("}\n")) {
		t.Errorf("%v: %s", err, out)
	}
	if got := fmt.Sprint(h.dev.PID); !bytes.Contains(out, []byte(got)) {
		t.Errorf("no pid %s in %s", got, out)
	}
}
