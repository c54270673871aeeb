package api

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

//go:generate go test -run TestWhatIsWrittenFromTheTableIsUpToDate -update

var update = flag.Bool("update", false, "write swagger.json and docs/api.md")

func TestWhatIsWrittenFromTheTableIsUpToDate(t *testing.T) {
	doc, err := Operations.Swagger("")
	if err != nil {
		t.Fatal(err)
	}
	for path, got := range map[string][]byte{"swagger.json": doc, "../../docs/api.md": Operations.Reference()} {
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the table gives (go generate ./httpd/api writes it):\n%s", path,
				cmp.Diff(string(want), string(got)))
		}
	}
}
