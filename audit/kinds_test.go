package audit

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of docs/audit.md anew")

const (
	document   = "../docs/audit.md"
	tableBegin = "<!-- from audit/kinds.go: go test ./audit -run Document -update -->\n"
	tableEnd   = "<!-- end -->\n"
)

// documented is the table of docs/audit.md.
func documented() string {
	code := func(names string) string {
		var out []string
		for name := range strings.FieldsSeq(names) {
			out = append(out, "`"+strings.Replace(name, "#", "N", 1)+"`")
		}
		return strings.Join(out, " ")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\nThe *facts of a decision*: %s.\n", code(decided))
	fmt.Fprintf(&b, "Every kind may have the private fields %s.\n\n", code(anyPrivate+" "+actorField))
	b.WriteString("| kind | what it records | facts | optional facts | private fields |\n|---|---|---|---|---|\n")
	for _, d := range declarations {
		must, ok := strings.CutPrefix(d.must, decided)
		facts := code(must)
		if ok {
			facts = strings.TrimSpace("*those of a decision* " + facts)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", d.kind, d.meaning, facts, code(d.may), code(d.private))
	}
	b.WriteString("\n")
	return b.String()
}

func TestTheDocumentListsEveryKind(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begun := strings.Cut(string(text), tableBegin)
	table, after, ended := strings.Cut(rest, tableEnd)
	if !begun || !ended {
		t.Fatalf("%s has no place for the table of kinds", document)
	}
	want := documented()
	if *update {
		if err := os.WriteFile(document, []byte(before+tableBegin+want+tableEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if table != want {
		t.Errorf("%s and audit/kinds.go differ; run: go test ./audit -run Document -update", document)
	}
}

func TestADeclarationCanBeReadInOneWay(t *testing.T) {
	for _, d := range declarations {
		seen := map[string]bool{}
		for name := range strings.FieldsSeq(strings.Join([]string{d.must, d.may}, " ")) {
			if seen[name] || !isName(name) {
				t.Errorf("%s: the fact %q", d.kind, name)
			}
			seen[name] = true
		}
		seen = map[string]bool{}
		for name := range strings.FieldsSeq(strings.Join([]string{d.private, anyPrivate, actorField}, " ")) {
			if seen[name] || !isName(strings.TrimSuffix(name, "#")) {
				t.Errorf("%s: the private field %q", d.kind, name)
			}
			seen[name] = true
		}
		if d.meaning == "" || strings.Contains(d.meaning, "|") {
			t.Errorf("%s: what it records is not said", d.kind)
		}
	}
}

// What an entry may hold changes with the versions; what was written stays.
func TestAnEntryWithOtherFactsThanAreDeclaredNowStillVerifies(t *testing.T) {
	old := leaf{V: version, Node: "n", Chain: "n", Time: "2031-05-04T12:00:00Z", Kind: Freeze,
		Actor: Actor{Kind: "admin"}, Facts: map[string]string{"colour": "blue"}}
	line := string(old.bytes())
	e := Entry{Hash: hashOf(line), Leaf: line}
	var b bytes.Buffer
	b.Write(frame{Export: &opener{Version: exportVersion}}.line())
	b.Write(append(e.line(), '\n'))
	b.Write(frame{End: &closing{Entries: 1, Chains: map[string]point{"n": {Size: 1, Hash: e.Hash}}}}.line())
	if _, err := Verify(&b, Options{}); err != nil {
		t.Error(err)
	}
}
