package registry_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
	"github.com/multimail/multimail/mail"
)

// An operation is one write as someone might try it. who lists the letters of those
// who may, of the callers below; everyone else is refused and changes nothing.
type operation struct {
	name   string
	who    string
	entry  audit.Kind // kind of the last audit entry
	policy bool       // whether it makes a new epoch
	before func(*fixture)
	do     func(*fixture, store.Tx, registry.Principal) error
}

// callers returns everyone who may ask, by letter:
//
//	O the agent demo by password    A an approver                   M an admin
//	K demo with a read key          V one that sees only            R one that reads only
//	L demo, key limited to second   B one limited to demo@          S the socket
//	X the agent other               C one limited to second@        D the dev socket
//	E a disabled agent of demo@     Z an admin, key revoked         N nobody
//	T an admin that only tightens   W an admin that reads the log
//	G demo, that only tightens      Q an approver of demo@ that only tightens
func callers(h *fixture) map[string]registry.Principal {
	h.must(func(tx store.Tx) error {
		_, _, err := h.reg.AddAgent(tx, socket, "ended", "")
		if err != nil {
			return err
		}
		return h.reg.GrantMailbox(tx, socket, box, "ended")
	})
	own, err := h.byPassword("demo", h.password)
	if err != nil {
		h.t.Fatal(err)
	}
	only := func(a mail.Address) []mail.Address { return []mail.Address{a} }
	who := map[string]registry.Principal{
		"O": own,
		"K": h.holder("agent", "demo", nil, "read"),
		"L": h.holder("agent", "demo", only(second), "read", "send"),
		"X": h.holder("agent", "other", nil, "read", "send"),
		"E": h.holder("agent", "ended", nil, "read", "send"),
		"A": h.holder("approver", "ann", nil, "oversight", "oversight_read"),
		"V": h.holder("approver", "vic", nil, "oversight_read"),
		"B": h.holder("approver", "bea", only(box), "oversight", "oversight_read"),
		"C": h.holder("approver", "cem", only(second), "oversight", "oversight_read"),
		"M": h.holder("admin", "max", nil, "admin", "read", "oversight_read"),
		"R": h.holder("admin", "ron", nil, "read", "oversight_read"),
		"Z": h.holder("admin", "zoe", nil, "admin", "read", "oversight_read"),
		"T": h.holder("admin", "tom", nil, "tighten"),
		"W": h.holder("admin", "wim", nil, "audit_read"),
		"G": h.holder("agent", "demo", nil, "tighten"),
		"Q": h.holder("approver", "kim", only(box), "tighten"),
		"S": socket,
		"D": dev,
		"N": {},
	}
	h.must(func(tx store.Tx) error {
		if err := h.reg.DisableAgent(tx, socket, "ended"); err != nil {
			return err
		}
		return h.reg.RevokeKey(tx, socket, who["Z"].Credential.ID)
	})
	return who
}

func TestEveryoneMayDoExactlyWhatTheTableSays(t *testing.T) {
	base := open(t)
	who := callers(base)
	for _, d := range operations() {
		t.Run(d.name, func(t *testing.T) {
			h := base.clone(t)
			if d.before != nil {
				d.before(h)
			}
			for letter, p := range who {
				try(t, h.clone(t), d, letter, p)
			}
		})
	}
}

// try checks one cell of the table, with its audit entry and epoch.
func try(t *testing.T, h *fixture, d operation, letter string, p registry.Principal) {
	t.Helper()
	kv, epoch, count := h.db.All(), h.epoch(), len(h.entries())
	err := h.update(func(tx store.Tx) error { return d.do(h, tx, p) })
	if !strings.Contains(d.who, letter) {
		if !errors.Is(err, registry.ErrForbidden) && !errors.Is(err, registry.ErrCredentials) {
			t.Errorf("%s (%s) may %s: %v", letter, p.ID(), d.name, err)
		}
		if !maps.EqualFunc(kv, h.db.All(), func(a, b []byte) bool { return string(a) == string(b) }) {
			t.Errorf("%s was refused and left a change", letter)
		}
		return
	}
	if err != nil {
		t.Errorf("%s (%s) may not %s: %v", letter, p.ID(), d.name, err)
		return
	}
	entries := h.entries()
	if len(entries) == count || entries[len(entries)-1].Record().Kind != d.entry {
		t.Errorf("%s by %s: got %d new entries, want the last to be %s",
			d.name, letter, len(entries)-count, d.entry)
	}
	if last := entries[len(entries)-1].Record(); last.Actor.ID != p.ID() || last.Private["credential"] != p.Credential.ID {
		t.Errorf("%s by %s: the entry names %s with the key %q", d.name, letter, last.Actor.ID, last.Private["credential"])
	}
	if bumped := h.epoch() > epoch; bumped != d.policy {
		t.Errorf("%s by %s: a new epoch: got %t, want %t", d.name, letter, bumped, d.policy)
	}
}

// Whatever call of the store fails, the write fails with it and leaves nothing.
func TestAWriteFailsWithTheStoreAtEveryStep(t *testing.T) {
	base := open(t)
	callers(base)
	for _, d := range operations() {
		ready := base.clone(t)
		if d.before != nil {
			d.before(ready)
		}
		for n := 1; ; n++ {
			h := ready.clone(t)
			h.db.Fail = n
			err := h.update(func(tx store.Tx) error { return d.do(h, tx, dev) })
			if err == nil && n > 2 {
				break
			}
			var public *mail.Error
			if !errors.Is(err, storetest.ErrFault) || errors.As(err, &public) {
				t.Errorf("%s, step %d: got %v", d.name, n, err)
				break
			}
		}
	}
}

// operations is every write there is, in each direction it has.
func operations() []operation {
	return slices.Concat(settingOperations(), writingOperations(),
		policyOperations(), credentialOperations(), bindingOperations(),
		grantOperations())
}

func settingOperations() []operation {
	return []operation{
		{"name the operator", "MSD", "operator.set", true, nil,
			func(h *fixture, tx store.Tx, p registry.Principal) error {
				return h.reg.SetOperator(tx, p, registry.Operator{Name: "New", Oversight: watch})
			}},
		{"move the oversight address", "AD", "operator.set", true, nil,
			func(h *fixture, tx store.Tx, p registry.Principal) error {
				return h.reg.SetOperator(tx, p, registry.Operator{Name: "Example", Oversight: third})
			}},
		{"add a domain", "MSD", "domain.add", false, nil,
			func(h *fixture, tx store.Tx, p registry.Principal) error {
				_, err := h.reg.AddDomain(tx, p, "more.test")
				return err
			}},
		{"remove a domain", "MSD", "domain.remove", false, spare,
			func(h *fixture, tx store.Tx, p registry.Principal) error {
				return h.reg.RemoveDomain(tx, p, "spare.test")
			}},
		{"pin a domain", "AD", "domain.pin", true, nil,
			func(h *fixture, tx store.Tx, p registry.Principal) error {
				_, err := h.reg.PinDomain(tx, p, "Example.test")
				return err
			}},
		{"unpin a domain", "AMSDT", "domain.unpin", true, spare,
			func(h *fixture, tx store.Tx, p registry.Principal) error {
				_, err := h.reg.UnpinDomain(tx, p, "spare.test")
				return err
			}},
		{"add an agent", "MSD", "agent.add", false, nil,
			func(h *fixture, tx store.Tx, p registry.Principal) error {
				_, _, err := h.reg.AddAgent(tx, p, "third", "")
				return err
			}},
		{"disable an agent", "AMSDT", "agent.disable", true, nil,
			func(h *fixture, tx store.Tx, p registry.Principal) error {
				return h.reg.DisableAgent(tx, p, "other")
			}},
		{"enable an agent", "AD", "agent.enable", true, nil,
			func(h *fixture, tx store.Tx, p registry.Principal) error {
				return h.reg.EnableAgent(tx, p, "ended")
			}},
		{"add a mailbox", "MSD", "mailbox.add", false, nil,
			func(h *fixture, tx store.Tx, p registry.Principal) error {
				a := mail.MustAddress("third@example.test")
				_, err := h.reg.AddMailbox(tx, p, a, []string{"demo"})
				return err
			}},
		{"let an agent use a gated mailbox", "MSD", "mailbox.grant", false, nil, grant},
		{"let an agent use an autonomous mailbox", "ABD", "mailbox.grant", false,
			inMode(mail.Autonomous), grant},
		{"let an agent use a mailbox with an allowlist", "ABD", "mailbox.grant", false,
			listed, grant},
		{"set the display name", "MSD", "mailbox.set", false, nil,
			patch(registry.MailboxPatch{DisplayName: ptr("Demo")})},
		{"hide the agent in the header", "MSD", "mailbox.set", false, nil,
			patch(registry.MailboxPatch{RefPolicy: ptr(mail.RefHMAC)})},
	}
}

// writingOperations: what a mailbox adds to its mail, and its end.
func writingOperations() []operation {
	return []operation{
		{"set the signature", "MSD", "mailbox.set", false, nil,
			writing(registry.WritingPatch{Signature: ptr("Demo\nExample Ltd")})},
		{"copy every mail to somebody", "ABD", "mailbox.set", false, nil,
			writing(registry.WritingPatch{AutoBCC: &watch, AutoCC: &other})},
		{"copy to nobody any more", "ABD", "mailbox.set", false, written(registry.WritingPatch{AutoCC: &watch}),
			writing(registry.WritingPatch{AutoCC: &mail.Address{}})},
		{"ask when the time has come", "OKABMSD", "mailbox.set", false, nil,
			writing(registry.WritingPatch{Timing: ptr(mail.ScheduleFirst), Configured: ptr(true)})},
		{"take no mail for later", "OKABMSDTGQ", "mailbox.set", false, nil,
			writing(registry.WritingPatch{Unscheduled: ptr(true)})},
		{"take mail for later again", "ABMSD", "mailbox.set", false, written(registry.WritingPatch{Unscheduled: ptr(true)}),
			writing(registry.WritingPatch{Unscheduled: ptr(false)})},
		{"delete a mailbox", "ABMSD", "mailbox.delete", true, nil,
			func(h *fixture, tx store.Tx, p registry.Principal) error { return h.reg.DeleteMailbox(tx, p, box) }},
	}
}

func policyOperations() []operation {
	return []operation{
		{"close the account", "MSD", "account.close", true, nil,
			func(h *fixture, tx store.Tx, p registry.Principal) error { return h.reg.CloseAccount(tx, p) }},
		{"lift a legal hold", "ABD", "mailbox.set", false, kept,
			patch(registry.MailboxPatch{KeepPatch: registry.KeepPatch{LegalHold: ptr(false)}})},
		{"set the mailbox's oversight address", "ABD", "mailbox.set", true, nil,
			patch(registry.MailboxPatch{Oversight: &watch})},
		{"lengthen the hold", "ABD", "mailbox.set", true, nil,
			patch(registry.MailboxPatch{TTL: ptr(8 * 24 * time.Hour)})},
		{"shorten the hold", "ABMSD", "mailbox.set", true, nil,
			patch(registry.MailboxPatch{TTL: ptr(time.Hour)})},
		{"loosen the mode by one", "ABD", "mode.loosen", true, nil, mode(mail.Monitored)},
		{"loosen the mode from read_only", "ABD", "mode.loosen", true,
			inMode(mail.ReadOnly), mode(mail.GatedAll)},
		{"tighten the mode by one", "OKABMSDTGQ", "mode.tighten", true, nil, mode(mail.GatedAll)},
		{"tighten the mode from autonomous", "OKABMSDTGQ", "mode.tighten", true,
			inMode(mail.Autonomous), mode(mail.ReadOnly)},
		{"allow a recipient", "ABD", "allow.add", true, nil,
			func(h *fixture, tx store.Tx, p registry.Principal) error {
				_, err := h.reg.AllowAdd(tx, p, box, "*@friend.test", "")
				return err
			}},
		{"take a recipient off the allowlist", "OKABMSDTGQ", "allow.remove", true, listed,
			func(h *fixture, tx store.Tx, p registry.Principal) error {
				l, err := h.reg.Allowlist(tx, box)
				if err != nil {
					return err
				}
				return h.reg.AllowRemove(tx, p, box, l[0].ID)
			}},
		{"freeze everything", "AMSDT", "freeze", true, nil, freeze("all")},
		{"freeze a domain", "AMSDT", "freeze", true, nil, freeze("domain:example.test")},
		{"freeze a mailbox", "OKABMSDTGQ", "freeze", true, nil, freeze("mailbox:demo@example.test")},
		{"freeze an agent", "OKAMSDTG", "freeze", true, nil, freeze("agent:demo")},
		{"thaw everything", "AD", "thaw", true, frozen("all"), thaw("all")},
		{"thaw a domain", "AD", "thaw", true,
			frozen("domain:example.test"), thaw("domain:example.test")},
		{"thaw a mailbox", "ABD", "thaw", true,
			frozen("mailbox:demo@example.test"), thaw("mailbox:demo@example.test")},
		{"thaw an agent", "AD", "thaw", true, frozen("agent:demo"), thaw("agent:demo")},
	}
}

func credentialOperations() []operation {
	only := []mail.Address{box}
	return []operation{
		{"reset a password", "MSD", "agent.password", false, nil,
			func(h *fixture, tx store.Tx, p registry.Principal) error {
				_, err := h.reg.ResetPassword(tx, p, "demo")
				return err
			}},
		{"add a certificate", "MSD", "certificate.add", false, nil,
			func(h *fixture, tx store.Tx, p registry.Principal) error {
				_, err := h.reg.AddCertificate(tx, p, registry.CertificateRequest{Agent: "demo", SAN: "dns:x.test"})
				return err
			}},
		{"revoke a certificate", "AMSDT", "certificate.revoke", false,
			func(h *fixture) { h.certify(registry.CertificateRequest{Agent: "demo", SAN: "dns:x.test"}) },
			func(h *fixture, tx store.Tx, p registry.Principal) error {
				all, err := h.reg.Certificates(tx)
				if err != nil {
					return err
				}
				return h.reg.RevokeCertificate(tx, p, all[0].ID)
			}},
		{"make an agent's key", "MSD", "key.create", false, nil,
			issue(registry.KeyRequest{Kind: "agent", Owner: "demo"})},
		{"make an admin's key", "MSD", "key.create", false, nil,
			issue(registry.KeyRequest{Kind: "admin", Owner: "new", Scopes: scopes("admin")})},
		{"make a key that reads the log", "MSD", "key.create", false, nil,
			issue(registry.KeyRequest{Kind: "admin", Owner: "new", Scopes: scopes("audit_read")})},
		{"make an admin's key that tightens", "MSD", "key.create", false, nil,
			issue(registry.KeyRequest{Kind: "admin", Owner: "new", Scopes: scopes("tighten")})},
		{"make another key of an approver", "AD", "key.create", false, nil,
			issue(registry.KeyRequest{
				Kind: "approver", Owner: "ann", Scopes: scopes("oversight")})},
		{"make a new approver", "AD", "key.create", false, nil,
			issue(registry.KeyRequest{
				Kind: "approver", Owner: "new", Scopes: scopes("oversight")})},
		{"make an approver that only sees", "AD", "key.create", false, nil,
			issue(registry.KeyRequest{
				Kind: "approver", Owner: "new", Scopes: scopes("oversight_read")})},
		{"make an approver of one mailbox", "ABD", "key.create", false, nil,
			issue(registry.KeyRequest{
				Kind: "approver", Owner: "new", Scopes: scopes("oversight"), Mailboxes: only})},
		{"take a scope from a key of the agent other", "XAMSDT", "key.set", false, nil, setKey("other", registry.KeyPatch{
			Scopes: scopes("read")})},
		{"rename a key of the agent other", "MSD", "key.set", false, nil, setKey("other", registry.KeyPatch{
			Name: ptr("label")})},
		{"rename an approver's key", "AD", "key.set", false, nil, setKey("ann", registry.KeyPatch{Name: ptr("label")})},
		{"revoke a key of the agent other", "XAMSDT", "key.revoke", false, nil,
			func(h *fixture, tx store.Tx, p registry.Principal) error {
				keys, err := h.reg.Keys(tx)
				for _, k := range keys {
					if k.Owner == "other" {
						return errors.Join(err, h.reg.RevokeKey(tx, p, k.ID))
					}
				}
				return errors.Join(err, errors.New("other has no key"))
			}},
	}
}

// setKey changes the first key of an owner.
func setKey(owner string, patch registry.KeyPatch) func(*fixture, store.Tx, registry.Principal) error {
	return func(h *fixture, tx store.Tx, p registry.Principal) error {
		keys, err := h.reg.Keys(tx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(keys, func(k registry.Key) bool { return k.Owner == owner })
		if i < 0 {
			return errors.New(owner + " has no key")
		}
		_, err = h.reg.SetKey(tx, p, keys[i].ID, patch)
		return err
	}
}

func grant(h *fixture, tx store.Tx, p registry.Principal) error {
	return h.reg.GrantMailbox(tx, p, box, "other")
}

func patch(m registry.MailboxPatch) func(*fixture, store.Tx, registry.Principal) error {
	return func(h *fixture, tx store.Tx, p registry.Principal) error {
		_, err := h.reg.SetMailbox(tx, p, box, m)
		return err
	}
}

func mode(m mail.Mode) func(*fixture, store.Tx, registry.Principal) error {
	return func(h *fixture, tx store.Tx, p registry.Principal) error {
		_, err := h.reg.SetMode(tx, p, box, m)
		return err
	}
}

func freeze(s string) func(*fixture, store.Tx, registry.Principal) error {
	return func(h *fixture, tx store.Tx, p registry.Principal) error {
		scope, err := registry.ParseFreezeScope(s)
		if err != nil {
			return err
		}
		return h.reg.Freeze(tx, p, scope, "because")
	}
}

func thaw(s string) func(*fixture, store.Tx, registry.Principal) error {
	return func(h *fixture, tx store.Tx, p registry.Principal) error {
		scope, err := registry.ParseFreezeScope(s)
		if err != nil {
			return err
		}
		return h.reg.Thaw(tx, p, scope)
	}
}

func issue(q registry.KeyRequest) func(*fixture, store.Tx, registry.Principal) error {
	return func(h *fixture, tx store.Tx, p registry.Principal) error {
		_, _, err := h.reg.AddKey(tx, p, q)
		return err
	}
}

func inMode(m mail.Mode) func(*fixture) {
	return func(h *fixture) {
		h.must(func(tx store.Tx) error { return mode(m)(h, tx, dev) })
	}
}

func listed(h *fixture) {
	h.must(func(tx store.Tx) error {
		_, err := h.reg.AllowAdd(tx, dev, box, "friend@friend.test", "")
		return err
	})
}

func frozen(s string) func(*fixture) {
	return func(h *fixture) {
		h.must(func(tx store.Tx) error { return freeze(s)(h, tx, dev) })
	}
}

func scopes(s ...registry.Scope) []registry.Scope { return s }

func ptr[T any](v T) *T { return &v }
