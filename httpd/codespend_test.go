package httpd

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/bounce"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/systemtest"
)

// commits is a store that is told what to do with each commit.
type commits struct {
	store.Store
	mu    sync.Mutex
	count int
	// abort says whether the nth commit since it was set fails; nil: none does. A transaction
	// that gives up by itself is not counted.
	abort func(n int) bool
	// after is called when the nth is done; nil: nothing is.
	after func(n int)
}

func (c *commits) Update(ctx context.Context, fn func(store.Tx) error) error {
	n := 0
	err := c.Store.Update(ctx, func(tx store.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.count++
		if n = c.count; c.abort != nil && c.abort(n) {
			return fmt.Errorf("%w: for the test", store.ErrAborted)
		}
		return nil
	})
	if err == nil && c.after != nil {
		c.after(n)
	}
	return err
}

// newCommits is a fixture whose gate and doors have such a store.
func newCommits(t *testing.T) (*fixture, *commits) {
	c := &commits{}
	h := newFixtureWith(t, systemtest.NewClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), time.Millisecond),
		func(h *fixture) {
			c.Store = h.DB
			h.db, h.Gate = c, h.NewGate(c, gate.Options{Filter: h.judge, Bounces: bounce.New("bounce")})
		})
	return h, c
}

// of returns the entries of a kind, the newest first.
func (h *fixture) of(kind audit.Kind) (list []audit.Record) {
	for _, e := range h.entries() {
		if e.Kind == kind {
			list = append(list, e)
		}
	}
	return list
}

// upgradeRow is what has a code without being in the table: a looser mode.
const upgradeRow = "apply_upgrade"

// askedFor asks for a row of byCodes, or for a looser mode, and returns how it is presented.
func (h *fixture) askedFor(name string) (present func() reply, done int) {
	h.t.Helper()
	if name == upgradeRow {
		const at = "/v1/mailboxes/" + bot
		h.want(200, "sender", "POST", at+"/request-upgrade", `{"target_mode":"monitored"}`)
		return func() reply {
			return h.do("sender", "POST", at+"/upgrade", `{"code":"`+h.codes[0].Code+`"}`)
		}, 200
	}
	c := byCodes[name]
	path, body := h.byCode(c.path, c.body)
	code := h.asksFor("sender", c.method, path, body)
	return func() reply { return h.present("sender", c.method, path, body, code) }, c.status
}

// withACode are all operations that a code lets pass.
func withACode() []string {
	names := []string{upgradeRow}
	for name := range byCodes {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// The code and what it is for are one transaction: where that fails nothing has been done, and
// the code is as good as before.
func TestACodeIsKeptWhenWhatItIsForFails(t *testing.T) {
	for _, name := range withACode() {
		t.Run(name, func(t *testing.T) {
			h, c := newCommits(t)
			present, done := h.askedFor(name)
			before := len(h.entries())
			c.count, c.abort = 0, func(n int) bool { return n > 1 } // the first looks the code up
			if r := present(); r.status < 500 {
				t.Fatalf("the commit fails: %d %s", r.status, r.body)
			}
			if c.count < 2 {
				t.Fatalf("%d transactions", c.count)
			}
			c.abort = nil
			if list := h.entries(); len(list) != before {
				t.Fatalf("the log has %+v", list[:len(list)-before])
			}
			if r := present(); r.status != done {
				t.Fatalf("once more: %d %s", r.status, r.body)
			}
			if list := h.entries(); len(h.of(audit.CodeRedeem)) != 1 || list[0].Kind == audit.CodeRedeem &&
				name != "delete_contact" && name != "create_webhook" { // nothing is there to write of
				t.Errorf("the newest entry is %s", list[0].Kind)
			}
			if r := present(); r.status != spent(name) {
				t.Errorf("a third time: %d %s", r.status, r.body)
			}
		})
	}
}

// spent is what is answered to a code once more: whoever closed the account is not let in.
func spent(name string) int {
	if name == "delete_account" {
		return 401
	}
	return 404
}

// Both have shown the code before either is carried out.
func TestOfTwoWhoPresentACodeAtOnceOneIsServed(t *testing.T) {
	for _, name := range withACode() {
		t.Run(name, func(t *testing.T) {
			h, c := newCommits(t)
			present, done := h.askedFor(name)
			var both sync.WaitGroup
			both.Add(2)
			c.count, c.after = 0, func(n int) {
				if n <= 2 {
					both.Done()
					both.Wait()
				}
			}
			var got [2]reply
			var asked sync.WaitGroup
			for i := range got {
				asked.Go(func() { got[i] = present() })
			}
			asked.Wait()
			statuses := []int{got[0].status, got[1].status}
			if slices.Sort(statuses); !slices.Equal(statuses, []int{done, spent(name)}) {
				t.Errorf("answers %v: %s %s", statuses, got[0].body, got[1].body)
			}
			if n := len(h.of(audit.CodeRedeem)); n != 1 {
				t.Errorf("%d entries of redeeming", n)
			}
		})
	}
}

// A newer request voids a code that is being presented.
func TestACodeIsVoidWhenANewerRequestComesBetween(t *testing.T) {
	h, c := newCommits(t)
	present, _ := h.askedFor("add_allowlist_entry")
	c.count, c.after = 0, func(n int) {
		if n == 1 {
			h.asksFor("sender", "POST", allowPath, `{"pattern":"eve@b.example"}`)
		}
	}
	if r := present(); r.status != 404 || len(h.of(audit.AllowAdd)) > 0 {
		t.Errorf("%d %s", r.status, r.body)
	}
}

// A freeze that comes between holds what the code is for.
func TestNothingIsCarriedOutWhenAFreezeComesBetween(t *testing.T) {
	h, c := newCommits(t)
	present, done := h.askedFor("create_mailbox")
	c.count, c.after = 0, func(n int) {
		if n == 1 {
			h.want(200, "approver", "POST", "/v1/freeze", `{"scope":"all","reason":"drill"}`)
		}
	}
	if r := present(); r.status != 503 || len(h.of(audit.CodeRedeem)) > 0 {
		t.Errorf("frozen: %d %s", r.status, r.body)
	}
	c.after = nil
	h.want(200, "approver", "POST", "/v1/thaw", `{"scope":"all"}`)
	if r := present(); r.status != done {
		t.Errorf("thawed: %d %s", r.status, r.body)
	}
}

// What was asked for may have become impossible, and possible again.
func TestACodeIsKeptWhileWhatItIsForIsRefused(t *testing.T) {
	h := newFixture(t)
	code := h.asksFor("sender", "POST", "/v1/mailboxes", `{"address":"new@a.example","agents":["bot"]}`)
	h.want(201, "dev", "POST", "/v1/mailboxes", `{"address":"new@a.example","agents":["other"]}`)
	with := `{"address":"new@a.example","agents":["bot"],"approval_code":"` + code + `"}`
	h.want(409, "sender", "POST", "/v1/mailboxes", with)
	h.want(409, "sender", "POST", "/v1/mailboxes", with)
	if n := len(h.of(audit.CodeRedeem)); n != 0 {
		t.Errorf("%d entries of redeeming", n)
	}
}
