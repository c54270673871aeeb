package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
)

func seqs(all []audit.Entry) string {
	var b strings.Builder
	for _, e := range all {
		fmt.Fprintf(&b, "%d ", e.Seq())
	}
	return strings.TrimSpace(b.String())
}

func TestListGoesBackFromTheNewestPageByPage(t *testing.T) {
	db, l := sampleLog(t, "node")
	appendAll(t, db, audit.New("node2"), sample()...)
	appendAll(t, db, audit.New("nod"), sample()...)
	for _, c := range []struct {
		before uint64
		limit  int
		want   string
	}{
		{0, 100, "5 4 3 2 1 0"},
		{0, 4, "5 4 3 2"},
		{2, 4, "1 0"},
		{1, 4, "0"},
		{6, 1, "5"},
		{99, 1, "5"},
		{0, 0, ""},
		{0, -1, ""},
	} {
		got := list(t, db, l, c.before, c.limit)
		if seqs(got) != c.want {
			t.Errorf("before %d, at most %d: %s, want %s", c.before, c.limit, seqs(got), c.want)
		}
		for _, e := range got {
			if e.Chain() != "node" {
				t.Errorf("an entry of %s", e.Chain())
			}
		}
	}
	if got := list(t, db, audit.New("other"), 0, 9); len(got) != 0 {
		t.Errorf("an empty chain has %d entries", len(got))
	}
}

func TestByMailFindsTheEntriesOfThatMailOnAllChains(t *testing.T) {
	db, l := sampleLog(t, "node")
	second := audit.New("other")
	appendAll(t, db, second, sample()[2]) // the same place as another entry of the same mail
	appendAll(t, db, second, sample()[2], sample()[2])
	next := sample()[2]
	next.Mail = "M10"
	appendAll(t, db, l, next)
	if got := byMail(t, db, l, "M1"); seqs(got) != "2 3 4 5 0 1 2" {
		t.Errorf("M1: %s", seqs(got))
	}
	for mail, want := range map[string]string{"M10": "6", "M": "", "": "", "M1/node": "", "M1/": ""} {
		if got := byMail(t, db, l, mail); seqs(got) != want {
			t.Errorf("%q: %s, want %s", mail, seqs(got), want)
		}
	}
}

func TestExportHoldsEveryEntryInOrderHoweverManyThereAre(t *testing.T) {
	db := newMemory()
	for _, node := range []string{"b", "a"} {
		var all []audit.Record
		for i := range 1200 {
			all = append(all, by(system, record(audit.AuthFail), "user", strings.Repeat("x", i)))
		}
		appendAll(t, db, audit.New(node), all...)
	}
	lines := export(t, db)
	r, err := audit.Verify(strings.NewReader(whole(lines)), audit.Options{})
	if err != nil || len(lines) != 2400 || len(r.Chains) != 2 || r.Chains[0].Chain != "a" || r.Chains[1].Size != 1200 {
		t.Fatalf("%d lines: %+v %v", len(lines), r.Chains, err)
	}
}

func TestExportWithoutOpeningsTellsNothingPersonalAndVerifies(t *testing.T) {
	db, l := sampleLog(t, "node")
	var b bytes.Buffer
	if err := l.Export(ctx, db, &b, audit.ExportOptions{}); err != nil {
		t.Fatal(err)
	}
	if s := b.String(); strings.Contains(s, "bob@") || strings.Contains(s, "ann") || strings.Contains(s, `"open"`) {
		t.Error(s)
	}
	r, err := audit.Verify(&b, audit.Options{})
	if err != nil || r.Chains[0].Root != mustVerify(t, export(t, db)).Root || r.Chains[0].Erased != 6 {
		t.Errorf("%+v %v", r, err)
	}
}

func TestExportSinceATimeBeginsThere(t *testing.T) {
	db, l := sampleLog(t, "node")
	db.Time = db.Time.Add(time.Hour)
	appendAll(t, db, l, sample()[:2]...)
	for since, want := range map[time.Time]int{
		{}: 8, zone: 8, zone.Add(1): 2, zone.Add(time.Hour): 2, zone.Add(time.Hour + 1): 0,
	} {
		var b bytes.Buffer
		if err := l.Export(ctx, db, &b, audit.ExportOptions{Since: since}); err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(b.Bytes(), []byte(`{"hash"`)); n != want {
			t.Errorf("since %s: %d entries, want %d", since, n, want)
		}
	}
}

// busy appends an entry for every write of the export.
type busy struct {
	bytes.Buffer
	write func()
}

func (b *busy) Write(p []byte) (int, error) {
	b.write()
	return b.Buffer.Write(p)
}

func TestWhatIsAppendedDuringAnExportDoesNotBreakIt(t *testing.T) {
	db, l := newMemory(), audit.New("node")
	for range 200 {
		appendAll(t, db, l, sample()...)
	}
	b := &busy{write: func() { appendAll(t, db, l, sample()[2]) }}
	if err := l.Export(ctx, db, b, audit.ExportOptions{Openings: true}); err != nil {
		t.Fatal(err)
	}
	r, err := audit.Verify(&b.Buffer, audit.Options{})
	if err != nil || r.Chains[0].Size <= 1200 {
		t.Errorf("%+v %v", r, err)
	}
}

type full struct{ left int }

func (f *full) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

func TestExportSaysSoWhenItFails(t *testing.T) {
	db, l := sampleLog(t, "node")
	if err := l.Export(ctx, db, &full{}, audit.ExportOptions{}); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("a full disk at the end: %v", err)
	}
	appendAll(t, db, l, slices.Repeat(sample(), 20)...)
	if err := l.Export(ctx, db, &full{left: 5000}, audit.ExportOptions{}); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("a full disk: %v", err)
	}
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	if err := l.Export(stopped, db, io.Discard, audit.ExportOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := l.Verify(stopped, db, audit.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
