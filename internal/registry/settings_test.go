package registry_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

func (h *fixture) verify() (audit.Report, error) {
	return h.log.Verify(ctx, h.db, audit.Options{Settings: h.reg.Settings()})
}

// settled is an installation with everything that can be set.
func settled(t testing.TB) *fixture {
	h := open(t)
	callers(h)
	h.mustBind(robot)
	h.certify(registry.CertificateRequest{Agent: "demo", SAN: "dns:demo.agents.test"})
	h.must(func(tx store.Tx) error {
		if _, err := h.reg.AllowAdd(tx, dev, box, "*@friend.test", "a note"); err != nil {
			return err
		}
		for _, do := range []func(*fixture, store.Tx, registry.Principal) error{
			mode(mail.Monitored), patch(registry.MailboxPatch{Oversight: &third, DisplayName: ptr("Ünser Büro")}),
			patch(registry.MailboxPatch{RefPolicy: ptr(mail.RefNone)}),
			freeze("all"), freeze("agent:demo"), freeze("mailbox:other@example.test"), freeze("domain:example.test"),
		} {
			if err := do(h, tx, dev); err != nil {
				return err
			}
		}
		return nil
	})
	return h
}

// Whatever the registry writes, the entries say the same as the records.
func TestTheLogSaysWhatTheRecordsSayAfterEveryOperation(t *testing.T) {
	base := settled(t)
	r, err := base.verify()
	if err != nil || r.Settings < 30 || !strings.Contains(r.String(), "settings compared") {
		t.Fatalf("%s: %v", r, err)
	}
	open := open(t)
	callers(open)
	for _, d := range operations() {
		h := open.clone(t)
		if d.before != nil {
			d.before(h)
		}
		h.must(func(tx store.Tx) error { return d.do(h, tx, dev) })
		if _, err := h.verify(); err != nil {
			t.Errorf("%s: %v", d.name, err)
		}
	}
}

// edited changes fields of the JSON of one record.
func edited(key string, fields map[string]any) func(kv map[string][]byte) {
	return func(kv map[string][]byte) {
		v := map[string]any{}
		if kv[key] == nil || json.Unmarshal(kv[key], &v) != nil {
			panic("no record at " + key)
		}
		maps.Copy(v, fields)
		kv[key], _ = json.Marshal(v)
	}
}

func copied(from, to string) func(kv map[string][]byte) {
	return func(kv map[string][]byte) { kv[to] = bytes.Clone(kv[from]) }
}

func removed(key string) func(kv map[string][]byte) {
	return func(kv map[string][]byte) { delete(kv, key) }
}

// An edit is a change of the records of settled that no entry says, and what a
// verification says of it.
type edit struct {
	name string
	edit func(kv map[string][]byte)
	why  string
}

func TestASettingThatWasEditedInTheStoreIsFound(t *testing.T) {
	base := settled(t)
	for _, e := range slices.Concat(mailboxEdits(), agentEdits(), stopEdits(base), keyEdits(base),
		bindingEdits(base), certificateEdits(base)) {
		h := base.clone(t)
		h.db.Edit(e.edit)
		if _, err := h.verify(); err == nil || !strings.Contains(err.Error(), e.why) {
			t.Errorf("%s: got %v, want %q", e.name, err, e.why)
		}
	}
}

func mailboxEdits() []edit {
	const demo, second = "registry/mailbox/demo@example.test", "registry/mailbox/second@example.test"
	return []edit{
		{"a mode", edited(second, map[string]any{"mode": "autonomous"}),
			`mode of second@example.test: the record says "autonomous", the log says "gated_send"`},
		{"the oversight address of a mailbox", edited(demo, map[string]any{"oversight": "eve@evil.test"}),
			"oversight address of demo@example.test"},
		{"a display name", edited(demo, map[string]any{"display_name": "Eve"}), "display name of demo@example.test"},
		{"how the header names the agent", edited(demo, map[string]any{"agent_ref": "plain"}),
			`name of the agent in headers of demo@example.test: the record says nothing, the log says "none"`},
		{"how the header names the agent of another", edited(second, map[string]any{"agent_ref": "hmac"}),
			"name of the agent in headers of second@example.test"},
		{"a mailbox is gone", removed(second), "mode of second@example.test: the record says nothing"},
		{"a mailbox in the place of another", copied(demo, second), "is that of registry/mailbox/demo@"},
		{"a mailbox of an agent", copied("registry/uses/demo/demo@example.test", "registry/uses/other/demo@example.test"),
			"agent other of mailbox demo@example.test"},
		{"an agent of a mailbox", edited(demo, map[string]any{"agents": []string{"demo", "ended", "eve"}}),
			"not in the index"},
		{"a record that cannot be read", func(kv map[string][]byte) { kv[demo] = []byte("{") },
			"read registry/mailbox/demo@"},
	}
}

func agentEdits() []edit {
	return []edit{
		{"the oversight address of the operator", edited("registry/operator", map[string]any{"oversight": "eve@evil.test"}),
			"oversight address of the operator"},
		{"the name of the operator", edited("registry/operator", map[string]any{"name": "Eve"}), "name of the operator"},
		{"an agent is enabled", edited("registry/agent/ended", map[string]any{"disabled": false}), "disabled agent ended"},
		{"an agent is disabled", edited("registry/agent/demo", map[string]any{"disabled": true}), "disabled agent demo"},
		{"the reference of an agent", edited("registry/agent/demo", map[string]any{"ref": "eve"}), "agent demo"},
		{"a domain", copied("registry/domain/example.test", "registry/domain/evil.test"), "is that of"},
		{"the epoch is set back", func(kv map[string][]byte) { kv["registry/epoch"] = []byte("1") }, "epoch of policy"},
	}
}

func stopEdits(h *fixture) []edit {
	pattern := h.record("allow/", "")
	return []edit{
		{"a pattern", edited(pattern, map[string]any{"pattern": "*@evil.test"}), "on the allowlist of demo@example.test"},
		{"a pattern is gone", removed(pattern), "the record says nothing"},
		{"a pattern in another list", copied(pattern, strings.Replace(pattern, "demo@", "second@", 1)),
			"on the allowlist of second@example.test"},
		{"a freeze of all is gone", removed("freeze/all"), "freeze of all"},
		{"a freeze of an agent is gone", removed("freeze/agent:demo"), "freeze of agent:demo"},
		{"a freeze of a mailbox is gone", removed("freeze/mailbox:other@example.test"), "freeze of mailbox:other@"},
		{"a freeze of a domain is gone", removed("freeze/domain:example.test"), "freeze of domain:example.test"},
		{"a freeze in the place of another", copied("freeze/agent:demo", "freeze/all"), "is that of freeze/agent:demo"},
	}
}

func keyEdits(h *fixture) []edit {
	key, revoked := h.record("key/", `"owner":"ann"`), h.record("key/", "revoked_at")
	return []edit{
		{"the scopes of a key", edited(key, map[string]any{"scopes": []string{"oversight_read"}}), "with oversight_read"},
		{"the owner of a key", edited(key, map[string]any{"owner": "eve"}), "approver eve"},
		{"the mailboxes of a key", edited(key, map[string]any{"mailboxes": []string{"demo@example.test"}}), "for demo@"},
		{"a key is gone", removed(key), "the record says nothing"},
		{"a key is revoked", edited(key, map[string]any{"revoked_at": "2031-05-04T12:00:00Z"}), `says "revoked"`},
		{"a key is not revoked any more", edited(revoked, map[string]any{"revoked_at": "0001-01-01T00:00:00Z"}),
			`the log says "revoked"`},
	}
}

// record returns the key of a record below a prefix that has a text in it.
func (h *fixture) record(prefix, text string) string {
	h.t.Helper()
	for key, value := range h.db.All() {
		if strings.HasPrefix(key, prefix) && bytes.Contains(value, []byte(text)) {
			return key
		}
	}
	h.t.Fatalf("no record below %s has %s", prefix, text)
	return ""
}
