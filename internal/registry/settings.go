package registry

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Settings are what the records here have in common with the audit log: whoever
// changes the file of a stopped daemon changes a record and writes no entry.
//
// Not compared, because no entry says it or because it depends on the
// configuration: how long a hold lasts, the hash of a secret, the notes of
// allowlists and freezes, when a domain was last checked.
func (r *Registry) Settings() *audit.Settings {
	return &audit.Settings{Stated: stated, Recorded: r.recorded}
}

// present is the value of what is either there or not.
const present = "present"

// stated returns what an entry says of settings.
func stated(e audit.Record) map[string]string {
	out := map[string]string{}
	if epoch := e.Facts["epoch"]; epoch != "" {
		out["epoch of policy"] = epoch
	}
	box := e.Private["mailbox"]
	if a, err := mail.ParseAddress(box); err == nil {
		box = a.Key()
	}
	switch agent := e.Facts["agent"]; e.Kind {
	case audit.OperatorSet:
		out["name of the operator"] = e.Facts["operator"]
		out["oversight address of the operator"] = e.Private["oversight"]
	case audit.AccountClose:
		out["closed account"] = present
	case audit.DomainAdd:
		out["domain "+e.Facts["domain"]] = present
	case audit.DomainRemove:
		out["domain "+e.Facts["domain"]], out["internal domain "+e.Facts["domain"]] = "", ""
	case audit.DomainPin:
		out["internal domain "+e.Facts["domain"]] = present
	case audit.DomainUnpin:
		out["internal domain "+e.Facts["domain"]] = ""
	case audit.AgentAdd:
		out["agent "+agent] = "reference " + e.Facts["agent_ref"]
	case audit.AgentDisable:
		out["disabled agent "+agent] = present
	case audit.AgentEnable:
		out["disabled agent "+agent] = ""
	case audit.KeyCreate, audit.KeySet:
		out["key "+e.Private["key"]] = describeKey(e)
	case audit.KeyRevoke:
		out["key "+e.Private["key"]] = "revoked"
	case audit.BindingAdd:
		out["binding "+e.Private["binding"]] = describeBinding(e)
	case audit.BindingEnd:
		out["binding "+e.Private["binding"]] = "ended"
	case audit.GrantAdd:
		out["grant "+e.Private["grant"]] = fmt.Sprintf("%s to %s by %q with %q for %s", describeKey(e),
			e.Private["client"], e.Private["granted_by"], e.Private["granted_with"], e.Private["resource"])
	case audit.GrantEnd:
		out["grant "+e.Private["grant"]] = "ended"
	case audit.CertificateAdd:
		out["certificate "+e.Private["certificate"]] = fmt.Sprintf("of %s: pin %q san %q",
			e.Facts["agent"], e.Private["pin"], e.Private["san"])
	case audit.CertificateRevoke:
		out["certificate "+e.Private["certificate"]] = "revoked"
	case audit.Freeze:
		out["freeze of "+scopeOf(e, box)] = present
	case audit.Thaw:
		out["freeze of "+scopeOf(e, box)] = ""
	default:
		statedOfMailbox(out, e, box)
	}
	return out
}

// statedOfMailbox adds what an entry says of the settings of one mailbox.
func statedOfMailbox(out map[string]string, e audit.Record, box string) {
	users := func(names string) {
		for agent := range strings.FieldsSeq(names) {
			out["agent "+agent+" of mailbox "+box] = present
		}
	}
	pattern := "entry " + e.Facts["allow"] + " on the allowlist of " + box
	switch e.Kind {
	case audit.MailboxAdd:
		out["mode of "+box] = e.Facts["mode"]
		users(e.Facts["agents"])
	case audit.MailboxGrant:
		users(e.Facts["agent"])
	case audit.MailboxDelete:
		out["mode of "+box], out["deleted mailbox "+box] = mail.ReadOnly.String(), present
		for agent := range strings.FieldsSeq(e.Facts["agents"]) {
			out["agent "+agent+" of mailbox "+box] = ""
		}
	case audit.ModeTighten, audit.ModeLoosen:
		out["mode of "+box] = e.Facts["to"]
	case audit.MailboxSet:
		statedKeep(out, e, box)
		statedWriting(out, e, box)
		if e.Facts["oversight"] == changed(true) {
			out["oversight address of "+box] = e.Private["oversight"]
		}
		if e.Facts["display_name"] == changed(true) {
			out["display name of "+box] = e.Private["display_name"]
		}
		switch ref := e.Facts["agent_ref"]; ref {
		case "": // not said
		case mail.RefPlain.String(): // as in a record that does not say it either
			out["name of the agent in headers of "+box] = ""
		default:
			out["name of the agent in headers of "+box] = ref
		}
	case audit.AllowAdd:
		out[pattern] = e.Private["pattern"]
	case audit.AllowRemove:
		out[pattern] = ""
	}
}

// scopeOf is the scope that a freeze or a thaw names.
func scopeOf(e audit.Record, box string) string {
	s := FreezeScope{Kind: e.Facts["scope"], Name: e.Facts["agent"] + e.Facts["domain"]}
	if s.Kind == FreezeMailbox {
		s.Name = box
	}
	return s.String()
}

// describeKey is what a key may do and for whom.
func describeKey(e audit.Record) string {
	owner := e.Facts["agent"] + e.Private["owner"]
	s := fmt.Sprintf("%s %s with %s", e.Facts["kind"], owner, e.Facts["scopes"])
	if only := e.Private["mailboxes"]; only != "" {
		s += " for " + only
	}
	return s
}

// describeBinding is which identity a binding names, and what it may do.
func describeBinding(e audit.Record) string {
	return fmt.Sprintf("%s at %s: tenant %q object %q client %q account %q", describeKey(e), e.Facts["issuer"],
		e.Private["tenant"], e.Private["object"], e.Private["client"], e.Private["account"])
}

// states collects records that state what the store has.
type states []audit.Record

func (s *states) add(kind audit.Kind, facts, private details) {
	*s = append(*s, audit.Record{Kind: kind, Facts: facts, Private: private})
}

// recorded returns records that state what the store has: the entries that there
// would be, if all of it were made now.
func (r *Registry) recorded(tx store.Tx) ([]audit.Record, error) {
	var s states
	for _, part := range []func(store.Tx, *states) error{
		r.recordedOperator, r.recordedAgents, r.recordedMailboxes, r.recordedUses, r.recordedStops, r.recordedKeys,
		r.recordedBindings, r.recordedBound, r.recordedGrants, r.recordedCertificates, r.recordedCertified,
	} {
		if err := part(tx, &s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (r *Registry) recordedOperator(tx store.Tx, s *states) error {
	o, ok, err := get[Operator](tx, operatorKey)
	if err != nil {
		return err
	}
	if ok {
		s.add(audit.OperatorSet, details{"operator": o.Name}, details{"oversight": o.Oversight.String()})
	}
	if _, closed, err := r.Closed(tx); err != nil {
		return err
	} else if closed {
		s.add(audit.AccountClose, nil, nil)
	}
	epoch, err := r.Epoch(tx)
	if err != nil {
		return err
	}
	if epoch > 0 {
		*s = append(*s, audit.Record{Facts: details{"epoch": strconv.FormatUint(epoch, 10)}})
	}
	return each(tx, domainKey, func(_ string, d Domain) (string, error) {
		s.add(audit.DomainAdd, details{"domain": d.Name}, nil)
		if d.Internal {
			s.add(audit.DomainPin, details{"domain": d.Name}, nil)
		}
		return d.Name, nil
	})
}

func (r *Registry) recordedAgents(tx store.Tx, s *states) error {
	return each(tx, agentKey, func(_ string, a Agent) (string, error) {
		s.add(audit.AgentAdd, details{"agent": a.Name, "agent_ref": a.Ref}, nil)
		if a.Disabled {
			s.add(audit.AgentDisable, details{"agent": a.Name}, nil)
		}
		return a.Name, nil
	})
}

func (r *Registry) recordedMailboxes(tx store.Tx, s *states) error {
	return each(tx, mailboxKey, func(_ string, m Mailbox) (string, error) {
		box := m.Address.String()
		s.add(audit.MailboxAdd, details{"mode": m.Mode.String(), "agents": words(m.Agents)}, details{"mailbox": box})
		set := details{"oversight": changed(true), "display_name": changed(true), "agent_ref": m.RefPolicy.String()}
		private := details{"mailbox": box, "oversight": m.Oversight.String(), "display_name": m.DisplayName}
		m.Keep.facts(set)
		m.Writing.facts(set, private)
		s.add(audit.MailboxSet, set, private)
		if !m.DeletedAt.IsZero() {
			s.add(audit.MailboxDelete, details{"agents": words(m.Agents)}, details{"mailbox": box})
		}
		for _, agent := range m.Agents {
			if _, ok, err := get[mail.Address](tx, usesKey+agent+"/"+m.Address.Key()); err != nil {
				return "", err
			} else if !ok {
				return "", fmt.Errorf("registry: agent %s of mailbox %s is not in the index", agent, box)
			}
		}
		return m.Address.Key(), nil
	})
}

// recordedUses states what agents may use by the index, which is what the rights
// of an agent are read from.
func (r *Registry) recordedUses(tx store.Tx, s *states) error {
	return each(tx, usesKey, func(at string, box mail.Address) (string, error) {
		agent, _, _ := strings.Cut(at, "/")
		s.add(audit.MailboxGrant, details{"agent": agent}, details{"mailbox": box.String()})
		return agent + "/" + box.Key(), nil
	})
}

// recordedStops states freezes and allowlists.
func (r *Registry) recordedStops(tx store.Tx, s *states) error {
	err := each(tx, freezeKey, func(_ string, f Freeze) (string, error) {
		facts, private := f.Scope.details()
		s.add(audit.Freeze, facts, private)
		return f.Scope.String(), nil
	})
	if err != nil {
		return err
	}
	return each(tx, allowKey, func(at string, e AllowEntry) (string, error) {
		box, _, _ := strings.Cut(at, "/"+e.ID)
		addr, err := mail.ParseAddress(box)
		if err != nil {
			return "", nil
		}
		s.add(audit.AllowAdd, e.facts(), e.private(addr))
		return addr.Key() + "/" + e.ID, nil
	})
}

func (r *Registry) recordedKeys(tx store.Tx, s *states) error {
	return each(tx, credKey, func(_ string, k Key) (string, error) {
		facts, private := k.details()
		kind := audit.KeyCreate
		if !k.RevokedAt.IsZero() {
			kind = audit.KeyRevoke
		}
		s.add(kind, facts, private)
		return k.ID, nil
	})
}

func (r *Registry) recordedBindings(tx store.Tx, s *states) error {
	return each(tx, bindingKey, func(_ string, b Binding) (string, error) {
		facts, private := b.details()
		kind := audit.BindingAdd
		if !b.EndedAt.IsZero() {
			kind = audit.BindingEnd
		}
		s.add(kind, facts, private)
		return b.ID, nil
	})
}

func (r *Registry) recordedGrants(tx store.Tx, s *states) error {
	return each(tx, grantKey, func(_ string, g Grant) (string, error) {
		facts, private := g.details()
		kind := audit.GrantAdd
		if !g.EndedAt.IsZero() {
			kind = audit.GrantEnd
		}
		s.add(kind, facts, private)
		return g.ID, nil
	})
}

// recordedBound checks the index by which the binding of a token is found: each entry
// must be that of a binding in force.
func (r *Registry) recordedBound(tx store.Tx, _ *states) error {
	return each(tx, boundKey, func(at string, id string) (string, error) {
		b, err := r.Binding(tx, id)
		if err != nil {
			return "", err
		}
		if !b.EndedAt.IsZero() || !slices.Contains(b.places(), boundKey+at) {
			return "", fmt.Errorf("registry: binding %s is found by an id that is not its own", id)
		}
		return at, nil
	})
}

// each reads the records below a prefix. fn gets where one stands and returns
// where it belongs: a record in the place of another is what a reader of that
// place would take for it.
func each[T any](tx store.Tx, prefix string, fn func(at string, v T) (belongs string, err error)) error {
	return space.Scan(tx, store.Prefix(prefix), func(key string, b []byte) error {
		var v T
		if err := json.Unmarshal(b, &v); err != nil {
			return fmt.Errorf("registry: read %s: %w", key, err)
		}
		at := strings.TrimPrefix(key, prefix)
		belongs, err := fn(at, v)
		if err == nil && belongs != at {
			err = fmt.Errorf("registry: the record at %s is that of %s%s", key, prefix, belongs)
		}
		return err
	})
}
