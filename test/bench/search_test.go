package bench

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"

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

// BenchmarkIndexing sends messages of 4 KiB over 32 connections, in turns while nothing
// is indexed and while an index is made anew of all mail that there is.
func BenchmarkIndexing(b *testing.B) {
	const first = 4000 // mails that there are before
	server, cl := certificates(b)
	h := startMultiMailWith(b, server, cl, gate.Options{Filer: noter{}})
	var read atomic.Int64
	x := search.New(search.Options{Path: filepath.Join(h.Dir, "search.db"), DB: h.DB, Ledger: h.Ledger,
		Log: systemtest.Quiet, Read: func(_ *mail.Mail, raw []byte) search.Content {
			read.Add(1)
			return search.Content{Text: message.NewContent(raw, search.MaxText).Text}
		}})
	connect(b, h.target, 32).round(b, first)
	alone, beside := connect(b, h.target, 32), connect(b, h.target, 32)
	b.ResetTimer()
	for i := range rounds {
		n := b.N*(i+1)/rounds - b.N*i/rounds
		alone.round(b, n)
		x.Rebuild()
		ctx, stop := context.WithCancel(b.Context())
		done := make(chan struct{})
		go func() { defer close(done); x.Run(ctx) }()
		beside.round(b, n)
		stop()
		<-done
	}
	b.StopTimer()
	h.stop(b)
	b.ReportMetric(beside.took.Seconds()*1e9/float64(b.N), "ns/op")
	b.ReportMetric(alone.rate(), "alone-msg/s")
	b.ReportMetric(beside.rate(), "msg/s")
	b.ReportMetric(beside.rate()/alone.rate(), "×alone")
	b.ReportMetric(float64(read.Load())/beside.took.Seconds(), "indexed/s")
}
