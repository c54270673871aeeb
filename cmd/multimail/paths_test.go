package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestInsideFollowsLinksAndWhatIsNotThereYet(t *testing.T) {
	base := t.TempDir()
	data := filepath.Join(base, "data")
	for _, d := range []string{"data/tls", "other", "database"} {
		if err := os.MkdirAll(filepath.Join(base, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"in": "data/tls", "data/out": "../other", "alias": "."} {
		if err := os.Symlink(target, filepath.Join(base, name)); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]bool{
		"data":               true,
		"data/key":           true,
		"data/new/sub/key":   true,
		"data/../key":        false,
		"data/..key":         true,
		"database/key":       false,
		"key":                false,
		"in/key":             true,
		"data/out/key":       false,
		"alias/data/key":     true,
		"alias/data/new/key": true,
		"alias/other/key":    false,
	} {
		if got, err := inside(data, filepath.Join(base)+"/"+path); err != nil || got != want {
			t.Errorf("%s: %v, %v", path, got, err)
		}
	}
	// Neither is there yet, and they are named by different ways.
	if got, err := inside(filepath.Join(base, "new"), filepath.Join(base, "alias", "new", "key")); err != nil || !got {
		t.Errorf("through a link into a directory to be made: %v, %v", got, err)
	}
	if got, err := inside("/", filepath.Join(base, "key")); err != nil || !got {
		t.Errorf("the root: %v, %v", got, err)
	}
}

func TestASecretReplacesNoFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := writeNew(path, "first"); err != nil {
		t.Fatal(err)
	}
	if err := writeNew(path, "second"); err == nil {
		t.Error("a secret replaced a file")
	}
}
