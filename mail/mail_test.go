package mail

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"
)

// noon is the time of every test.
var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.FixedZone("", 3600))

func TestNewIDsAreUniqueSortedByTimeAndReadBack(t *testing.T) {
	seen := map[ID]bool{}
	last := ID("")
	for i := range 1000 {
		id := NewID(noon.Add(time.Duration(i) * time.Millisecond))
		back, err := ParseID(string(id))
		if err != nil || back != id || seen[id] || id <= last || len(id) != 26 {
			t.Fatalf("id %q after %q: %q %v", id, last, back, err)
		}
		seen[id], last = true, id
	}
}

func TestIDAfterSortsBehindAnyID(t *testing.T) {
	now := time.Date(2031, 5, 4, 12, 0, 0, 0, time.UTC)
	for _, id := range []ID{"", NewID(now), NewID(now.Add(-time.Hour)), NewID(now.Add(time.Hour)),
		"7ZZZZZZZZZZZZZZZZZZZZZZZZY", "01JAAAAAAAZZZZZZZZZZZZZZZZ"} {
		next := IDAfter(id, now)
		if _, err := ParseID(string(next)); err != nil || next <= id {
			t.Errorf("after %q: %q, %v", id, next, err)
		}
	}
}

func TestParseIDTakesOnlyTheFormThatNewIDWrites(t *testing.T) {
	id := string(NewID(noon))
	for _, bad := range []string{"", id[1:], id + "0", strings.ToLower(id), id[:25] + "U", " " + id[1:],
		"8" + id[1:], "../../../../etc/passwd0000", id[:25] + "\n"} {
		if got, err := ParseID(bad); err == nil {
			t.Errorf("ParseID(%q) = %q", bad, got)
		}
	}
}

func TestMailKeepsEveryFieldThroughJSON(t *testing.T) {
	at := noon.UTC()
	addr := MustAddress(`"b b"@x.test`)
	m := Mail{
		ID: NewID(noon), Rev: 3, Digest: DigestOf(Envelope{}, nil), State: Sending,
		Direction: Incoming, Notice: &Notice{About: NewID(noon), Action: "failed"},
		Arrival: &Arrival{Helo: "h", Remote: "192.0.2.1", Hop: "mx", Warnings: []string{"w"},
			Auth: Authentication{SPF: Check{Result: "pass", Domain: "a.test", Detail: "d"}, DKIM: []Check{{Result: "fail"}},
				DMARC: Check{Result: "pass"}, ARC: Check{Result: "none"}, Identity: Check{Result: "pass"}}},
		Spam: &Spam{Verdict: SpamFlagged, Score: 4.5, Reasons: []string{"r"}, Filter: "f", Label: "spam"},
		Envelope: Envelope{From: MustAddress("bot@a.test"), Body: "7BIT", Ret: "FULL", EnvID: "e",
			Rcpts: []Rcpt{{Addr: addr, Notify: []string{"NEVER"}, ORcpt: "rfc822;b@x.test", Copy: true,
				Standing: Bounced, Result: &Result{Addr: addr, Delivered: true, Permanent: true, Code: 550,
					Enhanced: "5.1.1", Message: "no", Remote: "mx:25", Uncertain: true, Stopped: true, At: at}}}},
		Mailbox: MustAddress("bot@a.test"), Agent: "bot", AgentRef: "r", Author: "agent:bot", Door: "smtp",
		Identity: &Identity{Issuer: "corp", Tenant: "t", Agent: "r", Client: "c", Blueprint: "b", Shape: "on_behalf_of",
			Person: Person{Issuer: "corp", Tenant: "t", ID: "u"}},
		Earlier:   []Submitter{{Author: "agent:bot"}},
		Encrypted: true, Size: 9, More: 7, BodyHash: "cd=", TextHash: "ab",
		Header: Header{From: MustAddress("bot@a.test"), To: []Address{addr}, Cc: []Address{addr},
			Subject: "s", MessageID: "i@a.test", Attachments: 2, FromName: "Bot", ReplyTo: []Address{addr},
			InReplyTo: "j@a.test", References: []string{"j@a.test"}, Date: at, Auto: "auto-replied", ListID: "l.a.test"},
		Basis: Approved, Prefix: []byte("X: y\r\n"), SubmitRef: "ff",
		Decisions: []Decision{{Principal: "approver:eve", Kind: "reviewer", Approve: true,
			Digest: DigestOf(Envelope{}, nil), Reason: "ok", At: at, Ref: "00"}},
		Release: &Release{Mode: GatedSend, Basis: Approved, By: "reviewer", At: at, Ref: "00", Operator: "Op",
			AgentRef: "r", Verified: true, Capabilities: []string{"send"}},
		HoldFor: time.Hour, SubmittedAt: at, ExpiresAt: at, NotBefore: at, ReleasedAt: at, NextAttempt: at, Attempts: 4,
		Replaces: "01A", ReplacedBy: "01B", Lease: Lease{Node: "n", Token: 7, Until: at}, FinishedAt: at,
	}
	for i := range reflect.TypeFor[Mail]().NumField() {
		if reflect.ValueOf(m).Field(i).IsZero() {
			t.Errorf("the test leaves %s empty", reflect.TypeFor[Mail]().Field(i).Name)
		}
	}
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var back Mail
	if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(m, back) {
		t.Errorf("%v\nwas  %+v\nnow  %+v", err, m, back)
	}
}

func TestRecipientsSelectsByStandingAndKeepsCopies(t *testing.T) {
	m := Mail{Envelope: envelope("a@x.test", "b@x.test", "c@x.test")}
	m.Envelope.Rcpts[1].Standing = Delivered
	m.Envelope.Rcpts[2].Copy = true
	got := fmt.Sprint(m.Recipients(Pending), m.Recipients(Delivered), m.Recipients(Bounced))
	if got != "[a@x.test c@x.test] [b@x.test] []" {
		t.Error(got)
	}
}

func TestHiddenFindsBlindCopies(t *testing.T) {
	m := Mail{Header: Header{To: []Address{MustAddress("Ann@x.test")}, Cc: []Address{MustAddress("bob@x.test")}}}
	for addr, want := range map[string]bool{"ann@X.test": false, "BOB@x.test": false, "eve@x.test": true} {
		if got := m.Hidden(MustAddress(addr)); got != want {
			t.Errorf("Hidden(%s) = %v", addr, got)
		}
	}
}

func TestErrorKeepsItsCauseFromTheClient(t *testing.T) {
	base := ReasonDiskFull.Errorf("try again in %d s", 5)
	e := base.Because(io.ErrUnexpectedEOF)
	if base.Err != nil {
		t.Error("Because changed its receiver")
	}
	if e.Public != "try again in 5 s" || strings.Contains(e.Public, "EOF") {
		t.Errorf("public text %q", e.Public)
	}
	if !errors.Is(e, io.ErrUnexpectedEOF) || e.Error() != "disk_full: try again in 5 s: unexpected EOF" {
		t.Errorf("error text %q", e)
	}
	if base.Error() != "disk_full: try again in 5 s" {
		t.Errorf("error text %q", base)
	}
	var back *Error
	if !errors.As(fmt.Errorf("gate: %w", e), &back) || back != e {
		t.Error("the error does not come out of its wrapping")
	}
}
