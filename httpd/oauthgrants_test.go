package httpd

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
)

// byAdmin has the holder of a new admin's key consent for an agent, and returns the access token.
func (b *browser) byAdmin(resource string) (with registry.Principal, access string) {
	b.t.Helper()
	client := b.register()
	with, _, key := b.AddKey(registry.KeyRequest{Kind: registry.KindAdmin, Owner: "lea",
		Scopes: []registry.Scope{registry.ScopeAdmin}})
	resp := b.do("POST", "/oauth/login", url.Values{"query": {query(client, "read send", resource)}, "key": {key}})
	if resp.StatusCode != http.StatusSeeOther {
		b.t.Fatal(resp.Status, text(resp))
	}
	form := formOf(text(b.do("GET", resp.Header.Get("Location"), nil)))
	form.Set("offer", "agent:bot")
	return with, b.redeem(client, b.do("POST", "/oauth/consent", form))["access_token"].(string)
}

// A grant that is worth nothing is not shown as one that is active.
func TestAGrantIsVoidWithTheKeyOfTheAdminWhoConsented(t *testing.T) {
	b, _ := newOAuth(t)
	with, access := b.byAdmin("/v1")
	active := func() (n int) {
		all := object(t, b.do("GET", "/v1/oauth/grants", nil, "Authorization", "Bearer "+b.keys["admin"]))
		for _, g := range all["grants"].([]any) {
			if g.(map[string]any)["is_active"] == true {
				n++
			}
		}
		return n
	}
	whoami := func() int {
		return b.do("GET", "/v1/whoami", nil, "Authorization", "Bearer "+access).StatusCode
	}
	if active() != 1 || whoami() != http.StatusOK {
		t.Fatal(active(), whoami())
	}
	b.Update(func(tx store.Tx) error { return b.Registry.RevokeKey(tx, b.Operator, with.Credential.ID) })
	if active() != 0 || whoami() != http.StatusUnauthorized {
		t.Errorf("%d grants are active, the token is answered %d", active(), whoami())
	}
}
