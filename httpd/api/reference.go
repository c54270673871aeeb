package api

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Reference returns the table as the page docs/api.md.
func (t *Table) Reference() []byte {
	var b strings.Builder
	b.WriteString(referenceHead)
	for _, op := range t.list {
		tool := ""
		if op.Tool != nil {
			tool = "yes"
		}
		fmt.Fprintf(&b, "| [`%s`](#%s) | `%s` | %s | %s |\n", op.Name, op.Name, op, scopesOf(op), tool)
	}
	b.WriteString("\n## Operations\n")
	types := map[string]reflect.Type{}
	for _, op := range t.list {
		op.reference(&b, types)
	}
	b.WriteString("\n## Objects\n\nA member in *italics* is left out where it is empty.\n")
	for _, name := range slices.Sorted(maps.Keys(types)) {
		referenceOf(&b, types[name])
	}
	return []byte(b.String())
}

// referenceHead begins the page; ' stands for a backquote.
var referenceHead = strings.ReplaceAll(`# The HTTP API

<!-- Written from the table of operations by 'go generate ./httpd/api'. Do not edit. -->

Every request carries an API key, as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'; on the local socket the
operating system names the caller. Bodies and answers are JSON in UTF-8. A request is read strictly: a name that is
not known, in another case or given twice is refused, and so is a value of another type. An error is
'{"error": "text", "code": "word"}' ([errors.md](errors.md) lists the words), with a 'hint' where there is something to
do about it and a 'ref' that finds the cause in the log. A list that has more carries a 'cursor', which the next request
hands back. Times are RFC 3339 in UTC. The same table is served as Swagger 2.0 at 'GET /swagger.json' and makes the
tools of '/mcp'.

| operation | request | scopes | tool |
|---|---|---|---|
`, "'", "`")

func scopesOf(o *Operation) string {
	switch {
	case o.Public:
		return "none needed"
	case o.Tier.ByCode():
		return anyOf(o.Scopes) + "; send with a code"
	}
	return anyOf(o.Scopes)
}

// anyOf names scopes of which one suffices.
func anyOf(scopes []string) string {
	if len(scopes) == 0 {
		return "any credential"
	}
	return strings.Join(scopes, ", ")
}

func (o *Operation) reference(b *strings.Builder, types map[string]reflect.Type) {
	fmt.Fprintf(b, "\n### %s\n\n`%s`: %s\n", o.Name, o, sentence(o.Summary))
	if o.Audit != "" {
		fmt.Fprintf(b, "The audit log records a refusal as `%s`.\n", o.Audit)
	}
	if o.Heavy {
		b.WriteString("It takes a turn among the requests that read or write whole mails; 503 where none comes in time.\n")
	}
	if o.Waits != "" {
		b.WriteString("One principal may have a few such requests waiting; a further one is answered 429.\n")
	}
	rows := slices.DeleteFunc(slices.Clone(o.members), func(m member) bool { return m.place == inTool })
	if len(rows) > 0 {
		b.WriteString("\n| member | in | type | |\n|---|---|---|---|\n")
	}
	for _, m := range rows {
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", emphasis(m.name, m.required), m.place, typeName(m.typ, types), m.describe())
	}
	answer := o.Media
	if o.Kind == JSON {
		answer = typeName(o.out, types)
	}
	statuses := []string{strconv.Itoa(o.Status)}
	for _, s := range o.Also {
		statuses = append(statuses, strconv.Itoa(s))
	}
	fmt.Fprintf(b, "\nAnswers %s: %s\n", strings.Join(statuses, " or "), answer)
	if o.Tier.ByCode() {
		fmt.Fprintf(b, "\nAn agent whose credential may send gets it by a code of the operator; without one it is answered "+
			"202: %s\n", typeName(reflect.TypeFor[PendingApproval](), types))
	}
}

func emphasis(name string, required bool) string {
	if required {
		return "`" + name + "`"
	}
	return "*`" + name + "`*"
}

// describe says what a member of a request is and which values it takes.
func (m member) describe() string {
	text := m.doc
	if m.max != "" {
		text += "; " + m.min + " to " + m.max
	}
	if len(m.enum) > 0 && m.doc != either(m.enum) {
		text += ": " + strings.Join(m.enum, ", ")
	}
	if m.def != "" {
		text += "; " + m.def + " if left out"
	}
	return text
}

// typeName names a type for a reader, and keeps every object that it names.
func typeName(t reflect.Type, types map[string]reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return typeName(t.Elem(), types)
	case reflect.Slice:
		return "list of " + typeName(t.Elem(), types)
	case reflect.Map:
		return "object of " + typeName(t.Elem(), types)
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64, reflect.Uint64, reflect.Float64:
		return "number"
	}
	if t == reflect.TypeFor[time.Time]() {
		return "time"
	}
	if types[t.Name()] == nil {
		types[t.Name()] = t
		for _, f := range jsonFields(t) {
			typeName(f.typ, types)
		}
	}
	return "[" + t.Name() + "](#" + strings.ToLower(t.Name()) + ")"
}

func referenceOf(b *strings.Builder, t reflect.Type) {
	fmt.Fprintf(b, "\n### %s\n\n| member | type | |\n|---|---|---|\n", t.Name())
	for _, f := range jsonFields(t) {
		fmt.Fprintf(b, "| %s | %s | %s |\n", emphasis(f.name, f.required), typeName(f.typ, map[string]reflect.Type{}), f.doc)
	}
}

// CodeTable lists the operations that an agent may have with a code, as a table of a page.
func (t *Table) CodeTable() string { return t.tierTable("at once with", Tier.ByCode) }

// TightenTable lists the operations for which the scope tighten suffices.
func (t *Table) TightenTable() string { return t.tierTable("scopes", Tier.Tightens) }

func (t *Table) tierTable(scopes string, in func(Tier) bool) string {
	var b strings.Builder
	b.WriteString("| operation | request | " + scopes + " | tool |\n|---|---|---|---|\n")
	for _, op := range t.list {
		if !in(op.Tier) {
			continue
		}
		tool := ""
		if op.Tool != nil {
			tool = "yes"
		}
		fmt.Fprintf(&b, "| [`%s`](api.md#%s) | `%s` | %s | %s |\n", op.Name, op.Name, op, anyOf(op.Scopes), tool)
	}
	return b.String()
}
