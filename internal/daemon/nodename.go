package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
)

// nodeFile holds the name of the node to which a data directory belongs. The name
// is minted once: two nodes under one name would take each other's leases, and
// write one chain of the audit log.
const nodeFile = "node.id"

// nodeName returns the name of the node of a data directory, and writes it down
// when it is asked for first. A directory from before the file keeps the name its
// log has. configured may be empty; a name that differs is refused.
func nodeName(ctx context.Context, dir, configured string, db store.Store) (string, error) {
	name, err := readNodeName(dir)
	found := err == nil
	if errors.Is(err, fs.ErrNotExist) {
		name, err = firstNodeName(ctx, configured, db)
	}
	switch {
	case err != nil:
		return "", err
	case configured != "" && configured != name:
		return "", fmt.Errorf("node: this data directory belongs to the node %q, not to %q: take the setting out, "+
			"or give the other node a directory of its own", name, configured)
	case found:
		return name, nil
	}
	if err := writeFile(filepath.Join(dir, nodeFile), []byte(name+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("node: %w", err)
	}
	return name, nil
}

func readNodeName(dir string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, nodeFile))
	if err != nil {
		return "", err
	}
	name := strings.TrimSpace(string(b))
	if name == "" {
		return "", fmt.Errorf("node: %s is empty; restore it from a backup", nodeFile)
	}
	return name, nil
}

// firstNodeName is the name of a node that has none yet.
func firstNodeName(ctx context.Context, configured string, db store.Store) (string, error) {
	var chains []string
	err := db.View(ctx, func(tx store.Tx) (err error) {
		chains, err = audit.Chains(tx)
		return err
	})
	switch {
	case err != nil:
		return "", fmt.Errorf("node: %w", err)
	case len(chains) == 1:
		return chains[0], nil
	case configured != "":
		return configured, nil
	case len(chains) > 1:
		return "", fmt.Errorf("node: the audit log has the chains %s; set node to the name of this one",
			strings.Join(chains, ", "))
	}
	return "n-" + strings.ToLower(rand.Text()[:12]), nil
}
