package multimail

import (
	"cmp"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const invariantsPage = "docs/invariants.md"

var (
	invariantHead  = regexp.MustCompile(`(?m)^## (\d+)\. `)
	invariantTest  = regexp.MustCompile("`(?:([a-z0-9_/]+)\\.)?((?:Test|Fuzz)[A-Za-z0-9_]+)`")
	invariantCited = regexp.MustCompile(`[Ii]nvariants? (\d+(?:(?:, | and )\d+)*)`)
	oldCitation    = regexp.MustCompile(`\bLAW \d`)
	number         = regexp.MustCompile(`\d+`)
)

// Whoever reads "invariant 5" in the code finds it on the page, and the tests
// that hold it exist.
func TestEveryInvariantThatIsCitedIsDescribedAndTested(t *testing.T) {
	all := sources(t)
	tests := map[string]bool{}
	for _, s := range all {
		for _, fn := range s.functions() {
			if strings.HasSuffix(s.name, "_test.go") {
				tests[s.dir+"."+fn.Name.Name] = true
			}
		}
	}
	described := describedInvariants(t)
	cited := map[string]int{}
	for _, s := range all {
		for _, group := range s.file.Comments {
			text := strings.Join(strings.Fields(group.Text()), " ")
			if oldCitation.MatchString(text) {
				t.Errorf("%s/%s: write \"invariant N\": %.60s", s.dir, s.name, text)
			}
			countInvariants(cited, text, s.dir+"/"+s.name, described, t)
		}
	}
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, "README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if page != invariantsPage {
			countInvariants(cited, string(text), page, described, t)
		}
		for _, m := range invariantTest.FindAllStringSubmatch(string(text), -1) {
			if !tests[cmp.Or(m[1], ".")+"."+m[2]] {
				t.Errorf("%s names %s, which does not exist", page, m[0])
			}
		}
	}
	if len(cited) < 10 {
		t.Errorf("found %d invariants cited only: the check looks past them", len(cited))
	}
}

func countInvariants(cited map[string]int, text, where string, described map[string]bool, t *testing.T) {
	t.Helper()
	for _, m := range invariantCited.FindAllStringSubmatch(text, -1) {
		for _, n := range number.FindAllString(m[1], -1) {
			cited[n]++
			if !described[n] {
				t.Errorf("%s cites invariant %s, which %s does not have", where, n, invariantsPage)
			}
		}
	}
}

// describedInvariants returns the numbers on the page. Each must name a test, and
// they must be numbered from one on.
func describedInvariants(t *testing.T) map[string]bool {
	t.Helper()
	page, err := os.ReadFile(invariantsPage)
	if err != nil {
		t.Fatal(err)
	}
	described := map[string]bool{}
	heads := invariantHead.FindAllStringSubmatchIndex(string(page), -1)
	for i, h := range heads {
		n := string(page[h[2]:h[3]])
		if n != strconv.Itoa(i+1) {
			t.Errorf("invariant %s stands at place %d", n, i+1)
		}
		described[n] = true
		end := len(page)
		if i+1 < len(heads) {
			end = heads[i+1][0]
		}
		if !invariantTest.Match(page[h[0]:end]) {
			t.Errorf("invariant %s names no test", n)
		}
	}
	return described
}
