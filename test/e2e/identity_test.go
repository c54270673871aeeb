//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const vectorDir = "../../docs/vectors"

// second runs a program of the second verifier, and says how it ended.
func second(t *testing.T, program string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	var out, errs strings.Builder
	cmd := exec.Command("/usr/bin/python3", append([]string{"-B", "../identity/" + program}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatalf("%s: %v; test/peers/install installs what it needs", program, err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// vectorCounts is how many vectors each file has: the members of its lists.
func vectorCounts(t *testing.T) map[string]int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(vectorDir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors: %v", err)
	}
	counts := map[string]int{}
	for _, f := range files {
		for _, member := range vectorFile(t, f) {
			if list, ok := member.([]any); ok {
				counts[filepath.Base(f)] += len(list)
			}
		}
	}
	return counts
}

func vectorFile(t *testing.T, name string) map[string]any {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var file map[string]any
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return file
}

// docs/identity.md promises that the page is enough: the verifier in test/identity
// was written from it alone, in another language.
func TestTheSecondVerifierAgreesWithEveryVector(t *testing.T) {
	stdout, stderr, status := second(t, "vectors.py", vectorDir)
	if status != 0 {
		t.Fatalf("exit status %d\n%s%s", status, stdout, stderr)
	}
	ran := map[string]int{}
	for line := range strings.Lines(stdout) {
		var name string
		var n int
		if _, err := fmt.Sscanf(line, "%s %d\n", &name, &n); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		ran[name] = n
	}
	hostile := ran["hostile"]
	delete(ran, "hostile")
	if want := vectorCounts(t); !maps.Equal(ran, want) {
		t.Errorf("ran %v, the files have %v", ran, want)
	}
	if hostile < 100 {
		t.Errorf("refused %d hostile inputs of its own, want 100 or more", hostile)
	}
	t.Logf("%v, and %d hostile inputs of its own were refused", ran, hostile)
}

// A run that passes shows nothing unless one that has to fail does.
func TestTheSecondVerifierFailsForVectorsThatItDoesNotAgreeWith(t *testing.T) {
	const disagree = "1 vectors disagree"
	set := func(list, member string, value any) func(map[string]any) {
		return func(file map[string]any) { file[list].([]any)[0].(map[string]any)[member] = value }
	}
	for _, c := range []struct {
		name, file string
		change     func(map[string]any)
		says       string
	}{
		{"another status", "header.json", set("vectors", "status", "unbound"), disagree},
		{"another failed check", "header.json", set("vectors", "failed", []string{"body"}), disagree},
		{"another th", "content.json", set("vectors", "th", "AAAAAAAAAAAAAAAAAAAAAA"), disagree},
		{"another rh", "hashes.json", set("rh", "rh", "AAAAAAAAAAAAAAAAAAAAAA"), disagree},
		{"another bh", "hashes.json", set("bh", "bh", ""), disagree},
		{"another mid", "hashes.json", set("mid", "mid", nil), disagree},
		{"another payload", "payload.json", set("vectors", "payload", "{}"), disagree},
		{"another length", "payload.json", set("vectors", "octets", 1), disagree},
		{"a member that it does not know", "header.json", set("vectors", "sent_at", 1), "a vector with the members"},
		{"a list that is empty", "content.json", func(f map[string]any) { f["vectors"] = []any{} }, "has no vectors"},
		{"a list that it does not know", "hashes.json", func(f map[string]any) { f["sh"] = []any{} }, "has the members"},
		{"a list that is gone", "hashes.json", func(f map[string]any) { delete(f, "mid") }, "has the members"},
		{"a file that it does not know", "more.json", func(map[string]any) {}, "has the files"},
	} {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(vectorDir)); err != nil {
			t.Fatal(err)
		}
		file := map[string]any{}
		if c.file != "more.json" {
			file = vectorFile(t, filepath.Join(dir, c.file))
		}
		c.change(file)
		b, err := json.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, c.file), b, 0o600); err != nil {
			t.Fatal(err)
		}
		_, stderr, status := second(t, "vectors.py", dir)
		if status == 0 || !strings.Contains(stderr, c.says) {
			t.Errorf("%s: exit status %d, want %q:\n%s", c.name, status, c.says, stderr)
		}
	}
}

// The program for one mail says the same, and its exit status is that of the page.
func TestTheSecondVerifierExitsAsThePageSays(t *testing.T) {
	file := vectorFile(t, filepath.Join(vectorDir, "header.json"))
	documents := file["documents"].(map[string]any)
	exit := map[string]int{"valid": 0, "valid-text": 0, "unbound": 1, "invalid": 1, "none": 1}
	dir := t.TempDir()
	seen := map[string]bool{}
	for _, v := range file["vectors"].([]any) {
		v := v.(map[string]any)
		status := v["status"].(string)
		if seen[status] {
			continue
		}
		seen[status] = true
		mail, document := filepath.Join(dir, "mail.eml"), filepath.Join(dir, "document.json")
		var octets []byte
		for _, r := range v["mail"].(string) {
			octets = append(octets, byte(r))
		}
		if err := os.WriteFile(mail, octets, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(document, []byte(documents[v["document"].(string)].(string)), 0o600); err != nil {
			t.Fatal(err)
		}
		stdout, stderr, got := second(t, "verify.py", mail, "--document", document)
		var report struct{ Status string }
		if err := json.Unmarshal([]byte(stdout), &report); err != nil {
			t.Fatalf("%v: %s%s", err, stdout, stderr)
		}
		if report.Status != status || got != exit[status] {
			t.Errorf("%s: %s with exit status %d, want %s with %d", v["name"], report.Status, got, status, exit[status])
		}
	}
	if want := slices.Sorted(maps.Keys(exit)); !slices.Equal(slices.Sorted(maps.Keys(seen)), want) {
		t.Errorf("saw %v, want %v", seen, want)
	}
}
