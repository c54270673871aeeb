package oauth

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// generic returns the claims of a token of the issuer "id".
func generic() map[string]any {
	return map[string]any{"iss": "https://id.example", "aud": []string{"other", "multimail"}, "client_id": "bot",
		"scope": "openid mail.send", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
}

func tenanted() map[string]any {
	return map[string]any{"iss": "https://tenanted.example/", "aud": "multimail", "azp": "bot", "org": "red",
		"permissions": []string{"mail:send"}, "user": "auth0|5", "sub": "x",
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
}

// v1 turns claims of version 2 into those of version 1.
func v1(c map[string]any) map[string]any {
	return with(c, "iss", "https://sts.windows.net/"+tenantA+"/", "ver", "1.0", "appid", c["azp"], "azp", nil)
}

func TestATokenSaysWhoActsAndWhatItMayDo(t *testing.T) {
	both := []Scope{ScopeRead, ScopeSend}
	entra := Token{Issuer: "entra", Tenant: tenantA, Client: agentID, Blueprint: parent, Scopes: both}
	shape := func(t Token, s Shape, object string) Token {
		t.Shape, t.Object = s, object
		return t
	}
	person := shape(entra, ShapePerson, userID)
	person.Blueprint, person.Scopes = "", []Scope{ScopeOversight, ScopeOversightRead}
	made := shape(entra, ShapeAutonomous, agentID)
	made.Mailbox, made.Scopes = "agent-"+agentID+"@example.com", both[1:]
	bot := Token{Issuer: "id", Shape: ShapeAutonomous, Object: "bot", Client: "bot", Scopes: both[1:]}
	for name, c := range map[string]struct {
		kid    string
		claims map[string]any
		want   Token
	}{
		"an autonomous agent":       {"rsa", facts.Autonomous(), shape(entra, ShapeAutonomous, agentID)},
		"the same, version 1":       {"rsa", v1(facts.Autonomous()), shape(entra, ShapeAutonomous, agentID)},
		"with the scp of none":      {"rsa", with(facts.Autonomous(), "scp", "/"), shape(entra, ShapeAutonomous, agentID)},
		"on behalf of a person":     {"rsa", facts.OnBehalf(), shape(entra, ShapeDelegated, userID)},
		"on behalf, version 1":      {"rsa", v1(facts.OnBehalf()), shape(entra, ShapeDelegated, userID)},
		"without idtyp":             {"rsa", with(facts.OnBehalf(), "idtyp", nil), shape(entra, ShapeDelegated, userID)},
		"an agent's user account":   {"rsa", facts.Account(), shape(entra, ShapeAccount, userID)},
		"the account, in version 1": {"rsa", v1(facts.Account()), shape(entra, ShapeAccount, userID)},
		"a person":                  {"rsa", with(facts.Person(), "scp", "Oversight.Decide Oversight.Read"), person},
		"with a role that is provisioned": {"rsa",
			with(facts.Autonomous(), "roles", []string{"Mail.Send", "Agent"}), made},
		"a role does not provision a person's agent": {"rsa",
			with(facts.OnBehalf(), "roles", []string{"Agent"}), shape(entra, ShapeDelegated, userID)},
		"an issuer with a list of audiences": {"ec", generic(), bot},
		"where sub is the client":            {"rsa", with(generic(), "sub", "bot"), bot},
		"where sub is a person":              {"rsa", with(generic(), "sub", "ann"), shape(bot, ShapeDelegated, "ann")},
		"claims of other names": {"rsa", tenanted(), Token{Issuer: "tenanted", Tenant: "red",
			Shape: ShapeDelegated, Object: "auth0|5", Client: "bot", Scopes: both[1:]}},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			token := b.issuer.Token(t, c.kid, c.claims)
			got := b.accept(t, token)
			if len(got.ID) != 22 || !got.Expires.Equal(now.Add(time.Hour+time.Minute)) {
				t.Errorf("%+v", got)
			}
			if again := b.accept(t, token); !reflect.DeepEqual(got, again) {
				t.Errorf("the second time it is %+v", again)
			}
			got.ID, got.Expires = "", time.Time{}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestATokenIsGoodFromItsBeginningToItsEndWithSkew(t *testing.T) {
	b := open(t)
	token := b.issuer.Token(t, "rsa", facts.Autonomous())
	for _, c := range []struct {
		name string
		now  time.Time
		want string
	}{
		{"a second before nbf less skew", now.Add(-61 * time.Second), "not_before"},
		{"nbf less skew", now.Add(-60 * time.Second), ""},
		{"in between", now.Add(time.Minute), ""},
		{"the last second of skew", now.Add(time.Hour + 59*time.Second), ""},
		{"exp and skew", now.Add(time.Hour + 60*time.Second), checkExpiry},
		{"skew and a second", now.Add(time.Hour + 61*time.Second), checkExpiry},
		{"the clock went back", now, ""},
		{"far back", now.Add(-time.Hour), "not_before"},
	} {
		b.now = c.now
		r, err := refused(t.Context(), b.Verifier, token)
		if got := (r != nil && r.Check == c.want) || (r == nil && c.want == "" && err == nil); !got {
			t.Errorf("%s: %v, %v, want %q", c.name, r, err, c.want)
		}
	}
	b.now = now
	late := b.issuer.Token(t, "rsa", with(facts.Autonomous(), "nbf", nil, "iat", now.Add(61*time.Second).Unix()))
	if r, _ := refused(t.Context(), b.Verifier, late); r == nil || r.Check != "issued_at" {
		t.Errorf("issued in the future: %v", r)
	}
}

func TestNoTokenIsJudgedByAClockInDoubt(t *testing.T) {
	b := open(t)
	token := b.issuer.Token(t, "rsa", facts.Autonomous())
	b.accept(t, token)
	b.o.Trusted = func() bool { return false }
	if r, err := refused(t.Context(), b.Verifier, token); r != nil || !isUnavailable(err) {
		t.Errorf("%v, %v", r, err)
	}
}

func TestResultsAreCounted(t *testing.T) {
	b := open(t)
	token := b.issuer.Token(t, "rsa", facts.Autonomous())
	b.accept(t, token)
	b.accept(t, token)
	refused(t.Context(), b.Verifier, changed(2)(t, b.issuer))
	refused(t.Context(), b.Verifier, "x")
	want := map[string]int{"accepted": 2, "signature": 1, "form": 1}
	if !reflect.DeepEqual(b.counts, want) {
		t.Errorf("%v, want %v", b.counts, want)
	}
}
