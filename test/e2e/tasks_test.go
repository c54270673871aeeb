//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

// TestAHeldMailIsATaskToTheClientLibraryOfTheExtension has the library of the Tasks extension
// send mail that is held: its own schemas take what it is answered, and the task ends with the
// decision of a human, or when the agent withdraws the mail.
func TestAHeldMailIsATaskToTheClientLibraryOfTheExtension(t *testing.T) {
	h := start(t)
	done := make(chan result, 1)
	go func() { done <- node(t, "tasks.mjs", "MCP_URL="+h.dev.HTTP+"/mcp", "KEY="+h.dev.AgentKey) }()
	waits := func(subject string) pendingMail {
		h.until(subject, func() bool {
			for _, m := range h.pending() {
				if m.Subject == subject {
					return true
				}
			}
			return false
		})
		return h.only(subject)
	}
	m := waits("task approved")
	h.must("approve", m.ID, "--digest", m.Digest)
	h.must("reject", waits("task rejected").ID, "--reason", "not this one")
	r := <-done
	var got struct {
		Ends map[string]struct {
			Status, Error, Says string
			Failed              bool
		}
		Seen struct {
			Created, Detailed int
			Wrong             []any
		}
	}
	lines := strings.Split(strings.TrimSpace(must(t, r)), "\n")
	decode(t, lines[len(lines)-1], &got)
	if e := got.Ends["task approved"]; e.Failed || e.Status != "queued" && e.Status != "sent" {
		t.Errorf("approved: %+v", e)
	}
	if e := got.Ends["task rejected"]; !e.Failed || e.Status != "rejected" {
		t.Errorf("rejected: %+v", e)
	}
	if e := got.Ends["task withdrawn"]; e.Error != "TaskCancelledError" {
		t.Errorf("withdrawn: %+v", e)
	}
	if got.Seen.Created != 3 || got.Seen.Detailed < 2 || len(got.Seen.Wrong) > 0 {
		t.Errorf("%+v", got.Seen)
	}
}
