// Package secret reads and writes the files of private keys: only their owner
// may open them, and they are on disk whole or not at all. Write never puts a key
// in the place of another; Replace is for a file whose keys were read before.
package secret

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// maxSecret bounds a key file; a real one has less than 2 KiB.
const maxSecret = 1 << 20

// Read reads a file that nobody but its owner may read or write.
func Read(path string) ([]byte, fs.FileInfo, error) {
	// Without O_NONBLOCK opening a FIFO waits for its other end.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	if err := checkDir(filepath.Dir(path)); err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxSecret {
		return nil, nil, fmt.Errorf("%s is not a key file", path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, nil, fmt.Errorf("%s is open to others (mode %04o); run: chmod 600 %s",
			path, info.Mode().Perm(), path)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSecret))
	return b, info, err
}

// checkDir refuses a directory in which others could replace the file: one that
// they may write to, unless it is sticky, as /tmp is.
func checkDir(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0 {
		return fmt.Errorf("others may write to the directory %s (mode %04o); run: chmod go-w %s", dir, info.Mode().Perm(),
			dir)
	}
	return nil
}

// Write makes a file that must not be there yet: complete and on disk, or
// not at all. It is written under another name and then linked, because a
// rename would silently replace the key of someone who came first.
func Write(path string, data []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	step("write")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	step("link")
	// The directory, and those which MkdirAll may have made: keys and the data
	// directory that names it.
	for range 3 {
		if err := syncDir(dir); err != nil {
			return err
		}
		dir = filepath.Dir(dir)
	}
	return nil
}

// Replace puts data in the place of a file that is there: after a crash it is
// the one or the other, whole. Who calls it has made sure that nobody else does.
func Replace(path string, data []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	step("create")
	_, err = f.Write(data)
	step("write")
	err = errors.Join(err, f.Sync())
	step("sync")
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	step("rename")
	return syncDir(dir)
}

// Crash is called by Replace, Write and Remove after each step on the disk, in
// tests that end the process there.
var Crash func(step string)

func step(name string) {
	if Crash != nil {
		Crash(name)
	}
}

// Remove removes the file of a key that signs no more. One that is gone is fine.
func Remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	step("remove")
	return syncDir(filepath.Dir(path))
}

// Sweep removes what a process that ended left of files that were not complete:
// private keys may be in them. Nobody may be writing to the directory.
func Sweep(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, ".new-*"))
	if err != nil || len(left) == 0 {
		return err
	}
	for _, path := range left {
		err = errors.Join(err, os.Remove(path))
	}
	return errors.Join(err, syncDir(dir))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Same reports whether a file is as it was when it was read.
func Same(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.Mode() == b.Mode() &&
		a.ModTime().Equal(b.ModTime())
}
