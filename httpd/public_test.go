package httpd

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestKeyDocumentsAreForEveryone(t *testing.T) {
	h := newFixture(t)
	ask := func(path, host, etag string) reply {
		r := httptest.NewRequest("GET", path, nil)
		r.Host = host
		r.Header.Set("If-None-Match", etag)
		return h.serve("", r)
	}
	const key = "/.well-known/multimail-signing-key"
	r := ask(key, "mail.elsewhere.example", "")
	if r.status != 200 || !strings.Contains(r.body, `"kid":"a.example"`) {
		t.Errorf("the only domain: got %d %s", r.status, r.body)
	}
	for name, want := range map[string]string{"Content-Type": "application/json",
		"Cache-Control": "public, max-age=86400", "Access-Control-Allow-Origin": "*", "Vary": "Host"} {
		if got := r.header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if again := ask(key, "a.example", r.header.Get("ETag")); again.status != 304 || again.body != "" {
		t.Errorf("got %d %s", again.status, again.body)
	}
	set := ask("/.well-known/jwks.json", "a.example", "")
	if set.body != `{"keys":[{"kty":"EC","kid":"a.example"}]}` ||
		set.header.Get("Content-Type") != "application/jwk-set+json" {
		t.Errorf("got %s", set.body)
	}
	h.want(201, "admin", "POST", "/v1/domains", `{"name":"z.example"}`)
	if r := ask(key, "mail.elsewhere.example", ""); r.status != 404 {
		t.Errorf("neither: got %d %s", r.status, r.body)
	}
	if r := ask(key, "Z.example:443", ""); !strings.Contains(r.body, `"kid":"z.example"`) {
		t.Errorf("by Host: got %d %s", r.status, r.body)
	}
	h.s.o.DefaultDomain = "a.example"
	if r := ask(key, "mail.elsewhere.example", ""); !strings.Contains(r.body, `"kid":"a.example"`) {
		t.Errorf("the default domain: got %d %s", r.status, r.body)
	}
}

// The policy is for those who ask by the name that RFC 8461 gives it, of a domain
// of ours.
func TestTheMTASTSPolicyIsServedForOwnDomains(t *testing.T) {
	h := newFixture(t)
	for host, want := range map[string]int{"mta-sts.a.example": 200, "MTA-STS.A.Example.:443": 200, "a.example": 404,
		"mta-sts.b.example": 404, "mta-sts.": 404, "mta-sts.sub.a.example": 404, "mta-sts.mta-sts.a.example": 404} {
		r := httptest.NewRequest("GET", "/.well-known/mta-sts.txt", nil)
		r.Host = host
		got := h.serve("", r)
		if got.status != want {
			t.Errorf("%s: got %d %s, want %d", host, got.status, got.body, want)
		}
		typ, _, _ := strings.Cut(got.header.Get("Content-Type"), ";")
		if want == 200 && (got.body != "version: STSv1\r\n" || typ != "text/plain") {
			t.Errorf("%s: got %q, %v", host, got.body, got.header)
		}
	}
}

func TestMetricsAreInThePrometheusFormat(t *testing.T) {
	h := newFixture(t)
	r := h.want(200, "socket", "GET", "/metrics", "")
	if !strings.Contains(r.body, "# TYPE ") || !strings.HasPrefix(r.header.Get("Content-Type"), "text/plain") {
		t.Errorf("%v\n%.200s", r.header, r.body)
	}
}
