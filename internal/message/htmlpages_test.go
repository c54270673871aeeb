package message

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Pages as common programs write them are not one block of hidden text.
func TestTextOfOrdinaryPagesIsCertainlyShown(t *testing.T) {
	paths, err := filepath.Glob("testdata/pages/*.html")
	if err != nil || len(paths) != 4 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		shown, hidden := "", ""
		renderHTML(string(source)).eachSegment(func(kind SegmentKind, note, text string) {
			if kind == SegmentHTML {
				shown += strings.Join(strings.Fields(text), " ") + "\n"
			} else {
				hidden += note + ": " + text + "\n"
			}
		})
		for _, want := range []string{"200 pumps is open until Friday.", "EUR 4,300", "Please send us an offer."} {
			if !strings.Contains(shown, want) {
				t.Errorf("%s: %q is not shown in\n%s\nhidden:\n%s", path, want, shown, hidden)
			}
		}
		for _, never := range []string{"Preview of the news", "A pump"} {
			if strings.Contains(shown, never) || strings.Contains(string(source), never) != strings.Contains(hidden, never) {
				t.Errorf("%s: %q is not hidden in\n%s", path, never, hidden)
			}
		}
	}
}
