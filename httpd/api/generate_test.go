package api

import (
	"bytes"
	"flag"
	"os"
	"strings"
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
	for path, got := range map[string][]byte{"swagger.json": doc, "../../docs/api.md": Operations.Reference(),
		"../../docs/codes.md": codesPage(t)} {
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

// codesPage is docs/codes.md with the table of operations in its place.
func codesPage(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile("../../docs/codes.md")
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- codes: written by `go generate ./httpd/api` -->\n", "<!-- end -->"
	before, rest, ok := strings.Cut(string(b), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatal("the page has no place for the table")
	}
	return []byte(before + begin + Operations.CodeTable() + end + after)
}
