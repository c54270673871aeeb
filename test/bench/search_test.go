package bench

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/search"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/systemtest"
	"github.com/multimail/multimail/mail"
)

// noter has the search index look at mail, as the daemon does.
type noter struct{}

// File notes a mail.
func (noter) File(tx store.Tx, m *mail.Mail) error { return search.Note(tx, m.ID) }

// Unfile notes a mail.
func (noter) Unfile(tx store.Tx, m *mail.Mail) error { return search.Note(tx, m.ID) }

// indexer is an index of the mail of a fixture, which counts the mails that it reads.
type indexer struct {
	*search.Index
	read atomic.Int64
}

func (h *fixture) indexer() *indexer {
	x := new(indexer)
	x.Index = search.New(search.Options{Path: filepath.Join(h.Dir, "search.db"), DB: h.DB, Ledger: h.Ledger,
		Log: systemtest.Quiet, Read: func(_ *mail.Mail, raw []byte) search.Content {
			x.read.Add(1)
			return search.Content{Text: message.NewReading(raw, message.ReadingLimits{Text: search.MaxText}).Text}
		}})
	return x
}

// run indexes while fn does something else, from nothing.
func (x *indexer) run(b *testing.B, fn func()) {
	b.Helper()
	x.Rebuild()
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan struct{})
	go func() { defer close(done); x.Run(ctx) }()
	fn()
	stop()
	<-done
}

// BenchmarkIndexing sends messages of 4 KiB over 32 connections, in turns while nothing
// is indexed and while an index is made anew of all mail that there is. At the end that
// is done once more while nothing comes in. What it does is the same for every b.N.
func BenchmarkIndexing(b *testing.B) {
	const first, turns, each = 4000, 5, 2000 // mails that there are before, turns, mails in a turn
	server, cl := certificates(b)
	h := startMultiMailWith(b, server, cl, gate.Options{Filer: noter{}})
	x := h.indexer()
	alone, beside := connect(b, h.target, 32), connect(b, h.target, 32)
	alone.round(b, first)
	alone.sent, alone.took = 0, 0
	for range turns {
		alone.round(b, each)
		x.run(b, func() { beside.round(b, each) })
	}
	indexed := float64(x.read.Swap(0)) / beside.took.Seconds()
	begun := time.Now()
	x.run(b, func() {
		for {
			if _, err := x.Search(b.Context(), mail.MustAddress(mailbox), "message", "", 1); err == nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
	idle := float64(x.read.Load()) / time.Since(begun).Seconds()
	h.stop(b)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(alone.rate(), "alone-msg/s")
	b.ReportMetric(beside.rate(), "msg/s")
	b.ReportMetric(beside.rate()/alone.rate(), "×alone")
	b.ReportMetric(indexed, "indexed/s")
	b.ReportMetric(idle, "idle-indexed/s")
}
