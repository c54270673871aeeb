//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// runLimited starts the daemon with a limit on the size of its files: a disk
// that is full for everyone, root too.
func (h *daemon) runLimited(kib int64) {
	h.t.Helper()
	plain := binary
	script := write(h.t, "limited", fmt.Sprintf("#!/bin/sh\nulimit -f %d\nexec '%s' \"$@\"\n", 2*kib, plain))
	if err := os.Chmod(script, 0o700); err != nil {
		h.t.Fatal(err)
	}
	binary = script
	defer func() { binary = plain }()
	h.run()
}

func TestAFullDiskIsRefusedBeforeAcceptanceAndLosesNothing(t *testing.T) {
	h := start(t)
	h.login().deliver(h.dev.Mailbox, []string{"to@dest.test"}, h.message("before"), "250")
	before := h.only("before")
	h.kill(syscall.SIGTERM)
	h.runLimited(2048) // the file itself was made larger than it is full

	acked, refused := map[string]bool{}, 0
	// below the size of a file of its own
	body := h.message("fill") + "\r\n" + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 800)
	for i := 0; i < 200 && refused < 3; i++ {
		s := h.login()
		if got := s.do("MAIL FROM:<"+h.dev.Mailbox+">", "250|452 4.3.1"); strings.HasPrefix(got, "4") {
			refused++
			continue
		}
		s.do("RCPT TO:<to@dest.test>", "250")
		s.do("DATA", "354")
		s.send(body + "\r\n.\r\n")
		got := s.expect("250|452 4.3.1")
		if id := queuedAs.FindStringSubmatch(got); id != nil {
			acked[id[1]] = true
		} else {
			refused++
		}
		s.c.Close()
	}
	if refused == 0 {
		t.Fatalf("%d mails fit: the disk was never full", len(acked))
	}
	large := `{"to":["a@dest.test"],"subject":"fill","markdown":"` + strings.Repeat("y", 60000) + `"}`
	if code, text := h.http("POST", "/v1/send", large); code != 503 || !strings.Contains(text, `"error"`) {
		t.Errorf("the API: %d %s", code, text)
	}
	h.kill(syscall.SIGKILL)
	h.run()
	stored := map[string]bool{}
	for _, m := range h.pending() {
		stored[m.ID] = true
	}
	for id := range acked {
		if !stored[id] {
			t.Errorf("%s was acknowledged and is lost", id)
		}
	}
	h.must("audit", "verify")
	h.approveAndCapture(before, 1)
	t.Logf("%d mails were acknowledged before the disk was full, %d refused", len(acked), refused)
}

// Where a database belongs, a missing or damaged one stops the start; it is
// never taken for an empty queue, and never written to.
func TestADamagedDatabaseStopsTheStart(t *testing.T) {
	h := start(t)
	h.login().deliver(h.dev.Mailbox, []string{"to@dest.test"}, h.message("kept"), "250")
	h.kill(syscall.SIGTERM)
	db := filepath.Join(h.data, "records.db")
	whole, err := os.ReadFile(db)
	if err != nil {
		t.Fatal(err)
	}
	zeroed := bytes.Clone(whole)
	clear(zeroed[:2*4096])
	for _, c := range []struct {
		name string
		b    []byte // nil: no file
	}{
		{"missing", nil}, {"empty", []byte{}}, {"one page", whole[:4096]}, {"three pages", whole[:3*4096]},
		{"without meta pages", zeroed}, {"something else", bytes.Repeat([]byte("x"), len(whole))},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.b == nil {
				err = os.Remove(db)
			} else {
				err = os.WriteFile(db, c.b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, binary, "serve", "--dev", "--ports", "auto", "--data", h.data)
			out, err := cmd.CombinedOutput()
			if cmd.ProcessState.ExitCode() != 1 || err == nil {
				t.Errorf("exit %d: %s", cmd.ProcessState.ExitCode(), out)
			}
			if lines := strings.Split(strings.TrimSpace(string(out)), "\n"); !strings.HasPrefix(lines[0], "error: ") ||
				len(lines) > 2 {
				t.Errorf("said %s", out)
			}
			after, err := os.ReadFile(db)
			if c.b == nil && !os.IsNotExist(err) || c.b != nil && !bytes.Equal(after, c.b) {
				t.Error("the file was touched")
			}
		})
	}
	if err := os.WriteFile(db, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	h.run()
	h.only("kept")
}
