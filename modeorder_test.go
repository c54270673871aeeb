package multimail

import (
	"go/ast"
	"go/token"
	"go/types"
	"testing"

	"golang.org/x/tools/go/packages"
)

// Modes are numbers, and their order says nothing of how much they oversee: what a change of
// mode is judged by is mail.Mode.TightensTo.
func TestNoCodeComparesModesByTheirOrder(t *testing.T) {
	asked, durations := 0, 0
	for _, p := range load(t) {
		for _, pos := range ordered(p, module+"/mail.Mode") {
			t.Errorf("%s: modes are compared by their order; ask TightensTo, or name them", p.Fset.Position(pos))
		}
		durations += len(ordered(p, "time.Duration"))
		for _, o := range p.TypesInfo.Uses {
			if fn, ok := o.(*types.Func); ok && fn.FullName() == "("+module+"/mail.Mode).TightensTo" {
				asked++
			}
		}
	}
	if asked < 2 || durations < 20 {
		t.Errorf("%d questions to TightensTo and %d comparisons of durations: too few to be all", asked, durations)
	}
}

// ordered finds where values of a type are compared by their order.
func ordered(p *packages.Package, typ string) (found []token.Pos) {
	for _, f := range p.Syntax {
		ast.Inspect(f, func(n ast.Node) bool {
			e, ok := n.(*ast.BinaryExpr)
			if !ok {
				return true
			}
			switch e.Op {
			case token.LSS, token.GTR, token.LEQ, token.GEQ:
				for _, side := range []ast.Expr{e.X, e.Y} {
					if tv := p.TypesInfo.TypeOf(side); tv != nil && tv.String() == typ {
						found = append(found, e.OpPos)
						break
					}
				}
			}
			return true
		})
	}
	return found
}
