package httpd

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/mailtest"
	"github.com/multimail/multimail/mail"
)

// A kind or reason without a row in the table of this door, or with another one
// in docs/errors.md, is found here.
func TestEveryErrorHasItsDocumentedCodes(t *testing.T) {
	mailtest.ErrorCodes(t, "../docs/errors.md", mailtest.ColumnHTTP,
		func(k mail.Kind) string { return strconv.Itoa(kindStatus[k]) },
		func(r mail.Reason) (string, bool) { s, ok := reasonStatus[r]; return strconv.Itoa(s), ok })
}

// documentedCodes are the words of docs/errors.md.
var documentedCodes = sync.OnceValue(func() (words []string) {
	page, err := os.ReadFile("../docs/errors.md")
	if err != nil {
		panic(err)
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(string(page), -1) {
		words = append(words, m[1])
	}
	return words
})

// faultOfRefusal says what is wrong with the form of a refusal, "" for nothing: it has a
// word that docs/errors.md lists, and says when to try again if later may help. Every
// answer of a fixture is looked at. OAuth and MCP have forms of their own.
func faultOfRefusal(path string, r reply) string {
	if r.status < 400 || !strings.HasPrefix(r.body, `{"error":`) || strings.HasPrefix(path, "/oauth/") || path == "/mcp" {
		return ""
	}
	var e api.Error
	if err := json.Unmarshal([]byte(r.body), &e); err != nil {
		return err.Error()
	}
	if !slices.Contains(documentedCodes(), e.Code) {
		return "docs/errors.md has no code " + e.Code
	}
	later := r.status == http.StatusTooManyRequests || r.status == http.StatusServiceUnavailable
	if later && r.header.Get("Retry-After") == "" {
		return "no Retry-After"
	}
	return ""
}

func TestARefusalWithoutACodeIsSeen(t *testing.T) {
	after := http.Header{"Retry-After": {"10"}}
	for name, c := range map[string]struct {
		r    reply
		good bool
	}{
		"a good one":       {reply{404, nil, `{"error":"no such mail","code":"not_found"}`}, true},
		"one with a time":  {reply{429, after, `{"error":"too often","code":"rate_limited"}`}, true},
		"one with no time": {reply{503, http.Header{}, `{"error":"not now","code":"unavailable"}`}, false},
		"no code":          {reply{404, nil, `{"error":"no such mail"}`}, false},
		"an unknown code":  {reply{404, nil, `{"error":"no such mail","code":"gone"}`}, false},
	} {
		if got := faultOfRefusal("/v1/send", c.r); (got == "") != c.good {
			t.Errorf("%s: %q", name, got)
		}
	}
	if n := len(documentedCodes()); n < 30 {
		t.Errorf("%d codes only", n)
	}
}

// What a refusal is for is said by its code, whatever its words are.
func TestTheCodeOfARefusalSaysWhatItIsFor(t *testing.T) {
	h := newFixture(t)
	for _, c := range []struct{ as, method, target, body, code string }{
		{"nobody", "GET", "/v1/whoami", "", "unauthorised"},
		{"reader", "POST", "/v1/send", draft, "scope"},
		{"sender", "POST", "/v1/send", `{"to":[]}`, "invalid"},
		{"sender", "GET", "/v1/mailboxes/nobody@a.example/emails", "", "not_found"},
		{"sender", "PUT", "/v1/send", "", "method_not_allowed"},
		{"sender", "GET", "/v1/nothing", "", "not_found"},
	} {
		if e := into[api.Error](h, h.do(c.as, c.method, c.target, c.body)); e.Code != c.code {
			t.Errorf("%s %s as %s: %+v, want %s", c.method, c.target, c.as, e, c.code)
		}
	}
	r := h.request("sender", "POST", "/v1/send", draft)
	r.Header.Set("Content-Type", "text/plain")
	if e := into[api.Error](h, h.serve("sender", r)); e.Code != "media_type" {
		t.Errorf("%+v", e)
	}
}
