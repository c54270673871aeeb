package httpd

import (
	"slices"
	"testing"
	"time"

	"github.com/multimail/multimail/httpd/api"
)

// opened are the sessions of one credential.
type opened struct {
	credential  string
	since, used time.Time
	ended       []string
}

func (o *opened) Open(credential string) (n int, since, used time.Time) {
	if credential != o.credential {
		return 0, since, used
	}
	return 3, o.since, o.used
}

func (o *opened) End(credential string) { o.ended = append(o.ended, credential) }

// The lists of grants and of keys say which sessions of MCP are open, and ending a grant or a
// key ends those.
func TestGrantsAndKeysHaveTheirSessions(t *testing.T) {
	b, _ := newOAuth(t)
	client := b.register()
	b.redeem(client, b.do("POST", "/oauth/consent", formOf(b.consent(query(client, "read", "/mcp")))))
	o := &opened{since: b.clock.Now(), used: b.clock.Now().Add(time.Minute)}
	b.s.o.Sessions = o
	grant := into[api.Grants](b.fixture, b.want(200, "admin", "GET", "/v1/oauth/grants", "")).Grants[0]
	if grant.Sessions != 0 || !grant.SessionsSince.IsZero() {
		t.Errorf("%+v", grant)
	}
	o.credential = "grant:" + grant.ID
	grant = into[api.Grants](b.fixture, b.want(200, "admin", "GET", "/v1/oauth/grants", "")).Grants[0]
	if grant.Sessions != 3 || !grant.SessionsSince.Equal(o.since) || !grant.SessionsUsed.Equal(o.used) {
		t.Errorf("%+v", grant)
	}
	o.credential = "key:" + b.ids["reader"]
	found := 0
	for _, k := range into[api.Keys](b.fixture, b.want(200, "admin", "GET", "/v1/api-keys", "")).Keys {
		if k.Sessions > 0 {
			found++
			if k.ID != b.ids["reader"] || k.Sessions != 3 || !k.SessionsUsed.Equal(o.used) {
				t.Errorf("%+v", k)
			}
		}
	}
	if found != 1 {
		t.Errorf("%d keys have sessions", found)
	}
	b.want(200, "admin", "DELETE", "/v1/oauth/grants/"+grant.ID, "")
	b.want(200, "admin", "DELETE", "/v1/api-keys/"+b.ids["reader"], "")
	if want := []string{"grant:" + grant.ID, "key:" + b.ids["reader"]}; !slices.Equal(o.ended, want) {
		t.Errorf("ended are %q, want %q", o.ended, want)
	}
}
