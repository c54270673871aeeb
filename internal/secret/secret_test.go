package secret

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
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

func TestAFileThatOthersCouldReplaceIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	path := filepath.Join(dir, "secret")
	if err := Write(path, []byte("one")); err != nil {
		t.Fatal(err)
	}
	for mode, ok := range map[fs.FileMode]bool{0o700: true, 0o755: true, 0o775: false, 0o777: false, 0o702: false,
		0o777 | fs.ModeSticky: true} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Read(path); ok != (err == nil) || err != nil &&
			!strings.Contains(err.Error(), "run: chmod go-w "+dir) {
			t.Errorf("%v: %v", mode, err)
		}
	}
}

// A FIFO must not keep the program waiting for somebody to write.
func TestAFIFOIsNoSecretFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Read(path); err == nil || !strings.Contains(err.Error(), "is not a key file") {
		t.Errorf("%v", err)
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
