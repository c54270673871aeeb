package daemon

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// docs/operations.md names every file of a running daemon with its mode. What
// lies in directories that hold mail or the certificate of the dev mode has none.
func TestEveryFileOfADaemonIsDocumentedWithItsMode(t *testing.T) {
	modes := documentedModes(t)
	data := filepath.Join(t.TempDir(), "data")
	d, err := NewDev(DevOptions{Data: data, FreePorts: true, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	check := func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(filepath.Dir(data), path)
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		name := strings.Replace(filepath.ToSlash(rel), devDomain, "DOMAIN", 1)
		if e.IsDir() {
			name += "/"
		}
		seen++
		if got, want := fmt.Sprintf("%04o", info.Mode().Perm()), modes[name]; got != want {
			t.Errorf("%s has mode %s; docs/operations.md says %q", name, got, want)
		}
		if base := e.Name(); e.IsDir() && (base == "bodies" || base == "tls" || base == "captured") {
			return fs.SkipDir
		}
		return nil
	}
	err = runOnce(t, d, func() error { return filepath.WalkDir(data, check) })
	if err != nil || seen < 10 {
		t.Errorf("saw %d files, %v", seen, err)
	}
}

// documentedModes reads the table of files: a row may have several names, with
// one mode for all or one for each.
func documentedModes(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	modes := map[string]string{}
	table := regexp.MustCompile("(?m)^\\| (`data/[^|]*) \\| ([0-7, ]+) \\|")
	for _, row := range table.FindAllStringSubmatch(string(page), -1) {
		each := strings.Split(row[2], ", ")
		for i, name := range strings.Split(row[1], ", ") {
			modes[strings.Trim(name, "`")] = each[min(i, len(each)-1)]
		}
	}
	return modes
}

// runOnce runs d until check has returned.
func runOnce(t *testing.T, d *Daemon, check func() error) error {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	return d.Run(ctx, func() error {
		defer stop()
		return check()
	})
}
