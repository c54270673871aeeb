package httpd

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/multimail/multimail/httpd/api"
)

// The documents say how the server is addressed: an importer has nothing else to go by.
func TestTheDocumentsNameTheServer(t *testing.T) {
	d, err := makeDocuments(api.Operations, "https://mail.example.com")
	if err != nil {
		t.Fatal(err)
	}
	for name, doc := range map[string][]byte{"swagger.json": d.swagger, "swagger-mcp.json": d.swaggerMCP} {
		var got struct {
			Host    string
			Schemes []string
		}
		if err := json.Unmarshal(doc, &got); err != nil || got.Host != "mail.example.com" || got.Schemes[0] != "https" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if !strings.Contains(string(d.docs), "https://mail.example.com/v1") {
		t.Error("the page does not say where the server is")
	}
}

var (
	styleOf   = regexp.MustCompile(`(?s)<style>(.*?)</style>`)
	outerLink = regexp.MustCompile(`(?:src|href|action)="([^"]*)"`)
)

// The page of the API needs no script, no other host, and no style but its own.
func TestThePageOfTheAPIStandsAlone(t *testing.T) {
	h := newFixture(t)
	r := h.want(200, "nobody", "GET", "/docs", "")
	rules := r.header.Get("Content-Security-Policy")
	style := styleOf.FindStringSubmatch(r.body)
	if style == nil || !strings.Contains(rules, "style-src '"+hashOf(style[1])+"'") ||
		!strings.HasPrefix(rules, "default-src 'none';") || strings.Contains(rules, "script-src") {
		t.Errorf("the rules are %s", rules)
	}
	for _, bad := range []string{"<script", "style=\"", "onclick", "@import", "url(", "ZgotmplZ"} {
		if strings.Contains(r.body, bad) {
			t.Errorf("the page has %s", bad)
		}
	}
	links := outerLink.FindAllStringSubmatch(r.body, -1)
	for _, link := range links {
		if to := link[1]; !strings.HasPrefix(to, "#") && to != "data:," && to != "/swagger.json" &&
			to != "/swagger-mcp.json" {
			t.Errorf("the page leads to %s", to)
		}
	}
	shown := 0
	for _, op := range api.Operations.Operations() {
		if op.Variant == "" && strings.HasPrefix(op.Path, "/v1/") {
			shown++
			if !strings.Contains(r.body, `<details id="`+op.Name+`">`) {
				t.Errorf("%s is not shown", op.Name)
			}
		}
	}
	if shown < 50 || len(links) < 50 {
		t.Errorf("%d operations, %d links", shown, len(links))
	}
}

// A text of the table is text on the page, whatever it holds.
func TestTextOfADocumentIsNoMarkup(t *testing.T) {
	page, _, err := renderDocument([]byte(`{"paths":{"/a":{"get":{"tags":["<b>"],
		"operationId":"\"><script>alert(1)</script>", "description":"<img src=x>"}}}}`))
	if err != nil || strings.Contains(string(page), "<script") || strings.Contains(string(page), "<img") {
		t.Errorf("%v\n%s", err, page)
	}
	if _, _, err := renderDocument([]byte(`{"paths":[]}`)); err == nil {
		t.Error("what is no document is rendered")
	}
}
