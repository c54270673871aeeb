package message

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The lists on the page are those of the code, word for word: a verifier that
// was written from the page would read mails differently otherwise.
func TestThePageListsWhatTheContentHashReads(t *testing.T) {
	b, err := os.ReadFile("../../docs/identity.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	list := func(pattern string) []string {
		m := regexp.MustCompile(pattern).FindStringSubmatch(page)
		if m == nil {
			t.Fatalf("the page has nothing like %s", pattern)
		}
		return strings.Fields(m[1])
	}
	for _, l := range []struct {
		pattern string
		code    map[string]bool
	}{
		{"Blocks are: `([a-z0-9\\s]+)`", contentBlocks},
		{"Its name is one of `([a-z\\s]+)`", contentOpaque},
	} {
		names, want := list(l.pattern), slices.Sorted(maps.Keys(l.code))
		slices.Sort(names)
		if !slices.Equal(names, want) {
			t.Errorf("the page has %q\nthe code %q", names, want)
		}
	}
	names := regexp.MustCompile("(?m)^    ((?:[A-Za-z0-9]+=[0-9a-f]+ ?)+)$").FindAllStringSubmatch(page, -1)
	var found []string
	for _, m := range names {
		found = append(found, strings.Fields(m[1])...)
	}
	if want := strings.Fields(contentNameList); !slices.Equal(found, want) {
		t.Errorf("the page has %d names of characters, the code %d", len(found), len(want))
	}
	for _, constant := range []string{
		"more than 1000 is none", "more than 4096 octets", "more than 4,194,304 is none", "a depth over 10: none",
		"More than 12 characters",
	} {
		if !strings.Contains(strings.Join(strings.Fields(page), " "), constant) {
			t.Errorf("the page does not say %q", constant)
		}
	}
	if maxContentParts != 1000 || maxContentField != 4096 || maxContentText != 4194304 || maxContentDepth != 10 ||
		maxContentMarks != 12 {
		t.Error("a limit is another than on the page")
	}
}
