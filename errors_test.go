package multimail

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/constant"
	"go/types"
	"os"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"

	"github.com/multimail/multimail/mail"
)

// The codes of an error follow from its word (docs/errors.md), so a sentence
// that keeps its word keeps its codes for clients that act on them.
func TestEveryErrorKeepsItsWord(t *testing.T) {
	b, err := os.ReadFile("testdata/errors.tsv")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for line := range bytes.Lines(b) {
		word, sentence, _ := strings.Cut(strings.TrimSpace(string(line)), "\t")
		want[sentence] = word
	}
	found := 0
	for _, p := range load(t) {
		for sentence, word := range sentences(p) {
			if w, known := want[sentence]; known {
				found++
				if w != word {
					t.Errorf("%s: %q is %s, want %s", p.PkgPath, sentence, word, w)
				}
			}
		}
	}
	if found < len(want)/2 {
		t.Errorf("found %d of %d sentences only: the check looks past them", found, len(want))
	}
}

// What docs/limits.md says of a limit over SMTP and HTTP is a pair of
// docs/errors.md, which the tests of both doors hold against their tables.
func TestTheCodesOfALimitAreThoseOfAnError(t *testing.T) {
	errors, err := os.ReadFile("docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	limits, err := os.ReadFile("docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	pairs := codePair.FindAllSubmatch(limits, -1)
	for _, m := range pairs {
		if row := fmt.Sprintf("| %s | %s |", m[1], m[2]); !strings.Contains(string(errors), row) {
			t.Errorf("docs/limits.md has %s, docs/errors.md no row with %q", m[0], row)
		}
	}
	if len(pairs) < 15 {
		t.Errorf("found %d pairs only: the check looks past them", len(pairs))
	}
}

var codePair = regexp.MustCompile(`([45][0-9]{2} [45]\.[0-9]+\.[0-9]+) / ([45][0-9]{2})`)

// sentences returns the word of each error that p makes with a fixed format.
func sentences(p *packages.Package) map[string]string {
	out := map[string]string{}
	for _, f := range p.Syntax {
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			fn, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || fn.Sel.Name != "Errorf" {
				return true
			}
			format, of := p.TypesInfo.Types[call.Args[0]].Value, p.TypesInfo.Types[fn.X]
			if format == nil || of.Value == nil {
				return true
			}
			switch of.Type.String() {
			case module + "/mail.Kind":
				k, _ := constant.Uint64Val(of.Value)
				out[constant.StringVal(format)] = mail.Kind(k).String()
			case module + "/mail.Reason":
				out[constant.StringVal(format)] = constant.StringVal(of.Value)
			}
			return true
		})
	}
	return out
}

func TestEveryReasonHasAKindAndIsUsed(t *testing.T) {
	declared, used := map[string]bool{}, map[string]bool{}
	for _, p := range load(t) {
		for _, obj := range p.TypesInfo.Defs {
			if c, ok := reasonConst(obj); ok {
				declared[constant.StringVal(c.Val())] = true
			}
		}
		for _, word := range sentences(p) {
			used[word] = true
		}
	}
	for word := range declared {
		if _, ok := mail.Reasons()[mail.Reason(word)]; !ok {
			t.Errorf("reason %q has no kind", word)
		}
		if !used[word] {
			t.Errorf("reason %q is declared and never used", word)
		}
	}
	if len(declared) != len(mail.Reasons()) {
		t.Errorf("%d reasons are declared, %d have a kind", len(declared), len(mail.Reasons()))
	}
}

func reasonConst(obj types.Object) (*types.Const, bool) {
	c, ok := obj.(*types.Const)
	return c, ok && c.Type().String() == module+"/mail.Reason"
}
