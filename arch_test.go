// Package multimail holds the rules that no single package can test.
package multimail

import (
	"go/types"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/tools/go/packages"
)

const module = "github.com/multimail/multimail"

// mayImport is the plan: which of our packages each package may use. What is
// not here may not be imported, a package that is not here may not exist, and a
// permit that nobody uses is taken away.
var mayImport = table(`
mail:
gate/step: mail
queue: mail gate/step internal/store audit
gate: mail internal/message internal/bounce gate/step queue internal/registry internal/store
	internal/throttle audit internal/metrics internal/node
delivery: mail gate queue internal/node internal/store internal/metrics
sign: mail internal/message internal/keyset internal/secret
sign/fetch: mail
dkim: mail internal/message internal/keyset internal/secret
relay: mail
audit: internal/store
smtpd: mail gate internal/message internal/throttle internal/registry internal/metrics
httpd: mail internal/message gate queue internal/throttle internal/inbox internal/registry internal/store audit
	internal/metrics internal/rotation sign dkim httpd/api internal/zone internal/authserver
httpd/api:
mcpbridge: httpd/api
internal/message: mail
internal/store: internal/store/internal/raw
internal/store/internal/raw:
internal/store/bolt: internal/store internal/store/journal
internal/store/journal: internal/store
internal/store/storetest: internal/store internal/store/internal/raw
internal/registry: mail internal/message internal/store audit
internal/oauth: mail internal/config
internal/authserver: mail internal/registry internal/redirect internal/store
internal/inbox: mail queue internal/store
internal/hook: mail internal/store audit
internal/search: mail queue internal/store
internal/bounce: mail internal/store
internal/capture: mail internal/message
internal/clock:
internal/config: internal/redirect
internal/redirect:
internal/metrics:
internal/node: mail internal/store
internal/upgrade: mail queue internal/inbox internal/registry internal/store
internal/origin: mail internal/message internal/resolver
internal/resolver:
internal/hsm:
internal/keyset: mail
internal/rotation: mail internal/keyset internal/registry internal/store audit
internal/secret:
internal/signin: internal/secret
internal/spam: mail internal/message
internal/throttle:
internal/zone: internal/resolver
internal/mailtest: mail
internal/systemtest: mail gate queue audit internal/config internal/inbox internal/message internal/node
	internal/registry internal/store internal/store/bolt
internal/daemon: *
cmd/multimail: mail internal/message sign sign/fetch internal/resolver audit gate/step mcpbridge httpd/api
	internal/config internal/daemon internal/oauth
	internal/registry internal/secret internal/signin
`)

// table reads lines of the form "package: what it may import"; a line that
// begins with a blank continues the one before.
func table(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(strings.ReplaceAll(strings.TrimSpace(text), "\n\t", " ")) {
		name, list, _ := strings.Cut(line, ":")
		out[name] = strings.TrimSpace(list)
	}
	return out
}

// testOnly lists the packages that tests use and the program does not.
var testOnly = []string{"internal/mailtest", "internal/store/storetest", "internal/systemtest"}

// wiring lists the packages above all others: they know much, and count neither
// for the average of imports nor for unused permits.
var wiring = []string{"cmd/multimail", "internal/daemon"}

// maxImports is how many of our packages one may import on average.
const maxImports = 2.5

// callbacks lists the pairs that need each other: the first imports the second,
// which calls the first through an interface of its own. It may only get shorter.
var callbacks = []string{}

// onlyMessage lists what parses or renders messages: one package does it for all.
var onlyMessage = []string{
	"net/mail", "github.com/emersion/go-message", "golang.org/x/net/html", "golang.org/x/text/encoding",
	"github.com/yuin/goldmark",
}

var loaded = sync.OnceValues(func() ([]*packages.Package, error) {
	return packages.Load(&packages.Config{Mode: loadMode}, "./...")
})

const loadMode = packages.NeedName | packages.NeedImports | packages.NeedFiles | packages.NeedSyntax |
	packages.NeedTypes | packages.NeedTypesInfo | packages.NeedModule

// load returns our packages without their tests.
func load(t *testing.T) []*packages.Package {
	t.Helper()
	pkgs, err := loaded()
	if err != nil {
		t.Fatal(err)
	}
	if len(pkgs) < len(mayImport)/2 {
		t.Fatalf("found %d packages only", len(pkgs))
	}
	var out []*packages.Package
	for _, p := range pkgs {
		for _, err := range p.Errors {
			t.Errorf("%s: %v", p.PkgPath, err)
		}
		if name := nameOf(p.PkgPath); name != "." && !strings.HasPrefix(name, "test/") {
			out = append(out, p)
		}
	}
	return out
}

// nameOf returns the path of a package inside this module.
func nameOf(pkgPath string) string {
	if pkgPath == module {
		return "."
	}
	return strings.TrimPrefix(pkgPath, module+"/")
}

// ownImports returns the packages of this module that p imports.
func ownImports(p *packages.Package) (names []string) {
	for imp := range p.Imports {
		if ours, ok := strings.CutPrefix(imp, module+"/"); ok {
			names = append(names, ours)
		}
	}
	slices.Sort(names)
	return names
}

func TestPackagesImportOnlyWhatThePlanAllows(t *testing.T) {
	for _, p := range load(t) {
		name := nameOf(p.PkgPath)
		allowed, known := mayImport[name]
		if !known {
			t.Errorf("package %s is not in the plan", name)
			continue
		}
		for _, imp := range ownImports(p) {
			if allowed != "*" && !slices.Contains(strings.Fields(allowed), imp) {
				t.Errorf("%s may not import %s", name, imp)
			}
			if slices.Contains(testOnly, imp) {
				t.Errorf("%s imports %s, which is for tests", name, imp)
			}
		}
		for imp := range p.Imports {
			for _, only := range onlyMessage {
				if strings.HasPrefix(imp, only) && name != "internal/message" {
					t.Errorf("%s imports %s: only internal/message reads messages", name, imp)
				}
			}
		}
	}
}

func TestEveryPackageAndPermitOfThePlanIsUsed(t *testing.T) {
	imports := map[string][]string{}
	for _, p := range load(t) {
		imports[nameOf(p.PkgPath)] = ownImports(p)
	}
	for name, allowed := range mayImport {
		used, exists := imports[name]
		if !exists {
			t.Errorf("the plan has package %s, which does not exist", name)
		}
		for _, imp := range strings.Fields(allowed) {
			if imp != "*" && exists && !slices.Contains(used, imp) {
				t.Errorf("%s may import %s and does not: take the permit away", name, imp)
			}
		}
	}
}

func TestPackagesHaveFewImportsOnAverage(t *testing.T) {
	sum, n := 0, 0
	for _, p := range load(t) {
		if name := nameOf(p.PkgPath); !slices.Contains(wiring, name) && !slices.Contains(testOnly, name) {
			sum += len(ownImports(p))
			n++
		}
	}
	average := float64(sum) / float64(n)
	t.Logf("%d packages have %d imports of ours, %.2f each", n, sum, average)
	if average > maxImports {
		t.Errorf("%.2f imports of ours a package, want %v at most", average, maxImports)
	}
}

// Packages that need each other are one package in two directories: one imports
// the other, which calls back through an interface.
func TestNoTwoPackagesNeedEachOther(t *testing.T) {
	all := map[string]*packages.Package{}
	for _, p := range load(t) {
		all[nameOf(p.PkgPath)] = p
	}
	var found []string
	for name, p := range all {
		if slices.Contains(wiring, name) {
			continue // it fits the parts together, also by types of its own
		}
		for _, imp := range ownImports(p) {
			for _, i := range called(all[imp]) {
				if implementer := implements(p.Types, i.Type().Underlying().(*types.Interface)); implementer != "" {
					found = append(found, name+" "+imp)
					if !slices.Contains(callbacks, name+" "+imp) {
						t.Errorf("%s imports %s, which calls %s through %s", name, imp, implementer, i.Name())
					}
				}
			}
		}
	}
	for _, pair := range callbacks {
		if !slices.Contains(found, pair) {
			t.Errorf("%q need each other no longer: remove it from callbacks", pair)
		}
	}
}

// called returns the interfaces that p declares and calls and does not
// implement itself.
func called(p *packages.Package) (out []*types.TypeName) {
	calls := map[string]bool{}
	for _, obj := range p.TypesInfo.Uses {
		if fn, ok := obj.(*types.Func); ok && fn.Signature().Recv() != nil {
			calls[fn.Signature().Recv().Type().String()] = true
		}
	}
	for _, n := range p.Types.Scope().Names() {
		tn, ok := p.Types.Scope().Lookup(n).(*types.TypeName)
		if !ok || tn.IsAlias() || !calls[tn.Type().String()] {
			continue
		}
		if i, ok := tn.Type().Underlying().(*types.Interface); ok && i.NumMethods() > 0 && implements(p.Types, i) == "" {
			out = append(out, tn)
		}
	}
	return out
}

// implements returns the name of a type of p that has the methods of i. Types
// are compared by what they are called: each package is loaded by itself.
func implements(p *types.Package, i *types.Interface) string {
	for _, n := range p.Scope().Names() {
		tn, ok := p.Scope().Lookup(n).(*types.TypeName)
		if !ok || types.IsInterface(tn.Type()) {
			continue
		}
		set, all := types.NewMethodSet(types.NewPointer(tn.Type())), true
		for m := range i.Methods() {
			sel := set.Lookup(p, m.Name())
			all = all && sel != nil && form(sel.Obj().(*types.Func)) == form(m)
		}
		if all {
			return p.Name() + "." + n
		}
	}
	return ""
}

// form is the signature of a function without the names of its parameters.
func form(fn *types.Func) string {
	var b strings.Builder
	for _, tuple := range []*types.Tuple{fn.Signature().Params(), fn.Signature().Results()} {
		b.WriteString("(")
		for v := range tuple.Variables() {
			b.WriteString(v.Type().String() + ", ")
		}
		b.WriteString(")")
	}
	return b.String()
}
