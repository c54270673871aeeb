//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
)

func TestCLIExitStatusesTellUsageFromRefusal(t *testing.T) {
	h := start(t)
	missing := "01ARZ3NDEKTSV4RRFFQ69G5FAV"
	for _, c := range []struct {
		args []string
		code int
	}{
		{[]string{"--help"}, 0},
		{[]string{"pending"}, 0},
		{[]string{"pending", "--nonsense"}, 2},
		{[]string{"approve", missing}, 2},
		{[]string{"approve", missing, "--yes"}, 1},
		{[]string{"reject", missing}, 1},
		{[]string{"show", missing}, 1},
		{[]string{"show", "no-id"}, 1},
		{[]string{"mailbox", "mode", h.dev.Mailbox, "free"}, 2},
		{[]string{"mailbox", "mode", "other@example.test", "gated_all"}, 1},
		{[]string{"agent", "disable", "nobody"}, 1},
		{[]string{"freeze", "planet:earth"}, 1},
		{[]string{"audit", "verify"}, 0},
	} {
		r := h.cli(c.args...)
		if r.code != c.code {
			t.Errorf("%v: exit %d, want %d\n%s%s", c.args, r.code, c.code, r.out, r.err)
		}
		if c.code != 0 && (r.out != "" || !strings.HasPrefix(r.err, "error: ")) {
			t.Errorf("%v: stdout %q, stderr %q", c.args, r.out, r.err)
		}
	}
}

func TestCLIEveryResultIsJSONWhenAsked(t *testing.T) {
	h := start(t)
	s := h.login()
	s.deliver(h.dev.Mailbox, []string{"a@dest.test"}, h.message("one"), "250")
	s.deliver(h.dev.Mailbox, []string{"a@dest.test"}, h.message("two"), "250")
	one, two := h.only("one").ID, h.only("two").ID
	var entry struct {
		ID string `json:"id"`
	}
	decode(t, h.must("allow", "add", h.dev.Mailbox, "*@partner.test", "--json"), &entry)
	var key struct {
		ID string `json:"id"`
	}
	decode(t, h.must("key", "create", "agent", "demo", "--json"), &key)
	for _, args := range [][]string{
		{"pending"}, {"show", one}, {"approve", one, "--yes"}, {"reject", two}, {"mail", "list", "--all"},
		{"mail", "show", one},
		{"freeze", "all"}, {"freeze"}, {"thaw", "all"},
		{"domain", "list"}, {"domain", "add", "other.test"}, {"domain", "records", "other.test"},
		{"agent", "list"}, {"agent", "add", "second"}, {"agent", "password", "second"}, {"agent", "disable", "second"},
		{"agent", "enable", "second"},
		{"mailbox", "list"}, {"mailbox", "add", "b@other.test", "--agent", "second"},
		{"mailbox", "mode", "b@other.test", "monitored"},
		{"mailbox", "set", "b@other.test", "--name", "B"},
		{"allow", "list", h.dev.Mailbox}, {"allow", "rm", h.dev.Mailbox, entry.ID},
		{"key", "list"}, {"key", "revoke", key.ID}, {"operator"}, {"operator", "--name", "Example Ltd"},
		{"audit", "list"}, {"audit", "verify"}, {"dev-env"}, {"dev-env", "--mcp"},
	} {
		if out := h.must(append(args, "--json")...); !json.Valid([]byte(out)) {
			t.Errorf("%v prints %q", args, out)
		}
	}
}

func TestCLIReadsAndVerifiesWhatWasExported(t *testing.T) {
	h := start(t)
	h.login().deliver(h.dev.Mailbox, []string{"a@dest.test"}, h.message("signed"), "250")
	eml := h.approveAndCapture(h.only("signed"), 1)
	log := h.must("audit", "export")
	path := write(t, "log.jsonl", log)
	verified := regexp.MustCompile(`^ok: 1 chain, [0-9]+ entries, 1 mail replayed, [^ ]+ to [^ ]+, without openings\n$`)
	if out := h.must("audit", "verify", path); !verified.MatchString(out) {
		t.Errorf("%s", out)
	}
	if r := command(t, log, nil, binary, "audit", "verify", "-"); r.code != 0 {
		t.Errorf("from a pipe: exit %d %s", r.code, r.err)
	}
	lines := strings.SplitAfter(log, "\n")
	cut := write(t, "cut.jsonl", strings.Join(append(lines[:1:1], lines[2:]...), ""))
	if r := h.cli("audit", "verify", cut); r.code != 1 {
		t.Errorf("a log with a hole: exit %d %s%s", r.code, r.out, r.err)
	}
	for name, part := range map[string]string{
		"nothing": "", "a log that broke off": strings.Join(lines[:len(lines)-2], ""),
		"a log without its header": strings.Join(lines[1:], ""),
	} {
		if r := command(t, part, nil, binary, "audit", "verify", "-"); r.code != 1 {
			t.Errorf("%s: exit %d %s%s", name, r.code, r.out, r.err)
		}
	}
	future := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	if r := command(t, h.must("audit", "export", "--since", future), nil, binary, "audit", "verify", "-"); r.code != 0 ||
		!strings.Contains(r.out, "since "+future) {
		t.Errorf("a log since a time: exit %d %s%s", r.code, r.out, r.err)
	}
	if r := command(t, string(eml), nil, binary, "verify", "-", "--data", h.data); r.code != 0 {
		t.Errorf("the mail: exit %d %s%s", r.code, r.out, r.err)
	}
	forged := strings.Replace(string(eml), "Hello.", "Hullo.", 1)
	if r := command(t, forged, nil, binary, "verify", "-", "--data", h.data); r.code != 1 {
		t.Errorf("a forged mail: exit %d %s%s", r.code, r.out, r.err)
	}
	retitled := strings.Replace(string(eml), "Subject: signed", "Subject: other", 1)
	if r := command(t, retitled, nil, binary, "verify", "-", "--data", h.data); r.code != 1 ||
		!strings.Contains(r.out, "unbound\n") ||
		!strings.Contains(r.out, "Subject") {
		t.Errorf("a mail with another Subject: exit %d %s%s", r.code, r.out, r.err)
	}
}

func TestCLIShowsHostileTextAndLetsNoneOfItAct(t *testing.T) {
	h := start(t)
	raw := "From: " + h.dev.Mailbox + "\r\nTo: to@dest.test\r\nSubject: =?utf-8?q?odd_=1B[2J=E2=80=AE?=\r\n" +
		"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=1B]0;x=07 " +
		"=E2=80=AEtxt"
	h.login().deliver(h.dev.Mailbox, []string{"to@dest.test", "blind@dest.test"}, raw, "250")
	id := h.pending()[0].ID
	for _, args := range [][]string{{"pending"}, {"show", id}, {"mail", "list"}, {"mail", "show", id}} {
		for _, out := range []string{h.must(args...), h.must(append(args, "--json")...)} {
			for _, r := range out {
				if r != '\n' && (unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r)) {
					t.Errorf("%v: %U reached the terminal", args, r)
					break
				}
			}
		}
	}
	if out := h.must("show", id); !strings.Contains(out, "blind@dest.test  (BCC: ") ||
		!strings.Contains(out, `\x1b]0;x\x07`) {
		t.Errorf("%s", out)
	}
}

func TestCLITakesItsSettingsFromTheEnvironment(t *testing.T) {
	h := start(t)
	key := filepath.Join(t.TempDir(), "admin.key")
	h.must("key", "create", "admin", "ops", "--out", key)
	if fi, err := os.Stat(key); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", fi.Mode(), err)
	}
	if r := command(t, "", []string{"MULTIMAIL_DATA=" + h.data}, binary, "agent", "list"); r.code != 0 ||
		!strings.Contains(r.out, "demo") {
		t.Errorf("MULTIMAIL_DATA: exit %d %s%s", r.code, r.out, r.err)
	}
	env := []string{"MULTIMAIL_ADMIN_URL=" + h.dev.HTTP, "MULTIMAIL_KEY_FILE=" + key}
	if r := command(t, "", env, binary, "agent", "list"); r.code != 0 || !strings.Contains(r.out, "demo") {
		t.Errorf("MULTIMAIL_ADMIN_URL: exit %d %s%s", r.code, r.out, r.err)
	}
	if r := command(t, "", env, binary, "approve", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "--yes"); r.code != 1 {
		t.Errorf("an admin decides: exit %d %s", r.code, r.out)
	}
	if r := command(t, "", env[:1], binary, "agent", "list"); r.code != 2 {
		t.Errorf("without a key: exit %d %s%s", r.code, r.out, r.err)
	}
}

func TestCLICompletesWhatABashUserTypes(t *testing.T) {
	r := command(t, "", nil, "bash", "-c", `eval "$('`+binary+`' completion bash)"; complete -p multimail`)
	if r.code != 0 || !strings.Contains(r.out, binary) {
		t.Fatalf("exit %d %s%s", r.code, r.out, r.err)
	}
	r = command(t, "", []string{"COMP_LINE=multimail pen", "COMP_POINT=13"}, binary, "multimail", "pen", "multimail")
	if r.code != 0 || r.out != "pending\n" || r.err != "" {
		t.Errorf("exit %d %q %q", r.code, r.out, r.err)
	}
}
