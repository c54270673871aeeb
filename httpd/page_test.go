package httpd

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

func TestThePageAllowsItsOwnScriptAndNoOther(t *testing.T) {
	h := newFixture(t)
	r := h.want(200, "nobody", "GET", "/verify", "")
	served := r.header.Get("Content-Security-Policy")
	if r.header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("served as %s", r.header.Get("Content-Type"))
	}
	meta := regexp.MustCompile(`<meta http-equiv="Content-Security-Policy" content="([^"]*)">`).FindStringSubmatch(r.body)
	if len(meta) != 2 || served != meta[1]+"; frame-ancestors 'none'" {
		t.Errorf("served with %q, says of itself %q", served, meta)
	}
	for _, rule := range []string{"default-src 'none'", "connect-src https://*/.well-known/multimail-signing-key",
		"base-uri 'none'", "form-action 'none'", "require-trusted-types-for 'script'", "trusted-types 'none'"} {
		if !strings.Contains("; "+served+";", "; "+rule+";") {
			t.Errorf("no %s in %s", rule, served)
		}
	}
	for _, tag := range []string{"script", "style"} {
		found := regexp.MustCompile(`(?s)<` + tag + `>(.*)</` + tag + `>`).FindStringSubmatch(r.body)
		if len(found) != 2 || len(found[1]) < 100 {
			t.Fatalf("no %s", tag)
		}
		sum := sha256.Sum256([]byte(found[1]))
		if want := tag + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "';"; !strings.Contains(served, want) {
			t.Errorf("no %s in %s", want, served)
		}
	}
	if strings.Contains(served, "unsafe") || strings.Contains(r.body, "{{") {
		t.Error("the policy has a hole, or a part is not filled in")
	}
}

// offences are what a page must not have: in its markup something from elsewhere
// or a handler, in its script a way to make markup or code from text, or to keep
// or send anything.
func offences(markup, script string) (out []string) {
	for _, rule := range []struct{ in, re string }{
		{markup, `(?i)\b(src|srcset|action|formaction|background|poster|data)\s*=\s*["']?[a-z/]`},
		{markup, `(?i)\bhref\s*=\s*["']?(?:[^d"']|d[^a])`},
		{markup, `(?i)\son[a-z]+\s*=`},
		{script, `innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|srcdoc|setHTML`},
		{script, `\beval\(|new Function|setAttribute|javascript:`},
		{script, `localStorage|sessionStorage|indexedDB|\bcookie\b|sendBeacon|XMLHttpRequest|WebSocket|EventSource|import\(`},
		{script, `(?i)<!--|<script|</script`}, // which end a script, or part of it, for a parser of HTML
	} {
		if found := regexp.MustCompile(rule.re).FindString(rule.in); found != "" {
			out = append(out, found)
		}
	}
	return out
}

func TestThePageHasNothingFromElsewhereAndMakesNoMarkup(t *testing.T) {
	html, _ := verifyDocument()
	before, rest, _ := strings.Cut(html, "<script>")
	script, after, _ := strings.Cut(rest, "</script>")
	if found := offences(before+after, script); len(found) > 0 || !strings.HasSuffix(after, "</html>\n") {
		t.Errorf("the page has %q, and ends with %q", found, after)
	}
	if n := strings.Count(script, "fetch("); n != 1 {
		t.Errorf("the script has %d requests", n)
	}
	for markup, script := range map[string]string{
		`<img src="x">`: "", `<a href="https://x.test">`: "", `<body onload="x()">`: "", `<form action=/x>`: "",
		"<p>": `e.innerHTML = s`, "<b>": `eval(s)`, "<i>": `localStorage.x = 1`, "<u>": `"</scr` + `ipt>"`,
	} {
		if len(offences(markup, script)) != 1 {
			t.Errorf("not found: %s %s", markup, script)
		}
	}
}

func TestThePageIsPublicAndNothingInItChanges(t *testing.T) {
	h := newFixture(t)
	r := h.want(200, "nobody", "GET", "/verify", "")
	again := h.request("nobody", "GET", "/verify", "")
	again.Header.Set("If-None-Match", r.header.Get("ETag"))
	if got := h.serve("nobody", again); got.status != http.StatusNotModified {
		t.Errorf("asked again: %d", got.status)
	}
	h.want(405, "nobody", "POST", "/verify", "")
}
