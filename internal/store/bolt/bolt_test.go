package bolt

import (
	"testing"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
)

func TestContract(t *testing.T) {
	dirs := map[string]string{}
	storetest.Run(t, func(t *testing.T) store.Store {
		dir, opened := dirs[t.Name()]
		if !opened {
			dir = t.TempDir()
			dirs[t.Name()] = dir
		}
		db, err := Open(Options{Dir: dir, Create: !opened})
		if err != nil {
			t.Fatal(err)
		}
		return db
	})
}
