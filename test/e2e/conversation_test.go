//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A conversation from its first mail to its last: an agent writes, Postfix brings the
// answer, the agent waits for it, answers in the thread, hears once more. A real mail
// program makes one thread of the four.
func TestAConversationGoesRoundAndAMailProgramThreadsIt(t *testing.T) {
	h := start(t)
	p := startPostfix(t, "default_transport = smtp:["+strings.ReplaceAll(h.dev.Inbound, ":", "]:")+"\n"+
		"smtp_tls_security_level = encrypt\n")
	agent := h.mcp(h.dev.AgentKey)
	var box []string // the four mails

	first := agent.held("Offer", nil)
	sent := string(h.approveAndCapture(h.only("Offer"), 1))
	box = append(box, sent)

	id := messageID(t, sent)
	box = append(box, h.postfixSends(p, "Re: Offer", "2@dest.test", id, id, "Is it <still> valid?"))
	got := agent.call("wait_for_email", map[string]any{"timeout_seconds": 45,
		"filter": map[string]any{"sender": "to@dest.test"}})
	if got.failed || len(got.Emails) != 1 || got.Emails[0].ThreadID != first.ID || got.Emails[0].Status != "unread" {
		t.Fatalf("wait_for_email: %+v", got)
	}
	read := agent.call("read_email", map[string]any{"email_id": got.Emails[0].ID})
	if read.failed || !strings.Contains(read.text, "BEGIN UNTRUSTED EMAIL BODY") ||
		!strings.Contains(read.text, "valid?") {
		t.Errorf("read_email: %+v", read)
	}

	reply := agent.call("reply_email", map[string]any{"email_id": got.Emails[0].ID, "markdown": "Yes, it is.",
		"quote": true})
	if reply.failed || reply.Status != "pending_send_approval" || reply.ThreadID != first.ID {
		t.Fatalf("reply_email: %+v", reply)
	}
	shown := h.must("show", reply.ID)
	for _, want := range []string{"The thread before it", "< Is it <still> valid?", "< Hello there.",
		"> Is it <still> valid?"} {
		if !strings.Contains(shown, want) {
			t.Errorf("show does not say %q:\n%s", want, shown)
		}
	}
	answer := string(h.approveAndCapture(h.only("Re: Offer"), 1))
	box = append(box, answer)
	answerID := messageID(t, answer)
	if !strings.Contains(unfolded(answer), "References: <"+id+"> <2@dest.test>\r\n") ||
		!strings.Contains(answer, "In-Reply-To: <2@dest.test>\r\n") {
		t.Errorf("the answer does not thread:\n%s", answer)
	}
	box = append(box, h.postfixSends(p, "Re: Offer", "4@dest.test", answerID,
		id+"> <2@dest.test> <"+answerID, "Thank you."))
	if got := agent.call("wait_for_email", map[string]any{"timeout_seconds": 45}); got.failed ||
		len(got.Emails) != 1 || got.Emails[0].ThreadID != first.ID {
		t.Errorf("wait_for_email: %+v", got)
	}
	want := []string{"1 ", "2 `->", "3   `->", "4     `->"}
	if index := neomutt(t, box); !slices.Equal(index, want) {
		t.Errorf("the mail program shows %q, want %q", index, want)
	}
}

// postfixSends has Postfix bring a mail to the mailbox of the dev daemon.
func (h *daemon) postfixSends(p *postfix, subject, id, parent, refs, body string) string {
	h.t.Helper()
	raw := fmt.Sprintf("From: To <to@dest.test>\r\nTo: %s\r\nSubject: %s\r\nDate: Fri, 01 Jan 2100 0%c:00:00 +0000\r\n"+
		"Message-ID: <%s>\r\nIn-Reply-To: <%s>\r\nReferences: <%s>\r\n\r\n%s\r\n",
		h.dev.Mailbox, subject, id[0], id, parent, refs, body)
	host, port, _ := strings.Cut(p.addr, ":")
	must(h.t, command(h.t, "", nil, "swaks", "--server", host, "--port", port, "--from", "to@dest.test",
		"--to", h.dev.Mailbox,
		"--data", write(h.t, "mail", strings.ReplaceAll(raw, "\r\n", "\n"))))
	return raw
}

var messageIDField = regexp.MustCompile(`(?im)^Message-ID: <([^>]*)>`)

func messageID(t *testing.T, raw string) string {
	t.Helper()
	m := messageIDField.FindStringSubmatch(raw)
	if m == nil {
		t.Fatalf("no Message-ID in\n%s", raw)
	}
	return m[1]
}

func unfolded(raw string) string { return strings.ReplaceAll(raw, "\r\n ", " ") }

// indexLine is a row of the index on the screen: the number and the tree before the subject.
var indexLine = regexp.MustCompile("ROW ([0-9]+) ;(?: (?:[A-Z][^\\x1b]*)|( *`->))")

// neomutt returns the index of a mail box as neomutt shows it, in threads made from the
// header alone.
func neomutt(t *testing.T, box []string) (rows []string) {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"box/cur", "box/new", "box/tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for i, raw := range box {
		path := filepath.Join(dir, "box", "cur", fmt.Sprintf("%d:2,S", i+1))
		if err := os.WriteFile(path, []byte(raw), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rc := filepath.Join(dir, "rc")
	text := fmt.Sprintf("set folder=%q record=\"\" postponed=\"\" header_cache=\"\" tmpdir=%q\n"+
		"set sort=threads ascii_chars=yes strict_threads=yes\nset index_format=\"ROW %%C ; %%s\"\n"+
		"set quit=yes help=no\n", dir, dir)
	if err := os.WriteFile(rc, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r := command(t, "", []string{"TERM=vt100", "HOME=" + dir}, "script", "-qec",
		`stty rows 40 cols 120; neomutt -n -F "`+rc+`" -R -f "`+filepath.Join(dir, "box")+`" -e 'push "<refresh><exit>"'`,
		"/dev/null")
	for _, m := range indexLine.FindAllStringSubmatch(r.out, -1) {
		rows = append(rows, strings.TrimRight(m[1]+" ", "")+strings.TrimPrefix(m[2], " "))
	}
	if len(rows) == 0 {
		t.Fatalf("neomutt shows no index:\n%q\n%s", r.out, r.err)
	}
	return rows
}

// A mail program that answers over SMTP names the mail in its header: the answer joins the
// thread, and none goes to a program.
func TestAnAnswerOverSMTPIsThreadedAndNotSentToAProgram(t *testing.T) {
	h := start(t)
	agent := h.mcp(h.dev.AgentKey)
	ada := "From: ada@dest.test\r\nTo: " + h.dev.Mailbox + "\r\n"
	h.comesIn(ada + "Subject: Offer\r\nMessage-ID: <1@dest.test>\r\n\r\nHello.")
	got := agent.call("wait_for_email", map[string]any{"timeout_seconds": 45})
	if got.failed || len(got.Emails) != 1 {
		t.Fatalf("wait_for_email: %+v", got)
	}
	head := "From: " + h.dev.Mailbox + "\r\nTo: ada@dest.test\r\n"
	s := h.login()
	s.deliver(h.dev.Mailbox, []string{"ada@dest.test"},
		head+"Subject: Re: Offer\r\nIn-Reply-To: <1@dest.test>\r\n\r\nYes.", "250")
	thread := agent.call("get_thread", map[string]any{"thread_id": got.Emails[0].ThreadID})
	if thread.failed || len(thread.Emails) != 2 || thread.Emails[1].ID != h.only("Re: Offer").ID {
		t.Errorf("get_thread: %+v", thread)
	}
	h.comesIn(ada + "Subject: Away\r\nMessage-ID: <2@dest.test>\r\nAuto-Submitted: auto-replied\r\n\r\nI am away.")
	for _, fields := range []string{"Subject: s\r\nIn-Reply-To: <2@dest.test>\r\n",
		"Subject: s\r\nIn-Reply-To: <1@dest.test> <2@dest.test>\r\n",
		"Subject: s\r\nReferences: <1@dest.test> <2@dest.test> <never@dest.test>\r\n",
		"Subject: s\r\nIn-Reply-To: <never@dest.test>\r\n", "Subject: Re: Away\r\n"} {
		s.deliver(h.dev.Mailbox, []string{"ada@dest.test"}, head+fields+"\r\nI see.", "550 5.7.1")
	}
	robot := agent.call("wait_for_email", map[string]any{"timeout_seconds": 45,
		"filter": map[string]any{"subject_contains": "Away"}})
	if robot.failed || len(robot.Emails) != 1 {
		t.Fatalf("wait_for_email: %+v", robot)
	}
	for tool, args := range map[string]map[string]any{
		"reply_email": {"email_id": robot.Emails[0].ID, "markdown": "I see."},
		"send_email":  {"to": []string{"ada@dest.test"}, "subject": "Re: Away", "markdown": "I see."},
	} {
		if r := agent.call(tool, args); !r.failed || !strings.Contains(r.text, "not to be answered") {
			t.Errorf("%s: %+v", tool, r)
		}
	}
	if n := len(h.pending()); n != 1 {
		t.Errorf("%d mails are held", n)
	}
}
