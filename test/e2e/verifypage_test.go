//go:build e2e

package e2e

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// savedPage is the verify page as a browser saves it.
func (h *daemon) savedPage() string {
	h.t.Helper()
	status, html := h.http("GET", "/verify", "")
	if status != 200 {
		h.t.Fatalf("%d %s", status, html)
	}
	return write(h.t, "verify.html", html)
}

func TestThePagePassesThePublishedVectors(t *testing.T) {
	h := start(t)
	vectors, err := filepath.Abs("../../docs/vectors")
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Counts map[string]int
		Wrong  []struct {
			Name          string
			Got, Expected any
		}
		Grows map[string][]int // microseconds of CPU for n and 4n
	}
	decode(t, must(t, node(t, "vectors.mjs", "PAGE="+h.savedPage(), "VECTORS="+vectors)), &got)
	for _, w := range got.Wrong {
		t.Errorf("%s: got %v, want %v", w.Name, w.Got, w.Expected)
	}
	if len(got.Grows) > 0 {
		t.Errorf("costs more than its octets: %v", got.Grows)
	}
	c := got.Counts
	if c["header"] < 150 || c["content"] < 140 || c["rh"] < 35 || c["bh"] < 10 || c["mid"] < 10 {
		t.Errorf("%v vectors", c)
	}
}

// pageResult is what page.mjs saw of the page at one place.
type pageResult struct {
	Statuses                   map[string]string
	UnboundText, WithoutKey    string
	Button, File, Error        string
	Hacked                     any
	Dialog                     bool
	Before, Unclicked, Clicked []string
	Policy                     []string
}

func TestTheVerifyPageInABrowser(t *testing.T) {
	h := start(t)
	h.smtplib("page", false)
	eml := write(t, "mail.eml", string(h.approveAndCapture(h.only("page"), 1)))
	_, doc := h.http("GET", "/.well-known/multimail-signing-key", "")
	var got map[string]pageResult
	decode(t, must(t, node(t, "page.mjs", "PAGE="+h.dev.HTTP+"/verify", "SAVED="+h.savedPage(), "EML="+eml,
		"DOCUMENT="+write(t, "doc.json", doc), "HOST="+h.dev.Domain)), &got)
	want := map[string]string{
		"as it left": "valid", "changed body": "unbound", "pasted header": "unbound", "another sender": "invalid",
		"no header": "none", "markup in From": "invalid", "markup in names": "valid", "markup in the token": "invalid",
		"markup in claims": "invalid", "document: another type": "invalid", "document: not found": "invalid",
		"document: too large": "invalid", "document: markup": "invalid",
	}
	for _, where := range []string{"served", "saved"} {
		r := got[where]
		for name, status := range want {
			if r.Statuses[name] != status {
				t.Errorf("%s: %s: %q, want %s", where, name, r.Statuses[name], status)
			}
		}
		if strings.Contains(r.UnboundText, "valid") || r.Error != "" {
			t.Errorf("%s: an unbound mail: %s; error %q", where, r.UnboundText, r.Error)
		}
		if r.Hacked != 0.0 || r.Dialog || len(r.Policy) > 0 || r.File != "valid" {
			t.Errorf("%s: hacked %v, dialog %v, the policy lets pass %q, file %q", where, r.Hacked, r.Dialog, r.Policy, r.File)
		}
		url := "https://" + h.dev.Domain + "/.well-known/multimail-signing-key"
		if len(r.Before) > 0 || len(r.Unclicked) > 0 || !slices.Equal(r.Clicked, []string{url}) ||
			r.WithoutKey != "invalid" || !strings.HasSuffix(r.Button, "https://"+h.dev.Domain) {
			t.Errorf("%s: asked %q, %q without a click and %q with it; button %q", where, r.Before, r.Unclicked, r.Clicked,
				r.Button)
		}
	}
}
