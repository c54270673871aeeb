// Package multimail holds the rules of the house that no single room can test.
package multimail

import (
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

const module = "github.com/multimail/multimail"

// mayImport is the plan: which of our packages each room may use. What is not
// here may not be imported, and a package that is not here may not exist.
var mayImport = table(`
mail:
gate/step: mail
gate: mail internal/message gate/step queue internal/registry internal/store internal/throttle audit internal/metrics
queue: mail gate/step internal/store audit internal/metrics
sign: mail internal/message internal/secret
dkim: mail internal/message internal/secret
relay: mail internal/metrics
audit: internal/store
smtpd: mail gate internal/throttle internal/inbox internal/registry internal/metrics sign dkim
httpd: mail internal/message gate queue internal/throttle internal/inbox internal/registry internal/store audit internal/oauth internal/metrics sign dkim httpd/api
httpd/api:
mcpbridge: httpd/api
internal/message: mail
internal/store: internal/store/internal/raw
internal/store/internal/raw:
internal/store/bolt: internal/store
internal/store/storetest: internal/store internal/store/internal/raw
internal/registry: mail internal/message internal/store audit
internal/inbox: mail internal/message internal/store audit
internal/capture: mail internal/message
internal/clock:
internal/config: mail
internal/metrics:
internal/secret:
internal/throttle:
internal/mailtest: mail
cmd/multimail: *
`)

// table reads lines of the form "package: what it may import".
func table(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(strings.TrimSpace(text)) {
		name, list, _ := strings.Cut(line, ":")
		out[name] = strings.TrimSpace(list)
	}
	return out
}

// onlyMessage lists what parses or renders messages: one package does it for all.
var onlyMessage = []string{
	"net/mail", "github.com/emersion/go-message", "golang.org/x/net/html", "golang.org/x/text/encoding",
	"github.com/yuin/goldmark",
}

func load(t *testing.T) []*packages.Package {
	t.Helper()
	pkgs, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedImports | packages.NeedFiles | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedModule,
	}, "./...")
	if err != nil {
		t.Fatal(err)
	}
	if len(pkgs) < len(mayImport)/2 {
		t.Fatalf("found %d packages only", len(pkgs))
	}
	return slices.DeleteFunc(pkgs, func(p *packages.Package) bool {
		r := room(p)
		return r == "." || strings.HasPrefix(r, "test/")
	})
}

func room(p *packages.Package) string {
	if p.PkgPath == module {
		return "."
	}
	return strings.TrimPrefix(p.PkgPath, module+"/")
}

func TestRoomsImportOnlyWhatThePlanAllows(t *testing.T) {
	for _, p := range load(t) {
		allowed, known := mayImport[room(p)]
		if !known {
			t.Errorf("package %s is not in the plan", room(p))
			continue
		}
		for imp := range p.Imports {
			ours, isOurs := strings.CutPrefix(imp, module+"/")
			if isOurs && allowed != "*" && !slices.Contains(strings.Fields(allowed), ours) {
				t.Errorf("%s may not import %s", room(p), ours)
			}
			for _, only := range onlyMessage {
				if strings.HasPrefix(imp, only) && room(p) != "internal/message" {
					t.Errorf("%s imports %s: only internal/message reads messages", room(p), imp)
				}
			}
		}
	}
}

// LAW 1: only the gate puts mail into the queue. LAW 2: only gate and queue move it.
func TestOnlyTheGatePutsMailIntoTheQueue(t *testing.T) {
	callers := map[string][]string{"Put": {"gate"}, "Move": {"gate", "queue"}}
	seen := 0
	for _, p := range load(t) {
		for ident, obj := range p.TypesInfo.Uses {
			if obj.Pkg() == nil || obj.Pkg().Path() != module+"/queue" {
				continue
			}
			rooms, guarded := callers[obj.Name()]
			if !guarded || !strings.HasPrefix(objString(obj.String()), "func (*"+module+"/queue.Queue)") {
				continue
			}
			seen++
			if !slices.Contains(rooms, room(p)) {
				t.Errorf("%s: %s calls queue.%s", p.Fset.Position(ident.Pos()), room(p), obj.Name())
			}
		}
	}
	if seen < 3 {
		t.Errorf("found %d guarded calls only: the check looks past them", seen)
	}
}

func objString(s string) string { return strings.Replace(s, "func (q *", "func (*", 1) }

// State is written in one place.
func TestOnlyOneFunctionWritesTheState(t *testing.T) {
	for _, p := range load(t) {
		for _, f := range p.Syntax {
			ast.Inspect(f, func(n ast.Node) bool {
				a, ok := n.(*ast.AssignStmt)
				if !ok || a.Tok == token.DEFINE {
					return true
				}
				for _, l := range a.Lhs {
					sel, ok := l.(*ast.SelectorExpr)
					if !ok || sel.Sel.Name != "State" {
						continue
					}
					tv, ok := p.TypesInfo.Types[sel.X]
					if !ok || strings.TrimPrefix(tv.Type.String(), "*") != module+"/mail.Mail" {
						continue
					}
					at := p.Fset.Position(l.Pos())
					if room(p) != "queue" || path.Base(at.Filename) != "move.go" {
						t.Errorf("%s writes the state of a mail", at)
					}
				}
				return true
			})
		}
	}
}

func TestHouseStyle(t *testing.T) {
	for _, p := range load(t) {
		documented := false
		for _, f := range p.Syntax {
			documented = documented || f.Doc != nil
			name := path.Base(p.Fset.Position(f.Pos()).Filename)
			if n := p.Fset.Position(f.End()).Line; n > 500 {
				t.Errorf("%s/%s has %d lines", room(p), name, n)
			}
			for _, d := range f.Decls {
				fn, ok := d.(*ast.FuncDecl)
				if !ok {
					continue
				}
				lines := p.Fset.Position(fn.End()).Line - p.Fset.Position(fn.Pos()).Line + 1
				if lines > 80 {
					t.Errorf("%s/%s: %s has %d lines", room(p), name, fn.Name.Name, lines)
				}
				if fn.Name.IsExported() && fn.Doc == nil && exportedReceiver(fn) {
					t.Errorf("%s/%s: %s has no doc comment", room(p), name, fn.Name.Name)
				}
			}
		}
		if !documented {
			t.Errorf("package %s has no doc comment", room(p))
		}
	}
}

// exportedReceiver reports whether a method can be seen from outside; methods
// that only satisfy an interface on a private type speak through it.
func exportedReceiver(fn *ast.FuncDecl) bool {
	if fn.Recv == nil {
		return true
	}
	typ := fn.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	id, ok := typ.(*ast.Ident)
	// String, Error and the like are documented by their interfaces.
	common := []string{"String", "Error", "Unwrap", "MarshalText", "UnmarshalText", "MarshalJSON", "UnmarshalJSON", "Close"}
	return ok && id.IsExported() && !slices.Contains(common, fn.Name.Name)
}
