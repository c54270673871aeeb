package registry_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

func TestALoginIsTheNameOfAnAgentOrAnAddressItUses(t *testing.T) {
	h := open(t)
	h.must(func(tx store.Tx) error { return h.reg.GrantMailbox(tx, socket, box, "other") })
	for _, c := range []struct {
		name, user string
		ok         bool
	}{
		{"its name", "demo", true},
		{"its address", "demo@example.test", true},
		{"its address in capitals", "DEMO@EXAMPLE.TEST", true},
		{"its other address", "second@example.test", true},
		{"its address in quotes", `"demo"@example.test`, true},
		{"another agent's name", "other", false},
		{"another agent's address", "other@example.test", false},
		{"no name", "", false},
		{"a name in capitals", "DEMO", false},
		{"a name with a blank", "demo ", false},
		{"a name and a NUL", "demo\x00", false},
		{"a name, a NUL and a name", "demo\x00other", false},
		{"an encoded NUL", "demo%00", false},
		{"a filter that is always true", "*)(uid=*", false},
		{"a quote and a comment", "demo'--", false},
		{"a star", "*", false},
		{"a path", "../agent/demo", false},
		{"a path to the same record", "x/../demo", false},
		{"a domain alone", "@example.test", false},
		{"a subdomain", "demo@mail.example.test", false},
		{"two addresses", "demo@example.test,other@example.test", false},
		{"an address in brackets", "<demo@example.test>", false},
		{"a detail", "demo+x@example.test", false},
		{"a line end", "demo\r\n", false},
		{"no UTF-8", "demo\xff", false},
		{"a name without end", strings.Repeat("a", 1<<20), false},
	} {
		p, err := h.byPassword(c.user, h.password)
		if c.ok && (err != nil || p.ID() != "agent:demo" ||
			p.Credential.Kind != registry.CredentialPassword || !p.Covers(second)) {
			t.Errorf("%s: got %+v, %v", c.name, p, err)
		}
		if !c.ok && !errors.Is(err, registry.ErrCredentials) {
			t.Errorf("%s: got %v", c.name, err)
		}
		if _, err := h.byPassword(c.user, ""); !errors.Is(err, registry.ErrCredentials) {
			t.Errorf("%s with an empty password: %v", c.name, err)
		}
	}
}

func TestASharedMailboxKnowsItsAgentsByTheirPasswords(t *testing.T) {
	h := open(t)
	var secret string
	h.must(func(tx store.Tx) (err error) {
		if err := h.reg.GrantMailbox(tx, socket, box, "other"); err != nil {
			return err
		}
		secret, err = h.reg.ResetPassword(tx, socket, "other")
		return err
	})
	for password, want := range map[string]string{h.password: "agent:demo", secret: "agent:other"} {
		if p, err := h.byPassword(box.String(), password); err != nil || p.ID() != want {
			t.Errorf("got %s, %v; want %s", p.ID(), err, want)
		}
	}
}

func TestAResetEndsTheOldPasswordAndItsSessions(t *testing.T) {
	h := open(t)
	p, err := h.byPassword("demo", h.password)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.current(p); err != nil {
		t.Errorf("before the reset: %v", err)
	}
	var secret string
	h.must(func(tx store.Tx) (err error) {
		secret, err = h.reg.ResetPassword(tx, socket, "demo")
		return err
	})
	if !regexp.MustCompile(`^[A-Z2-7]{26,}$`).MatchString(secret) || secret == h.password {
		t.Errorf("the new password has the wrong form")
	}
	if _, err := h.current(p); !errors.Is(err, registry.ErrCredentials) {
		t.Errorf("the session goes on: %v", err)
	}
	if _, err := h.byPassword("demo", h.password); !errors.Is(err, registry.ErrCredentials) {
		t.Errorf("the old password still opens: %v", err)
	}
	if _, err := h.byPassword("demo", secret); err != nil {
		t.Errorf("the new password does not open: %v", err)
	}
}

func TestNoCredentialOfADisabledAgentOpens(t *testing.T) {
	h := open(t)
	_, secret, err := h.key(socket, registry.KeyRequest{Kind: "agent", Owner: "demo"})
	if err != nil {
		t.Fatal(err)
	}
	login, _ := h.byPassword("demo", h.password)
	h.must(func(tx store.Tx) error { return h.reg.DisableAgent(tx, socket, "demo") })
	_, e1 := h.byKey(secret)
	_, e2 := h.byPassword("demo", h.password)
	_, e3 := h.byPassword("demo@example.test", h.password)
	_, e4 := h.current(login)
	for i, err := range []error{e1, e2, e3, e4} {
		if !errors.Is(err, registry.ErrCredentials) {
			t.Errorf("%d: %v", i+1, err)
		}
	}
	h.must(func(tx store.Tx) error { return h.reg.EnableAgent(tx, dev, "demo") })
	if _, err := h.byKey(secret); err != nil {
		t.Errorf("after enabling: %v", err)
	}
}

// Every refusal says the same, so nobody learns which names are here.
func TestRefusedCredentialsLookAlike(t *testing.T) {
	h := open(t)
	_, e1 := h.byPassword("demo", "wrong")
	_, e2 := h.byPassword("nobody", "wrong")
	_, e3 := h.byKey("mm_live_wrong")
	for _, err := range []error{e1, e2, e3} {
		var public *mail.Error
		if !errors.As(err, &public) || public != registry.ErrCredentials || public.Word() != "unauthorised" {
			t.Errorf("got %v", err)
		}
	}
}

func FuzzByPassword(f *testing.F) {
	h := open(f)
	for _, user := range []string{
		"demo", "demo@example.test", "*)(uid=*", "a\x00b", "\u212A@x.test",
	} {
		f.Add(user, "password")
	}
	f.Fuzz(func(t *testing.T, user, password string) {
		_, err := h.byPassword(user, password)
		if password != h.password && !errors.Is(err, registry.ErrCredentials) {
			t.Errorf("%q %q: %v", user, password, err)
		}
	})
}
