package message

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestThePackageCommentMapsEveryFile(t *testing.T) {
	comment, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{"doc.go": true}
	for _, name := range regexp.MustCompile(`[a-z]+\.go`).FindAllString(string(comment), -1) {
		named[name] = true
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if !named[name] && !strings.HasSuffix(name, "_test.go") {
			t.Errorf("%s is not on the map", name)
		}
		delete(named, name)
	}
	for name := range named {
		t.Errorf("%s is on the map and is no file", name)
	}
}
