package registry

import (
	"strings"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
)

// NoteAuthFailure records that somebody at ip failed to authenticate at a door.
// user is what it called itself, which may be anything. Doors limit how often a
// peer that is not known can cause an entry.
func (r *Registry) NoteAuthFailure(tx store.Tx, door, ip, user string) error {
	const limit = 254 // of an address; no name that could be right is longer
	if len(user) > limit {
		user = user[:limit]
	}
	return r.note(tx, Principal{Kind: "system", Name: door, IP: ip}, audit.AuthFail,
		details{"door": door}, details{"user": strings.ToValidUTF8(user, "\uFFFD")})
}
