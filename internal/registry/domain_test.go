package registry_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
)

// spare adds a domain that no mailbox uses, pinned as internal.
func spare(h *fixture) {
	h.must(func(tx store.Tx) error {
		if _, err := h.reg.AddDomain(tx, dev, "spare.test"); err != nil {
			return err
		}
		_, err := h.reg.PinDomain(tx, dev, "spare.test")
		return err
	})
}

func (h *fixture) kinds() (out []string) {
	for _, e := range h.entries() {
		out = append(out, string(e.Record().Kind))
	}
	return out
}

func (h *fixture) domain(name string) (d registry.Domain) {
	h.t.Helper()
	h.must(func(tx store.Tx) (err error) { d, err = h.reg.Domain(tx, name); return err })
	return d
}

func TestADomainWithAMailboxIsNotRemoved(t *testing.T) {
	h := open(t)
	err := h.update(func(tx store.Tx) error { return h.reg.RemoveDomain(tx, dev, "EXAMPLE.test") })
	if !errors.Is(err, registry.ErrExists) {
		t.Errorf("got %v", err)
	}
	spare(h)
	h.must(func(tx store.Tx) error { return h.reg.RemoveDomain(tx, dev, "SPARE.test") })
	err = h.update(func(tx store.Tx) error { return h.reg.RemoveDomain(tx, dev, "spare.test") })
	if !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestChallengesAreRandomAndFitADomainOnce(t *testing.T) {
	a, b := open(t).domain("example.test"), open(t).domain("example.test")
	if len(a.Challenge) < 26 || a.Challenge == b.Challenge {
		t.Errorf("%q and %q", a.Challenge, b.Challenge)
	}
}

// Each case is a list of findings at times from when the domain was added, and
// what the domain counts as at a last time.
func TestADomainCountsAsVerifiedForThreeDaysAfterTheLastPositive(t *testing.T) {
	const ours, not, nothing = registry.FoundOurs, registry.FoundNotOurs, registry.FoundNothing
	type at struct {
		after time.Duration
		registry.Finding
	}
	for _, c := range []struct {
		name     string
		found    []at
		when     time.Duration
		verified bool
		entries  []string
	}{
		{"never", nil, 0, false, nil},
		{"not ours", []at{{0, not}}, 0, false, []string{"domain.fail"}},
		{"nothing", []at{{0, nothing}}, 0, false, nil},
		{"ours", []at{{0, ours}}, 72*time.Hour - 1, true, []string{"domain.verify"}},
		{"ours, too long ago", []at{{0, ours}}, 72 * time.Hour, false, []string{"domain.verify"}},
		{"an hour of SERVFAIL", []at{{0, ours}, {time.Hour, nothing}}, 2 * time.Hour, true, []string{"domain.verify"}},
		{"SERVFAIL does not prolong", []at{{0, ours}, {71 * time.Hour, nothing}}, 73 * time.Hour, false,
			[]string{"domain.verify"}},
		{"a negative does not end it at once", []at{{0, ours}, {time.Hour, not}}, 71 * time.Hour, true,
			[]string{"domain.verify", "domain.fail"}},
		{"negatives end it with the time of the last positive",
			[]at{{0, ours}, {time.Hour, not}, {2 * time.Hour, not}, {73 * time.Hour, not}}, 73 * time.Hour, false,
			[]string{"domain.verify", "domain.fail", "domain.lapse"}},
		{"the end is noted by a check without an answer too", []at{{0, ours}, {80 * time.Hour, nothing}}, 80 * time.Hour,
			false, []string{"domain.verify", "domain.lapse"}},
		{"ours again", []at{{0, ours}, {time.Hour, not}, {2 * time.Hour, ours}}, 73 * time.Hour, true,
			[]string{"domain.verify", "domain.fail"}},
		{"ours after the end", []at{{0, ours}, {80 * time.Hour, not}, {90 * time.Hour, ours}}, 91 * time.Hour, true,
			[]string{"domain.verify", "domain.fail", "domain.lapse", "domain.verify"}},
		{"by a clock that was years ahead", []at{{1000 * 24 * time.Hour, ours}}, time.Hour, false,
			[]string{"domain.verify"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := open(t)
			before := len(h.kinds())
			d := h.domain("example.test")
			for _, f := range c.found {
				h.db.Time = d.CreatedAt.Add(f.after)
				h.must(func(tx store.Tx) error {
					return h.reg.NoteCheck(tx, d.Name, registry.DomainCheck{Challenge: d.Challenge, Finding: f.Finding})
				})
			}
			now := d.CreatedAt.Add(c.when)
			if d = h.domain("example.test"); d.Verified(now) != c.verified || d.MaySend(now) != c.verified {
				t.Errorf("verified %v, may send %v", d.Verified(now), d.MaySend(now))
			}
			if got := h.kinds()[before:]; !slices.Equal(got, c.entries) {
				t.Errorf("entries %q, want %q", got, c.entries)
			}
			if _, err := h.verify(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestACheckOfAnotherChallengeOrDomainChangesNothing(t *testing.T) {
	h := open(t)
	h.must(func(tx store.Tx) error {
		for name, challenge := range map[string]string{"example.test": "other", "gone.test": ""} {
			c := registry.DomainCheck{Challenge: challenge, Finding: registry.FoundOurs}
			if err := h.reg.NoteCheck(tx, name, c); err != nil {
				return err
			}
		}
		return nil
	})
	if d := h.domain("example.test"); d.Verified(d.CreatedAt) || !d.CheckedAt.IsZero() {
		t.Errorf("got %+v", d)
	}
}

func TestAnInternalDomainSendsAndIsNotVerified(t *testing.T) {
	h := open(t)
	spare(h)
	d := h.domain("spare.test")
	if !d.MaySend(d.CreatedAt) || d.Verified(d.CreatedAt) {
		t.Errorf("got %+v", d)
	}
	later := d.CreatedAt.Add(time.Hour)
	h.db.Time = later
	h.must(func(tx store.Tx) error { _, err := h.reg.UnpinDomain(tx, dev, "spare.test"); return err })
	if d := h.domain("spare.test"); d.MaySend(later) || !d.StoppedSince().Equal(later) {
		t.Errorf("got %+v", d)
	}
}

func TestDomainsOfBeforeGetAChallengeAndThreeDays(t *testing.T) {
	h := open(t)
	d := h.domain("example.test")
	h.db.Edit(func(records map[string][]byte) {
		records["registry/domain/example.test"] = []byte(`{"name":"example.test","created_at":"2020-01-01T00:00:00Z"}`)
	})
	for range 2 { // an upgrade that was cut off begins again
		h.must(h.reg.AdoptDomains)
	}
	old := h.domain("example.test")
	if len(old.Challenge) < 26 || old.Challenge == d.Challenge || old.Verified(zone) || !old.MaySend(zone) ||
		!old.MaySend(zone.Add(71*time.Hour)) || old.MaySend(zone.Add(73*time.Hour)) {
		t.Errorf("got %+v", old)
	}
	if want := zone.Add(registry.VerifiedLife); !old.StoppedSince().Equal(want) {
		t.Errorf("stopped since %v", old.StoppedSince())
	}
	h.must(func(tx store.Tx) error {
		c := registry.DomainCheck{Challenge: old.Challenge, Finding: registry.FoundOurs}
		return h.reg.NoteCheck(tx, "example.test", c)
	})
	if old = h.domain("example.test"); !old.Verified(zone) || old.Assumed {
		t.Errorf("got %+v", old)
	}
}

// A domain whose bounce subdomain is not in the DNS sends as before.
func TestADomainTakesBouncesOnceTheDNSShowsIt(t *testing.T) {
	of := func(statuses ...string) (d registry.Domain) {
		for i, s := range statuses {
			purpose := []string{"bounce-mx", "bounce-mx", "bounce-spf"}[i]
			d.Records = append(d.Records, registry.Standing{Purpose: purpose, Status: s})
		}
		return d
	}
	for _, tt := range []struct {
		d    registry.Domain
		want bool
	}{
		{of(), false}, {registry.Domain{Internal: true}, true}, {of("present"), true}, {of("different", "present"), true},
		{of("present", "missing", "present"), true}, {of("present", "present", "missing"), false},
		{of("present", "present", "unknown"), false}, {of("missing", "different", "present"), false},
		{of("unknown"), false},
		{registry.Domain{Records: []registry.Standing{{Purpose: "mx", Status: "present"}}}, false},
	} {
		if got := tt.d.TakesBounces(); got != tt.want {
			t.Errorf("%+v: %v", tt.d.Records, got)
		}
	}
}
