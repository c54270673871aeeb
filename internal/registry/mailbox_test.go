package registry_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

func (h *fixture) mailbox(addr mail.Address) (m registry.Mailbox) {
	h.t.Helper()
	h.must(func(tx store.Tx) (err error) {
		m, err = h.reg.Mailbox(tx, addr)
		return err
	})
	return m
}

func TestAMailboxStartsGatedWhoeverAddsIt(t *testing.T) {
	h := open(t)
	admin := h.holder("admin", "max", nil, "admin")
	for i, p := range []registry.Principal{socket, dev, admin} {
		addr := mail.MustAddress(fmt.Sprintf("Box.%d@example.test", i))
		h.must(func(tx store.Tx) error {
			m, err := h.reg.AddMailbox(tx, p, addr, []string{"demo", "other", "demo"})
			if m.Mode != mail.GatedSend || !slices.Equal(m.Agents, []string{"demo", "other"}) {
				t.Errorf("by %s: got %+v", p.ID(), m)
			}
			return err
		})
		if m := h.mailbox(mail.MustAddress(strings.ToUpper(addr.String()))); m.Address != addr {
			t.Errorf("looked up in capitals: got %+v", m)
		}
	}
}

func TestAMailboxIsRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		addr   mail.Address
		agents []string
		want   error
	}{
		{"when its address is taken", box, []string{"other"}, registry.ErrExists},
		{"when its address is taken in other letters",
			mail.MustAddress("DEMO@example.test"), []string{"other"}, registry.ErrExists},
		{"when its domain is not here",
			mail.MustAddress("a@b.test"), []string{"demo"}, registry.ErrNotFound},
		{"when its domain is below one of ours",
			mail.MustAddress("a@b.example.test"), []string{"demo"}, registry.ErrNotFound},
		{"when an agent is not here", mail.MustAddress("new@example.test"), []string{"demo", "nobody"}, registry.ErrNotFound},
		{"when an agent's name is a path", mail.MustAddress("new@example.test"), []string{"demo/x"}, registry.ErrNotFound},
		{"when composing would refuse its address in From, for an @",
			mail.MustAddress(`"a@b"@example.test`), []string{"demo"}, registry.ErrInvalid},
		{"when composing would refuse its address in From, for a quote",
			mail.MustAddress(`"a \"b"@example.test`), []string{"demo"}, registry.ErrInvalid},
		{"without an agent", watch, nil, registry.ErrInvalid},
		{"without an address", mail.Address{}, []string{"demo"}, registry.ErrInvalid},
	} {
		h := open(t)
		err := h.update(func(tx store.Tx) error {
			_, err := h.reg.AddMailbox(tx, dev, c.addr, c.agents)
			return err
		})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

// Every pair of modes: what tightens is for the mailbox's agent and for an admin, what does
// not is for an approver, and the kind of the entry tells which it was.
func TestWhoMayChangeAModeFollowsFromWhetherItTightens(t *testing.T) {
	base := open(t)
	agent := base.holder("agent", "demo", nil, "send")
	approver := base.holder("approver", "ann", nil, "oversight")
	for _, from := range mail.Modes {
		for _, to := range mail.Modes {
			for _, p := range []registry.Principal{agent, socket, approver} {
				h := base.clone(t)
				if err := h.setMode(dev, box, from); err != nil {
					t.Fatal(err)
				}
				n, epoch := len(h.entries()), h.epoch()
				err := h.setMode(p, box, to)
				may := to == from || from.TightensTo(to) || p.Kind == "approver"
				if may != (err == nil) || !may && !errors.Is(err, registry.ErrForbidden) {
					t.Errorf("%s from %s to %s: %v", p.ID(), from, to, err)
				}
				want := from
				if may {
					want = to
				}
				if got := h.mailbox(box).Mode; got != want {
					t.Errorf("%s from %s to %s: the mode is %s", p.ID(), from, to, got)
				}
				changed := may && from != to
				if len(h.entries()) > n != changed || h.epoch() > epoch != changed {
					t.Errorf("%s from %s to %s: wrongly recorded", p.ID(), from, to)
				}
				kind := map[bool]audit.Kind{true: audit.ModeTighten, false: audit.ModeLoosen}[from.TightensTo(to)]
				if e := h.entries(); changed && e[len(e)-1].Record().Kind != kind {
					t.Errorf("%s from %s to %s: recorded as %s", p.ID(), from, to, e[len(e)-1].Record().Kind)
				}
			}
		}
	}
}

func TestSetModeReturnsTheModeBefore(t *testing.T) {
	h := open(t)
	h.must(func(tx store.Tx) error {
		before, err := h.reg.SetMode(tx, dev, box, mail.Autonomous)
		if before != mail.GatedSend {
			t.Errorf("got %s", before)
		}
		return err
	})
	err := h.setMode(dev, box, mail.Mode(9))
	if !errors.Is(err, registry.ErrInvalid) {
		t.Errorf("an unknown mode: %v", err)
	}
	if err := h.setMode(dev, watch, mail.ReadOnly); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("a mailbox that is not here: %v", err)
	}
}

func TestHoldsHaveALength(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct {
		ttl  time.Duration
		hold time.Duration
		want error
	}{
		{0, 7 * day, nil}, {registry.MinTTL, registry.MinTTL, nil}, {90 * day, 90 * day, nil},
		{registry.MinTTL - 1, 7 * day, registry.ErrInvalid},
		{-1, 7 * day, registry.ErrInvalid}, {90*day + 1, 7 * day, registry.ErrInvalid},
	} {
		h := open(t)
		err := h.update(func(tx store.Tx) error {
			return patch(registry.MailboxPatch{TTL: &c.ttl})(h, tx, dev)
		})
		if got := h.reg.Hold(h.mailbox(box)); got != c.hold || !errors.Is(err, c.want) {
			t.Errorf("%s: got %s, %v", c.ttl, got, err)
		}
	}
}

func TestGoingBackToADefaultCanBeLoosening(t *testing.T) {
	h := open(t)
	set := func(p registry.Principal, m registry.MailboxPatch) error {
		return h.update(func(tx store.Tx) error { return patch(m)(h, tx, p) })
	}
	if err := set(socket, registry.MailboxPatch{TTL: ptr(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if err := set(dev, registry.MailboxPatch{Oversight: &third}); err != nil {
		t.Fatal(err)
	}
	for _, m := range []registry.MailboxPatch{
		{TTL: ptr(time.Duration(0))},
		{Oversight: &mail.Address{}},
	} {
		if err := set(socket, m); !errors.Is(err, registry.ErrForbidden) {
			t.Errorf("%+v: %v", m, err)
		}
		if err := set(dev, m); err != nil {
			t.Errorf("%+v: %v", m, err)
		}
	}
}

func TestAPatchThatChangesNothingIsNotRecorded(t *testing.T) {
	h := open(t)
	n := len(h.entries())
	h.must(func(tx store.Tx) error {
		return errors.Join(
			patch(registry.MailboxPatch{})(h, tx, socket),
			patch(registry.MailboxPatch{DisplayName: ptr("")})(h, tx, socket),
			patch(registry.MailboxPatch{TTL: ptr(time.Duration(0))})(h, tx, socket),
			h.reg.GrantMailbox(tx, socket, box, "demo"),
			h.reg.SetOperator(tx, socket, registry.Operator{Name: "Example", Oversight: watch}))
	})
	if got := len(h.entries()); got != n {
		t.Errorf("%d entries for nothing", got-n)
	}
}

// A mailbox from before the setting, and one that went back to it, read alike.
func TestTheAgentIsNamedPlainlyUnlessTheMailboxSaysOtherwise(t *testing.T) {
	h := open(t)
	for _, ref := range []mail.RefPolicy{mail.RefPlain, mail.RefHMAC, mail.RefNone, mail.RefPlain} {
		h.must(func(tx store.Tx) error { return patch(registry.MailboxPatch{RefPolicy: &ref})(h, tx, socket) })
		h.must(func(tx store.Tx) error {
			m, err := h.reg.Mailbox(tx, box)
			if err != nil || m.RefPolicy != ref {
				t.Errorf("%s: %+v, %v", ref, m, err)
			}
			return nil
		})
		if _, err := h.verify(); err != nil {
			t.Errorf("%s: %v", ref, err)
		}
	}
	last := h.entries()[len(h.entries())-1].Record()
	if got := last.Facts["agent_ref"]; got != "plain" {
		t.Errorf("the entry says %q", got)
	}
	bad := mail.RefPolicy(9)
	err := h.update(func(tx store.Tx) error { return patch(registry.MailboxPatch{RefPolicy: &bad})(h, tx, socket) })
	if !errors.Is(err, registry.ErrInvalid) {
		t.Errorf("a fourth way: %v", err)
	}
}

func TestCopiesGoToTheMailboxesAddressOrElseTheOperators(t *testing.T) {
	h := open(t)
	h.must(func(tx store.Tx) error {
		return patch(registry.MailboxPatch{Oversight: &third})(h, tx, dev)
	})
	h.must(func(tx store.Tx) error {
		own, err := h.reg.Oversight(tx, box)
		if err != nil || own != third {
			t.Errorf("its own: got %s, %v", own, err)
		}
		general, err := h.reg.Oversight(tx, second)
		if err != nil || general != watch {
			t.Errorf("the operator's: got %s, %v", general, err)
		}
		_, err = h.reg.Oversight(tx, watch)
		if !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("a mailbox that is not here: %v", err)
		}
		return nil
	})
}

func TestDisplayNamesStayOnTheirLine(t *testing.T) {
	h := open(t)
	for name, want := range map[string]error{
		"Demo, the agent": nil, "Dämon": nil, "": nil,
		"a\r\nBcc: eve@evil.test": registry.ErrInvalid, "a\x00": registry.ErrInvalid,
		"\xff": registry.ErrInvalid, "a\u2028b": registry.ErrInvalid,
		"a\u200bb": registry.ErrInvalid, strings.Repeat("a", 201): registry.ErrInvalid,
	} {
		err := h.update(func(tx store.Tx) error {
			return patch(registry.MailboxPatch{DisplayName: &name})(h, tx, socket)
		})
		if !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", name, err, want)
		}
	}
}

// Where a mail is held for ten minutes by default, a week is not a shorter hold.
func TestTheDefaultHoldIsTheConfiguredOne(t *testing.T) {
	h := open(t)
	h.reg = registry.New(h.log, 10*time.Minute)
	for d, want := range map[time.Duration]error{6 * 24 * time.Hour: registry.ErrForbidden, 5 * time.Minute: nil} {
		err := h.update(func(tx store.Tx) error { return patch(registry.MailboxPatch{TTL: &d})(h, tx, socket) })
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", d, err, want)
		}
	}
}
