package registry_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

func TestEveryErrorIsForDoorsAndForErrorsIs(t *testing.T) {
	h := open(t)
	for _, c := range []struct {
		name string
		do   func(store.Tx) error
		want *mail.Error
		text string
	}{
		{"not found", func(tx store.Tx) error {
			_, err := h.reg.Agent(tx, "nobody")
			return err
		}, registry.ErrNotFound, "not_found: no agent"},
		{"exists", func(tx store.Tx) error {
			_, err := h.reg.AddDomain(tx, dev, "EXAMPLE.test")
			return err
		}, registry.ErrExists, "conflict: domain example.test"},
		{"forbidden", func(tx store.Tx) error {
			return h.reg.EnableAgent(tx, socket, "demo")
		}, registry.ErrForbidden, "forbidden: enabling an agent loosens"},
		{"invalid", func(tx store.Tx) error {
			_, _, err := h.reg.AddAgent(tx, dev, "No Name", "")
			return err
		}, registry.ErrInvalid, "invalid: a name is"},
		{"credentials", func(tx store.Tx) error {
			return h.reg.EnableAgent(tx, registry.Principal{}, "demo")
		}, registry.ErrCredentials, "unauthorised: authentication"},
	} {
		err := h.update(c.do)
		var public *mail.Error
		if !errors.Is(err, c.want) || !errors.As(err, &public) {
			t.Errorf("%s: got %v", c.name, err)
			continue
		}
		if !strings.HasPrefix(public.Error(), c.text) || public.Kind != c.want.Kind {
			t.Errorf("%s: got %v", c.name, public)
		}
	}
	if !errors.Is(registry.ErrNotFound, mail.ErrNotFound) {
		t.Error("doors would not answer 404")
	}
}

// A fault of the store is never given as an answer about what is here.
func TestADamagedRecordIsAFaultAndNotARefusal(t *testing.T) {
	h := open(t)
	_, secret, err := h.key(socket, registry.KeyRequest{Kind: "agent", Owner: "demo"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := h.byKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	h.db.Edit(func(kv map[string][]byte) {
		for key := range kv {
			if !strings.HasPrefix(key, "audit") {
				kv[key] = []byte("{")
			}
		}
	})
	tries := map[string]func(store.Tx) error{
		"ByKey": func(tx store.Tx) error { _, err := h.reg.ByKey(tx, secret); return err },
		"ByPassword": func(tx store.Tx) error {
			_, err := h.reg.ByPassword(tx, "demo", "")
			return err
		},
		"by address": func(tx store.Tx) error {
			_, err := h.reg.ByPassword(tx, box.String(), "")
			return err
		},
		"Current": func(tx store.Tx) error { _, err := h.reg.Current(tx, p); return err },
		"Frozen": func(tx store.Tx) error {
			frozen, err := h.reg.Frozen(tx, "demo", box)
			if !frozen {
				t.Error("not frozen while nobody knows")
			}
			return err
		},
		"Allowed": func(tx store.Tx) error {
			ok, err := h.reg.Allowed(tx, box, []mail.Address{other})
			if ok {
				t.Error("allowed while nobody knows")
			}
			return err
		},
		"Epoch":   func(tx store.Tx) error { _, err := h.reg.Epoch(tx); return err },
		"SetMode": func(tx store.Tx) error { return mode(mail.ReadOnly)(h, tx, dev) },
		"Agents":  func(tx store.Tx) error { _, err := h.reg.Agents(tx); return err },
	}
	for name, do := range tries {
		var public *mail.Error
		if err := h.update(do); err == nil || errors.As(err, &public) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestTheFirstOversightAddressIsConfigurationAndTheNextIsNot(t *testing.T) {
	h := empty(t)
	set := func(p registry.Principal, o registry.Operator) error {
		return h.update(func(tx store.Tx) error { return h.reg.SetOperator(tx, p, o) })
	}
	for _, step := range []struct {
		name string
		by   registry.Principal
		o    registry.Operator
		want error
	}{
		{"no name", socket, registry.Operator{Oversight: watch}, registry.ErrInvalid},
		{"a name with a line end", socket, registry.Operator{Name: "a\nb"}, registry.ErrInvalid},
		{"a name", socket, registry.Operator{Name: "Example"}, nil},
		{"the first address", socket, registry.Operator{Name: "Example", Oversight: watch}, nil},
		{"another", socket,
			registry.Operator{Name: "Example", Oversight: third}, registry.ErrForbidden},
		{"none again", socket, registry.Operator{Name: "Example"}, registry.ErrForbidden},
		{"another by who may", dev, registry.Operator{Name: "Example", Oversight: third}, nil},
	} {
		if err := set(step.by, step.o); !errors.Is(err, step.want) {
			t.Errorf("%s: got %v, want %v", step.name, err, step.want)
		}
	}
}

func TestListsAreInOrder(t *testing.T) {
	h := open(t)
	h.must(func(tx store.Tx) error {
		agents, err := h.reg.Agents(tx)
		if err != nil || len(agents) != 2 || agents[0].Name != "demo" {
			t.Errorf("agents: %+v, %v", agents, err)
		}
		boxes, err := h.reg.Mailboxes(tx)
		if err != nil || len(boxes) != 3 || boxes[0].Address != box || boxes[2].Address != second {
			t.Errorf("mailboxes: %+v, %v", boxes, err)
		}
		domains, err := h.reg.Domains(tx)
		if err != nil || len(domains) != 1 {
			t.Errorf("domains: %+v, %v", domains, err)
		}
		return nil
	})
}

// What could point at a person stands only among the openings, which can be
// kept apart; the leaves stay for ever.
func TestNoLeafOfTheLogNamesAPersonOrAnAddress(t *testing.T) {
	h := open(t)
	ann := h.holder("approver", "ann-approver", nil, "oversight")
	ann.IP = "192.0.2.77"
	h.must(func(tx store.Tx) error {
		_, err := h.reg.AllowAdd(tx, ann, box, "pal@friend.test", "a private note")
		return errors.Join(err,
			h.reg.Freeze(tx, ann,
				registry.FreezeScope{Kind: "mailbox", Name: box.Key()}, "a reason"),
			patch(registry.MailboxPatch{Oversight: &third, DisplayName: nil})(h, tx, ann),
			patch(registry.MailboxPatch{DisplayName: ptr("A. Person")})(h, tx, socket),
			mode(mail.ReadOnly)(h, tx, ann),
			h.reg.NoteAuthFailure(tx, registry.RefusedLogin{Origin: registry.Origin{Door: "smtp", IP: ann.IP},
				By: registry.CredentialPassword, User: "eve@evil.test\xff"}))
	})
	personal := []string{
		"ann-approver", "192.0.2.77", "pal@friend.test", "a private note", "a reason",
		"@example.test", "A. Person", "eve@evil.test", ann.Credential.ID,
	}
	opened := map[string]bool{}
	for _, e := range h.entries() {
		for _, word := range personal {
			if strings.Contains(e.Leaf, word) {
				t.Errorf("%q stands in the leaf of %s", word, e.Record().Kind)
			}
			for _, o := range e.Open {
				opened[word] = opened[word] || strings.Contains(o.Value, word)
			}
		}
	}
	for _, word := range personal {
		if !opened[word] {
			t.Errorf("%q was not recorded at all", word)
		}
	}
}

func TestAFailedLoginIsRecordedWithItsDoor(t *testing.T) {
	h := open(t)
	h.must(func(tx store.Tx) error {
		return h.reg.NoteAuthFailure(tx, registry.RefusedLogin{Origin: registry.Origin{Door: "smtp", IP: "192.0.2.1"},
			By: registry.CredentialPassword, User: strings.Repeat("\xff", 1<<16)})
	})
	l := h.entries()
	last := l[len(l)-1].Record()
	if last.Kind != audit.AuthFail || last.Facts["door"] != "smtp" || last.Private["ip"] != "192.0.2.1" ||
		last.Private["user"] == "" || len(last.Private["user"]) > 1024 {
		t.Errorf("got %s %v %v", last.Kind, last.Facts, last.Private)
	}
}
