package registry

import (
	"slices"
	"strings"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// MinTTL is how long a mail waits for a decision at least: somebody must be able to make one.
const MinTTL = 5 * time.Minute

// MaxTTL is how long a mail may wait for a decision.
const MaxTTL = 90 * 24 * time.Hour

// Mailbox is an address that agents send from, with its oversight.
type Mailbox struct {
	Address     mail.Address  `json:"address"`
	DisplayName string        `json:"display_name,omitempty"`
	Mode        mail.Mode     `json:"mode"`
	Agents      []string      `json:"agents"`
	Oversight   mail.Address  `json:"oversight"`     // zero: the operator's
	TTL         time.Duration `json:"ttl,omitempty"` // of a hold; 0: that of the configuration
	CreatedAt   time.Time     `json:"created_at"`

	RefPolicy mail.RefPolicy `json:"agent_ref,omitempty"` // how the identity header names the agent

	DeletedAt time.Time `json:"deleted_at,omitzero"` // set: it is no more, and its address is not given out again

	Keep    // what it keeps
	Writing // what it adds to its mail
}

// MailboxPatch names what SetMailbox changes; nil leaves a value as it is.
type MailboxPatch struct {
	DisplayName *string
	Oversight   *mail.Address  // zero: the operator's again
	TTL         *time.Duration // 0: that of the configuration again
	RefPolicy   *mail.RefPolicy
	KeepPatch
	WritingPatch
}

// AddMailbox adds a mailbox used by the agents. It starts gated_send whoever
// asks; its domain and its agents must be here already; its address is never
// given out twice.
func (r *Registry) AddMailbox(
	tx store.Tx, actor Principal, addr mail.Address, agents []string,
) (Mailbox, error) {
	p, err := r.authorize(tx, actor, configure)
	if err != nil {
		return Mailbox{}, err
	}
	return r.addMailbox(tx, p, addr, agents)
}

func (r *Registry) addMailbox(tx store.Tx, p Principal, addr mail.Address, agents []string) (Mailbox, error) {
	if addr.IsZero() || len(agents) == 0 {
		return Mailbox{}, in(ErrInvalid, "a mailbox needs an address and at least one agent")
	}
	if why := message.CheckFromName("", addr); why != "" { // legal for a recipient, not in From
		return Mailbox{}, in(ErrInvalid, "a mailbox cannot have the address %s: %s", addr, why)
	}
	if _, err := r.Domain(tx, addr.Domain()); err != nil {
		return Mailbox{}, err
	}
	if _, ok, err := get[Mailbox](tx, mailboxKey+addr.Key()); err != nil {
		return Mailbox{}, err
	} else if ok {
		return Mailbox{}, in(ErrExists, "mailbox %s is here already", addr)
	}
	if slices.Contains(Reserved, strings.ToLower(addr.Local())) {
		return Mailbox{}, in(ErrInvalid, "%s is for the operator; give the agent another address", addr)
	}
	if err := r.overseen(tx, addr); err != nil {
		return Mailbox{}, err
	}
	m := Mailbox{Address: addr, Mode: mail.GatedSend, CreatedAt: tx.Now()}
	for _, name := range agents {
		if err := r.use(tx, &m, name); err != nil {
			return Mailbox{}, err
		}
	}
	if err := put(tx, mailboxKey+addr.Key(), m); err != nil {
		return Mailbox{}, err
	}
	return m, r.note(tx, p, audit.MailboxAdd,
		details{"domain": addr.Domain(), "mode": m.Mode.String(), "agents": words(m.Agents)},
		details{"mailbox": addr.String()})
}

// use adds an agent to m and to the index that Current reads.
func (r *Registry) use(tx store.Tx, m *Mailbox, agent string) error {
	if _, err := r.Agent(tx, agent); err != nil {
		return err
	}
	if slices.Contains(m.Agents, agent) {
		return nil
	}
	m.Agents = append(m.Agents, agent)
	return put(tx, usesKey+agent+"/"+m.Address.Key(), m.Address)
}

// Mailbox returns a mailbox, or ErrNotFound.
func (r *Registry) Mailbox(tx store.Tx, addr mail.Address) (Mailbox, error) {
	m, ok, err := get[Mailbox](tx, mailboxKey+addr.Key())
	if err == nil && (!ok || !m.DeletedAt.IsZero()) {
		return Mailbox{}, in(ErrNotFound, "no mailbox %s", addr)
	}
	return m, err
}

// Keeper returns the mailbox that keeps mail: as Receives does, or one that was deleted,
// which is read_only.
func (r *Registry) Keeper(tx store.Tx, addr mail.Address) (Mailbox, error) {
	m, ok, err := get[Mailbox](tx, mailboxKey+addr.Key())
	if err != nil || ok {
		return m, err
	}
	return r.Receives(tx, addr)
}

// Reserved are the mailboxes that every domain has (RFC 2142): mail for them is for the
// operator, and no agent sees it.
var Reserved = []string{"postmaster", "abuse"}

// Receives returns the mailbox that mail for an address goes to: one that was added, or
// the operator's own of a domain of ours, which has no agents. ErrNotFound if there is none.
func (r *Registry) Receives(tx store.Tx, addr mail.Address) (Mailbox, error) {
	m, ok, err := get[Mailbox](tx, mailboxKey+addr.Key())
	switch {
	case err != nil:
		return m, err
	case ok && !m.DeletedAt.IsZero():
		return Mailbox{}, in(ErrNotFound, "no mailbox %s", addr)
	case ok:
		return m, nil
	}
	if !slices.Contains(Reserved, strings.ToLower(addr.Local())) {
		return m, in(ErrNotFound, "no mailbox %s", addr)
	}
	d, err := r.Domain(tx, addr.Domain())
	if err != nil {
		return m, err
	}
	return Mailbox{Address: addr, Mode: mail.ReadOnly, CreatedAt: d.CreatedAt}, nil
}

// Mailboxes returns every mailbox by address.
func (r *Registry) Mailboxes(tx store.Tx) ([]Mailbox, error) {
	all, err := r.Keepers(tx)
	return slices.DeleteFunc(all, func(m Mailbox) bool { return !m.DeletedAt.IsZero() }), err
}

// Keepers returns every mailbox that mail can be in, deleted ones included, by address.
func (r *Registry) Keepers(tx store.Tx) ([]Mailbox, error) { return list[Mailbox](tx, mailboxKey) }

// DeleteMailbox ends a mailbox: no agent uses it any more, it sends and receives nothing,
// and its address is never given out again. What it keeps stays until it is old enough.
// There is no way back; it is for admins and approvers.
func (r *Registry) DeleteMailbox(tx store.Tx, actor Principal, addr mail.Address) error {
	p, err := r.authorize(tx, actor, either(configure, loosen(addr)))
	if err != nil {
		return err
	}
	m, err := r.Mailbox(tx, addr)
	if err != nil {
		return err
	}
	return r.deleteMailbox(tx, p, m)
}

func (r *Registry) deleteMailbox(tx store.Tx, p Principal, m Mailbox) error {
	facts := details{"agents": words(m.Agents)}
	for _, name := range m.Agents {
		if err := space.Delete(tx, usesKey+name+"/"+m.Address.Key()); err != nil {
			return err
		}
	}
	m.Mode, m.Agents, m.DeletedAt = mail.ReadOnly, nil, tx.Now()
	if err := put(tx, mailboxKey+m.Address.Key(), m); err != nil {
		return err
	}
	return r.policy(tx, p, audit.MailboxDelete, facts, details{"mailbox": m.Address.String()})
}

// GrantMailbox lets one more agent use the mailbox. Where mail leaves unread
// the agent would gain more than a gated sender's place, so that is loosening.
func (r *Registry) GrantMailbox(
	tx store.Tx, actor Principal, addr mail.Address, agent string,
) error {
	p, err := r.authorize(tx, actor, either(configure, loosen(addr)))
	if err != nil {
		return err
	}
	m, err := r.Mailbox(tx, addr)
	if err != nil {
		return err
	}
	entries, err := r.Allowlist(tx, addr)
	if err != nil {
		return err
	}
	open := true // mail leaves that nobody decided over
	switch m.Mode {
	case mail.ReadOnly, mail.GatedAll:
		open = false
	case mail.GatedSend:
		open = len(entries) > 0
	}
	switch {
	case open && !loosen(addr)(p):
		return errLoosen("another agent on a mailbox that is not fully gated")
	case !open && !configure(p):
		return in(ErrForbidden, "an admin lets agents use a gated mailbox")
	case slices.Contains(m.Agents, agent):
		return nil
	}
	if err := r.use(tx, &m, agent); err != nil {
		return err
	}
	if err := put(tx, mailboxKey+addr.Key(), m); err != nil {
		return err
	}
	return r.note(tx, p, audit.MailboxGrant,
		details{"agent": agent, "mode": m.Mode.String()}, details{"mailbox": addr.String()})
}

// SetMailbox changes what is not the mode. Another oversight address and a
// longer hold are loosening, a shorter hold is tightening, and the display
// name is for admins. Of a closed account only a legal hold can be lifted.
func (r *Registry) SetMailbox(
	tx store.Tx, actor Principal, addr mail.Address, patch MailboxPatch,
) (Mailbox, error) {
	p, err := r.authorizePatch(tx, actor, addr, patch)
	if err != nil {
		return Mailbox{}, err
	}
	before, err := r.Mailbox(tx, addr)
	if err != nil {
		return Mailbox{}, err
	}
	m, err := patch.apply(before)
	if err != nil {
		return Mailbox{}, err
	}
	if err := r.mayPatch(p, before, m); err != nil {
		return Mailbox{}, err
	}
	if m.Oversight != before.Oversight {
		if err := r.notOurs(tx, m.Oversight, errOverseen(m.Oversight)); err != nil {
			return Mailbox{}, err
		}
	}
	named := m.DisplayName != before.DisplayName
	moved := m.Oversight != before.Oversight
	timed := m.TTL != before.TTL
	referred := m.RefPolicy != before.RefPolicy
	if m.Keep == before.Keep && m.Writing == before.Writing && !named && !moved && !timed && !referred {
		return m, nil
	}
	if err := put(tx, mailboxKey+addr.Key(), m); err != nil {
		return Mailbox{}, err
	}
	facts := details{
		"display_name": changed(named), "oversight": changed(moved),
		"ttl": r.Hold(m).String(), "ttl_before": r.Hold(before).String(),
	}
	private := details{"mailbox": addr.String()}
	if m.Keep != before.Keep {
		m.Keep.facts(facts)
	}
	if m.Writing != before.Writing {
		m.Writing.facts(facts, private)
	}
	if referred {
		facts["agent_ref"] = m.RefPolicy.String()
	}
	if named {
		private["display_name"] = m.DisplayName
	}
	if moved {
		private["oversight"] = m.Oversight.String()
	}
	if !moved && !timed {
		return m, r.note(tx, p, audit.MailboxSet, facts, private)
	}
	return m, r.policy(tx, p, audit.MailboxSet, facts, private)
}

// apply returns m with the patch on it.
func (patch MailboxPatch) apply(m Mailbox) (Mailbox, error) {
	if patch.DisplayName != nil {
		if err := checkText("display name", *patch.DisplayName, 200); err != nil {
			return Mailbox{}, err
		}
		if why := message.CheckFromName(*patch.DisplayName, m.Address); why != "" {
			return Mailbox{}, in(ErrInvalid, "display name: %s", why)
		}
		m.DisplayName = *patch.DisplayName
	}
	if patch.Oversight != nil {
		m.Oversight = *patch.Oversight
	}
	if patch.TTL != nil {
		if *patch.TTL < 0 || *patch.TTL > MaxTTL {
			return Mailbox{}, in(ErrInvalid, "a hold lasts up to %d days", MaxTTL/(24*time.Hour))
		}
		m.TTL = *patch.TTL
	}
	if patch.RefPolicy != nil {
		if _, err := patch.RefPolicy.MarshalText(); err != nil {
			return Mailbox{}, in(ErrInvalid, "the header names an agent plain, hmac or none")
		}
		m.RefPolicy = *patch.RefPolicy
	}
	if err := patch.KeepPatch.apply(&m.Keep); err != nil {
		return Mailbox{}, err
	}
	return m, patch.WritingPatch.apply(&m.Writing, m.Address)
}

// mayPatch judges each difference between two standings of a mailbox by its direction.
func (r *Registry) mayPatch(p Principal, before, after Mailbox) error {
	if after.DisplayName != before.DisplayName && !configure(p) {
		return in(ErrForbidden, "the display name is set by an admin")
	}
	if after.RefPolicy != before.RefPolicy && !configure(p) {
		return in(ErrForbidden, "how the header names the agent is set by an admin")
	}
	if after.Oversight != before.Oversight && !loosen(before.Address)(p) {
		return errLoosen("another oversight address")
	}
	if r.Hold(after) > r.Hold(before) && !loosen(before.Address)(p) {
		return errLoosen("a longer hold")
	}
	if r.Hold(after) < r.Hold(before) && !either(configure, loosen(before.Address))(p) {
		// What expires of incoming mail is lost, so this is no tightening that an agent may do.
		return in(ErrForbidden, "a shorter hold is set by an admin")
	}
	if after.TTL > 0 && after.TTL < MinTTL {
		return in(ErrInvalid, "a hold lasts at least %d minutes", MinTTL/time.Minute)
	}
	if err := mayWrite(p, before, after); err != nil {
		return err
	}
	return r.mayKeep(p, before, after)
}

// SetMode changes the oversight mode and returns the one before. What tightens is for
// anyone of the mailbox, every other change for who may loosen ([mail.Mode.TightensTo]).
// Setting the mode that is in force changes and records nothing.
func (r *Registry) SetMode(
	tx store.Tx, actor Principal, addr mail.Address, mode mail.Mode,
) (before mail.Mode, err error) {
	p, err := r.authorize(tx, actor, tighten(addr))
	if err != nil {
		return 0, err
	}
	if !slices.Contains(mail.Modes[:], mode) {
		return 0, in(ErrInvalid, "unknown oversight mode")
	}
	m, err := r.Mailbox(tx, addr)
	if err != nil || m.Mode == mode {
		return m.Mode, err
	}
	before, kind := m.Mode, audit.ModeTighten
	if !before.TightensTo(mode) {
		kind = audit.ModeLoosen
		if !loosen(addr)(p) {
			return before, errLoosen("to go from " + before.String() + " to " + mode.String())
		}
	}
	m.Mode = mode
	if err := put(tx, mailboxKey+addr.Key(), m); err != nil {
		return before, err
	}
	return before, r.policy(tx, p, kind,
		details{"from": before.String(), "to": mode.String()},
		details{"mailbox": addr.String()})
}

// Hold returns how long a mail from m may wait for a decision.
func (r *Registry) Hold(m Mailbox) time.Duration {
	if m.TTL <= 0 {
		return r.hold
	}
	return m.TTL
}
