package queue_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

func TestPutWritesRecordBodyAndIndexes(t *testing.T) {
	for _, c := range []struct {
		name  string
		dir   mail.Direction
		by    queue.Change
		state mail.State
		want  string // indexes, without the id and the time
	}{
		{"held", mail.Outgoing, hold, mail.Held, "box/bot@example.test\x00|held/TIME/|mail/|state/held/"},
		{"ready", mail.Outgoing, release, mail.Ready,
			"box/bot@example.test\x00|due/bot@example.test\x00bot\x00dest.test\x00TIME|mail/|state/ready/"},
		{"held incoming", mail.Incoming, hold, mail.Held, "held/TIME/|mail/|state-in/held/"},
		{"received", mail.Incoming, release, mail.Received,
			"in/bot@example.test\x00|kept/bot@example.test\x00|mail/"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := build(t)
			m := f.put(f.draft(c.dir, f.box), c.by)
			if got := f.mail(m.ID); got.State != c.state || got.Rev != 1 || got.FinishedAt.IsZero() == c.state.Final() {
				t.Errorf("%s at rev %d, finished at %s", got.State, got.Rev, got.FinishedAt)
			}
			if b, err := f.Queue.Raw(t.Context(), m.ID); err != nil || string(b) != string(raw) {
				t.Errorf("the bytes are %q, %v", b, err)
			}
			var got []string
			for _, key := range f.indexed(m.ID) {
				if i := strings.Index(key, "0000019"); i >= 0 { // the hexadecimal milliseconds of these years
					key = key[:i] + "TIME" + key[i+16:]
				}
				if !strings.HasPrefix(key, "raw/") { // where the body is kept is the store's business
					got = append(got, key)
				}
			}
			if s := strings.Join(got, "|"); s != c.want {
				t.Errorf("indexes %q, want %q", s, c.want)
			}
			if n := f.counts(); !maps.Equal(n, map[mail.State]int{c.state: 1}) {
				t.Errorf("counted %v", n)
			}
		})
	}
}

func TestPutRefusesAnIdThatIsTaken(t *testing.T) {
	f := build(t)
	m := f.held()
	before := f.keys()
	again := f.draft(mail.Outgoing, f.box)
	again.ID = m.ID
	err := f.DB.Update(t.Context(), func(tx store.Tx) error {
		_, err := f.Ledger.Put(tx, again, bodyOf(again), release)
		return err
	})
	if !errors.Is(err, mail.ErrStale) || !maps.Equal(f.keys(), before) || len(f.entries(m.ID)) != 1 {
		t.Errorf("got %v, %d entries", err, len(f.entries(m.ID)))
	}
}

// Even in a transaction that is committed.
func TestAPutThatTheStepRefusesLeavesNothing(t *testing.T) {
	f := build(t)
	before := f.keys()
	for want, facts := range map[step.Answer]step.Facts{
		step.Frozen: {Mode: mail.Autonomous, Frozen: true}, step.ReadOnly: {Mode: mail.ReadOnly},
	} {
		m := f.draft(mail.Outgoing, f.box)
		f.Update(func(tx store.Tx) error {
			out, err := f.Ledger.Put(tx, m, bodyOf(m), queue.Change{Event: step.Submit, Facts: facts})
			if out.Answer != want {
				t.Errorf("%s, want %s", out.Answer, want)
			}
			return err
		})
		if m.State != mail.New || m.Rev != 0 {
			t.Errorf("the mail is %s at rev %d", m.State, m.Rev)
		}
		if _, err := f.Queue.Raw(t.Context(), m.ID); !errors.Is(err, mail.ErrNotFound) {
			t.Errorf("its bytes: %v", err)
		}
		if n := len(f.entries(m.ID)); n != 0 {
			t.Errorf("%d entries", n)
		}
	}
	if now := f.keys(); !maps.Equal(now, before) {
		t.Errorf("%q", slices.Sorted(maps.Keys(now)))
	}
}

func TestAMoveOfAMailThatHasMovedOnChangesNothing(t *testing.T) {
	f := build(t)
	old := f.held()
	stale := *old
	f.move(old.ID, approve)
	before := f.keys()
	err := f.DB.Update(t.Context(), func(tx store.Tx) error {
		_, err := f.Ledger.Move(tx, &stale, reject)
		if !errors.Is(err, mail.ErrStale) {
			t.Errorf("got %v", err)
		}
		return nil // committed all the same
	})
	if err != nil || !maps.Equal(f.keys(), before) || len(f.entries(old.ID)) != 2 || stale.State != mail.Held {
		t.Errorf("%v, %d entries, the copy is %s", err, len(f.entries(old.ID)), stale.State)
	}
}

func TestAMoveOfAMailThatIsNotThereIsRefused(t *testing.T) {
	f := build(t)
	err := f.DB.Update(t.Context(), func(tx store.Tx) error {
		_, err := f.Ledger.Move(tx, f.draft(mail.Outgoing, f.box), approve)
		return err
	})
	if !errors.Is(err, mail.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// The indexes of before come back, although the caller has edited its copy.
func TestAMoveThatTheStepRefusesKeepsTheIndexes(t *testing.T) {
	f := build(t)
	f.put(f.draft(mail.Incoming, f.box), hold)
	for _, c := range []struct {
		m  *mail.Mail
		by queue.Change
	}{
		{f.held(), sent},
		{f.ready(), approve},
		{f.move(f.ready().ID, claim(f.clock.Now().Add(time.Hour))), cancel},
		{f.move(f.held().ID, reject), approve},
		{f.put(f.draft(mail.Incoming, f.box), hold), retry},
	} {
		before := f.keys()
		m := f.mail(c.m.ID)
		m.NextAttempt, m.ExpiresAt = m.NextAttempt.Add(time.Hour), m.ExpiresAt.Add(time.Hour)
		m.Lease.Until = m.Lease.Until.Add(time.Hour)
		c.by.Apply = func(*mail.Mail, audit.Ref) { t.Errorf("%s was applied to %s mail", c.by.Event, m.State) }
		f.Update(func(tx store.Tx) error {
			out, err := f.Ledger.Move(tx, m, c.by)
			if out.Answer == step.Done || out.State != c.m.State {
				t.Errorf("%s of %s mail: %s, %s", c.by.Event, c.m.State, out.Answer, out.State)
			}
			return err
		})
		if now := f.keys(); !maps.Equal(now, before) {
			t.Errorf("%s of %s mail left\n%q, want\n%q", c.by.Event, c.m.State,
				slices.Sorted(maps.Keys(now)), slices.Sorted(maps.Keys(before)))
		}
	}
}

func TestEveryMoveTakesTheIndexesOfBeforeAway(t *testing.T) {
	f := build(t)
	m := f.held()
	until := f.clock.Now().Add(time.Hour)
	for _, c := range []struct {
		by   queue.Change
		want []string
	}{
		{approve, []string{"due/", "state/ready/"}},
		{claim(until), []string{"lease/", "state/sending/"}},
		{retry, []string{"due/", "state/ready/"}},
		{queue.Change{Event: step.Hold}, []string{"held/", "state/held/"}},
		{approve, []string{"due/", "state/ready/"}},
		{claim(until), []string{"lease/", "state/sending/"}},
		{sent, []string{"kept/"}},
		{queue.Change{Event: step.Erase}, nil},
	} {
		rev := f.mail(m.ID).Rev
		if got := f.move(m.ID, c.by); got.Rev != rev+1 {
			t.Errorf("%s made rev %d of %d", c.by.Event, got.Rev, rev)
		}
		want := append([]string{"box/", "mail/"}, c.want...)
		if c.by.Event == step.Erase {
			want = []string{"mail/"} // what is erased is in no list
		}
		for _, key := range f.indexed(m.ID) {
			i := slices.IndexFunc(want, func(p string) bool { return strings.HasPrefix(key, p) })
			if strings.HasPrefix(key, "raw/") {
				continue
			}
			if i < 0 {
				t.Errorf("after %s there is %q", c.by.Event, key)
				continue
			}
			want = slices.Delete(want, i, i+1)
		}
		if len(want) != 0 {
			t.Errorf("after %s there is no %q", c.by.Event, want)
		}
	}
	if got := f.mail(m.ID); !got.FinishedAt.Equal(f.clock.Now()) {
		t.Errorf("finished at %s", got.FinishedAt)
	}
}

// The facts of the record count, whatever the caller says of them.
func TestEveryTransitionHasAnEntryWithAllItsFacts(t *testing.T) {
	f := build(t)
	facts := step.Facts{
		Direction: mail.Incoming, Notice: true, State: mail.Sent, Basis: mail.Approved, // all of these are wrong
		Mode: mail.GatedAll, Delivered: step.Some, Listed: true, Due: true, Late: true, Intact: true, Match: true,
		Self: true, Pending: true, Owed: true}
	m := f.draft(mail.Outgoing, f.box)
	var ref audit.Ref
	f.put(m, queue.Change{Event: step.Submit, Facts: facts,
		Private: map[string]string{"subject": "Hello"},
		Apply:   func(m *mail.Mail, r audit.Ref) { ref = r; m.SubmitRef = r.String() }})
	want := map[string]string{
		"table": strconv.Itoa(step.Version), "direction": "outgoing",
		"event": "submit", "from": "new", "to": "held", "mode": "gated_all",
		"basis": "none", "basis_after": "none", "delivered": "1", "notice": "false", "frozen": "false", "listed": "true",
		"due": "true", "late": "true", "intact": "true", "match": "true", "self": "true", "pending": "true", "owed": "true",
		"copy_only": "false", "unverified": "false", "overdue": "false", "spam": "false", "kept": "false",
		"deferred": "false", "door": "smtp", "agent": "bot",
	}
	f.entryIs(m, audit.MailSubmit, want)
	if got := f.mail(m.ID).SubmitRef; got != ref.String() || ref.Chain == "" {
		t.Errorf("the record names the entry %q, it is %s", got, ref)
	}
	if p := f.entries(m.ID)[0].Private; p["subject"] != "Hello" {
		t.Errorf("personal data: %v", p)
	}

	m = f.move(m.ID, queue.Change{Event: step.Approve, Facts: step.Facts{Mode: mail.GatedSend, Match: true}})
	want = map[string]string{
		"table": strconv.Itoa(step.Version), "direction": "outgoing",
		"event": "approve", "from": "held", "to": "ready", "mode": "gated_send",
		"basis": "none", "basis_after": "approved", "delivered": "0", "notice": "false", "frozen": "false",
		"listed": "false", "due": "false", "late": "false", "intact": "false", "match": "true", "self": "false",
		"pending": "false", "owed": "false", "copy_only": "false", "unverified": "false", "overdue": "false",
		"spam": "false", "kept": "false", "deferred": "false",
	}
	f.entryIs(m, audit.MailApprove, want)

	n := f.notice(m.ID)
	maps.Copy(want, map[string]string{"direction": "incoming", "event": "submit", "from": "new", "to": "received",
		"mode": "gated_all", "basis_after": "open", "match": "false", "notice": "true"})
	f.entryIs(n, audit.MailReceive, want)
}

// entryIs compares the newest entry of a mail.
func (f *fixture) entryIs(m *mail.Mail, kind audit.Kind, facts map[string]string) {
	f.Helper()
	all := f.entries(m.ID)
	e := all[len(all)-1]
	if e.Kind != kind || e.Mail != string(m.ID) || e.Rev != m.Rev || e.Digest != string(m.Digest) ||
		e.Actor != audit.System {
		f.Errorf("got %+v for %s at rev %d", e, m.ID, m.Rev)
	}
	for name, v := range facts {
		if e.Facts[name] != v {
			f.Errorf("%s: %s is %q, want %q", kind, name, e.Facts[name], v)
		}
	}
	if len(e.Facts) != len(facts) {
		f.Errorf("%s: %d facts, want %d: %v", kind, len(e.Facts), len(facts), e.Facts)
	}
}

func TestAClaimForTheCopyAloneSaysSo(t *testing.T) {
	f := build(t)
	m := f.move(f.ready().ID, queue.Change{Event: step.Claim,
		Facts: step.Facts{Mode: mail.GatedAll, Due: true, Intact: true, Owed: true, Delivered: step.Some}})
	all := f.entries(m.ID)
	if e := all[len(all)-1]; m.State != mail.Sending || e.Facts["copy_only"] != "true" || e.Facts["delivered"] != "1" {
		t.Errorf("%s: %v", m.State, e.Facts)
	}
}

// Without an entry there is no change (invariant 2).
func TestAMoveWithoutItsEntryIsNoMove(t *testing.T) {
	f := build(t)
	m := f.held()
	before := f.keys()
	err := f.DB.Update(t.Context(), func(tx store.Tx) error {
		m := f.copyOf(tx, m.ID)
		_, err := f.Ledger.Move(tx, m, queue.Change{Event: step.Approve, Facts: approve.Facts, Actor: audit.System,
			Extra: map[string]string{"weather": "fine"}}) // the log refuses a fact that it does not know
		return err
	})
	if err == nil || !maps.Equal(f.keys(), before) {
		t.Errorf("got %v", err)
	}
}

func (f *fixture) copyOf(tx store.Tx, id mail.ID) *mail.Mail {
	f.Helper()
	m, err := f.Ledger.Load(tx, id)
	if err != nil {
		f.Fatal(err)
	}
	return m
}

func TestAdoptTakesNothingButNotices(t *testing.T) {
	f := build(t)
	adopt := func(m *mail.Mail) error {
		return f.DB.Update(context.WithoutCancel(t.Context()), func(tx store.Tx) error {
			return f.Ledger.Adopt(tx, m, bodyOf(m))
		})
	}
	before := f.keys()
	outgoing, plain := f.draft(mail.Outgoing, f.box), f.draft(mail.Incoming, f.box)
	outgoing.Notice = &mail.Notice{About: "x", Action: "failed"}
	for name, m := range map[string]*mail.Mail{"an outgoing mail": outgoing, "an incoming mail": plain} {
		if err := adopt(m); err == nil {
			t.Errorf("%s was adopted", name)
		}
	}
	if !maps.Equal(f.keys(), before) {
		t.Error("something was stored")
	}
	n := f.draft(mail.Incoming, f.box)
	n.Notice = &mail.Notice{About: outgoing.ID, Action: "failed"}
	if err := adopt(n); err != nil {
		t.Fatal(err)
	}
	got, e := f.mail(n.ID), f.entries(n.ID)
	if got.State != mail.Received || got.SubmitRef == "" || len(e) != 1 || e[0].Kind != audit.MailReceive {
		t.Fatalf("%s with %+v", got.State, e)
	}
	facts := e[0].Facts
	if facts["upgraded"] != "true" || facts["about"] != string(outgoing.ID) || facts["action"] != "failed" {
		t.Errorf("%v", facts)
	}
	if err := adopt(n); !errors.Is(err, mail.ErrStale) {
		t.Errorf("adopted twice: %v", err)
	}
}
