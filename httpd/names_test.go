package httpd

import (
	"fmt"
	"strings"
	"testing"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/zone"
)

// A domain is added under either of its names, and shown under both.
func TestADomainHasTheNamesOfThePublicReference(t *testing.T) {
	h := newFixture(t)
	for body, want := range map[string]int{
		`{"domain":"one.example"}`:                          201,
		`{"name":"two.example"}`:                            201,
		`{"name":"three.example","domain":"three.example"}`: 201,
		`{"name":"four.example","domain":"five.example"}`:   400,
		`{}`: 400,
	} {
		r := h.want(want, "admin", "POST", "/v1/domains", body)
		if d := into[api.Domain](h, r); want == 201 && (d.Name == "" || d.ID != d.Name || d.Domain != d.Name) {
			t.Errorf("%s: %+v", body, d)
		}
	}
}

// What the DNS has of a domain is told by purpose: all that is asked for, or not.
func TestADomainCheckSaysWhatIsPublished(t *testing.T) {
	finding := func(p zone.Purpose, s zone.Status) zone.Finding {
		return zone.Finding{Record: zone.Record{Purpose: p}, Status: s}
	}
	spare := finding(zone.DKIM, zone.Missing)
	spare.Spare = true
	former := finding(zone.DKIM, zone.Missing)
	former.Former = true
	for name, c := range map[string]struct {
		findings []zone.Finding
		want     bool
	}{
		"none asked for":    {[]zone.Finding{finding(zone.SPF, zone.Present)}, false},
		"one of one":        {[]zone.Finding{finding(zone.DKIM, zone.Present)}, true},
		"one of two":        {[]zone.Finding{finding(zone.DKIM, zone.Present), finding(zone.DKIM, zone.Missing)}, false},
		"no usable answer":  {[]zone.Finding{finding(zone.DKIM, zone.Unknown)}, false},
		"another is there":  {[]zone.Finding{finding(zone.DKIM, zone.Different)}, false},
		"a spare one lacks": {[]zone.Finding{finding(zone.DKIM, zone.Present), spare, former}, true},
	} {
		if got := published(c.findings, zone.DKIM); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// Lists have the names of the public reference beside those of this server.
func TestListsHaveTheNamesOfThePublicReference(t *testing.T) {
	h := newFixture(t)
	h.held()
	for _, p := range into[api.PendingList](h, h.want(200, "approver", "GET", "/v1/oversight/pending", "")).Emails {
		if p.ReceivedAt.IsZero() || !p.ReceivedAt.Equal(p.SubmittedAt) {
			t.Errorf("received at %s, submitted at %s", p.ReceivedAt, p.SubmittedAt)
		}
	}
	var mails, others int
	log := into[api.AuditLog](h, h.want(200, "admin", "GET", "/v1/audit-log?limit=100", "")).Entries
	for _, e := range log {
		if e.Action != e.Kind || e.Kind == "" || !e.CreatedAt.Equal(e.Time) || e.Time.IsZero() ||
			e.ActorKeyID != e.Private["credential"] {
			t.Errorf("%+v", e)
		}
		switch {
		case e.Mail != "" && e.ResourceType == "email" && e.ResourceID == e.Mail && e.ActorKeyID != "":
			mails++
		case e.Mail == "" && e.ResourceType == "" && e.ResourceID == "":
			others++
		default:
			t.Errorf("of %q is %s %s by %s", e.Mail, e.ResourceType, e.ResourceID, e.ActorKeyID)
		}
	}
	if mails == 0 || others == 0 {
		t.Errorf("%d entries of mail, %d others", mails, others)
	}
}

func TestTheAccountSaysThatEverythingIsFrozen(t *testing.T) {
	h := newFixture(t)
	account := func() api.Account { return into[api.Account](h, h.want(200, "reader", "GET", "/v1/account", "")) }
	h.want(200, "admin", "POST", "/v1/freeze", `{"scope":"mailbox:`+bot+`"}`)
	if a := account(); a.SendingDisabled || a.DisabledReason != "" {
		t.Errorf("one mailbox is frozen: %+v", a)
	}
	h.want(200, "admin", "POST", "/v1/freeze", `{"scope":"all"}`)
	if a := account(); !a.SendingDisabled || a.DisabledReason != "frozen" {
		t.Errorf("all is frozen: %+v", a)
	}
}

func TestTagsAreReplacedByQuery(t *testing.T) {
	h := newFixture(t)
	_, notice := h.rejected()
	at := emailsOf + "/" + notice + "/tags"
	for _, c := range []struct {
		query, body string
		want        int
		left        int
	}{
		{"", `{"tags":{"a":"1","b":"2"}}`, 200, 2},
		{"?replace=false", `{"tags":{"c":"3"}}`, 200, 3},
		{"?replace=true", `{"tags":{"d":"4"}}`, 200, 1},
		{"?replace=true", `{"tags":{"e":"\u0000"}}`, 400, 1},
		{"", `{"tags":{}}`, 400, 1},
		{"?replace=true", `{"tags":{}}`, 200, 0},
	} {
		h.want(c.want, "sender", "PUT", at+c.query, c.body)
		if got := into[api.Tags](h, h.want(200, "reader", "GET", at, "")); len(got.Tags) != c.left {
			t.Errorf("%s %s leaves %v", c.query, c.body, got.Tags)
		}
	}
}

// The postal address of the operator is shown to every credential, set by an admin alone, and taken
// away by an empty one.
func TestTheAccountHasThePostalAddressOfTheOperator(t *testing.T) {
	h := newFixture(t)
	for _, c := range []struct {
		as, body string
		status   int
		want     string
	}{
		{"admin", `{"physical_address":"1 Harbour Road, Kiel"}`, 200, "1 Harbour Road, Kiel"},
		{"admin", `{"name":"Another"}`, 200, "1 Harbour Road, Kiel"},
		{"approver", `{"physical_address":"2 Harbour Road, Kiel"}`, 403, "1 Harbour Road, Kiel"},
		{"sender", `{"physical_address":"2 Harbour Road, Kiel"}`, 202, "1 Harbour Road, Kiel"},
		{"admin", `{"physical_address":"1 Harbour Road\nKiel"}`, 400, "1 Harbour Road, Kiel"},
		{"admin", `{"physical_address":"` + strings.Repeat("x", 2001) + `"}`, 400, "1 Harbour Road, Kiel"},
		{"admin", `{"physical_address":""}`, 200, ""},
	} {
		h.want(c.status, c.as, "PATCH", "/v1/account", c.body)
		if a := into[api.Account](h, h.want(200, "reader", "GET", "/v1/account", "")); a.Postal != c.want {
			t.Errorf("after %.60s of the %s: %+v", c.body, c.as, a)
		}
	}
	for _, e := range h.of(audit.OperatorSet) {
		if strings.Contains(fmt.Sprint(e.Facts), "Harbour") {
			t.Errorf("an entry shows the address for ever: %+v", e)
		}
	}
}
