package audit_test

import (
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
)

// domains takes the domains that were added for settings; now are the records.
func domains(now *[]string) *audit.Settings {
	return &audit.Settings{
		Stated: func(r audit.Record) map[string]string {
			if r.Kind != audit.DomainAdd {
				return nil
			}
			name, value, _ := strings.Cut(r.Facts["domain"], "=")
			return map[string]string{name: value}
		},
		Recorded: func(store.Tx) (out []audit.Record, err error) {
			for _, d := range *now {
				out = append(out, record(audit.DomainAdd, "domain", d))
			}
			return out, nil
		},
	}
}

func set(value string) audit.Record { return record(audit.DomainAdd, "domain", value) }

func TestSettingsAndLogAreComparedBothWays(t *testing.T) {
	db, l := sampleLog(t, "node")
	appendAll(t, db, l, set("a=1"), set("b=1"), set("a=2"), set("c=3"), set("c="))
	for _, c := range []struct{ now, why string }{
		{"a=2 b=1", ""},
		{"a=2 b=1 d=", ""},
		{"a=1 b=1", `a: the record says "1", the log says "2"`},
		{"a=2", `b: the record says nothing, the log says "1"`},
		{"a=2 b=1 c=3", `c: the record says "3", the log says nothing`},
		{"a=2 b=1 d=4", `d: the record says "4", the log says nothing`},
		{"", `says "2"; b: the record`},
	} {
		now := strings.Fields(c.now)
		r, err := l.Verify(ctx, db, audit.Options{Settings: domains(&now)})
		switch {
		case c.why == "" && (err != nil || r.Settings != 2), c.why != "" && err == nil:
			t.Errorf("%q: got %+v %v", c.now, r, err)
		case err != nil && !strings.Contains(err.Error(), c.why):
			t.Errorf("%q: got %v, want %q", c.now, err, c.why)
		}
	}
}

// Whoever changes a setting while the log is verified is no fault.
func TestASettingThatChangesDuringTheVerificationIsCompared(t *testing.T) {
	db, l := sampleLog(t, "node")
	appendAll(t, db, l, set("a=1"))
	now := []string{"a=1"}
	o := audit.Options{Settings: domains(&now), Records: func(store.Tx, string, int) ([]audit.Standing, error) {
		appendAll(t, db, l, set("a=2"))
		appendAll(t, db, audit.New("other"), set("b=1"))
		now = []string{"a=2", "b=1"}
		return nil, nil
	}}
	if r, err := l.Verify(ctx, db, o); err != nil || r.Settings != 2 {
		t.Errorf("%+v %v", r, err)
	}
}

// The chain of another node comes first in the store and is the newer one.
func TestOfTwoChainsTheLaterEntryCounts(t *testing.T) {
	db := storetest.NewMemory(zone)
	appendAll(t, db, audit.New("z"), set("a=1"), set("b=1"))
	db.Time = zone.Add(time.Hour)
	appendAll(t, db, audit.New("a"), set("a=2"))
	now := []string{"a=2", "b=1"}
	if r, err := audit.New("a").Verify(ctx, db, audit.Options{Settings: domains(&now)}); err != nil {
		t.Errorf("%+v %v", r, err)
	}
}
