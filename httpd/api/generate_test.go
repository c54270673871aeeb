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
		"../../docs/codes.md":  page(t, "codes", Operations.CodeTable()),
		"../../docs/scopes.md": page(t, "tighten", Operations.TightenTable())} {
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

// page is the page of docs with a table of operations in its place: "tighten" stands in
// scopes.md, every other table in the page of its name.
func page(t *testing.T, table, text string) []byte {
	t.Helper()
	name := table
	if name == "tighten" {
		name = "scopes"
	}
	b, err := os.ReadFile("../../docs/" + name + ".md")
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- "+table+": written by `go generate ./httpd/api` -->\n", "<!-- end -->"
	before, rest, ok := strings.Cut(string(b), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatal("the page has no place for the table")
	}
	return []byte(before + begin + text + end + after)
}
