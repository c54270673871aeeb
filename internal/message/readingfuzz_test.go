package message

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func checkReading(t *testing.T, raw []byte) {
	t.Helper()
	r := NewReading(raw, ReadingLimits{})
	if _, err := json.Marshal(r); err != nil || !utf8.ValidString(r.Text) || len(r.Warnings) > maxRemarks+5 {
		t.Fatal(err, r.Warnings)
	}
	names := map[string]bool{}
	for i, a := range r.Attachments {
		if SafeFileName(a.Name) != a.Name || CheckFileName(a.Name) != "" || names[strings.ToLower(a.Name)] {
			t.Fatalf("unsafe or doubled name %q: %s", a.Name, CheckFileName(a.Name))
		}
		names[strings.ToLower(a.Name)] = true
		found, data, err := FindAttachment(raw, a.Name)
		if i < 3 && (err != nil || found.SHA256 != a.SHA256 || int64(len(data)) != a.Size) {
			t.Fatalf("%q: %v", a.Name, err)
		}
	}
	parts := slices.DeleteFunc(slices.Clone(r.Attachments), func(a AttachedFile) bool { return a.Part == "" })
	if n := ReadIncoming(raw).Header.Attachments; n != len(parts) {
		t.Fatalf("%d attachments in the header, %d in the reading", n, len(parts))
	}
}

func TestCostlyMailsAreReadForAgents(t *testing.T) {
	for name, raw := range costly(64 << 10) {
		t.Run(name, func(t *testing.T) { checkReading(t, raw) })
	}
}

func FuzzReading(f *testing.F) {
	for _, path := range samples(f) {
		f.Add(sample(f, path))
	}
	for _, raw := range costly(4 << 10) {
		f.Add(raw)
	}
	f.Add(mailWith("Content-Type: text/html\n\n<style>.a>b{display:none}</style><table>" +
		"<a href=http://x><b class=a>x</table>\n"))
	f.Fuzz(func(t *testing.T, raw []byte) { checkReading(t, raw) })
}
