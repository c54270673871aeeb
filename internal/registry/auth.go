package registry

import (
	"strconv"
	"strings"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
)

// RefusedLogin is what an entry says of a login that failed.
type RefusedLogin struct {
	Origin
	By         CredentialKind
	User       string // what the client called itself, which may be anything
	Unrecorded int    // how many before it were left out
}

// NoteAuthFailure records a refused login. Who calls it limits how often a peer that
// is not known can cause an entry.
func (r *Registry) NoteAuthFailure(tx store.Tx, f RefusedLogin) error {
	const limit = 254 // of an address; no name that could be right is longer
	user := f.User
	if len(user) > limit {
		user = user[:limit]
	}
	facts := details{"door": f.Door, "credential_kind": string(f.By)}
	if f.Unrecorded > 0 {
		facts["unrecorded"] = strconv.Itoa(f.Unrecorded)
	}
	return r.note(tx, Principal{Kind: "system", Name: f.Door, IP: f.IP}, audit.AuthFail,
		facts, details{"user": strings.ToValidUTF8(user, "\uFFFD")})
}
