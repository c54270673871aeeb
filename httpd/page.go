package httpd

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/multimail/multimail/httpd/api"
)

// pageFiles are the parts of the verify page. They are joined into one document,
// so that it works from a saved file.
//
//go:embed page/verify.html page/verify.css page/*.js
var pageFiles embed.FS

// pageScripts stand in the page in this order.
var pageScripts = []string{"check.js", "htmltext.js", "content.js", "verify.js", "ui.js"}

// pageRules is the Content-Security-Policy of the page, which it also bears
// itself: only these very scripts and styles, no sink that takes markup, and no
// connection but for the key document of some host.
const pageRules = "default-src 'none'; script-src '{{script}}'; style-src '{{style}}'; img-src data:; " +
	"connect-src https://*/.well-known/multimail-signing-key; base-uri 'none'; form-action 'none'; " +
	"require-trusted-types-for 'script'; trusted-types 'none'"

// verifyDocument returns the document and its Content-Security-Policy.
func verifyDocument() (html, rules string) {
	part := func(name string) string {
		b, err := pageFiles.ReadFile("page/" + name)
		if err != nil {
			panic(err) // the name is in this file
		}
		return string(b)
	}
	script := ""
	for _, name := range pageScripts {
		script += "\n" + part(name)
	}
	style := part("verify.css")
	rules = strings.NewReplacer("{{script}}", hashOf(script), "{{style}}", hashOf(style)).Replace(pageRules)
	html = strings.NewReplacer("{{csp}}", rules, "{{style}}", style, "{{script}}", script).Replace(part("verify.html"))
	return html, rules
}

// hashOf names an inline text as a policy does (CSP 3, section 2.3.1).
func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// verifyPage serves the page that checks a mail in the browser. It knows nothing
// of this installation.
func (s *Server) verifyPage(_ context.Context, _ caller, _ api.None, w http.ResponseWriter, r *http.Request) error {
	html, rules := verifyDocument()
	w.Header().Set("Content-Security-Policy", rules+"; frame-ancestors 'none'")
	return publish(w, r, []byte(html), "text/html; charset=utf-8", 0)
}
