package httpd

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
)

func TestAPatchIsDoneInWholeOrNotAtAll(t *testing.T) {
	h := newFixture(t)
	for _, c := range []struct {
		name, as, body string
		want           int
	}{
		{"a way to name the agent that is none", "dev", `{"display_name":"X","agent_ref":"hash"}`, 400},
		{"a way to name the agent it may not set", "reader", `{"agent_ref":"none"}`, 403},
		{"a mode that is none", "admin", `{"display_name":"X","oversight_mode":"free"}`, 400},
		{"a mode it may not set", "admin", `{"display_name":"X","oversight_mode":"autonomous"}`, 403},
		{"a name it may not set", "reader", `{"display_name":"X","oversight_mode":"gated_all"}`, 403},
		{"an address that is none", "dev", `{"display_name":"X","oversight_mode":"gated_all",` +
			`"oversight_address":"eve"}`, 400},
		{"an agent that is not here", "dev", `{"display_name":"X","oversight_mode":"gated_all","add_agents":["ghost"]}`, 404},
		{"a hold too long", "dev", `{"oversight_mode":"gated_all","hold_seconds":99999999}`, 400},
		{"a hold below nothing", "dev", `{"oversight_mode":"gated_all","hold_seconds":-1}`, 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := h.want(200, "admin", "GET", "/v1/mailboxes/"+bot, "").body
			h.want(c.want, c.as, "PATCH", "/v1/mailboxes/"+bot, c.body)
			if after := h.want(200, "admin", "GET", "/v1/mailboxes/"+bot, "").body; after != before {
				t.Errorf("%s became %s", before, after)
			}
		})
	}
	m := into[api.Mailbox](h, h.want(200, "dev", "PATCH", "/v1/mailboxes/"+bot,
		`{"display_name":"X","oversight_mode":"monitored","oversight_address":"max@a.example","hold_seconds":600,`+
			`"add_agents":["other"]}`))
	if m.DisplayName != "X" || m.OversightMode != "monitored" || m.OversightAddress != "max@a.example" ||
		m.HoldSeconds != 600 || len(m.Agents) != 2 {
		t.Errorf("got %+v", m)
	}
	for _, ref := range []string{"hmac", "none", "plain"} {
		m = into[api.Mailbox](h, h.want(200, "dev", "PATCH", "/v1/mailboxes/"+bot, `{"agent_ref":"`+ref+`"}`))
		if m.AgentRef != ref {
			t.Errorf("agent_ref %s: %+v", ref, m)
		}
	}
	m = into[api.Mailbox](h, h.want(200, "dev", "PATCH", "/v1/mailboxes/"+bot,
		`{"oversight_address":"","hold_seconds":0}`))
	if m.OversightAddress != "" || m.HoldSeconds != 7*24*3600 || m.OversightMode != "monitored" {
		t.Errorf("got %+v", m)
	}
}

func TestADomainIsHereWithItsKeys(t *testing.T) {
	h := newFixture(t)
	d := into[api.Domain](h, h.want(201, "admin", "POST", "/v1/domains", `{"name":"B.example"}`))
	if d.Name != "b.example" || len(d.DNS) != 2 || d.DNS[0].Name != "_multimail-challenge.b.example" {
		t.Errorf("got %+v", d)
	}
	if !h.s.o.Identity.(identity).made["b.example"] {
		t.Error("no identity key was made")
	}
	h.want(409, "admin", "POST", "/v1/domains", `{"name":"b.example"}`)
	h.want(400, "admin", "POST", "/v1/domains", `{"name":"../keys"}`)
	h.want(400, "admin", "POST", "/v1/domains", `{"name":"b"}`)
	if all := into[api.Domains](h, h.want(200, "admin", "GET", "/v1/domains", "")); len(all.Domains) != 2 {
		t.Errorf("got %+v", all)
	}
}

func TestADomainSaysWhereReportsOnItsMailComeBack(t *testing.T) {
	h := newFixture(t)
	const name = "b.example"
	h.want(201, "admin", "POST", "/v1/domains", `{"name":"`+name+`"}`)
	shown := func() api.Domain {
		return into[api.Domain](h, h.want(200, "admin", "GET", "/v1/domains/"+name, ""))
	}
	if d := shown(); d.BounceDomain != "bounce."+name || d.ReturnPath {
		t.Errorf("before the DNS shows it: %+v", d)
	}
	var d registry.Domain
	h.View(func(tx store.Tx) (err error) { d, err = h.Registry.Domain(tx, name); return err })
	c := registry.DomainCheck{Challenge: d.Challenge, Finding: registry.FoundOurs,
		Records: []registry.Standing{{Purpose: "bounce-mx", Status: "present"}}}
	if err := h.Gate.NoteCheck(t.Context(), name, c); err != nil {
		t.Fatal(err)
	}
	if d := shown(); d.BounceDomain != "bounce."+name || !d.ReturnPath {
		t.Errorf("when the DNS shows it: %+v", d)
	}
}

func TestAgentsComeAndGo(t *testing.T) {
	h := newFixture(t)
	a := into[api.AgentPassword](h, h.want(201, "admin", "POST", "/v1/agents", `{"name":"new","agent_ref":"r"}`))
	if a.Password == "" || a.Name != "new" || a.AgentRef != "r" {
		t.Errorf("got %+v", a)
	}
	b := into[api.AgentPassword](h, h.want(200, "admin", "POST", "/v1/agents/new/password", ""))
	if b.Password == "" || b.Password == a.Password {
		t.Errorf("got %+v", b)
	}
	h.approved()
	h.want(200, "admin", "POST", "/v1/agents/bot/disable", "")
	h.want(401, "sender", "GET", "/v1/mailboxes", "")
	h.want(403, "admin", "POST", "/v1/agents/bot/enable", "")
	if e := into[api.Agent](h, h.want(200, "approver", "POST", "/v1/agents/bot/enable", "")); e.Disabled {
		t.Errorf("got %+v", e)
	}
	h.want(200, "sender", "GET", "/v1/mailboxes", "")
	h.want(404, "admin", "POST", "/v1/agents/ghost/disable", "")
	h.want(409, "admin", "POST", "/v1/agents", `{"name":"eve"}`) // an approver is called so
}

func TestAKeyIsShownOnceAndLimitedAsAsked(t *testing.T) {
	h := newFixture(t)
	k := into[api.KeySecret](h, h.want(201, "admin", "POST", "/v1/api-keys",
		`{"name":"n","kind":"agent","owner":"bot","scopes":["send"],"mailboxes":["`+bot+`"]}`))
	h.keys["fresh"] = k.Secret
	h.want(202, "fresh", "POST", "/v1/send", draft)
	h.want(403, "fresh", "GET", "/v1/mailboxes", "")
	list := h.want(200, "admin", "GET", "/v1/api-keys", "")
	if strings.Contains(list.body, k.Secret) || strings.Contains(list.body, "hash") || !strings.Contains(list.body, k.ID) {
		t.Errorf("got %s", list.body)
	}
	h.want(200, "admin", "DELETE", "/v1/api-keys/"+k.ID, "")
	h.want(401, "fresh", "POST", "/v1/send", draft)
	for _, body := range []string{
		`{"kind":"agent","owner":"bot","scopes":["send","oversight"]}`, `{"kind":"approver","owner":"zoe","scopes":["send"]}`,
		`{"kind":"agent","owner":"bot","mailboxes":[]}`, `{"kind":"agent","owner":"bot","mailboxes":["x"]}`,
		`{"kind":"agent","owner":"bot","scopes":"send"}`, `{"kind":"socket","owner":"bot","scopes":["admin"]}`, `{}`,
	} {
		h.want(400, "dev", "POST", "/v1/api-keys", body)
	}
}

func TestAnAdminListsCancelsRetriesAndHoldsMail(t *testing.T) {
	h := newFixture(t)
	held, ready := h.held().ID, h.approved().ID
	for query, want := range map[string]string{
		"": ready + " " + held, "?state=held": held, "?state=ready": ready, "?state=sent": "", "?mailbox=" +
			other: "", "?mailbox=" + bot + "&limit=1": ready,
	} {
		list := into[api.Mails](h, h.want(200, "admin", "GET", "/v1/mails"+query, ""))
		var got []string
		for _, m := range list.Mails {
			got = append(got, m.ID)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %v, want %s", query, got, want)
		}
	}
	h.want(409, "admin", "POST", "/v1/mails/"+held+"/retry", "")
	h.want(200, "admin", "POST", "/v1/mails/"+ready+"/retry", "")
	if m := into[api.Mail](h, h.want(200, "admin", "POST", "/v1/mails/"+ready+"/hold", "")); m.State != "held" ||
		len(m.Decisions) != 0 {
		t.Errorf("got %+v", m)
	}
	m := into[api.Mail](h, h.want(200, "admin", "POST", "/v1/mails/"+held+"/cancel", ""))
	if m.State != "cancelled" || m.Status != "cancelled" {
		t.Errorf("got %+v", m)
	}
}

func TestAFreezeAnswersWithWhatItStopped(t *testing.T) {
	h := newFixture(t)
	s := into[api.Stopped](h, h.want(200, "admin", "POST", "/v1/freeze", `{"scope":"all","reason":"drill"}`))
	if s.Stopped == nil || s.Past == nil {
		t.Errorf("got %+v", s)
	}
	f := into[api.Freezes](h, h.want(200, "watcher", "GET", "/v1/freezes", ""))
	if len(f.Freezes) != 1 || f.Freezes[0].Scope != "all" || f.Freezes[0].Reason != "drill" ||
		f.Freezes[0].By != "admin:root" {
		t.Errorf("got %+v", f)
	}
	h.want(404, "admin", "POST", "/v1/freeze", `{"scope":"agent:ghost"}`)
	h.want(200, "approver", "POST", "/v1/thaw", `{"scope":"all"}`)
}

func TestTheAuditLogIsListedExportedAndVerified(t *testing.T) {
	h := newFixture(t)
	h.rejected()
	var all []api.AuditEntry
	for cursor, n := "", 0; n == 0 || cursor != ""; n++ {
		page := into[api.AuditLog](h, h.want(200, "admin", "GET",
			"/v1/audit-log?limit=7"+map[bool]string{true: "&cursor=" + cursor}[cursor != ""], ""))
		all, cursor = append(all, page.Entries...), page.Cursor
	}
	if n := len(h.entries()); len(all) != n || all[0].ID == all[1].ID || all[n-1].ID != "0" {
		t.Fatalf("%d entries of %d", len(all), n)
	}
	if all[0].Kind != "mail.receive" || all[0].Facts["about"] != all[1].Mail {
		t.Errorf("got %+v", all[0])
	}
	if all[1].Kind != "mail.reject" || all[1].Private["reason"] != "not now" || all[1].Actor.ID != "approver:eve" {
		t.Errorf("got %+v", all[1])
	}
	report := into[api.AuditReport](h, h.want(200, "admin", "POST", "/v1/audit-log/verify", ""))
	if !report.OK || len(report.Chains) != 1 || report.Chains[0].Size != uint64(len(all)) ||
		report.Chains[0].Head != all[0].Hash {
		t.Errorf("got %+v", report)
	}
	open := h.want(200, "admin", "GET", "/v1/audit-log/export?openings=1", "")
	closed := h.want(200, "admin", "GET", "/v1/audit-log/export", "")
	if !strings.Contains(open.body, "not now") || strings.Contains(closed.body, "not now") {
		t.Error("the openings do not come when they are asked for, and only then")
	}
	for _, r := range []reply{open, closed} {
		v, err := audit.Verify(strings.NewReader(r.body), audit.Options{})
		if err != nil || v.Chains[0].Size != uint64(len(all)) || r.header.Get("Content-Type") != "application/jsonl" {
			t.Errorf("got %+v, %v", v, err)
		}
	}
}

func TestALogThatWasChangedIsNotOK(t *testing.T) {
	h := newFixture(t)
	h.Update(func(tx store.Tx) error {
		var key string
		var line []byte
		err := storetest.Records(tx).Scan(store.Prefix("audit/"), func(k string, v []byte) error {
			if bytes.Contains(v, []byte("domain.add")) {
				key, line = k, bytes.Replace(v, []byte("domain.add"), []byte("domain.odd"), 1)
				return store.Stop
			}
			return nil
		})
		if err != nil || key == "" {
			return errors.Join(err, errors.New("no entry was found to change"))
		}
		return storetest.Records(tx).Put(key, line)
	})
	r := into[api.AuditReport](h, h.want(200, "admin", "POST", "/v1/audit-log/verify", ""))
	if r.OK || r.Error == "" {
		t.Errorf("got %+v", r)
	}
}

// once is a store that can be looked at once.
type once struct {
	store.Store
	reads int
}

func (o *once) View(ctx context.Context, fn func(store.Tx) error) error {
	if o.reads++; o.reads > 1 {
		return store.ErrUnknown
	}
	return o.Store.View(ctx, fn)
}

// An export that breaks off cannot pass for a whole one.
func TestAnExportThatBreaksOffDoesNotVerify(t *testing.T) {
	h := newFixture(t)
	h.s.o.Store = &once{Store: h.DB} // that read is for the key
	got := h.want(200, "admin", "GET", "/v1/audit-log/export", "")
	if _, err := audit.Verify(strings.NewReader(got.body), audit.Options{}); err == nil {
		t.Errorf("it verifies: %s", got.body)
	}
	lines := strings.Split(strings.TrimSpace(got.body), "\n")
	if e := into[api.Error](h, reply{body: lines[len(lines)-1]}); e.Message == "" {
		t.Errorf("got %s", got.body)
	}
}

// What could make an identity header too long is refused when it is set.
func TestNamesThatDoNotFitTheIdentityHeaderAreRefused(t *testing.T) {
	h := newFixture(t)
	domain := strings.Repeat("x", 62) + ".example"
	h.want(200, "admin", "PATCH", "/v1/account", `{"name":"`+strings.Repeat("n", 100)+`"}`)
	h.want(400, "admin", "POST", "/v1/domains", `{"name":"`+domain+`"}`)
	if h.s.o.Identity.(identity).made[domain] {
		t.Error("a key was made")
	}
	h.want(200, "admin", "PATCH", "/v1/account", `{"name":"E"}`)
	h.want(201, "admin", "POST", "/v1/domains", `{"name":"`+domain+`"}`)
	h.want(201, "admin", "POST", "/v1/mailboxes", `{"address":"a@`+domain+`","agents":["bot"]}`)
	h.want(400, "admin", "PATCH", "/v1/account", `{"name":"`+strings.Repeat("n", 128)+`"}`)
	if a := into[api.Account](h, h.want(200, "admin", "GET", "/v1/account", "")); a.Name != "E" {
		t.Errorf("got %+v", a)
	}
}
