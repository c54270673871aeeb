package api

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestEveryLineOfTheTableOfTiersIsAnOperation(t *testing.T) {
	found := 0
	for _, op := range Operations.Operations() {
		if op.Tier != TierNone {
			found++
		}
	}
	if found != len(tiers) || found < 19 {
		t.Errorf("%d operations have a tier, of %d lines", found, len(tiers))
	}
}

// The scope tighten stands where the tier says so, and nowhere else.
func TestTheScopeTightenFollowsFromTheTier(t *testing.T) {
	n := 0
	for _, op := range Operations.Operations() {
		has := slices.Contains(op.Scopes, ScopeTighten)
		if want := op.Tier.Tightens() && len(op.Scopes) > 0; has != want {
			t.Errorf("%s with the tier %q has the scopes %v", op.Name, op.Tier, op.Scopes)
		}
		if op.Tier == TierTighten {
			n++
		}
	}
	if n < 9 {
		t.Errorf("%d operations tighten", n)
	}
}

// What decides over mail that leaves, ends a freeze or stops something is never by code.
func TestNoCodeDecidesOrThawsOrStops(t *testing.T) {
	for _, name := range []string{"decide_email", "end_freeze", "start_freeze", "send_email", "revoke_api_key",
		"remove_allowlist_entry", "pin_domain", "enable_agent", "add_binding", "add_client"} {
		i := slices.IndexFunc(Operations.Operations(), func(o *Operation) bool { return o.Name == name })
		if i < 0 || Operations.Operations()[i].Tier.ByCode() {
			t.Errorf("%s: %d", name, i)
		}
	}
}

func TestATierAndItsRequestBelongTogether(t *testing.T) {
	type with struct {
		A string `json:"a" doc:"a"`
		Approval
	}
	type without struct {
		A string `json:"a" doc:"a"`
	}
	op := Operation{Name: "x", Method: "POST", Path: "/x", Audit: "x", Summary: "x"}
	for name, add := range map[string]func(*Table){
		"a code without the tier": func(t *Table) { Add[with, Done](t, op) },
		"the tier without a code": func(t *Table) {
			o := op
			o.Name = "create_mailbox"
			Add[without, Done](t, o)
		},
		"the tier without an entry": func(t *Table) {
			o := op
			o.Name, o.Audit = "create_mailbox", ""
			Add[with, Done](t, o)
		},
		"what tightens without an entry": func(t *Table) {
			o := op
			o.Name, o.Audit = "start_freeze", ""
			Add[without, Done](t, o)
		},
		"what tightens with a code": func(t *Table) {
			o := op
			o.Name = "start_freeze"
			Add[with, Done](t, o)
		},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s is taken", name)
				}
			}()
			add(&Table{})
		}()
	}
}

// One request has one spelling, the code apart, and is what it was when it is read again.
func TestARequestIsFrozenInOneSpelling(t *testing.T) {
	yes, mode := true, "monitored"
	for _, c := range []struct {
		op *Operation
		in any
	}{
		{UpdateMailbox.Operation, MailboxRequest{MailboxRef{"a@x.example"},
			MailboxPatch{OversightMode: &mode, LegalHold: &yes, AddAgents: []string{"bot"}}, Approval{"ABC"}}},
		{CreateAPIKey.Operation, NewKey{Name: "n", Mailboxes: []string{}, Approval: Approval{"ABC"}}},
		{DeleteContact.Operation, ContactRef{"C", ApprovalHeader{"ABC"}}},
		{UpdateAccount.Operation, AccountPatch{}},
	} {
		a, err := c.op.Frozen(c.in)
		if err != nil {
			t.Fatal(err)
		}
		in, err := c.op.Thawed(a)
		if err != nil {
			t.Fatalf("%s: %v", a, err)
		}
		b, err := c.op.Frozen(in)
		if err != nil || string(a) != string(b) || strings.Contains(string(a), "ABC") || c.op.Code(in) != "" {
			t.Errorf("%s and %s, %v", a, b, err)
		}
		if key, ok := in.(NewKey); ok && key.Mailboxes == nil {
			t.Error("no mailbox at all has become all of them")
		}
		if len(c.op.Parameters(c.in)) != strings.Count(string(a), `":`) {
			t.Errorf("%s shows %v", a, c.op.Parameters(c.in))
		}
		if reflect.TypeOf(in) != reflect.TypeOf(c.in) {
			t.Errorf("%T", in)
		}
	}
	if _, err := CreateAPIKey.Thawed([]byte(`{"body later":1}`)); err == nil {
		t.Error("a member that is not known is passed over")
	}
}
