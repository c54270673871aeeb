package api

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// inBraces are the names of what a path holds, which differ between two descriptions of it.
var inBraces = regexp.MustCompile(`\{[^}]*\}`)

// lines returns the lines of a file that are no comment and not empty.
func lines(t *testing.T, name string) (out []string) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			out = append(out, line)
		}
	}
	return out
}

// leftOut returns the endpoints that docs/swagger.md lists with a reason; … stands for
// anything behind it.
func leftOut(t *testing.T) (out []string) {
	t.Helper()
	all := lines(t, "../../docs/swagger.md")
	from := slices.Index(all, "| endpoint | reason |") + 2
	if from < 2 {
		t.Fatal("docs/swagger.md has no list of what is left out")
	}
	for _, line := range all[from:] {
		cells := strings.Split(line, "|")
		if len(cells) != 4 {
			return out
		}
		if strings.TrimSpace(cells[2]) == "" {
			t.Errorf("no reason for %s", cells[1])
		}
		for _, m := range regexp.MustCompile("`([A-Z]+ /[^`]*)`").FindAllStringSubmatch(cells[1], -1) {
			out = append(out, inBraces.ReplaceAllString(m[1], "{}"))
		}
	}
	return out
}

// What the public reference names is served, and in the document, or is listed with the
// reason: neither list can fall behind the other.
func TestEveryEndpointOfThePublicReferenceIsServedOrListed(t *testing.T) {
	var inTable, inDocument []string
	for _, op := range Operations.Operations() {
		inTable = append(inTable, op.Method+" "+inBraces.ReplaceAllString(op.Path, "{}"))
	}
	d, _ := served(t)
	for path, methods := range d.Paths {
		for method := range methods {
			inDocument = append(inDocument, strings.ToUpper(method)+" /v1"+inBraces.ReplaceAllString(path, "{}"))
		}
	}
	without, used := leftOut(t), map[string]bool{}
	public := lines(t, "testdata/endpoints.txt")
	for _, line := range public {
		endpoint := inBraces.ReplaceAllString(line, "{}")
		listed := slices.IndexFunc(without, func(w string) bool {
			prefix, open := strings.CutSuffix(w, "…")
			return w == endpoint || open && strings.HasPrefix(endpoint, prefix)
		})
		below := strings.Contains(endpoint, " /v1/")
		switch here := slices.Contains(inTable, endpoint); {
		case here && listed >= 0:
			t.Errorf("%s is served, and listed as left out", line)
		case !here && listed < 0:
			t.Errorf("%s is neither served nor listed with a reason", line)
		case here && below != slices.Contains(inDocument, endpoint):
			t.Errorf("%s: in the document: %t", line, !below)
		case listed >= 0:
			used[without[listed]] = true
		}
	}
	for _, w := range without {
		if !used[w] {
			t.Errorf("%s is listed as left out, and the public reference has no such endpoint", w)
		}
	}
	if len(public) < 80 || len(used) < 10 || len(inDocument) < 60 {
		t.Errorf("%d endpoints, %d of them left out, %d in the document", len(public), len(used), len(inDocument))
	}
}
