package multimail

import (
	"go/constant"
	"go/types"
	"os"
	"regexp"
	"testing"
)

// minLimits is how many there are at least.
const minLimits = 30

var limitRow = regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\|")

// A limit that no page names, that nothing enforces or that exists on paper
// only is found here.
func TestEveryLimitIsDocumentedAndUsed(t *testing.T) {
	page, err := os.ReadFile("docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]int{}
	for _, m := range limitRow.FindAllStringSubmatch(string(page), -1) {
		rows[m[1]]++
	}
	declared, used := map[string]bool{}, map[string]bool{}
	for _, p := range load(t) {
		for _, obj := range p.TypesInfo.Defs {
			if name, ok := limitName(obj); ok {
				declared[name] = true
			}
		}
		for _, obj := range p.TypesInfo.Uses {
			if name, ok := limitName(obj); ok {
				used[name] = true
			}
		}
	}
	for name := range declared {
		if rows[name] != 1 {
			t.Errorf("limit %q has %d rows in docs/limits.md, want 1", name, rows[name])
		}
		if !used[name] {
			t.Errorf("limit %q is declared and never used", name)
		}
	}
	for name := range rows {
		if !declared[name] {
			t.Errorf("docs/limits.md describes %q, which mail/limit.go does not declare", name)
		}
	}
	if len(declared) < minLimits || len(rows) < minLimits {
		t.Errorf("found %d limits and %d rows only: the check looks past them", len(declared), len(rows))
	}
}

func limitName(obj types.Object) (string, bool) {
	c, ok := obj.(*types.Const)
	if !ok || c.Type().String() != module+"/mail.Limit" {
		return "", false
	}
	return constant.StringVal(c.Val()), true
}
