//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A data directory that a build of an earlier format made goes on: its held mail
// is shown, approved and sent with its own keys, and its log verifies.
func TestADataDirectoryOfAnEarlierFormatGoesOn(t *testing.T) {
	dir := t.TempDir()
	out, err := exec.Command("tar", "-xzf", "../../internal/upgrade/testdata/format-0.tar.gz", "-C", dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	data := filepath.Join(dir, "data")
	h := startIn(t, data)
	m := h.only("held1")
	if len(h.pending()) != 2 {
		t.Errorf("pending: %+v", h.pending())
	}
	h.approveAndCapture(m, 1)
	if r := h.must("audit", "verify"); !strings.Contains(r, "ok") {
		t.Errorf("audit verify: %s", r)
	}
	code, body := h.http("GET", "/v1/mailboxes/"+h.dev.Mailbox+"/emails?direction=inbound", "")
	if code != 200 || strings.Count(body, `"action":"rejected"`) != 2 || strings.Count(body, `"status":"read"`) != 1 {
		t.Errorf("%d: %s", code, body)
	}
	if b, err := os.ReadFile(filepath.Join(data, "node.id")); err != nil || string(b) != "dev\n" {
		t.Errorf("the node became %q, %v", b, err)
	}
}
