package message

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestNewslettersAreReadWhole reads the templates that senders of newsletters start from:
// nothing is left out of them but comments and what they hide by display, and nothing of
// them counts as covered.
func TestNewslettersAreReadWhole(t *testing.T) {
	says := map[string][]string{
		"antwort":             {"Antwort v1.0", "call upon holy Jonah", "Springfield, MA 12345"},
		"cerberus-fluid":      {"Maecenas sed ante pellentesque", "A Button", "unsubscribe"},
		"cerberus-hybrid":     {"Maecenas sed ante pellentesque", "A Button", "unsubscribe"},
		"cerberus-responsive": {"Maecenas sed ante pellentesque", "A Button", "unsubscribe"},
		"konsav-promotional":  {"Responsive HTML email templates", "View on GitHub", "subscription settings"},
		"leemunroe":           {"Sometimes you just want to send a simple HTML email", "Call To Action", "Unsubscribe"},
		"postmark-dunning":    {"unable to process your last payment", "Suite 1234"},
		"postmark-invoice":    {"Thanks for using [Product Name]", "{{due_date}}"},
		"sendwithus-airmail":  {"Activate Account!", "Get in touch if you have any questions"},
	}
	paths, err := filepath.Glob("testdata/newsletters/*.html")
	if err != nil || len(paths) != len(says) {
		t.Fatal(err, paths)
	}
	known := []string{"a comment", "display"}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		r := readHTML(string(b))
		for _, w := range r.Warnings {
			if !slices.ContainsFunc(known, func(why string) bool {
				return w == "text that a person does not see was left out: "+why
			}) {
				t.Errorf("%s: %s", path, w)
			}
		}
		for _, want := range says[strings.TrimSuffix(filepath.Base(path), ".html")] {
			if !strings.Contains(r.Text, want) {
				t.Errorf("%s does not say %q:\n%s", path, want, r.Text)
			}
		}
	}
}

// TestEachOfTheseIsDroppedOrMarked reads the pages that attackers have tried: almost each hides
// an evil word; those that only come near to it are marked as well.
func TestEachOfTheseIsDroppedOrMarked(t *testing.T) {
	b, err := os.ReadFile("testdata/hidden.json")
	if err != nil {
		t.Fatal(err)
	}
	var pages []struct{ Name, Page string }
	if err := json.Unmarshal(b, &pages); err != nil || len(pages) < 300 {
		t.Fatal(err, len(pages))
	}
	for _, p := range pages {
		page := p.Page
		if !strings.HasPrefix(p.Name, "second ") { // those are whole pages
			page = "<!doctype html><html><body><div>good</div>" + page + "</body></html>"
		}
		r := readHTML(page)
		if !r.HiddenText {
			t.Errorf("%s: not marked: %q", p.Name, r.Text)
		}
		covered := slices.ContainsFunc(r.Warnings, func(w string) bool { return strings.HasPrefix(w, warnCovered) })
		if strings.Contains(r.Text, "evil") && !covered {
			t.Errorf("%s: %q", p.Name, r.Text)
		}
	}
}
