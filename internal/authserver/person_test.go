package authserver_test

import (
	"testing"

	"github.com/multimail/multimail/internal/authserver"
	"github.com/multimail/multimail/mail"
)

// The subject of an issuer is case-sensitive: ids that differ in case are two people. Where that
// would give a right they are two, and where it would get around a ban they may be one.
func TestAPersonWhoseIdDiffersInCaseIsAnother(t *testing.T) {
	h := newHouse(t, func(o *authserver.Options) {
		o.Rules = append(o.Rules, authserver.Rule{Issuer: "corp", Tenant: "t1", Role: "Any", Agents: []string{"bot"},
			Scopes: scopes("read send")})
	})
	at := func(tenant, id string) mail.Person { return mail.Person{Issuer: "corp", Tenant: tenant, ID: id} }
	offered := func(who mail.Person, roles ...string) int {
		offers, _ := h.offers(h.begin("read send oversight oversight_read"), h.signIn(who, roles...))
		return len(offers)
	}
	if offered(anna) != 1 {
		t.Fatal("nothing is offered to Anna")
	}
	for _, who := range []mail.Person{at("t1", "Anna"), at("t1", "ANNA"), at("T1", "anna")} {
		if offered(who) != 0 {
			t.Errorf("%s has what the rule gives %s", who, anna)
		}
	}
	h.bind(at("t1", "ask"), "ask")
	if offered(at("t1", "ask")) != 1 {
		t.Fatal("nothing is offered to the approver")
	}
	for _, who := range []mail.Person{at("t1", "Ask"), at("T1", "ask"), at("t1", "as\u212a"), at("t1", "a\u017fk")} {
		if offered(who, "Any") != 0 {
			t.Errorf("%s decides as the approver, or sends beside it", who)
		}
	}
	if offered(at("t1", "other"), "Any") != 1 {
		t.Error("a role gives nothing")
	}
}

// The same of a grant: it is not the approver's, and it ends when the ids may be one person's.
func TestAnApproverWhoseIdDiffersInCaseEndsTheGrant(t *testing.T) {
	h := newHouse(t, nil)
	got := h.tokens(anna, "read send")
	h.bind(mail.Person{Issuer: "corp", Tenant: "t1", ID: "ANNA"}, "anna")
	h.void("an approver may be Anna", got)
}
