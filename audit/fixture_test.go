package audit_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
)

// What every test shares.
var (
	ctx    = context.Background()
	zone   = time.Date(2031, 5, 4, 14, 0, 0, 123456789, time.FixedZone("", 2*60*60))
	system = audit.Actor{Kind: "system", ID: "system"}
	agent  = audit.Actor{Kind: "agent", ID: "agent:demo"}
	person = audit.Actor{Kind: "approver", ID: "approver:ann"}
)

func newMemory() *storetest.Memory { return storetest.NewMemory(zone) }

func appendAll(t testing.TB, db store.Store, l *audit.Log, all ...audit.Record) {
	t.Helper()
	err := db.Update(ctx, func(tx store.Tx) error {
		for _, r := range all {
			if _, err := l.Append(tx, r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// record returns a record of a kind with every fact that the kind must have, as
// it is given or else "-".
func record(kind audit.Kind, facts ...string) audit.Record {
	r := audit.Record{Kind: kind, Actor: system}
	for _, name := range audit.Facts(kind) {
		if r.Facts == nil {
			r.Facts = map[string]string{}
		}
		r.Facts[name] = "-"
	}
	for i := 0; i < len(facts); i += 2 {
		r.Facts[facts[i]] = facts[i+1]
	}
	if kind.Transition() {
		r.Mail, r.Digest = "M1", "sha256:"+strings.Repeat("ab", 32)
	}
	return r
}

// by returns r as done by somebody, with private fields.
func by(who audit.Actor, r audit.Record, private ...string) audit.Record {
	r.Actor = who
	for i := 0; i < len(private); i += 2 {
		if r.Private == nil {
			r.Private = map[string]string{}
		}
		r.Private[private[i]] = private[i+1]
	}
	return r
}

// story is the life of one mail and a login: six entries, most with openings.
func sample() []audit.Record {
	all := []audit.Record{
		record(audit.StoreStart),
		by(agent, record(audit.AuthFail, "door", "smtp"), "ip", "192.0.2.7"),
		by(agent, record(audit.MailSubmit, "mode", "gated_send", "to", "held", "from", "new"),
			"subject", "Grüße \"an\" <alle> & jeden", "rcpts", "bob@far.test"),
		by(person, record(audit.MailApprove), "reason", "fine"),
		record(audit.MailClaim),
		by(system, record(audit.MailSent), "rcpt0", "bob@far.test delivered 250"),
	}
	for i := range all[2:] {
		all[2+i].Rev = i + 1
	}
	return all
}

// told returns a store with the story on the chain of node.
func sampleLog(t testing.TB, node string) (*storetest.Memory, *audit.Log) {
	t.Helper()
	db, l := newMemory(), audit.New(node)
	appendAll(t, db, l, sample()...)
	return db, l
}

// export returns the entries of an export with openings.
func export(t testing.TB, db store.Store) []string {
	t.Helper()
	var b strings.Builder
	if err := audit.New("any").Export(ctx, db, &b, audit.ExportOptions{Openings: true}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	return lines[1 : len(lines)-1]
}

// whole puts entries between the header and the closing line that fit them, as
// whoever forges an export would.
func whole(lines []string) string {
	type point struct {
		Size uint64 `json:"size"`
		Hash string `json:"hash"`
	}
	n, chains := 0, map[string]point{}
	for _, line := range lines {
		var w wire
		var l struct {
			Chain string
			Seq   uint64
		}
		if json.Unmarshal([]byte(line), &w) == nil && json.Unmarshal([]byte(w.Leaf), &l) == nil {
			n++
			chains[l.Chain] = point{l.Seq + 1, w.Hash}
		}
	}
	end, _ := json.Marshal(map[string]any{"end": map[string]any{"entries": n, "chains": chains}})
	all := append([]string{`{"export":{"version":1,"openings":true}}`}, lines...)
	return strings.Join(append(all, string(end)), "\n") + "\n"
}

func list(t testing.TB, db store.Store, l *audit.Log, before uint64, limit int) (out []audit.Entry) {
	t.Helper()
	err := db.View(ctx, func(tx store.Tx) (err error) {
		out, err = l.List(tx, before, limit)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func byMail(t testing.TB, db store.Store, l *audit.Log, mail string) (out []audit.Entry) {
	t.Helper()
	err := db.View(ctx, func(tx store.Tx) (err error) {
		out, err = l.ByMail(tx, mail)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// mustVerify checks an export and returns the report of its only chain.
func mustVerify(t testing.TB, lines []string) audit.ChainReport {
	t.Helper()
	r, err := audit.Verify(strings.NewReader(whole(lines)), audit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Chains) != 1 {
		t.Fatalf("%d chains", len(r.Chains))
	}
	return r.Chains[0]
}
