package registry_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

func (h *fixture) isFrozen(agent string, addr mail.Address) (frozen bool, err error) {
	err = h.db.View(ctx, func(tx store.Tx) error {
		frozen, err = h.reg.Frozen(tx, agent, addr)
		return err
	})
	return frozen, err
}

func TestAFreezeStopsWhatItNamesAndNothingElse(t *testing.T) {
	base := open(t)
	base.must(func(tx store.Tx) error {
		_, err := base.reg.AddDomain(tx, socket, "sub.example.test")
		if err != nil {
			return err
		}
		_, err = base.reg.AddMailbox(tx, socket,
			mail.MustAddress("demo@sub.example.test"), []string{"demo"})
		return err
	})
	for _, c := range []struct {
		scope                      string
		demo, second, other, below bool
	}{
		{"all", true, true, true, true},
		{"agent:demo", true, true, false, true},
		{"mailbox:demo@example.test", true, false, false, false},
		{"mailbox:DEMO@Example.Test", true, false, false, false},
		{"domain:example.test", true, true, true, false},
		{"domain:sub.example.test", false, false, false, true},
	} {
		h := base.clone(t)
		check := func(when string, on bool) {
			t.Helper()
			for _, m := range []struct {
				agent string
				addr  mail.Address
				want  bool
			}{
				{"demo", mail.MustAddress("DEMO@example.test"), c.demo},
				{"demo", second, c.second},
				{"other", other, c.other},
				{"demo", mail.MustAddress("Demo@Sub.example.test"), c.below},
			} {
				if got, err := h.isFrozen(m.agent, m.addr); got != (m.want && on) || err != nil {
					t.Errorf("%s %s: %s is frozen: %t, %v", c.scope, when, m.addr, got, err)
				}
			}
		}
		check("before", false)
		h.must(func(tx store.Tx) error { return freeze(c.scope)(h, tx, socket) })
		check("frozen", true)
		h.must(func(tx store.Tx) error { return thaw(c.scope)(h, tx, dev) })
		check("thawed", false)
	}
}

func TestADisabledOrUnknownAgentIsFrozen(t *testing.T) {
	h := open(t)
	h.must(func(tx store.Tx) error { return h.reg.DisableAgent(tx, socket, "demo") })
	for _, agent := range []string{"demo", "nobody", ""} {
		if got, err := h.isFrozen(agent, box); !got || err != nil {
			t.Errorf("%q: got %t, %v", agent, got, err)
		}
	}
}

func TestThawingOneFreezeLeavesTheOthers(t *testing.T) {
	h := open(t)
	h.must(func(tx store.Tx) error {
		return errors.Join(
			freeze("all")(h, tx, socket), freeze("agent:demo")(h, tx, socket),
			thaw("all")(h, tx, dev))
	})
	if got, _ := h.isFrozen("demo", box); !got {
		t.Error("the agent's own freeze is gone")
	}
	h.must(func(tx store.Tx) error {
		l, err := h.reg.Freezes(tx)
		if err != nil || len(l) != 1 || l[0].Scope.String() != "agent:demo" ||
			l[0].By != "socket:1000" || l[0].Reason != "because" || !l[0].At.Equal(zone) {
			t.Errorf("got %+v, %v", l, err)
		}
		return nil
	})
}

func TestFreezingTwiceKeepsTheFirstAndRecordsOne(t *testing.T) {
	h := open(t)
	h.must(func(tx store.Tx) error { return h.reg.Freeze(tx, socket, all, "first") })
	n, epoch := len(h.entries()), h.epoch()
	h.must(func(tx store.Tx) error { return h.reg.Freeze(tx, dev, all, "second") })
	if len(h.entries()) != n || h.epoch() != epoch {
		t.Error("a freeze that changed nothing was recorded")
	}
	h.must(func(tx store.Tx) error {
		l, err := h.reg.Freezes(tx)
		if len(l) != 1 || l[0].Reason != "first" {
			t.Errorf("got %+v", l)
		}
		return err
	})
}

func TestAMisspeltFreezeIsRefusedNotIgnored(t *testing.T) {
	h := open(t)
	for s, want := range map[string]error{
		"agent:dmeo":             registry.ErrNotFound,
		"mailbox:x@example.test": registry.ErrNotFound,
		"domain:hosue.test":      registry.ErrNotFound,
		"":                       registry.ErrInvalid,
		"al":                     registry.ErrInvalid,
		"all:":                   registry.ErrInvalid,
		"all:x":                  registry.ErrInvalid,
		"ALL":                    registry.ErrInvalid,
		"agent":                  registry.ErrInvalid,
		"agent:":                 registry.ErrInvalid,
		"agent:Demo":             registry.ErrInvalid,
		"demo":                   registry.ErrInvalid,
		"agent:a/b":              registry.ErrInvalid,
		"key:x":                  registry.ErrInvalid,
	} {
		err := h.update(func(tx store.Tx) error { return freeze(s)(h, tx, dev) })
		if !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", s, err, want)
		}
	}
	for _, s := range []registry.FreezeScope{
		{}, {Kind: "agent"}, {Kind: "all", Name: "x"}, {Kind: "mailbox"}, {Kind: "x", Name: "y"},
		{Kind: "agent", Name: "demo/.."}, {Kind: "mailbox", Name: "demo"},
		{Kind: "domain", Name: "x"},
	} {
		var public *mail.Error
		err := h.update(func(tx store.Tx) error { return h.reg.Freeze(tx, dev, s, "") })
		if !errors.As(err, &public) || public.Temporary() {
			t.Errorf("%+v: got %v", s, err)
		}
	}
	err := h.update(func(tx store.Tx) error { return h.reg.Thaw(tx, dev, all) })
	if !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("thawed what was not frozen: %v", err)
	}
}

func FuzzParseFreezeScope(f *testing.F) {
	for _, s := range []string{"all", "agent:demo", "mailbox:A@b.test", "domain:B.test", "agent:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		scope, err := registry.ParseFreezeScope(s)
		if err != nil {
			return
		}
		again, err := registry.ParseFreezeScope(scope.String())
		if err != nil || again != scope {
			t.Errorf("%q: %+v reads back as %+v, %v", s, scope, again, err)
		}
		b, err := json.Marshal(scope)
		var back registry.FreezeScope
		if err != nil || json.Unmarshal(b, &back) != nil || back != scope {
			t.Errorf("%q: %s reads back as %+v, %v", s, b, back, err)
		}
	})
}
