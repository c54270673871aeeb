package registry

import (
	"strings"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// AllowEntry lets mail to the recipients it names leave a gated_send mailbox
// without a decision.
type AllowEntry struct {
	ID        string    `json:"id"`
	Pattern   string    `json:"pattern"` // lower case: an address, or "*@" and a domain
	Note      string    `json:"note,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}

// parsePattern returns the one spelling of an allowlist pattern.
func parsePattern(s string) (string, error) {
	if domain, ok := strings.CutPrefix(s, "*@"); ok {
		domain, err := mail.ParseDomain(domain)
		return "*@" + domain, err
	}
	a, err := mail.ParseAddress(s)
	return a.Key(), err
}

// wildcard returns the pattern that covers all of a's domain, or "" when none
// may cover a. A percent sign, an exclamation mark or a quoted local part can
// be an order to the next host to route the mail on, to another domain than
// the one the pattern trusts (invariant 9); these addresses must be listed whole.
func wildcard(a mail.Address) string {
	if strings.ContainsAny(a.Local(), "%!") || strings.HasPrefix(a.String(), `"`) {
		return ""
	}
	return "*@" + a.Domain()
}

// AllowAdd adds a pattern to the mailbox's allowlist. It is loosening.
func (r *Registry) AllowAdd(
	tx store.Tx, actor Principal, addr mail.Address, pattern, note string,
) (AllowEntry, error) {
	p, err := r.authorize(tx, actor, tighten(addr))
	if err != nil {
		return AllowEntry{}, err
	}
	if !loosen(addr)(p) {
		return AllowEntry{}, errLoosen("an entry on the allowlist")
	}
	if err := checkText("note", note, 200); err != nil {
		return AllowEntry{}, err
	}
	pattern, err = parsePattern(pattern)
	if err != nil {
		return AllowEntry{}, err
	}
	entries, err := r.Allowlist(tx, addr)
	if err != nil {
		return AllowEntry{}, err
	}
	for _, e := range entries {
		if e.Pattern == pattern {
			return AllowEntry{}, in(ErrExists, "%s is on the allowlist already", pattern)
		}
	}
	now := tx.Now()
	e := AllowEntry{ID: string(mail.NewID(now)), Pattern: pattern, Note: note, CreatedAt: now}
	if err := put(tx, allowKey+addr.Key()+"/"+e.ID, e); err != nil {
		return AllowEntry{}, err
	}
	return e, r.policy(tx, p, audit.AllowAdd, e.facts(), e.private(addr))
}

// AllowRemove takes an entry off the mailbox's allowlist. It is tightening.
func (r *Registry) AllowRemove(tx store.Tx, actor Principal, addr mail.Address, id string) error {
	p, err := r.authorize(tx, actor, tighten(addr))
	if err != nil {
		return err
	}
	if _, err := mail.ParseID(id); err != nil {
		return in(ErrNotFound, "no such entry on the allowlist")
	}
	key := allowKey + addr.Key() + "/" + id
	e, ok, err := get[AllowEntry](tx, key)
	if err != nil {
		return err
	}
	if !ok {
		return in(ErrNotFound, "no such entry on the allowlist")
	}
	if err := space.Delete(tx, key); err != nil {
		return err
	}
	return r.policy(tx, p, audit.AllowRemove, e.facts(), e.private(addr))
}

// Allowlist returns the entries of the mailbox's allowlist, oldest first.
func (r *Registry) Allowlist(tx store.Tx, addr mail.Address) ([]AllowEntry, error) {
	if _, err := r.Mailbox(tx, addr); err != nil {
		return nil, err
	}
	return list[AllowEntry](tx, allowKey+addr.Key()+"/")
}

// Allowed reports whether every one of rcpts is on the mailbox's allowlist,
// letters compared without case. It is false for no recipients: nothing was
// allowed. A pattern for a domain never covers its subdomains.
func (r *Registry) Allowed(
	tx store.Tx, addr mail.Address, rcpts []mail.Address,
) (bool, error) {
	if len(rcpts) == 0 {
		return false, nil
	}
	entries, err := r.Allowlist(tx, addr)
	if err != nil || len(entries) == 0 {
		return false, err
	}
	listed := make(map[string]bool, len(entries))
	for _, e := range entries {
		listed[e.Pattern] = true
	}
	for _, a := range rcpts {
		if !listed[a.Key()] && !listed[wildcard(a)] {
			return false, nil
		}
	}
	return true, nil
}

// facts are what an audit entry says of e to everyone.
func (e AllowEntry) facts() details {
	covers := "address"
	if strings.HasPrefix(e.Pattern, "*@") {
		covers = "domain"
	}
	return details{"allow": e.ID, "covers": covers}
}

// private is what an audit entry says of e beside the chain.
func (e AllowEntry) private(addr mail.Address) details {
	return details{"mailbox": addr.String(), "pattern": e.Pattern, "note": e.Note}
}
