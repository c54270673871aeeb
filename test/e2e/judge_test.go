//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// outcome is what was found after the storm. All but the first five must be zero.
type outcome struct {
	kills, acked, stored, approved, wire            int
	lost, unapproved, altered, missing, unexplained int
	duplicates                                      int // explained ones too
}

func (o outcome) String() string {
	return fmt.Sprintf("kills=%d acked=%d stored=%d approved=%d wire=%d "+
		"lost=%d unapproved=%d altered=%d missing=%d dup=%d unexplained=%d",
		o.kills, o.acked, o.stored, o.approved, o.wire,
		o.lost, o.unapproved, o.altered, o.missing, o.duplicates, o.unexplained)
}

// judge compares what was written down outside with what is there.
func (s *storm) judge() {
	t := s.t
	t.Helper()
	stored := map[string]storedMail{}
	for _, m := range s.mails() {
		stored[m.ID] = m
	}
	log, wire := s.log(), s.wire()
	o := outcome{kills: s.kills, acked: len(s.acked), stored: len(stored), approved: len(s.approved), wire: len(wire)}
	for id := range s.acked {
		if _, ok := stored[id]; !ok {
			o.lost++
		}
	}
	for id := range s.approved {
		if stored[id].State != "sent" {
			t.Errorf("%s: its approval was answered, it is %q", id, stored[id].State)
		}
	}
	for id, copies := range wire {
		if !s.asked[id] {
			o.unapproved++
		}
		o.duplicates += len(copies) - 1
		if err := tie(copies, log[id]); err != nil {
			o.unexplained++
			t.Errorf("%s: %v", id, err)
		}
		for _, c := range copies {
			if sum := s.acked[id]; sum != "" && sum != c.body {
				o.altered++
			}
		}
	}
	for id, m := range stored {
		if m.State == "sent" && len(wire[id]) == 0 {
			o.missing++
		}
	}
	t.Log(o)
	if o.lost+o.unapproved+o.altered+o.missing+o.unexplained > 0 {
		t.Errorf("an invariant is broken: %s", o)
	}
	if o.approved == 0 || o.wire == 0 {
		t.Error("nothing was approved: the test shows nothing")
	}
	s.must("audit", "verify")
	s.entries(stored, log)
}

// arrival is one arrival of a mail at the next hop.
type arrival struct {
	at   time.Time
	body string // its SHA-256
}

// wire reads what the next hop wrote down, by mail and in the order of arrival.
func (s *storm) wire() map[string][]arrival {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dev.Captured, "*.eml"))
	if err != nil {
		s.t.Fatal(err)
	}
	all := map[string][]arrival{}
	for _, f := range files {
		id, _, _ := strings.Cut(filepath.Base(f), "-")
		b, err := os.ReadFile(f)
		if err != nil {
			s.t.Fatal(err)
		}
		meta, err := os.ReadFile(strings.TrimSuffix(f, ".eml") + ".json")
		if err != nil {
			s.t.Fatal(err)
		}
		var envelope struct {
			At time.Time `json:"received_at"`
		}
		decode(s.t, string(meta), &envelope)
		_, body, _ := bytes.Cut(b, []byte("\r\n\r\n"))
		all[id] = append(all[id], arrival{envelope.At, digest(body)})
	}
	for _, l := range all {
		slices.SortFunc(l, func(a, b arrival) int { return a.at.Compare(b.at) })
	}
	return all
}

// logEntry is one entry of the audit log about a mail.
type logEntry struct {
	Kind, Mail string
	Time       time.Time
	Facts      map[string]string
}

// log reads the entries that change a mail, by mail and in their order.
func (s *storm) log() map[string][]logEntry {
	s.t.Helper()
	all := map[string][]logEntry{}
	for text := range strings.Lines(s.must("audit", "export")) {
		var line struct{ Leaf string }
		if json.Unmarshal([]byte(text), &line) == nil && line.Leaf == "" {
			continue // the first line and the last
		}
		var e logEntry
		if err := errors.Join(json.Unmarshal([]byte(text), &line), json.Unmarshal([]byte(line.Leaf), &e)); err != nil {
			s.t.Fatal(err)
		}
		if strings.HasPrefix(e.Kind, "mail.") {
			all[e.Mail] = append(all[e.Mail], e)
		}
	}
	return all
}

// attempt is one claim of a mail and how it ended.
type attempt struct {
	begun       time.Time
	interrupted bool // by a kill, or the final dot went unanswered
	arrived     int
}

// tie gives each arrival of a mail to the attempt that was under way. A mail may
// arrive again only after an attempt that was interrupted: that one may have
// ended between the final dot and its record.
func tie(copies []arrival, entries []logEntry) error {
	var attempts []attempt
	for _, e := range entries {
		switch {
		case e.Kind == "mail.claim":
			attempts = append(attempts, attempt{begun: e.Time})
		case len(attempts) > 0 && (e.Kind == "mail.lapse" || e.Facts["uncertain"] == "true"):
			attempts[len(attempts)-1].interrupted = true
		}
	}
	last := -1
	for i, c := range copies {
		of := -1
		for j, a := range attempts {
			if !a.begun.After(c.at) {
				of = j
			}
		}
		switch {
		case of < 0:
			return fmt.Errorf("copy %d arrived at %s, before any of %d attempts", i+1, c.at, len(attempts))
		case of == last:
			return fmt.Errorf("copies %d and %d arrived in the same attempt", i, i+1)
		case last >= 0 && !attempts[last].interrupted:
			return fmt.Errorf("copy %d arrived again after attempt %d, which was not interrupted", i+1, last+1)
		}
		last = of
	}
	return nil
}

// A mail that arrives twice is a fault unless the log says why.
func TestADuplicateIsTiedToTheAttemptThatWasInterrupted(t *testing.T) {
	at := func(second int) time.Time { return time.Date(2026, 5, 1, 12, 0, second, 0, time.UTC) }
	claim := func(second int) logEntry { return logEntry{Kind: "mail.claim", Time: at(second)} }
	end := func(second int, kind string) logEntry { return logEntry{Kind: kind, Time: at(second)} }
	unanswered := logEntry{Kind: "mail.retry", Time: at(3), Facts: map[string]string{"uncertain": "true"}}
	for _, c := range []struct {
		name    string
		copies  []int
		entries []logEntry
		fault   string
	}{
		{"once", []int{2}, []logEntry{claim(1), end(3, "mail.sent")}, ""},
		{"again after a kill", []int{2, 5}, []logEntry{claim(1), end(3, "mail.lapse"), claim(4), end(6, "mail.sent")}, ""},
		{"again after an unanswered dot", []int{2, 5}, []logEntry{claim(1), unanswered, claim(4), end(6, "mail.sent")}, ""},
		{"again after a kill that met an attempt between them", []int{2, 8},
			[]logEntry{claim(1), end(3, "mail.lapse"), claim(4), end(5, "mail.retry"), claim(7)}, ""},
		{"twice in one attempt", []int{2, 3}, []logEntry{claim(1), end(4, "mail.lapse")}, "same attempt"},
		{"again after a refusal", []int{2, 5}, []logEntry{claim(1), end(3, "mail.retry"), claim(4)}, "not interrupted"},
		{"again after another attempt was interrupted", []int{5, 8},
			[]logEntry{claim(1), end(3, "mail.lapse"), claim(4), end(6, "mail.retry"), claim(7)}, "not interrupted"},
		{"without an attempt", []int{2}, []logEntry{end(1, "mail.approve")}, "before any"},
		{"before its attempt", []int{2}, []logEntry{claim(3)}, "before any"},
	} {
		var copies []arrival
		for _, second := range c.copies {
			copies = append(copies, arrival{at: at(second)})
		}
		err := tie(copies, c.entries)
		if c.fault == "" && err != nil || c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.fault)
		}
	}
}

// entries checks that every change of a mail has exactly one entry: a
// revision counts changes.
func (s *storm) entries(stored map[string]storedMail, log map[string][]logEntry) {
	s.t.Helper()
	for id, m := range stored {
		if len(log[id]) != m.Rev {
			s.t.Errorf("%s has %d changes and %d entries", id, m.Rev, len(log[id]))
		}
	}
	if len(log) != len(stored) {
		s.t.Errorf("%d mails have entries, %d are stored", len(log), len(stored))
	}
}
