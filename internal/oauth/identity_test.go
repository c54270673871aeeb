package oauth

import (
	"strings"
	"testing"

	"github.com/multimail/multimail/internal/config"
)

func TestOnlyAnIdentityThatATokenCouldNameIsBound(t *testing.T) {
	const tenant, id = "aaaaaaaa-1111-2222-3333-444444444444", "cccccccc-1111-2222-3333-444444444444"
	issuers := []config.Issuer{
		{Name: "entra", Preset: config.PresetEntra, Tenants: []string{tenant}},
		{Name: "plain", Preset: config.PresetGeneric},
		{Name: "tenants", Preset: config.PresetGeneric, TenantClaim: "tid", Tenants: []string{"t1"}},
	}
	for _, c := range []struct {
		issuer, tenant string
		ids            []string
		why            string
	}{
		{"entra", tenant, []string{id, "", ""}, ""},
		{"entra", tenant, []string{id, id, id}, ""},
		{"plain", "", []string{"any client", "", ""}, ""},
		{"tenants", "t1", []string{"x", "", ""}, ""},
		{"entre", tenant, []string{id}, "no issuer has the name"},
		{"", tenant, []string{id}, "no issuer has the name"},
		{"entra", "", []string{id}, "is none of issuer"},
		{"entra", strings.ToUpper(tenant), []string{id}, "is none of issuer"},
		{"entra", tenant, []string{strings.ToUpper(id)}, "small letters"},
		{"entra", tenant, []string{"bot"}, "small letters"},
		{"entra", tenant, []string{id, "bot"}, "small letters"},
		{"plain", "t1", []string{"x"}, "has no tenants"},
		{"tenants", "", []string{"x"}, "is none of issuer"},
	} {
		err := CheckIdentity(issuers, c.issuer, c.tenant, c.ids...)
		if (err == nil) != (c.why == "") || err != nil && !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s %s %v: %v, want %q", c.issuer, c.tenant, c.ids, err, c.why)
		}
	}
}
