//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// recipe returns the one block of a page in a language.
func recipe(t *testing.T, page, language string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../docs", page))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)\n```"+language+"\n(.*?)\n```\n").FindAllStringSubmatch(string(b), -1)
	if len(found) != 1 {
		t.Fatalf("%d recipes in %s", len(found), language)
	}
	return found[0][1] + "\n"
}

// kitchen is a directory with what the recipes read.
type kitchen struct {
	t   *testing.T
	dir string
	h   *daemon
	eml string
}

func newKitchen(t *testing.T) *kitchen {
	t.Helper()
	k := &kitchen{t: t, dir: t.TempDir(), h: start(t)}
	k.h.smtplib("recipe", false)
	k.eml = string(k.h.approveAndCapture(k.h.only("recipe"), 1))
	_, doc := k.h.http("GET", "/.well-known/multimail-signing-key", "")
	var zone map[string]string
	decode(t, k.h.zone(), &zone)
	modules, err := filepath.Abs(filepath.Join(peers, "node_modules"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(modules, filepath.Join(k.dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	k.write("key.json", doc)
	k.write("record.txt", zone["_multimail-identity."+k.h.dev.Domain]+"\n")
	for file, language := range map[string]string{
		"recipe.mjs": "js", "recipe.py": "python", "recipe.go": "go", "recipe.sh": "sh",
	} {
		k.write(file, recipe(t, "verify.md", language))
	}
	return k
}

func (k *kitchen) write(name, text string) {
	k.t.Helper()
	if err := os.WriteFile(filepath.Join(k.dir, name), []byte(text), 0o600); err != nil {
		k.t.Fatal(err)
	}
}

// cook runs a program in the kitchen.
func (k *kitchen) cook(name string, args ...string) result {
	k.t.Helper()
	return command(k.t, "", nil, "/bin/sh", append([]string{"-c", `cd "$0" && exec "$@"`, k.dir, name}, args...)...)
}

func TestTheRecipesOfThePageWork(t *testing.T) {
	k := newKitchen(t)
	node, err := filepath.Abs(filepath.Join(peers, "node_modules", ".bin", "node"))
	if err != nil {
		t.Fatal(err)
	}
	// The Go program is built inside the module, as a user's is inside one that requires it.
	program := filepath.Join(k.dir, "recipe")
	must(t, command(t, "", nil, "go", "build", "-o", program, filepath.Join(k.dir, "recipe.go")))
	recipes := map[string][]string{
		"jose": {node, "recipe.mjs"}, "PyJWT": {"/usr/bin/python3", "recipe.py"},
		"sign": {program, "key.json"}, "openssl": {"/bin/sh", "recipe.sh"},
	}
	token := regexp.MustCompile(`X-MultiMail-Identity: (.*)\r\n`).FindStringSubmatch(k.eml)[1]
	with := func(other string) string { return strings.Replace(k.eml, token, other, 1) }
	part := strings.Split(token, ".")
	last := part[2][len(part[2])-3:]
	flipped := strings.TrimSuffix(part[2], last) + map[bool]string{true: "B", false: "A"}[last[0] == 'A'] + last[1:]
	mails := []struct {
		name, eml string
		good      bool
	}{
		{"as it left", k.eml, true},
		{"with LF", strings.ReplaceAll(k.eml, "\r\n", "\n"), true},
		{"with blanks at the ends of lines", strings.ReplaceAll(k.eml, ".\r\n", ". \t\r\n"), true},
		{"with empty lines at its end", k.eml + "\r\n\r\n", true},
		{"a changed body", k.eml + "PS\r\n", false},
		{"a changed token", with(part[0] + "." + part[1] + "x." + part[2]), false},
		{"a changed signature", with(part[0] + "." + part[1] + "." + flipped), false},
		{"a signature in DER", with(part[0] + "." + part[1] + ".MEQCIA" + part[2][:80]), false},
		{"no signature", with("eyJhbGciOiJub25lIn0." + part[1] + "."), false},
		{"no header", strings.Replace(k.eml, "X-MultiMail-Identity: ", "X-Other: ", 1), false},
	}
	for _, m := range mails {
		k.write("mail.eml", m.eml)
		for name, args := range recipes {
			r := k.cook(args[0], args[1:]...)
			says := strings.Contains(r.out, k.h.dev.Operator)
			if (r.code == 0) != m.good || m.good && !says {
				t.Errorf("%s of %s: exit %d\n%s%s", name, m.name, r.code, r.out, r.err)
			}
		}
	}
	// The sender: openssl leaves this comparison to its reader.
	k.write("mail.eml", strings.Replace(k.eml, "From: "+k.h.dev.Mailbox, "From: eve@"+k.h.dev.Domain, 1))
	for name, args := range recipes {
		if r := k.cook(args[0], args[1:]...); name != "openssl" && r.code == 0 {
			t.Errorf("%s of another sender: %s", name, r.out)
		}
	}
}

// What the other test with jose does is what the page shows.
func TestTheTwoLinesOfJoseAreThoseOfThePage(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(peers, "jose.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(recipe(t, "verify.md", "js"), "in two lines.\n")
	lines := strings.SplitN(after, "\n", 3)
	if len(lines) != 3 || !strings.Contains(lines[1], "jwtVerify") ||
		!strings.Contains(string(b), lines[0]+"\n"+lines[1]) {
		t.Errorf("jose.mjs has not the lines\n%s\n%s", lines[0], lines[1])
	}
}
