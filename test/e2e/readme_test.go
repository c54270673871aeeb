//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The three commands of README.md, as they stand there, in a shell with the settings of
// dev-env: a mail comes in, is read, and is answered; what is captured threads.
func TestTheReadmeAnswersAMailOfTheWorld(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "Mail comes in, too")
	_, text, _ = strings.Cut(text, "\n\n")
	text, _, _ = strings.Cut(text, "\n\nAn MCP client")
	var commands []string
	for line := range strings.Lines(text) {
		line = strings.TrimPrefix(line, "    ")
		if strings.HasPrefix(line, "curl ") {
			commands = append(commands, "")
		}
		commands[len(commands)-1] += line
	}
	if len(commands) != 3 {
		t.Fatalf("%d commands: %q", len(commands), commands)
	}
	h := start(t)
	shell := func(script string) string {
		t.Helper()
		return must(t, command(t, "", []string{"B=" + binary, "D=" + h.data}, "bash", "-euc",
			`eval "$("$B" dev-env --data "$D")"; `+script))
	}
	shell(commands[0])
	var inbox struct {
		Emails []struct {
			ID      string `json:"id"`
			Subject string `json:"subject"`
		} `json:"emails"`
	}
	decode(t, shell(commands[1]), &inbox)
	if len(inbox.Emails) != 1 || inbox.Emails[0].Subject != "A question" {
		t.Fatalf("the inbox has %+v", inbox)
	}
	said := shell(strings.Replace(commands[2], "reply/ID", "reply/"+inbox.Emails[0].ID, 1))
	m := h.only("Re: A question")
	if !strings.Contains(said, m.ID) {
		t.Errorf("the answer is %s", said)
	}
	got := string(h.approveAndCapture(m, 1))
	for _, want := range []string{"\r\nIn-Reply-To: <question@dest.test>\r\n", "\r\nReferences: <question@dest.test>\r\n",
		"\r\nTo: you@dest.test\r\n"} {
		if !strings.Contains(strings.ReplaceAll(got, "To: <you@dest.test>", "To: you@dest.test"), want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
