package gate

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Restricted is an operation that only some may ask for: to decide, to change policy, to
// make a credential.
type Restricted struct {
	Op   string  // what was asked for: "decide", "thaw", "key.create", …
	Door string  // "" where no door says
	Mail mail.ID // of a decision
	// Refused reads an error as a refusal, with the code that the door answers;
	// nil: as the gate does, without a code. What is our own fault, or has no
	// known outcome, is no refusal.
	Refused func(error) (code string, ok bool)

	facts map[string]string
}

// Guard carries out an operation and records its refusal, once, after whatever
// transaction refused it is gone. A guarded operation inside another is a part of
// it: a door guards what it does before the gate is asked, and the gate what is
// asked of it in any other way.
func (g *Gate) Guard(ctx context.Context, p registry.Principal, a Restricted, run func(context.Context) error) error {
	if outer, ok := ctx.Value(guardKey{}).(*Restricted); ok {
		if a.Mail != "" {
			outer.Mail, outer.facts = a.Mail, a.facts
		}
		return run(ctx)
	}
	err := run(context.WithValue(ctx, guardKey{}, &a))
	if a.Refused == nil {
		a.Refused = refusal
	}
	code, refused := a.Refused(err)
	if err == nil || !refused {
		return err
	}
	r := audit.Record{Kind: audit.PolicyRefuse, Mail: string(a.Mail),
		Facts:   map[string]string{"op": a.Op},
		Private: map[string]string{"text": cut(err.Error())}}
	if code != "" {
		r.Facts["code"] = code
	}
	if word := mail.WordOf(err); word != "" {
		r.Facts["reason"] = word
	}
	if a.Op == opDecide {
		r.Kind = audit.DecideRefuse
	}
	if a.Door != "" {
		r.Facts["door"] = a.Door
	}
	for k, v := range a.facts {
		r.Facts[k] = v
	}
	g.NoteRefusal(ctx, p, r)
	return err
}

type guardKey struct{}

// opDecide is the one operation about a mail.
const opDecide = "decide"

// refusal is what the gate itself takes for one.
func refusal(err error) (code string, ok bool) {
	if errors.Is(err, errStore) || errors.Is(err, errFull) {
		return "", false
	}
	return "", mail.WordOf(err) != ""
}

// cut bounds what a stranger's words can put into an entry.
func cut(s string) string { return s[:min(len(s), 500)] }

// maxRefusals is how many refusals of one principal are recorded in a window:
// who holds a credential must not be able to fill the log.
const (
	maxRefusals   = 60
	refusalWindow = time.Minute
)

// refusals counts them by principal, of which there are as many as the registry
// knows.
type refusals struct {
	mu sync.Mutex
	by map[string]*window
}

// window is one principal's count since a moment.
type window struct {
	p       registry.Principal
	since   time.Time
	n       int
	omitted int
}

func (w *window) over(now time.Time) bool {
	return now.Before(w.since) || !now.Before(w.since.Add(refusalWindow))
}

// take counts a refusal and says whether it is to be recorded, and which window
// came to its end with some left out.
func (r *refusals) take(p registry.Principal, now time.Time) (record bool, ended *window) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.by[p.ID()]
	if w != nil && w.over(now) {
		if w.omitted > 0 {
			ended = w
		}
		w = nil
	}
	if w == nil {
		w = &window{p: p, since: now}
		if r.by == nil {
			r.by = map[string]*window{}
		}
		r.by[p.ID()] = w
	}
	if w.n++; w.n > maxRefusals {
		w.omitted++
		return false, ended
	}
	return true, ended
}

// end removes the windows that are over, or all, and returns those that left
// some out.
func (r *refusals) end(now time.Time, all bool) (ended []*window) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, w := range r.by {
		if !all && !w.over(now) {
			continue
		}
		delete(r.by, id)
		if w.omitted > 0 {
			ended = append(ended, w)
		}
	}
	return ended
}

// NoteRefusal records what a principal was refused; kind and facts are the
// caller's. Past maxRefusals a minute one entry counts the rest.
func (g *Gate) NoteRefusal(ctx context.Context, p registry.Principal, r audit.Record) {
	now, err := g.now(ctx)
	if err != nil {
		g.o.Log.Error("audit", "actor", p.ID(), "err", err)
		return
	}
	record, ended := g.refusals.take(p, now)
	if ended != nil {
		g.noteOmitted(ctx, ended)
	}
	if !record {
		g.o.Metrics.Limits.WithLabelValues(string(mail.LimitAuditRefusals)).Inc()
		return
	}
	g.note(ctx, p, r)
}

// sweepRefusals counts what was left out of windows that are over.
func (g *Gate) sweepRefusals(ctx context.Context, all bool) {
	now, err := g.now(ctx)
	if err != nil {
		return
	}
	for _, w := range g.refusals.end(now, all) {
		g.noteOmitted(ctx, w)
	}
}

func (g *Gate) noteOmitted(ctx context.Context, w *window) {
	g.note(ctx, w.p, audit.Record{Kind: audit.RefuseOmit,
		Facts: map[string]string{"omitted": strconv.Itoa(w.omitted), "since": w.since.UTC().Format(time.RFC3339)}})
}

// now is the time by the store's clock.
func (g *Gate) now(ctx context.Context) (now time.Time, err error) {
	err = g.db.View(context.WithoutCancel(ctx), func(tx store.Tx) error {
		now = tx.Now()
		return nil
	})
	return now, err
}

// Note appends an entry that stands alone: of what p read or was refused, which
// changes no record. It has its own transaction: that of what was refused
// leaves nothing behind.
func (g *Gate) Note(ctx context.Context, p registry.Principal, r audit.Record) error {
	err := g.db.Update(context.WithoutCancel(ctx), func(tx store.Tx) error {
		_, err := g.log.Append(tx, p.Signed(r))
		return err
	})
	if err != nil {
		return fmt.Errorf("gate: note %s: %w", r.Kind, err)
	}
	return nil
}

// note is Note where nobody waits for the answer.
func (g *Gate) note(ctx context.Context, p registry.Principal, r audit.Record) {
	if err := g.Note(ctx, p, r); err != nil {
		g.o.Log.Error("audit", "actor", p.ID(), "err", err)
	}
}
