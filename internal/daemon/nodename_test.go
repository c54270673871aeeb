package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/bolt"
)

func TestADataDirectoryKeepsTheNameOfItsNode(t *testing.T) {
	for _, c := range []struct {
		name       string
		chains     []string // of the log that is there
		file       string   // of the name that is there
		configured string
		want       string // "" for a minted name
		refused    string
	}{
		{name: "a new directory gets a name of its own"},
		{name: "a new directory takes the configured name", configured: "east", want: "east"},
		{name: "an old directory keeps the name of its log", chains: []string{"node"}, want: "node"},
		{name: "an old directory whose name is configured", chains: []string{"east"}, configured: "east", want: "east"},
		{name: "an old directory under another name", chains: []string{"node"}, configured: "east",
			refused: `"node", not to "east"`},
		{name: "a log of several nodes", chains: []string{"a", "b"}, refused: "set node"},
		{name: "a log of several nodes, one of them configured", chains: []string{"a", "b"}, configured: "b", want: "b"},
		{name: "the file stands above the log", chains: []string{"a"}, file: "b\n", want: "b"},
		{name: "another name than in the file", file: "b\n", configured: "a", refused: `"b", not to "a"`},
		{name: "an empty file", file: "\n", refused: "empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			db, err := bolt.Open(bolt.Options{Dir: dir, Create: true, Reserve: 1})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			chains(t, db, c.chains)
			path := filepath.Join(dir, nodeFile)
			if c.file != "" {
				if err := os.WriteFile(path, []byte(c.file), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := nodeName(t.Context(), dir, c.configured, db)
			if c.refused != "" {
				if err == nil || !strings.Contains(err.Error(), c.refused) {
					t.Fatalf("%q, %v", got, err)
				}
				if b, _ := os.ReadFile(path); string(b) != c.file {
					t.Errorf("the file became %q", b)
				}
				return
			}
			if err != nil || got == "" || c.want != "" && got != c.want || c.want == "" && !strings.HasPrefix(got, "n-") {
				t.Fatalf("%q, %v", got, err)
			}
			for range 2 {
				if again, err := nodeName(t.Context(), dir, "", db); again != got || err != nil {
					t.Errorf("then %q, %v", again, err)
				}
			}
		})
	}
}

// chains begins chains of the audit log.
func chains(t *testing.T, db store.Store, names []string) {
	t.Helper()
	for _, name := range names {
		err := db.Update(t.Context(), func(tx store.Tx) error {
			_, err := audit.New(name).Append(tx, audit.Record{Kind: audit.StoreStart,
				Actor: audit.Actor{Kind: "system", ID: "system"}, Facts: map[string]string{"version": "0"}})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestNoTwoDirectoriesGetOneName(t *testing.T) {
	names := map[string]bool{}
	for range 20 {
		dir := t.TempDir()
		db, err := bolt.Open(bolt.Options{Dir: dir, Create: true, Reserve: 1})
		if err != nil {
			t.Fatal(err)
		}
		name, err := nodeName(t.Context(), dir, "", db)
		if err != nil || names[name] {
			t.Errorf("%q, %v", name, err)
		}
		names[name] = true
		db.Close()
	}
}
