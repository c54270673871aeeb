package multimail

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

// event is a line that a daemon can log.
type event struct {
	levels, fields []string
	at             token.Position
}

// docs/operations.md has one row for each event, with its levels and fields, and
// none for what is not logged any more.
func TestEveryEventOfTheLogIsDocumented(t *testing.T) {
	page := operationsPage(t)
	rows := map[string][]string{} // event: its other columns
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([a-z, ]+) \\| ([^|]*) \\| ([^|]+) \\|$")
	for _, m := range row.FindAllStringSubmatch(section(t, page, "Log"), -1) {
		if rows[m[1]] != nil {
			t.Errorf("%q has two rows", m[1])
		}
		rows[m[1]] = m[2:]
	}
	events := loggedEvents(t)
	if len(events) < 30 {
		t.Fatalf("found %d events only: the check looks past them", len(events))
	}
	for name, e := range events {
		want := fmt.Sprintf("| `%s` | %s | %s |", name, strings.Join(e.levels, ", "), code(e.fields))
		if got := rows[name]; got == nil {
			t.Errorf("%s: no row %s meaning |", e.at, want)
		} else if got := fmt.Sprintf("| `%s` | %s | %s |", name, got[0], got[1]); got != want {
			t.Errorf("%s: the row is %s, want %s", e.at, got, want)
		}
		delete(rows, name)
	}
	for name := range rows {
		t.Errorf("nobody logs %q", name)
	}
}

// docs/operations.md has one row for each metric, and none for others.
func TestEveryMetricIsDocumented(t *testing.T) {
	rows := map[string]bool{}
	row := regexp.MustCompile("(?m)^\\| `(mail_[a-z_]+)")
	for _, m := range row.FindAllStringSubmatch(section(t, operationsPage(t), "Metrics"), -1) {
		rows[m[1]] = true
	}
	name := regexp.MustCompile(`^mail_[a-z_]+$`)
	seen := map[string]bool{}
	for _, p := range load(t) {
		for e, tv := range p.TypesInfo.Types {
			if _, isLiteral := e.(*ast.BasicLit); !isLiteral || tv.Value == nil || tv.Value.Kind() != constant.String {
				continue
			}
			if s := constant.StringVal(tv.Value); nameOf(p.PkgPath) == "internal/metrics" && name.MatchString(s) {
				seen[s] = true
			}
		}
	}
	if len(seen) < 5 {
		t.Fatalf("found %d metrics only: the check looks past them", len(seen))
	}
	for s := range seen {
		if !rows[s] {
			t.Errorf("no row for %s", s)
		}
		delete(rows, s)
	}
	for s := range rows {
		t.Errorf("there is no metric %s", s)
	}
}

func operationsPage(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// section returns what stands below a heading of the second level.
func section(t *testing.T, page, title string) string {
	t.Helper()
	_, rest, found := strings.Cut(page, "\n## "+title+"\n")
	if !found {
		t.Fatalf("no section %s", title)
	}
	text, _, _ := strings.Cut(rest, "\n## ")
	return text
}

func code(fields []string) string {
	if len(fields) == 0 {
		return "–"
	}
	return "`" + strings.Join(fields, "`, `") + "`"
}

// levels are the methods of slog that log, and what the log calls them.
var levels = map[string]string{"Debug": "debug", "Info": "info", "Warn": "warn", "Error": "error"}

// loggedEvents returns what the packages log. An event must be a constant, or a
// variable that only ever has constants.
func loggedEvents(t *testing.T) map[string]*event {
	t.Helper()
	events := map[string]*event{}
	for _, p := range load(t) {
		for _, file := range p.Syntax {
			for _, decl := range file.Decls {
				ast.Inspect(decl, func(n ast.Node) bool {
					if call, ok := n.(*ast.CallExpr); ok {
						addEvents(t, events, p, decl, call)
					}
					return true
				})
			}
		}
	}
	return events
}

func addEvents(t *testing.T, events map[string]*event, p *packages.Package, decl ast.Decl, call *ast.CallExpr) {
	t.Helper()
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) == 0 {
		return
	}
	fn, ok := p.TypesInfo.Uses[sel.Sel].(*types.Func)
	if !ok || fn.Pkg() == nil || fn.Pkg().Path() != "log/slog" || levels[fn.Name()] == "" {
		return
	}
	at := p.Fset.Position(call.Pos())
	at.Filename = path.Join(nameOf(p.PkgPath), path.Base(at.Filename))
	names := constants(p, decl, call.Args[0])
	if len(names) == 0 {
		t.Errorf("%s: what event is logged cannot be read here", at)
	}
	for _, name := range names {
		e := events[name]
		if e == nil {
			e = &event{at: at}
			events[name] = e
		}
		e.levels = insert(e.levels, levels[fn.Name()])
		for i := 1; i < len(call.Args); i += 2 {
			key := p.TypesInfo.Types[call.Args[i]].Value
			if key == nil {
				t.Errorf("%s: the name of a field is no constant", at)
				continue
			}
			e.fields = insert(e.fields, constant.StringVal(key))
		}
	}
}

func insert(list []string, s string) []string {
	if i, found := slices.BinarySearch(list, s); !found {
		list = slices.Insert(list, i, s)
	}
	return list
}

// constants returns the values an expression can have: its own, those of the
// elements of a literal that it indexes, or all that decl assigns to a variable.
func constants(p *packages.Package, decl ast.Decl, e ast.Expr) (out []string) {
	if v := p.TypesInfo.Types[e].Value; v != nil && v.Kind() == constant.String {
		return []string{constant.StringVal(v)}
	}
	switch e := e.(type) {
	case *ast.IndexExpr:
		lit, _ := e.X.(*ast.CompositeLit)
		for i := 0; lit != nil && i < len(lit.Elts); i++ {
			elt := lit.Elts[i]
			if kv, ok := elt.(*ast.KeyValueExpr); ok {
				elt = kv.Value
			}
			out = append(out, constants(p, decl, elt)...)
		}
	case *ast.Ident:
		ast.Inspect(decl, func(n ast.Node) bool {
			a, ok := n.(*ast.AssignStmt)
			for i := 0; ok && i < len(a.Lhs) && len(a.Lhs) == len(a.Rhs); i++ {
				left, isIdent := a.Lhs[i].(*ast.Ident)
				if isIdent && p.TypesInfo.ObjectOf(left) == p.TypesInfo.ObjectOf(e) {
					out = append(out, constants(p, decl, a.Rhs[i])...)
				}
			}
			return true
		})
	}
	return out
}
