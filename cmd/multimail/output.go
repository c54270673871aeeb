package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf16"

	"github.com/multimail/multimail/mail"
)

// printable makes one harmless line of text that others wrote: controls, escapes
// and bidi overrides are shown, not obeyed.
func printable(s string) string {
	return strings.NewReplacer("\n", `\n`, "\t", " ").Replace(mail.Neutralise(s))
}

// json prints v. Runes that a terminal would obey are written as escapes,
// which JSON readers undo.
func (e *environment) json(v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(e.out, escape(b.String()))
	return err
}

// escape writes runes that a terminal would obey as JSON does: in UTF-16.
func escape(text string) string {
	var b strings.Builder
	for _, r := range text {
		s := string(r)
		if s == "\n" || mail.Neutralise(s) == s {
			b.WriteString(s)
			continue
		}
		for _, u := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, u)
		}
	}
	return b.String()
}

// table prints rows under a heading.
func (e *environment) table(head string, rows [][]string) error {
	var page bytes.Buffer
	w := tabwriter.NewWriter(&page, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, head)
	for _, row := range rows {
		for i := range row {
			row[i] = printable(row[i])
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	w.Flush() // into memory, which cannot fail
	if !terminal(e.out) {
		_, err := page.WriteTo(e.out)
		return err
	}
	return e.wrapped(page.String())
}

// wrapped prints a table on a screen: a row that the screen wraps would go on
// in the first column, where it could pass for another row.
func (e *environment) wrapped(page string) error {
	p := newPrinter(e.out)
	for _, row := range splitLines(page) {
		p.behind("", "    ", row)
	}
	return p.err
}

// print shows v as JSON if asked, otherwise what text makes of it.
func (e *environment) print(v any, text func() error) error {
	if e.globals.JSON {
		return e.json(v)
	}
	return text()
}

// line prints one line, whatever stands in its arguments.
func (e *environment) line(format string, args ...any) error {
	_, err := fmt.Fprintln(e.out, printable(fmt.Sprintf(format, args...)))
	return err
}

// short writes a time for a table; the zero time is a dash.
func short(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// cut shortens a text for a table.
func cut(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

// joined makes one line of a list.
func joined(a []string) string { return strings.Join(a, ", ") }
