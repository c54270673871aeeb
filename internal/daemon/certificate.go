package daemon

import (
	"crypto/tls"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/multimail/multimail/internal/secret"
)

// certCheckEvery is how often a handshake looks whether the files have changed.
const certCheckEvery = 10 * time.Second

// certificate is a certificate and its key in two files, read again when one of
// them changes. A pair that cannot be used, such as one of which only the first
// file was replaced yet, leaves the one before in force.
type certificate struct {
	name              string // key of the configuration, for the log
	certFile, keyFile string
	log               *slog.Logger
	now               func() time.Time

	mu      sync.Mutex
	current *tls.Certificate // guarded by mu
	seen    [2]fs.FileInfo   // guarded by mu: the files as they were when last read
	lost    bool             // guarded by mu: a file was not there when last read
	checked time.Time        // guarded by mu
}

// loadCertificate reads a pair for the first time, when a bad one is an error.
// It returns nil when no file is named.
func loadCertificate(name, certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	if certFile == "" {
		return nil, nil
	}
	c := &certificate{name: name, certFile: certFile, keyFile: keyFile, log: log, now: time.Now}
	if err := c.read(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

// config returns the TLS configuration of a listener.
func (c *certificate) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.checked) >= certCheckEvery {
		c.checked = now
		c.refresh()
	}
	return c.current, nil
}

// reload reads the files now, whether they have changed or not.
func (c *certificate) reload() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.replace()
}

// refresh reads the files if they have changed. The caller holds mu.
func (c *certificate) refresh() {
	if files, err := c.stat(); err != nil && c.lost || err == nil && c.same(files) {
		return
	}
	c.replace()
}

// replace reads the pair and says in the log what came of it. The caller holds mu.
func (c *certificate) replace() {
	if err := c.read(); err != nil {
		c.log.Error("certificate not reloaded; the one before stays", "setting", c.name, "err", err)
		return
	}
	c.log.Info("certificate reloaded", "setting", c.name, "not_after", c.current.Leaf.NotAfter)
}

// read reads the pair. What was seen is kept even if it is bad, so that the log
// has one line for each bad pair and not one for each handshake.
func (c *certificate) read() error {
	files, err := c.stat()
	c.seen, c.lost = files, err != nil
	if err != nil {
		return err
	}
	// A group may share the key with other servers; everybody must not.
	if mode := files[1].Mode().Perm(); mode&0o007 != 0 {
		return fmt.Errorf("%s is open to others (mode %04o); run: chmod o-rwx %s", c.keyFile, mode, c.keyFile)
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	if now := c.now(); c.current != nil && now.After(pair.Leaf.NotAfter) {
		return fmt.Errorf("it expired at %s", pair.Leaf.NotAfter.Format(time.RFC3339))
	}
	c.current = &pair
	return nil
}

func (c *certificate) stat() (files [2]fs.FileInfo, err error) {
	for i, path := range []string{c.certFile, c.keyFile} {
		if files[i], err = os.Stat(path); err != nil {
			return files, err
		}
	}
	return files, nil
}

func (c *certificate) same(files [2]fs.FileInfo) bool {
	for i, f := range files {
		if c.seen[i] == nil || !secret.Same(c.seen[i], f) {
			return false
		}
	}
	return true
}
