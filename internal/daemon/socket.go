package daemon

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// maxSocketPath is how long a socket's path may be everywhere (sun_path has 104 to 108 octets).
const maxSocketPath = 100

// SocketPath returns where the daemon of a data directory listens: in it, or,
// when that path is too long for a socket, in a short directory of its own.
// Daemon and command line compute the same path.
func SocketPath(data string) (string, error) {
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

// serveAPI serves the admin socket and the HTTP listener, and returns once
// the socket answers: what is written down for clients afterwards is true.
func (d *Daemon) serveAPI(ctx context.Context, serve func(string, func() error)) error {
	if err := socketDir(d.socket); err != nil {
		return fmt.Errorf("admin socket: %w", err)
	}
	// A socket that a dead daemon left would answer nobody.
	if err := os.Remove(d.socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("admin socket: %w", err)
	}
	serve("admin socket", func() error { return d.http.ServeSocket(d.socket) })
	if d.api != nil {
		serve("http", func() error { return d.http.ServeTLS(d.api, d.apiTLS) })
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		c, err := net.Dial("unix", d.socket)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("admin socket: %w", err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
