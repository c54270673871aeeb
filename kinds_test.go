package multimail

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

// isKind reports whether a type is that of the kinds of audit entries.
func isKind(t types.Type) bool {
	n, ok := t.(*types.Named)
	if !ok || n.Obj().Name() != "Kind" || n.Obj().Pkg() == nil {
		return false
	}
	path := n.Obj().Pkg().Path()
	return path == module+"/audit" || path == module+"/gate/step"
}

// conversions are the files that make a kind of a text, or of a kind of gate/step.
var conversions = []string{"queue/move.go", "gate/step/check.go"}

// comparison is the file that reads what entries say of settings and writes none.
const comparison = "internal/registry/settings.go"

// A kind is written by its constant: the vocabulary stands in audit/kinds.go, and
// in gate/step for the transitions.
func TestNoKindOfAnEntryIsWrittenAsText(t *testing.T) {
	literals := 0
	for _, p := range load(t) {
		for _, f := range p.Syntax {
			file := fileOf(p, f)
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.BasicLit:
					if tv, ok := p.TypesInfo.Types[n]; ok && isKind(tv.Type) {
						literals++
						if file != "audit/kinds.go" && file != "gate/step/step.go" {
							t.Errorf("%s: %s is a kind as text", p.Fset.Position(n.Pos()), n.Value)
						}
					}
				case *ast.CallExpr:
					tv, ok := p.TypesInfo.Types[n.Fun]
					if ok && tv.IsType() && isKind(tv.Type) && !slices.Contains(conversions, file) {
						t.Errorf("%s: a text is made a kind", p.Fset.Position(n.Pos()))
					}
				}
				return true
			})
		}
	}
	if literals < 40 {
		t.Errorf("found %d literals only: the check looks past them", literals)
	}
}

// fileOf returns the path of a file inside this module.
func fileOf(p *packages.Package, f *ast.File) string {
	name := p.Fset.Position(f.Pos()).Filename
	return nameOf(p.PkgPath) + name[strings.LastIndexByte(name, '/'):]
}

// What is declared is written by somebody: a kind in a comparison alone is one
// that no entry has.
func TestEveryKindOfAnEntryIsWritten(t *testing.T) {
	declared, written := map[string]bool{}, map[string]bool{}
	for _, p := range load(t) {
		for _, obj := range p.TypesInfo.Defs {
			if c, ok := obj.(*types.Const); ok && isKind(c.Type()) {
				declared[c.Val().ExactString()] = true
			}
		}
		if nameOf(p.PkgPath) == "audit" {
			continue // it keeps what others write
		}
		for _, f := range p.Syntax {
			if fileOf(p, f) == comparison {
				continue
			}
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok {
					writtenIn(p, fn, written)
				}
			}
		}
	}
	if len(declared) < 40 {
		t.Errorf("found %d kinds only: the check looks past them", len(declared))
	}
	for kind := range declared {
		if !written[kind] {
			t.Errorf("nobody writes an entry of the kind %s", kind)
		}
	}
}

// writtenIn adds the kinds that are used below n other than to compare them.
func writtenIn(p *packages.Package, n ast.Node, written map[string]bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			return n.Op != token.EQL && n.Op != token.NEQ
		case *ast.CaseClause:
			for _, s := range n.Body {
				writtenIn(p, s, written)
			}
			return false
		case *ast.Ident:
			if c, ok := p.TypesInfo.Uses[n].(*types.Const); ok && isKind(c.Type()) {
				written[c.Val().ExactString()] = true
			}
		}
		return true
	})
}
