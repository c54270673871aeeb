package httpd

import (
	"encoding/json"
	"strings"
	"testing"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/multimail/multimail/dkim"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/resolver"
	"github.com/multimail/multimail/internal/zone"
	"github.com/multimail/multimail/sign"
)

// With the real keyrings, what is published is what a stock library reads.
func TestPublishedKeysAreReadByAStockLibrary(t *testing.T) {
	h := newFixture(t)
	dir := t.TempDir()
	identity, signing := sign.OpenKeys(dir), dkim.OpenKeys(dir, dkim.Options{})
	h.s.o.Identity, h.s.o.DKIM = identity, signing
	h.s.o.Zones = zone.NewWatcher(zone.New(zone.Options{Lookup: &resolver.Resolver{},
		Identity: func(domain string) (out []zone.Record, err error) {
			name, txt, err := identity.DNS(domain)
			return []zone.Record{{Name: name, Value: txt}}, err
		},
		DKIM: func(domain string) (out []zone.Record, err error) {
			list, err := signing.Records(domain)
			return []zone.Record{{Name: list[0].Name, Value: list[0].TXT}}, err
		},
	}), nil, nil)
	d := into[api.Domain](h, h.want(201, "admin", "POST", "/v1/domains", `{"name":"b.example"}`))
	h.s.o.DefaultDomain = "b.example"
	var one jose.JSONWebKey
	r := h.want(200, "nobody", "GET", "/.well-known/multimail-signing-key", "")
	if err := json.Unmarshal([]byte(r.body), &one); err != nil || !one.IsPublic() || !one.Valid() {
		t.Fatalf("%v: %s", err, r.body)
	}
	var set jose.JSONWebKeySet
	r = h.want(200, "nobody", "GET", "/.well-known/jwks.json", "")
	if err := json.Unmarshal([]byte(r.body), &set); err != nil || len(set.Key(one.KeyID)) != 1 {
		t.Fatalf("%v: %s", err, r.body)
	}
	if !strings.Contains(d.DNS[1].Value, "kid="+one.KeyID) || !strings.HasPrefix(d.DNS[2].Value, "v=DKIM1") {
		t.Errorf("got %+v", d.DNS)
	}
	if strings.Contains(r.body, `"d"`) {
		t.Error("the private key is published")
	}
}
