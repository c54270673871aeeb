package oauth

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestAnExplanationShowsEveryCheckAndNotTheToken(t *testing.T) {
	b := open(t)
	for name, c := range map[string]struct {
		claims map[string]any
		failed string
		also   []string // other failures
	}{
		"good": {facts.Autonomous(), "", nil},
		"two things are wrong": {with(facts.Autonomous(), "aud", "other", "exp", now.Unix()-100),
			"audience", []string{checkExpiry}},
		"nothing can be said": {with(facts.Autonomous(), "iss", "https://evil.example"), "issuer", nil},
	} {
		t.Run(name, func(t *testing.T) {
			token := b.issuer.Token(t, "rsa", with(c.claims, "email", "ann@example.com"))
			e := b.Explain(t.Context(), token)
			if e.Failed != c.failed || len(e.Results) != len(Checks()) {
				t.Errorf("%+v", e)
			}
			failed := map[string]bool{}
			for i, r := range e.Results {
				if r.Check != Checks()[i] || r.State != "pass" && r.State != "fail" && r.State != "skipped" ||
					(r.State == "fail") != (r.Hint != "") {
					t.Errorf("%+v", r)
				}
				failed[r.Check] = r.State == "fail"
			}
			for _, name := range c.also {
				if !failed[name] {
					t.Errorf("%s does not fail: %+v", name, e.Results)
				}
			}
			text, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			for part := range strings.SplitSeq(token, ".") {
				if strings.Contains(string(text), part) {
					t.Error("a part of the token is in it")
				}
			}
			if strings.Contains(string(text), "ann@") || e.Claims["oid"] != agentID || e.Claims["header kid"] != "rsa" {
				t.Errorf("%s", text)
			}
		})
	}
}

func TestAnExplanationOfAnIssuerThatIsDown(t *testing.T) {
	b := open(t)
	token := b.issuer.Token(t, "rsa", facts.Autonomous())
	for _, o := range b.origins {
		o.keys.mu.Lock()
		o.keys.fetched = now.Add(-25 * 60 * 60 * 1e9)
		o.keys.mu.Unlock()
	}
	b.issuer.Fail(true)
	e := b.Explain(t.Context(), token)
	if e.Failed != "key" || !strings.Contains(e.Results[6].Hint, "make the issuer reachable") ||
		e.Results[7].State != "skipped" || e.Results[8].State != "pass" {
		t.Errorf("%+v", e)
	}
}
