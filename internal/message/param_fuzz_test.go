package message

import (
	"mime"
	"slices"
	"strings"
	"testing"
)

// What Go's strict parser reads must be among the readings, whatever else is.
func FuzzParams(f *testing.F) {
	for _, s := range []string{
		`attachment; filename="a\"b.pdf"; filename*0*=utf-8''a; filename*1=b`, "text/plain; charset='x' (c); a=b c=d",
		`x; a="b; c=d`, "x; a*=''%zz", "x; name==?utf-8?q?a?=", "(;a*1=b;a*0*=c",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p := parseParams(s)
		for _, name := range p.names {
			var seen readingSet
			if seen.add(p.values(name)...); len(seen.list) != len(p.values(name)) {
				t.Fatalf("%q: readings of %q are not distinct: %q", s, name, p.values(name))
			}
		}
		if p.malformed || !isASCII(s) {
			return
		}
		_, params, err := mime.ParseMediaType(s)
		if err != nil {
			return
		}
		for name, v := range params {
			v = strings.Trim(v, " \t")
			if v != "" && !slices.ContainsFunc(p.values(name), func(r string) bool {
				return strings.Trim(r, " \t") == v || r == decodeWords(v)
			}) {
				t.Fatalf("%q: %q is %q to others, here %q", s, name, v, p.values(name))
			}
		}
	})
}

func isASCII(s string) bool { return !hasEightBit([]byte(s)) }

func FuzzWords(f *testing.F) {
	for _, s := range []string{"=?utf-8?b?YQ?= =?utf-8?q?=C3?==?utf-8?q?=A9?=", "=?a?q?b", "=?iso-2022-jp?b?GyRC?=?="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		readings := readWords(s)
		if decodeWords(s) != readings[0] || len(readings) > 3 {
			t.Fatalf("%q: %q", s, readings)
		}
		if !strings.Contains(s, "=?") && readings[0] != s {
			t.Fatalf("%q became %q", s, readings[0])
		}
	})
}
