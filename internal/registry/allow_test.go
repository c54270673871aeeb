package registry_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

func (h *fixture) allow(addr mail.Address, patterns ...string) {
	h.t.Helper()
	h.must(func(tx store.Tx) error {
		for _, p := range patterns {
			if _, err := h.reg.AllowAdd(tx, dev, addr, p, "note"); err != nil {
				return err
			}
		}
		return nil
	})
}

func (h *fixture) allowed(addr mail.Address, rcpts ...mail.Address) (ok bool, err error) {
	err = h.db.View(ctx, func(tx store.Tx) error {
		ok, err = h.reg.Allowed(tx, addr, rcpts)
		return err
	})
	return ok, err
}

func TestAMailPassesWhenEveryRecipientIsListed(t *testing.T) {
	h := open(t)
	h.allow(box, "*@partner.test", "Ann@Friend.test", "odd%name@friend.test", "*@mail.wide.test")
	for _, c := range []struct {
		name  string
		rcpts string
		want  bool
	}{
		{"an address that is listed", "ann@friend.test", true},
		{"the same in other letters", "aNN@FRIEND.TEST", true},
		{"another address there", "bob@friend.test", false},
		{"anyone at a listed domain", "anyone@partner.test", true},
		{"anyone at it in capitals", "ANYONE@PARTNER.TEST", true},
		{"a detail at it", "any+one@partner.test", true},
		{"the star itself at it", "*@partner.test", true},
		{"two that are listed", "a@partner.test ann@friend.test", true},
		{"one that is listed and one that is not", "a@partner.test eve@evil.test", false},
		{"one that is not and one that is", "eve@evil.test a@partner.test", false},
		{"nobody", "", false},
		{"a subdomain", "a@sub.partner.test", false},
		{"the domain above", "a@wide.test", false},
		{"a domain that ends alike", "a@xpartner.test", false},
		{"a domain that begins alike", "a@partner.test.evil.test", false},
		{"the percent hack", "eve%evil.test@partner.test", false},
		{"a bang path", "evil.test!eve@partner.test", false},
		{"a bang path in quotes", `"eve"@partner.test`, true}, // parses to eve
		{"a quoted blank", `"e ve"@partner.test`, false},
		{"a percent sign that is listed whole", "odd%name@friend.test", true},
		{"a percent sign that is not", "odd%other@friend.test", false},
	} {
		var rcpts []mail.Address
		for _, s := range splitAddresses(c.rcpts) {
			rcpts = append(rcpts, mail.MustAddress(s))
		}
		if got, err := h.allowed(box, rcpts...); got != c.want || err != nil {
			t.Errorf("%s: got %t, %v", c.name, got, err)
		}
	}
	if got, _ := h.allowed(box, mail.Address{}); got {
		t.Error("the null address is allowed")
	}
	if got, _ := h.allowed(second, mail.MustAddress("a@partner.test")); got {
		t.Error("the list of one mailbox counts for another")
	}
	if _, err := h.allowed(watch, box); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("a mailbox that is not here: %v", err)
	}
}

// splitAddresses splits at blanks outside quotes.
func splitAddresses(s string) []string {
	quoted := false
	return strings.FieldsFunc(s, func(c rune) bool {
		quoted = quoted != (c == '"')
		return c == ' ' && !quoted
	})
}

// Each of these once carried a mail past a list of trusted domains somewhere.
// They are refused as addresses, or not covered by the domain's pattern.
func TestNoRoutingTrickPassesForATrustedDomain(t *testing.T) {
	h := open(t)
	h.allow(box, "*@partner.test")
	for _, s := range []string{
		"eve%evil.test@partner.test",
		"evil.test!eve@partner.test",
		"@partner.test:eve@evil.test",
		"@partner.test,@x.test:eve@evil.test",
		`"eve@evil.test"@partner.test`,
		`"eve@evil.test> "@partner.test`,
		`"@evil.test:eve"@partner.test`,
		`"eve%evil.test"@partner.test`,
		`"evil.test!eve"@partner.test`,
		"eve@evil.test@partner.test",
		"eve@evil.test,a@partner.test",
		"eve@evil.test a@partner.test",
		"eve@evil.test\x00@partner.test",
		"eve@evil.test\r\nRCPT TO:<a@partner.test>",
		"eve@evil.test(@partner.test)",
		"eve@partner.test.evil.test",
		"eve@partner.test@evil.test",
		"eve@[192.0.2.1]",
		"eve@partner.test.",
		"eve@.partner.test",
		"eve@partner\u3002test",
	} {
		a, err := mail.ParseAddress(s)
		if err != nil {
			continue
		}
		if ok, _ := h.allowed(box, a); ok {
			t.Errorf("%q passes as %s", s, a)
		}
	}
}

func TestPatternsAreAnAddressOrAWholeDomain(t *testing.T) {
	for _, c := range []struct {
		pattern, want string
	}{
		{"*@Partner.TEST", "*@partner.test"},
		{"Ann@Friend.test", "ann@friend.test"},
		{`"ann"@friend.test`, "ann@friend.test"},
		{"*", ""}, {"*@*", ""}, {"*@*.test", ""}, {"*@test", ""}, {"@partner.test", ""},
		{"partner.test", ""}, {"*@", ""}, {"*@partner.test.", ""}, {"*@.partner.test", ""},
		{"ann@friend.test,bob@friend.test", ""}, {"<ann@friend.test>", ""}, {"", ""},
		{"*@partner.test\x00", ""}, {"*@partner.test\r\n", ""}, {" *@partner.test", ""},
		{"*@192.0.2.1", ""},
	} {
		h := open(t)
		var got registry.AllowEntry
		err := h.update(func(tx store.Tx) (err error) {
			got, err = h.reg.AllowAdd(tx, dev, box, c.pattern, "")
			return err
		})
		if got.Pattern != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q: got %q, %v", c.pattern, got.Pattern, err)
		}
	}
}

func TestAllowlistRefusals(t *testing.T) {
	h := open(t)
	h.allow(box, "*@partner.test")
	for _, c := range []struct {
		name string
		do   func(store.Tx) error
		want error
	}{
		{"the same pattern again", func(tx store.Tx) error {
			_, err := h.reg.AllowAdd(tx, dev, box, "*@PARTNER.test", "")
			return err
		}, registry.ErrExists},
		{"a note that is too long", func(tx store.Tx) error {
			_, err := h.reg.AllowAdd(tx, dev, box, "a@b.test", strings.Repeat("x", 201))
			return err
		}, registry.ErrInvalid},
		{"a note with an escape", func(tx store.Tx) error {
			_, err := h.reg.AllowAdd(tx, dev, box, "a@b.test", "\x1b[2J")
			return err
		}, registry.ErrInvalid},
		{"a note that turns the text around", func(tx store.Tx) error {
			_, err := h.reg.AllowAdd(tx, dev, box, "a@b.test", "\u202Egnp.exe")
			return err
		}, registry.ErrInvalid},
		{"a mailbox that is not here", func(tx store.Tx) error {
			_, err := h.reg.AllowAdd(tx, dev, watch, "a@b.test", "")
			return err
		}, registry.ErrNotFound},
		{"removing what is not there", func(tx store.Tx) error {
			return h.reg.AllowRemove(tx, dev, box, string(mail.NewID(zone)))
		}, registry.ErrNotFound},
		{"removing a path", func(tx store.Tx) error {
			return h.reg.AllowRemove(tx, dev, box, "../"+second.Key())
		}, registry.ErrNotFound},
		{"removing another mailbox's entry", func(tx store.Tx) error {
			l, err := h.reg.Allowlist(tx, box)
			return errors.Join(err, h.reg.AllowRemove(tx, dev, second, l[0].ID))
		}, registry.ErrNotFound},
	} {
		if err := h.update(c.do); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func TestRemovingAnEntryBitesAtOnce(t *testing.T) {
	h := open(t)
	h.allow(box, "*@partner.test")
	a := mail.MustAddress("a@partner.test")
	if ok, _ := h.allowed(box, a); !ok {
		t.Fatal("not allowed to begin with")
	}
	h.must(func(tx store.Tx) error {
		l, err := h.reg.Allowlist(tx, box)
		if err != nil || len(l) != 1 || l[0].Note != "note" || !l[0].CreatedAt.Equal(zone) {
			t.Errorf("got %+v, %v", l, err)
		}
		return h.reg.AllowRemove(tx, dev, box, l[0].ID)
	})
	if ok, _ := h.allowed(box, a); ok {
		t.Error("still allowed")
	}
}

func FuzzAllowedDomain(f *testing.F) {
	h := open(f)
	h.allow(box, "*@partner.test")
	f.Add("eve%evil.test@partner.test")
	f.Add(`"a b"@partner.test`)
	f.Add("a@sub.partner.test")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := mail.ParseAddress(s)
		if err != nil {
			return
		}
		wire := a.String()
		at := strings.LastIndexByte(wire, '@')
		plain := wire[at:] == "@partner.test" && !strings.ContainsAny(wire[:at], `%!"@`)
		if ok, err := h.allowed(box, a); ok != plain || err != nil {
			t.Errorf("%q: got %t, %v", s, ok, err)
		}
	})
}
