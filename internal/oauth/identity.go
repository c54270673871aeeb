package oauth

import (
	"slices"

	"github.com/multimail/multimail/internal/config"
	"github.com/multimail/multimail/mail"
)

// CheckIdentity refuses an identity that no token of the configured issuers could ever
// name: a misspelled one would be bound, and the principal not recognised.
func CheckIdentity(issuers []config.Issuer, name, tenant string, ids ...string) error {
	i := slices.IndexFunc(issuers, func(is config.Issuer) bool { return is.Name == name })
	if i < 0 {
		return mail.ErrInvalid.Errorf("no issuer has the name %q; the configuration names them ([[issuer]])", name)
	}
	is := issuers[i]
	hasTenants := is.Preset == config.PresetEntra || is.TenantClaim != ""
	switch {
	case !hasTenants && tenant != "":
		return mail.ErrInvalid.Errorf("issuer %s has no tenants; leave the tenant out", name)
	case hasTenants && !slices.Contains(is.Tenants, tenant):
		return mail.ErrInvalid.Errorf("tenant %q is none of issuer %s; its tenants are in the configuration", tenant, name)
	case is.Preset != config.PresetEntra:
		return nil
	}
	for _, id := range ids {
		if id != "" && !objectID.MatchString(id) {
			return mail.ErrInvalid.Errorf("%q is no id of Entra: copy the GUID, in small letters", id)
		}
	}
	return nil
}
