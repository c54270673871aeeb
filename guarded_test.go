package multimail

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"path"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

// guard is a method that only some packages may call, whatever they hold: the
// value itself or an interface that it fits.
type guard struct {
	in, typ, method string
	callers         []string
	// trial is the function in whose arguments others may call it too: what is
	// done there is rolled back.
	trial string
}

// guards are the methods through which invariants 1, 2 and 11 could be passed
// by. A change that tightens must wait for the attempts under way, which is what
// the gate adds.
var guards = []guard{
	{in: "queue", typ: "Ledger", method: "Put", callers: []string{"gate", "queue"}},
	{in: "queue", typ: "Ledger", method: "Move", callers: []string{"gate"}},
	{in: "queue", typ: "Ledger", method: "Adopt", callers: []string{"internal/upgrade"}},
	{in: "queue", typ: "Ledger", method: "Reschedule", callers: []string{"gate"}},
	{in: "internal/registry", typ: "Registry", method: "SetMode", callers: []string{"gate"}, trial: "trial"},
	{in: "internal/registry", typ: "Registry", method: "AllowRemove", callers: []string{"gate"}},
	{in: "internal/registry", typ: "Registry", method: "Freeze", callers: []string{"gate"}},
	{in: "internal/registry", typ: "Registry", method: "DisableAgent", callers: []string{"gate"}},
}

func TestGuardedMethodsAreCalledByTheirPackagesAlone(t *testing.T) {
	pkgs := load(t)
	for _, g := range guards {
		method := methodOf(pkgs, g)
		if method == nil {
			t.Errorf("%s.%s has no method %s", g.in, g.typ, g.method)
			continue
		}
		calls := map[string]int{}
		for _, p := range pkgs {
			for _, u := range usesOf(p, g, method) {
				name := nameOf(p.PkgPath)
				calls[name]++
				if !slices.Contains(g.callers, name) && (g.trial == "" || u.within != g.trial) {
					t.Errorf("%s: %s uses %s.%s through %s", p.Fset.Position(u.pos), name, g.typ, g.method, u.through)
				}
			}
		}
		for _, name := range g.callers {
			if calls[name] == 0 {
				t.Errorf("%s may call %s.%s and does not: take the permit away", name, g.typ, g.method)
			}
		}
	}
}

func methodOf(pkgs []*packages.Package, g guard) *types.Func {
	for _, p := range pkgs {
		if nameOf(p.PkgPath) != g.in {
			continue
		}
		recv := types.NewPointer(p.Types.Scope().Lookup(g.typ).Type())
		obj, _, _ := types.LookupFieldOrMethod(recv, true, p.Types, g.method)
		fn, _ := obj.(*types.Func)
		return fn
	}
	return nil
}

// use is a place where a guarded method is called, or taken as a value.
type use struct {
	pos     token.Pos
	through string // the type it is found in
	within  string // the innermost function in whose arguments it stands
}

func usesOf(p *packages.Package, g guard, method *types.Func) (uses []use) {
	for _, f := range p.Syntax {
		var stack []ast.Node
		ast.Inspect(f, func(n ast.Node) bool {
			if n == nil {
				stack = stack[:len(stack)-1]
				return true
			}
			stack = append(stack, n)
			id, ok := n.(*ast.Ident)
			if !ok {
				return true
			}
			fn, ok := p.TypesInfo.Uses[id].(*types.Func)
			if !ok || fn.Name() != g.method || fn.Signature().Recv() == nil {
				return true
			}
			recv := strings.TrimPrefix(fn.Signature().Recv().Type().String(), "*")
			itself := recv == module+"/"+g.in+"."+g.typ
			if itself || types.IsInterface(fn.Signature().Recv().Type()) && form(fn) == form(method) {
				uses = append(uses, use{pos: id.Pos(), through: recv, within: argumentOf(stack)})
			}
			return true
		})
	}
	return uses
}

// argumentOf returns the name of the method in whose function argument the last
// of these nodes stands.
func argumentOf(stack []ast.Node) string {
	for i := len(stack) - 1; i > 0; i-- {
		if _, ok := stack[i].(*ast.FuncLit); !ok {
			continue
		}
		if call, ok := stack[i-1].(*ast.CallExpr); ok {
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok {
				return sel.Sel.Name
			}
		}
	}
	return ""
}

// stateWriter is the file that changes the state of a mail.
const stateWriter = "queue/move.go"

// Invariant 2. A mail begins as mail.New; every other state is written in one
// file. An assignment, an address taken and a literal are all ways to write it.
func TestOnlyOneFunctionWritesTheState(t *testing.T) {
	written := 0
	for _, p := range load(t) {
		for _, f := range p.Syntax {
			ast.Inspect(f, func(n ast.Node) bool {
				for _, x := range stateWrites(p, n) {
					written++
					at := p.Fset.Position(x.Pos())
					if nameOf(p.PkgPath)+"/"+path.Base(at.Filename) != stateWriter {
						t.Errorf("%s writes the state of a mail", at)
					}
				}
				return true
			})
		}
	}
	if written == 0 {
		t.Error("nothing writes the state: the check looks past it")
	}
}

// stateWrites returns where a node writes the state of a mail.
func stateWrites(p *packages.Package, n ast.Node) (at []ast.Node) {
	var written []ast.Expr
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			written = n.Lhs
		}
	case *ast.IncDecStmt:
		written = []ast.Expr{n.X}
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			written = []ast.Expr{n.Key, n.Value}
		}
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			written = []ast.Expr{n.X}
		}
	case *ast.CompositeLit:
		if isMail(p, n) {
			return literalState(p, n)
		}
	}
	for _, x := range written {
		if sel, ok := ast.Unparen(x).(*ast.SelectorExpr); ok && sel.Sel.Name == "State" && isMail(p, sel.X) {
			at = append(at, x)
		}
	}
	return at
}

func isMail(p *packages.Package, x ast.Expr) bool {
	typ := p.TypesInfo.TypeOf(x)
	return typ != nil && strings.TrimPrefix(typ.String(), "*") == module+"/mail.Mail"
}

// literalState returns the state in a literal of a mail, unless it is New.
func literalState(p *packages.Package, lit *ast.CompositeLit) (at []ast.Node) {
	for _, e := range lit.Elts {
		kv, ok := e.(*ast.KeyValueExpr)
		if !ok {
			return []ast.Node{lit} // by position: all of it is written
		}
		if id, ok := kv.Key.(*ast.Ident); ok && id.Name == "State" {
			if v := p.TypesInfo.Types[kv.Value].Value; v == nil || constant.Sign(v) != 0 {
				at = append(at, kv)
			}
		}
	}
	return at
}

// The checks are shown a file that does all that is forbidden.
func TestTheChecksFindWhatTheyAreFor(t *testing.T) {
	pkgs := load(t)
	p := checked(t, pkgs, offences(pkgs))
	for _, g := range guards {
		direct, indirect := 0, 0
		for _, u := range usesOf(p, g, methodOf(pkgs, g)) {
			if strings.HasPrefix(u.through, module+"/"+g.in) {
				direct++
			} else {
				indirect++
			}
		}
		if direct != 3 || indirect != 1 {
			t.Errorf("%s.%s: found %d of 3 direct uses and %d of 1 through an interface", g.typ, g.method, direct, indirect)
		}
	}
	written := 0
	for _, f := range p.Syntax {
		ast.Inspect(f, func(n ast.Node) bool {
			written += len(stateWrites(p, n))
			return true
		})
	}
	if written != 6 {
		t.Errorf("found %d of 6 ways to write the state", written)
	}
}

// offences writes a file in which every guard and every way to the state is met.
func offences(pkgs []*packages.Package) string {
	imports := map[string]bool{module + "/mail": true}
	qualify := func(p *types.Package) string { imports[p.Path()] = true; return p.Name() }
	var body strings.Builder
	for i, g := range guards {
		method := methodOf(pkgs, g)
		recv := types.TypeString(method.Signature().Recv().Type(), qualify)
		signature := strings.TrimPrefix(types.TypeString(method.Signature(), qualify), "func")
		fmt.Fprintf(&body, "type i%d interface { %s%s }\n", i, g.method, signature)
		fmt.Fprintf(&body, "type e%d struct { %s }\n", i, recv)
		fmt.Fprintf(&body, "func _(v i%d, w %s, e e%d) { _, _, _, _ = v.%s, w.%s, e.%s, (%s).%s }\n",
			i, recv, i, g.method, g.method, g.method, recv, g.method)
	}
	body.WriteString(`func _(m *mail.Mail, s mail.State) {
		m.State = s
		m.State++
		for _, m.State = range mail.States {
		}
		_ = &m.State
		_ = mail.Mail{State: mail.Sent}
		_ = &mail.Mail{State: s}
		_ = mail.Mail{State: mail.New}
		_ = m.State
	}
`)
	head := "package offences\n"
	for imp := range imports {
		head += fmt.Sprintf("import %q\n", imp)
	}
	return head + body.String()
}

// checked returns a package of one file, which imports what is loaded.
func checked(t *testing.T, pkgs []*packages.Package, text string) *packages.Package {
	t.Helper()
	known := imported{}
	for _, p := range pkgs {
		for _, imp := range p.Types.Imports() {
			if known[imp.Path()] == nil {
				known[imp.Path()] = imp
			}
		}
		known[p.PkgPath] = p.Types
	}
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "offences.go", text, 0)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}}
	p, err := (&types.Config{Importer: known}).Check(module+"/offences", fset, []*ast.File{f}, info)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return &packages.Package{PkgPath: p.Path(), Fset: fset, Syntax: []*ast.File{f}, Types: p, TypesInfo: info}
}

type imported map[string]*types.Package

func (m imported) Import(path string) (*types.Package, error) {
	if m[path] == nil {
		return nil, fmt.Errorf("%s is not loaded", path)
	}
	return m[path], nil
}

// builders are the only packages that put a gate together. What changes its
// constructor changes two calls.
var builders = []string{"internal/daemon", "internal/systemtest"}

func TestTheGateIsBuiltByTheDaemonAndForTestsInOnePlace(t *testing.T) {
	calls := map[string]int{}
	for _, s := range sources(t) {
		ast.Inspect(s.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok || sel.Sel.Name != "New" {
				return true
			}
			if id, ok := sel.X.(*ast.Ident); ok && id.Name == "gate" {
				calls[s.dir]++
				if !slices.Contains(builders, s.dir) {
					t.Errorf("%s builds a gate: use internal/systemtest", s.fset.Position(n.Pos()))
				}
			}
			return true
		})
	}
	for _, dir := range builders {
		if calls[dir] != 1 {
			t.Errorf("%s builds a gate in %d places, want 1", dir, calls[dir])
		}
	}
}

// Only a backend and its tests take a transaction apart: with its records anybody
// could write the keys of others.
func TestATransactionIsOpenedBelowTheStoreAlone(t *testing.T) {
	seen := 0
	for _, p := range load(t) {
		for id, obj := range p.TypesInfo.Uses {
			if obj.Pkg() == nil || obj.Pkg().Path() != module+"/internal/store" ||
				obj.Name() != "RecordsOf" && obj.Name() != "NewTx" {
				continue
			}
			seen++
			if !strings.HasPrefix(nameOf(p.PkgPath), "internal/store") {
				t.Errorf("%s: %s uses store.%s", p.Fset.Position(id.Pos()), nameOf(p.PkgPath), obj.Name())
			}
		}
	}
	if seen < 3 {
		t.Errorf("found %d uses only: the check looks past them", seen)
	}
}
