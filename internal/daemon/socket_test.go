package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheSocketLiesInTheDataDirectoryUnlessThePathIsTooLong(t *testing.T) {
	fits := "/" + strings.Repeat("d", maxSocketPath-len("//admin.sock"))
	if got, err := SocketPath(fits); err != nil || got != fits+"/admin.sock" || len(got) != maxSocketPath {
		t.Errorf("%s (%d), %v", got, len(got), err)
	}
	t.Setenv("TMPDIR", "/tmp")
	one, err := SocketPath(fits + "d")
	if err != nil || !strings.HasPrefix(one, "/tmp/multimail-") || len(one) > maxSocketPath {
		t.Errorf("%s, %v", one, err)
	}
	if again, _ := SocketPath(fits + "d/."); again != one {
		t.Errorf("the same directory has two sockets: %s and %s", one, again)
	}
	if other, _ := SocketPath(fits + "e"); other == one {
		t.Error("two directories share a socket")
	}
}

func TestARelativeDataDirectoryHasTheSocketOfItsAbsoluteName(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	abs, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := SocketPath("data"); err != nil || got != filepath.Join(abs, "data", "admin.sock") {
		t.Errorf("%s, %v", got, err)
	}
}

func TestTheSocketsDirectoryIsItsOwnersAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "s")
	if err := socketDir(filepath.Join(dir, "admin.sock")); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(dir); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("made with %v, %v", fi.Mode(), err)
	}
	// A directory that was there keeps the mode its owner gave it.
	for mode, ok := range map[os.FileMode]bool{
		0o755: true, 0o750: true, 0o711: true, 0o775: false, 0o777: false, 0o702: false,
	} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		err := socketDir(filepath.Join(dir, "admin.sock"))
		var h hinted
		if ok != (err == nil) || !ok && (!errors.As(err, &h) || h.hint != "run: chmod go-w "+dir) {
			t.Errorf("mode %04o: %v", mode, err)
		}
		if fi, err := os.Stat(dir); err != nil || fi.Mode().Perm() != mode {
			t.Errorf("mode %04o became %v, %v", mode, fi.Mode(), err)
		}
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if err := socketDir(filepath.Join(link, "admin.sock")); err == nil {
		t.Error("a link that somebody else may have set was followed")
	}
}

func TestAFileIsReplacedWholeOrNotAtAll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for _, text := range []string{"first", "second"} {
		if err := writeFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		fi, err2 := os.Stat(path)
		if err != nil || err2 != nil || string(b) != text || fi.Mode().Perm() != 0o600 {
			t.Errorf("%q, %v, %v, %v", b, fi.Mode(), err, err2)
		}
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	if err := writeFile(filepath.Join(path, "x"), nil, 0o600); err == nil {
		t.Error("a file was written below a file")
	}
}
