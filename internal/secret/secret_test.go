package secret

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestASecretIsWrittenWholeAndNeverReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "secret")
	if err := Write(path, []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, []byte("two")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second file: %v", err)
	}
	b, info, err := Read(path)
	if err != nil || string(b) != "one" || info.Mode() != 0o600 {
		t.Errorf("%q, %v, %v", b, info.Mode(), err)
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 1 {
		t.Errorf("left behind: %v, %v", files, err)
	}
}

func TestWhatIsNoSecretFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "large"), make([]byte, maxSecret+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Join(dir, "large"), filepath.Join(dir, "none")} {
		if b, _, err := Read(path); err == nil {
			t.Errorf("%s: %d octets", path, len(b))
		}
	}
}
