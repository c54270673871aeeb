package registry

import (
	"strings"

	"github.com/multimail/multimail/internal/store"
)

// NoteAuth records an authentication at a door: by p, or refused when p is of
// no kind. Either way p.IP is the peer and user what it called itself, which
// may be anything. Doors limit how often a stranger can cause an entry.
func (r *Registry) NoteAuth(tx store.Tx, p Principal, door, user string) error {
	const limit = 254 // of an address; no name that could be right is longer
	if len(user) > limit {
		user = user[:limit]
	}
	private := details{"user": strings.ToValidUTF8(user, "\uFFFD")}
	if p.Kind == "" {
		return r.note(tx, Principal{Kind: "system", Name: door, IP: p.IP}, "auth.fail",
			details{"door": door}, private)
	}
	return r.note(tx, p, "auth.ok", details{"door": door}, private)
}
