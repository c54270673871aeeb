package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// maxSocketPath is how long a socket's path may be everywhere (sun_path has 104 to 108 octets).
const maxSocketPath = 100

// socketPath returns where the daemon of a data directory listens: in it, or,
// when that path is too long for a socket, in a short directory of its own.
// Daemon and CLI compute the same path.
func socketPath(data string) (string, error) {
	abs, err := filepath.Abs(data)
	if err != nil {
		return "", err
	}
	p := filepath.Join(abs, "admin.sock")
	if len(p) <= maxSocketPath {
		return p, nil
	}
	sum := sha256.Sum256([]byte(abs))
	dir := fmt.Sprintf("multimail-%d-%s", os.Getuid(), hex.EncodeToString(sum[:6]))
	return filepath.Join(os.TempDir(), dir, "admin.sock"), nil
}

// socketDir makes the directory of the socket, for its owner alone. One that is
// there keeps its mode, and is refused where others could replace the socket.
func socketDir(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	// Below a shared temporary directory somebody else may have been first.
	if fi, err := os.Lstat(dir); err != nil || !fi.IsDir() || fi.Sys().(*syscall.Stat_t).Uid != uint32(os.Getuid()) {
		return errors.New("the directory of the admin socket belongs to somebody else")
	}
	if fi, err := os.Stat(dir); err != nil || fi.Mode().Perm()&0o022 != 0 {
		return hinted{errors.New("others may write to the directory of the admin socket"), "run: chmod go-w " + dir}
	}
	return nil
}

// ours refuses a socket that somebody else may have put there: whoever listens
// on it is sent a key. No socket at all is for the connection to report.
func ours(path string) error {
	for _, p := range []string{path, filepath.Dir(path)} {
		fi, err := os.Lstat(p)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		uid := fi.Sys().(*syscall.Stat_t).Uid
		if uid != 0 && uid != uint32(os.Getuid()) {
			return errors.New("the admin socket belongs to somebody else; nothing is sent to it")
		}
	}
	return nil
}

// writeFile writes by rename, so that a reader sees the old or the new whole.
func writeFile(path string, b []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
