package search

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// Content is what of a message is searched.
type Content struct {
	Authors, Recipients []string // names and addresses
	Text                string   // what it says, and the names of its files
	Attachments         bool     // it has files
}

// Options are what an index is made from. All of it is required.
type Options struct {
	Path   string // of the file
	DB     store.Store
	Ledger *queue.Ledger
	// Read takes a message apart, and returns about MaxText octets of text at most.
	Read func(m *mail.Mail, raw []byte) Content
	Log  *slog.Logger
}

// MaxText is how many octets of the text of a mail are indexed.
const MaxText = 256 << 10

// Bounds of the work.
const (
	maxBatch  = 128     // mails in one transaction
	maxOctets = 4 << 20 // of their words, and one mail more
	// gather is how long the index waits after a mail was written, so that what comes
	// with it shares a transaction.
	gather = 100 * time.Millisecond
	// look is how often the files are looked at when there is nothing to do.
	look = 10 * time.Second
	// maxLag is how old a note may become while mail comes in; see pace.
	maxLag = time.Minute
	// maxPause is how long the index rests at most after an error.
	maxPause = time.Minute
)

// Index is the index of one daemon.
type Index struct {
	o     Options
	turn  chan *file  // holds the file, nil for none, while nobody uses it
	ready atomic.Bool // the index has all mail, but for what is noted
	renew atomic.Bool // the file is to be made anew
	doubt atomic.Bool // the file is to be checked
	wake  chan struct{}

	patience time.Duration // queryTime, but for tests
	lag      time.Duration // how long the oldest mail that was noted had waited at the last step; of Run alone
}

// New returns an index that is not open yet: Run opens it.
func New(o Options) *Index {
	x := &Index{o: o, turn: make(chan *file, 1), wake: make(chan struct{}, 1), patience: queryTime}
	x.turn <- nil
	return x
}

// use runs fn with the file, which nobody else uses meanwhile.
func (x *Index) use(ctx context.Context, fn func(*file) error) error {
	select {
	case f := <-x.turn:
		defer func() { x.turn <- f }()
		if f == nil {
			return errBuilding
		}
		return fn(f)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Rebuild has the index made anew from the ledger. It returns at once.
func (x *Index) Rebuild() {
	x.ready.Store(false)
	x.renew.Store(true)
	x.rouse()
}

// suspect has the index checked because of an error of a search.
func (x *Index) suspect(err error) {
	switch {
	case errors.Is(err, errDamaged):
		x.ready.Store(false)
		x.renew.Store(true)
	case uncertain(err):
		x.doubt.Store(true)
	}
	x.rouse()
}

func (x *Index) rouse() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// Run keeps the index until ctx ends, and closes it. No error ends it: the mail does
// not depend on the index.
func (x *Index) Run(ctx context.Context) {
	defer x.shut()
	pause := time.Duration(0)
	for ctx.Err() == nil {
		written := x.o.Ledger.Changed()
		begun := time.Now()
		more, err := x.step(ctx)
		switch {
		case err != nil:
			pause = min(max(2*pause, time.Second), maxPause)
			if ctx.Err() == nil && !errors.Is(err, errDamaged) {
				x.o.Log.Error("search index", "err", err)
			}
			sleep(ctx, pause)
		case more:
			pause = 0
			sleep(ctx, pace(time.Since(begun), x.lag, closed(written)))
		default:
			pause = 0
			if x.await(ctx, written) {
				sleep(ctx, gather)
			}
		}
	}
}

// await waits until mail is written, or somebody asks for something, and reports
// whether it was mail.
func (x *Index) await(ctx context.Context, written <-chan struct{}) bool {
	select {
	case <-ctx.Done():
	case <-written:
		return true
	case <-x.wake:
	case <-time.After(look):
	}
	return false
}

// pace is how long the index rests after it has worked. While mail comes in, it takes a
// tenth of the time of one processor, and more the longer the oldest mail has waited: all
// of it after maxLag. So the mail comes first, and the index is late by a bounded time.
func pace(worked, lag time.Duration, busy bool) time.Duration {
	if !busy {
		return 0
	}
	left := 1 - float64(min(max(lag, 0), maxLag))/float64(maxLag)
	return time.Duration(9 * left * float64(worked))
}

func closed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// step does one piece of work, and reports whether there is more.
func (x *Index) step(ctx context.Context) (more bool, err error) {
	if err := x.open(ctx); err != nil {
		return false, err
	}
	more, err = x.follow(ctx)
	if err == nil && !x.ready.Load() {
		more, err = true, x.scan(ctx)
	}
	if err == nil {
		var unclean bool
		err = x.use(ctx, func(f *file) (err error) { unclean, err = f.clean(ctx); return err })
		more = more || unclean
	}
	if errors.Is(err, errDamaged) {
		x.discard(err)
	} else if uncertain(err) {
		x.doubt.Store(true)
	}
	return more, err
}

// open sees to it that there is a file that can be used.
func (x *Index) open(ctx context.Context) error {
	f := <-x.turn
	defer func() { x.turn <- f }()
	if f != nil && !x.renew.Load() {
		err := f.intact()
		if err == nil && x.doubt.Swap(false) {
			err = f.check(ctx)
		}
		if !errors.Is(err, errDamaged) {
			return err
		}
		x.discard(err)
	}
	if x.renew.Swap(false) {
		x.ready.Store(false)
		if f != nil {
			f.close() // whatever it says of a file that goes away
			f = nil
		}
		if err := remove(x.o.Path); err != nil {
			x.renew.Store(true)
			return err
		}
	}
	if f != nil {
		return nil
	}
	opened, err := openFile(ctx, x.o.Path)
	if errors.Is(err, errDamaged) {
		x.discard(err)
	}
	if err != nil {
		return err
	}
	f = opened
	done, err := f.progress(ctx, built)
	x.ready.Store(done != "")
	return err
}

// discard has the file made anew.
func (x *Index) discard(err error) {
	x.o.Log.Warn("the search index is made anew", "why", err)
	x.ready.Store(false)
	x.renew.Store(true)
}

// shut closes the file.
func (x *Index) shut() {
	f := <-x.turn
	x.ready.Store(false)
	if f != nil {
		if err := f.close(); err != nil {
			x.o.Log.Error("search index", "err", err)
		}
	}
	x.turn <- nil
}

// follow brings the index to what the ledger says of the mail that was noted, and
// reports whether there may be more of it.
func (x *Index) follow(ctx context.Context) (more bool, err error) {
	jobs, lag, err := x.jobs(ctx, maxBatch)
	x.lag = lag
	if err != nil || len(jobs) == 0 {
		return false, err
	}
	var c change
	used, octets := 0, 0
	for _, j := range jobs {
		if octets > maxOctets {
			break
		}
		used++
		if j.mail == nil {
			c.remove = append(c.remove, j.id)
			continue
		}
		d, err := x.document(ctx, j.mail)
		if err != nil {
			return false, err
		}
		octets += d.octets()
		c.add = append(c.add, d)
	}
	slices.SortFunc(c.add, func(a, b document) int { return strings.Compare(string(b.id), string(a.id)) })
	if err := x.use(ctx, func(f *file) error { return f.write(ctx, c) }); err != nil {
		return false, err
	}
	return used < len(jobs) || used == maxBatch, x.done(ctx, jobs[:used])
}

// scan indexes the next page of the ledger, the newest mail first. What changes after
// it was read has been noted.
func (x *Index) scan(ctx context.Context) error {
	var at string
	if err := x.use(ctx, func(f *file) (err error) { at, err = f.progress(ctx, scanned); return err }); err != nil {
		return err
	}
	var page []queue.Listed
	err := x.o.DB.View(ctx, func(tx store.Tx) (err error) {
		page, err = x.o.Ledger.All(tx, mail.ID(at), maxBatch)
		return err
	})
	if err != nil {
		return err
	}
	c := change{progress: map[string]string{}}
	octets := 0
	for _, l := range page {
		if octets > maxOctets {
			break
		}
		c.progress[scanned] = string(l.ID)
		if l.Mail == nil {
			x.o.Log.Error("damaged record", "mail", l.ID, "err", l.Err)
			continue
		}
		if !l.Mail.Visible() {
			continue
		}
		d, err := x.document(ctx, l.Mail)
		if err != nil {
			return err
		}
		octets += d.octets()
		c.add = append(c.add, d)
	}
	if len(page) == 0 {
		c.progress[built] = "yes"
	}
	if err := x.use(ctx, func(f *file) error { return f.write(ctx, c) }); err != nil {
		return err
	}
	if len(page) == 0 && !x.renew.Load() {
		x.ready.Store(true)
		x.o.Log.Info("the search index is complete")
	}
	return nil
}

// document reads a mail. What cannot be read of it is not indexed, and the rest is.
func (x *Index) document(ctx context.Context, m *mail.Mail) (document, error) {
	raw, err := x.o.DB.Body(ctx, queue.RawKey(m.ID))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return document{}, fmt.Errorf("search: bytes of %s: %w", m.ID, err)
	}
	c := x.read(m, raw)
	kind := boxWord(m.Mailbox)
	if c.Attachments {
		kind += " " + attachment
	}
	return document{
		id: m.ID, box: m.Mailbox, kind: kind, subject: words(m.Header.Subject),
		author: words(strings.Join(c.Authors, "\n")), recipients: words(strings.Join(c.Recipients, "\n")),
		body: words(cut(c.Text, MaxText)),
	}, nil
}

// read keeps a fault of the reader to the mail that it is about.
func (x *Index) read(m *mail.Mail, raw []byte) (c Content) {
	defer func() {
		if r := recover(); r != nil {
			x.o.Log.Error("a mail cannot be indexed", "mail", m.ID, "err", r)
		}
	}()
	return x.o.Read(m, raw)
}
