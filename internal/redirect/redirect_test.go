package redirect_test

import (
	"strings"
	"testing"

	"github.com/multimail/multimail/internal/redirect"
)

func TestARedirectURIIsOneOfThese(t *testing.T) {
	for raw, origin := range map[string]string{
		"https://client.test/callback": "https://client.test", "https://client.test": "https://client.test",
		"https://client.test?x=1":                "https://client.test",
		"https://client.test:8443/cb?x=%C3%A9&y": "https://client.test:8443",
		"https://a-b.9c.test/(a);b,c'd!$&*+=:@~": "https://a-b.9c.test", "https://intranet/cb": "https://intranet",
		"https://xn--bcher-kva.example/": "https://xn--bcher-kva.example",
		"http://127.0.0.1/cb":            "http://127.0.0.1", "http://127.0.0.1:65535/cb": "http://127.0.0.1:65535",
		"http://[::1]:1/cb": "http://[::1]:1", "http://localhost:3000/cb": "http://localhost:3000",
		"https://localhost/cb": "https://localhost",
	} {
		u, err := redirect.Parse(raw)
		if err != nil || u.String() != raw || u.Origin() != origin {
			t.Errorf("%s: %q %v", raw, u.Origin(), err)
		}
	}
}

// What stands here goes into the Content-Security-Policy and onto the consent page as it is.
var badURIs = []string{
	"", "x", "//client.test/", "https:client.test", "https:/client.test", "https:///cb", "https://", "https://:443/",
	"https://*;.client.test/", "https://*.client.test/", "https://x';.client.test/", "https://\"><script>.client.test/",
	"https://a,b.client.test/", "https://%E2%80%AEx.client.test/", "https://a%2Eclient.test/", "https://a_b.client.test/",
	"https://Client.test/", "HTTPS://client.test/", "https://client.test./", "https://.client.test/",
	"https://client..test/", "https://-a.client.test/", "https://a-.client.test/", "https://b\u00fccher.example/",
	"https://xn--a.example/", "https://xn--BCHER-KVA.example/", "https://ab--c.example/",
	"https://xn--0ca24w.example.1/", "https://client.test:/", "https://client.test:0/", "https://client.test:080/",
	"https://client.test:65536/", "https://client.test:+1/", "https://client.test:x/", "https://client.test:1:2/",
	"https://192.0.2.1/", "https://[2001:db8::1]/", "https://1.2.3/", "https://a.0x7f/", "https://2130706433/",
	"http://127.1/cb", "http://0x7f.0.0.1/cb", "http://[::1%25lo]/cb", "http://[::1%lo]/cb", "http://[0::1]/cb",
	"http://[::ffff:127.0.0.1]/cb", "http://::1/cb", "http://[::1/cb", "http://[::1]x/cb", "http://[127.0.0.1]/cb",
	"http://LOCALHOST/cb", "http://localhost.client.test/cb", "http://client.test/cb", "http://10.0.0.1/cb",
	"https://user@client.test/", "https://user:pw@client.test/", "https://@client.test/", "https://client.test#x",
	"https://client.test/#", "https://client.test/ ", " https://client.test/", "https://client.test/\n",
	"https://client.test/\\", "https://client.test\\@evil.test/", "https://client.test/<", "https://client.test/\"",
	"https://client.test/{}", "https://client.test/%", "https://client.test/%2", "https://client.test/%zz",
	"https://client.test/[x]", "https://client.test/\u00e9", "javascript:alert(1)", "javascript://client.test/%0Aalert(1)",
	"ftp://client.test/", "cursor://anysphere/cb", "data:text/html,x",
	"https://" + strings.Repeat("a", 64) + ".test/", "https://client.test/" + strings.Repeat("a", 493),
	"https://" + strings.Repeat("a.", 130) + "test/",
}

func TestEverythingElseIsNoRedirectURI(t *testing.T) {
	for _, raw := range badURIs {
		if u, err := redirect.Parse(raw); err == nil || u != (redirect.URI{}) {
			t.Errorf("%q is taken, with the origin %q", raw, u.Origin())
		}
	}
}

func parse(t *testing.T, raw string) redirect.URI {
	t.Helper()
	u, err := redirect.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestOnlyThePortIsFreeAndOnLoopbackAlone(t *testing.T) {
	for _, tt := range []struct {
		known, asked string
		matches      bool
	}{
		{"https://client.test/cb", "https://client.test/cb", true},
		{"https://client.test/cb", "https://client.test/cb/", false},
		{"https://client.test/cb", "https://client.test:443/cb", false},
		{"https://localhost/cb", "https://localhost:1/cb", false},
		{"http://127.0.0.1/cb", "http://127.0.0.1:5000/cb", true},
		{"http://127.0.0.1:1/cb", "http://127.0.0.1/cb", true},
		{"http://[::1]:1/cb?x", "http://[::1]:2/cb?x", true},
		{"http://localhost/cb", "http://127.0.0.1/cb", false},
		{"http://127.0.0.2/cb", "http://127.0.0.1/cb", false},
		{"http://127.0.0.1/cb", "https://127.0.0.1/cb", false},
		{"http://127.0.0.1/cb", "http://127.0.0.1:5000/%63b", false},
		{"http://127.0.0.1/cb", "http://127.0.0.1:5000/cb?x", false},
	} {
		if got := parse(t, tt.known).Matches(parse(t, tt.asked)); got != tt.matches {
			t.Errorf("%s to %s: %t", tt.known, tt.asked, got)
		}
	}
	if (redirect.URI{}).Matches(redirect.URI{}) {
		t.Error("none is one")
	}
}

func TestAListOfHostsAllows(t *testing.T) {
	hosts := []string{"client.test", "*.below.test"}
	for raw, allowed := range map[string]bool{
		"https://client.test/": true, "https://a.below.test/": true, "https://a.b.below.test:1/": true,
		"https://below.test/": false, "https://abelow.test/": false, "https://a.client.test/": false,
		"http://127.0.0.1/": false, "http://localhost/": false, "https://localhost/": false,
	} {
		u := parse(t, raw)
		if u.Allowed(hosts) != allowed {
			t.Errorf("%s: %t", raw, !allowed)
		}
		local := strings.Contains(raw, "127") || strings.Contains(raw, "localhost")
		if u.Allowed([]string{"loopback"}) != local {
			t.Errorf("%s on loopback: %t", raw, !local)
		}
	}
}

func TestWhatMayStandInAListOfHosts(t *testing.T) {
	for s, may := range map[string]bool{
		"client.test": true, "*.client.test": true, "loopback": true, "xn--bcher-kva.example": true,
		"": false, "*": false, "*.": false, "test": false, "*.test": false, "a.*.test": false, "client.test:443": false,
		"https://client.test": false, "Client.test": false, "client.test.": false, "127.0.0.1": false, "[::1]": false,
		"localhost": false, "10.0.0.1": false, "*;.client.test": false, "b\u00fccher.example": false, "client_x.test": false,
	} {
		if redirect.IsAllowable(s) != may {
			t.Errorf("%q: %t", s, !may)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, raw := range badURIs {
		f.Add(raw)
	}
	f.Add("https://client.test:8443/cb?x")
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := redirect.Parse(raw)
		if err != nil {
			return
		}
		if u.String() != raw || !strings.HasPrefix(raw, u.Origin()) || !redirect.IsHost(u.Host()) ||
			strings.ContainsAny(u.Origin(), " ;,'\"<>*%\\@?#") {
			t.Errorf("%q has the origin %q", raw, u.Origin())
		}
	})
}
