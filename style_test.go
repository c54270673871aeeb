package multimail

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	maxFileLines     = 500
	maxFunctionLines = 60
	maxColumns       = 120
)

// These lists name what is beyond the limits. They may only get shorter: an
// entry that is not needed fails.
var (
	// wideLines are directories.
	wideLines = []string{}
	// longFunctions are "directory.Function".
	longFunctions = []string{}
)

// source is one file of Go, of the program or of its tests.
type source struct {
	dir, name string
	text      []byte
	fset      *token.FileSet
	file      *ast.File
}

func sources(t *testing.T) (all []source) {
	t.Helper()
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if n := d.Name(); d.IsDir() && (n == "node_modules" || n == "testdata" || len(n) > 1 && n[0] == '.') {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(p, ".go") {
			return nil
		}
		s := source{dir: path.Dir(filepath.ToSlash(p)), name: d.Name(), fset: token.NewFileSet()}
		if s.text, err = os.ReadFile(p); err != nil {
			return err
		}
		if s.file, err = parser.ParseFile(s.fset, p, s.text, parser.ParseComments); err != nil {
			return err
		}
		all = append(all, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 100 {
		t.Fatalf("found %d files only", len(all))
	}
	return all
}

func (s source) lines(n ast.Node) int {
	return s.fset.Position(n.End()).Line - s.fset.Position(n.Pos()).Line + 1
}

// functions returns the functions and methods of a file.
func (s source) functions() (out []*ast.FuncDecl) {
	for _, d := range s.file.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			out = append(out, fn)
		}
	}
	return out
}

func TestFilesFunctionsAndLinesAreShort(t *testing.T) {
	wide, long := map[string]bool{}, map[string]bool{}
	for _, s := range sources(t) {
		if n := bytes.Count(s.text, []byte("\n")); n > maxFileLines {
			t.Errorf("%s/%s has %d lines, want %d at most", s.dir, s.name, n, maxFileLines)
		}
		for _, fn := range s.functions() {
			if n := s.lines(fn); n > maxFunctionLines {
				long[s.dir+"."+fn.Name.Name] = true
				if !slices.Contains(longFunctions, s.dir+"."+fn.Name.Name) {
					t.Errorf("%s/%s: %s has %d lines, want %d at most", s.dir, s.name, fn.Name.Name, n, maxFunctionLines)
				}
			}
		}
		for i, line := range bytes.Split(s.text, []byte("\n")) {
			if n := utf8.RuneCount(line); n > maxColumns {
				wide[s.dir] = true
				if !slices.Contains(wideLines, s.dir) {
					t.Errorf("%s/%s:%d has %d columns, want %d at most", s.dir, s.name, i+1, n, maxColumns)
				}
			}
		}
	}
	for _, dir := range wideLines {
		if !wide[dir] {
			t.Errorf("no line of %s is too long any more: remove it from wideLines", dir)
		}
	}
	for _, fn := range longFunctions {
		if !long[fn] {
			t.Errorf("%s is not too long any more: remove it from longFunctions", fn)
		}
	}
}

func TestPackagesAndExportedFunctionsAreDocumented(t *testing.T) {
	documented := map[string]bool{}
	for _, s := range sources(t) {
		if strings.HasSuffix(s.name, "_test.go") || strings.HasPrefix(s.dir, "test/") {
			continue
		}
		documented[s.dir] = documented[s.dir] || s.file.Doc != nil
		for _, fn := range s.functions() {
			if fn.Name.IsExported() && fn.Doc == nil && exportedReceiver(fn) {
				t.Errorf("%s/%s: %s has no doc comment", s.dir, s.name, fn.Name.Name)
			}
		}
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("package %s has no doc comment", dir)
		}
	}
}

// selfExplaining are methods that their interfaces document.
var selfExplaining = []string{
	"String", "Error", "Unwrap", "MarshalText", "UnmarshalText", "MarshalJSON", "UnmarshalJSON", "Close",
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
	return ok && id.IsExported() && !slices.Contains(selfExplaining, fn.Name.Name)
}

// polling lists the tests that wait for another process, or a signal, and sleep
// between two looks at its effect.
var polling = []string{"cmd/multimail/reload_test.go"}

// A test that reads the clock on the wall passes or fails with the load of the
// machine. Under testing/synctest the clock is a fake.
func TestNoTestDependsOnTheClockOnTheWall(t *testing.T) {
	found := 0
	for _, s := range sources(t) {
		if !strings.HasSuffix(s.name, "_test.go") || strings.HasPrefix(s.dir, "test/") {
			continue
		}
		fake := slices.ContainsFunc(s.file.Imports, func(i *ast.ImportSpec) bool {
			return i.Path.Value == `"testing/synctest"`
		})
		ast.Inspect(s.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok || sel.Sel.Name != "Since" && sel.Sel.Name != "Sleep" {
				return true
			}
			if id, ok := sel.X.(*ast.Ident); ok && id.Name == "time" {
				found++
				if !fake && !slices.Contains(polling, s.dir+"/"+s.name) {
					t.Errorf("%s uses time.%s without a fake clock", s.fset.Position(n.Pos()), sel.Sel.Name)
				}
			}
			return true
		})
	}
	if found < 10 {
		t.Errorf("found %d uses only: the check looks past them", found)
	}
}
