// Package gate is the only way into the ledger (invariant 1) and the only one that
// moves mail there: it takes what the doors bring, holds what the oversight mode
// holds, carries out the decisions of approvers, and says what delivery may attempt.
//
// A door parses its protocol and calls [Gate.Submit] with a principal and raw
// bytes; everything a submission must satisfy is checked here, once, for every
// door. Decisions name the digest they are about. What becomes of a mail is
// said by gate/step; this package gathers the facts for it, inside the
// transaction that stores the outcome.
package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/bounce"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/metrics"
	"github.com/multimail/multimail/internal/node"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/throttle"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// Options are the settings of a gate. Every number is required: zero never means
// no limit.
type Options struct {
	MaxSize int64 // octets of a message
	MaxRcpt int   // envelope recipients

	// What a mailbox may have waiting: for a decision, and for a next hop. A
	// mail that would go beyond is refused; one that is held again is not.
	HeldSize, BacklogSize   int64 // octets
	HeldCount, BacklogCount int   // mails

	RetryLifetime time.Duration // of attempts, from the release

	WarmUp bool // the mail of a new domain has few recipients a day at first

	SubmissionsPerMinute int              // of one credential
	Now                  func() time.Time // of SubmissionsPerMinute; nil means time.Now

	// Trusted says whether the clock may end a hold or let scheduled mail go;
	// nil means always. It is asked after the clock of the store was read.
	Trusted func() bool

	// What a mailbox may keep of incoming mail, what its agents do not see included.
	QuotaSize  int64 // octets
	QuotaCount int   // mails

	// How long mail that is over stays; 0: until its mailbox says otherwise. What a mailbox
	// has received beyond RetentionSize octets goes too, oldest first. What was thrown away,
	// and incoming mail that its mailbox never got, goes after TrashAfter.
	Retention     time.Duration
	RetentionSize int64
	TrashAfter    time.Duration

	// Filter judges a mail of either direction before it is stored; nil takes every mail
	// for clean, and so does a judgement without a verdict. A *mail.Error refuses the mail
	// in its words.
	Filter func(ctx context.Context, m *mail.Mail, raw []byte) (mail.Spam, error)
	// Learn is told, after the commit, what a person with the oversight scope takes for
	// spam, and what one releases from quarantine; nil learns nothing. It does not wait.
	Learn func(id mail.ID, spam bool)
	// Bounces makes and reads the envelope senders to which reports come back; nil makes
	// none, and takes no report.
	Bounces *bounce.Addresses
	// Filer keeps what a mailbox makes of its mail; nil keeps nothing.
	Filer Filer
	// Trash says what readers threw away; nil: nothing.
	Trash Trash
	// Answers says what no program may answer; nil: everything may be answered.
	Answers Answers
	// What else ends with a closed account, and whom its mailboxes know.
	Closing []Closing
	Forget  Forget

	Log     *slog.Logger // nil means slog.Default
	Metrics *metrics.Metrics
}

// Gate decides what may leave and what may come in.
type Gate struct {
	db  store.Store
	q   *queue.Ledger
	reg *registry.Registry
	log *audit.Log
	o   Options

	nodes  *node.Nodes
	render func(message.Notice) []byte

	refusals refusals
	rate     *throttle.Rate // of submissions, by credential

	closed chan struct{} // CloseAccount tells Run

	// How far Retain, and nobody else, has walked through what was thrown away, and what ended.
	trash, ended string
}

// check panics where a setting is missing: whoever builds a gate without limits
// has made a mistake that no running system may have.
func (o Options) check() {
	for name, n := range map[string]int64{
		"MaxSize": o.MaxSize, "MaxRcpt": int64(o.MaxRcpt), "SubmissionsPerMinute": int64(o.SubmissionsPerMinute),
		"HeldSize": o.HeldSize, "BacklogSize": o.BacklogSize, "RetryLifetime": int64(o.RetryLifetime),
		"HeldCount": int64(o.HeldCount), "BacklogCount": int64(o.BacklogCount),
		"QuotaSize": o.QuotaSize, "QuotaCount": int64(o.QuotaCount),
		"RetentionSize": o.RetentionSize, "TrashAfter": int64(o.TrashAfter),
	} {
		if n <= 0 {
			panic("gate: Options." + name + " is required")
		}
	}
}

// New returns a gate before the ledger q.
func New(
	db store.Store, q *queue.Ledger, reg *registry.Registry, log *audit.Log, nodes *node.Nodes, o Options,
) *Gate {
	o.check()
	if o.Trusted == nil {
		o.Trusted = func() bool { return true }
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Metrics == nil {
		o.Metrics = metrics.New()
	}
	if o.Bounces == nil {
		o.Bounces = bounce.New("")
	}
	return &Gate{rate: throttle.NewRate(o.SubmissionsPerMinute, o.Now), db: db, q: q, reg: reg, log: log, o: o,
		nodes: nodes, render: message.Notice.Render, closed: make(chan struct{}, 1)}
}

// What the doors tell a client whose mail or decision is refused.
var (
	errFrozen   = mail.ErrFrozen.Errorf("sending is frozen for now; keep the mail and try again later")
	errReadOnly = mail.ReasonReadOnly.Errorf("this mailbox is read_only and may not send; " +
		"ask its operator for more autonomy")
	errSender = mail.ReasonSender.Errorf("sender not permitted: use the address of your own mailbox")
	errStore  = mail.ErrUnavailable.Errorf("cannot store mail now; try again later")
	errFull   = mail.ReasonDiskFull.Errorf("not enough space to store mail; try again later")
	errSize   = mail.ErrTooLarge.Errorf("message too large").Over(mail.LimitMessageSize)
	errRcpts  = mail.ReasonRecipients.Errorf("too many recipients; send to fewer at a time").Over(mail.LimitRecipients)
	errRate   = mail.ErrRateLimited.Errorf("too many mails with this credential; " +
		"try again in a minute").Over(mail.LimitSubmissionRate)
	errWarmUp = mail.ReasonWarmUp.Errorf("the sending domain is new, and this mail has more recipients than its mail " +
		"may still have on that day; send to fewer, or later").Over(mail.LimitWarmUp)
	errNoRcpt = mail.ReasonNoRecipient.Errorf("no valid recipients")
	errKept   = mail.ReasonKept.Errorf("a legal hold is in force: nothing of this mailbox is erased")
	errSelf   = mail.ReasonSelf.Errorf("who submits a mail can never decide over it")
	errScope  = mail.ReasonScope.Errorf("this needs a credential with the oversight scope")
	errKey    = mail.ReasonScope.Errorf("this needs a credential with the send scope")
)

// stale is a conflict: somebody or something was first.
func stale(format string, args ...any) error {
	return mail.ErrStale.Errorf(format, args...)
}

// answer turns the error of a store into what a door may say. A commit whose
// outcome is unknown is neither "done" nor "failed": try again (invariant 5).
func answer(err error) error {
	var e *mail.Error
	switch {
	case err == nil, errors.As(err, &e), errors.Is(err, mail.ErrNotFound), errors.Is(err, mail.ErrStale):
		return err
	}
	return unstored(err)
}

// unstored says why nothing could be stored, as far as that is known.
func unstored(err error) *mail.Error {
	if store.Full(err) {
		return errFull.Because(err)
	}
	return errStore.Because(err)
}

// space returns nil where the store can take so many octets of new mail, and what to answer
// otherwise.
func (g *Gate) space(octets int64) error {
	err := errors.Join(g.db.Healthy(), g.db.Fits(octets))
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrBehind):
		return errStore.Because(err)
	}
	return errFull.Because(err)
}

// update runs fn in a transaction.
func (g *Gate) update(ctx context.Context, fn func(store.Tx) error) error {
	return answer(g.db.Update(ctx, fn))
}

// Filer keeps threads and whatever else is made of the mail that a mailbox shows. It is
// called inside the transaction of the step: an error gives up the step.
type Filer interface {
	File(tx store.Tx, m *mail.Mail) error // the mailbox shows m from now on
	// Unfile: it does not any more. Of an erased mail, which is stripped, nothing may stay,
	// whether it was shown or not.
	Unfile(tx store.Tx, m *mail.Mail) error
}

// Trash is what readers have thrown away.
type Trash interface {
	// ThrownBefore lists mail that readers threw away before a time, oldest first, behind a
	// cursor that an earlier call returned.
	ThrownBefore(tx store.Tx, t time.Time, cursor string, limit int) (ids []mail.ID, next string, err error)
}

// Answers knows what may be answered.
type Answers interface {
	// NoAnswer says why no program may send a mail, because of what it answers; "" if one may.
	// A mail that its mailbox does not show is as good as none.
	NoAnswer(tx store.Tx, m *mail.Mail) (why string, err error)
}

// enter puts a new mail.
func (g *Gate) enter(tx store.Tx, m *mail.Mail, raw store.Staged, c queue.Change) (step.Outcome, error) {
	out, err := g.q.Put(tx, m, raw, c)
	if err == nil && out.Answer == step.Done {
		err = g.file(tx, m, false)
	}
	return out, err
}

// move makes a step of a stored mail, with the notice that its end asks for.
func (g *Gate) move(tx store.Tx, m *mail.Mail, c queue.Change) (step.Outcome, error) {
	shown, before := m.Visible(), m.State
	out, err := g.q.Move(tx, m, c)
	if err != nil || out.Answer != step.Done {
		return out, err
	}
	err = g.file(tx, m, shown)
	if m.State != before { // of an end its author hears once
		err = errors.Join(err, g.notify(tx, m))
	}
	return out, err
}

// file tells the Filer when a mail comes into the view of its mailbox, or leaves it.
func (g *Gate) file(tx store.Tx, m *mail.Mail, before bool) error {
	switch {
	case g.o.Filer == nil:
		return nil
	case m.State == mail.Erased: // whatever was kept of it goes, shown or not
		return g.o.Filer.Unfile(tx, m)
	case m.Visible() == before:
		return nil
	case before:
		return g.o.Filer.Unfile(tx, m)
	}
	return g.o.Filer.File(tx, m)
}

// judge has the filter judge a mail that is not stored yet.
func (g *Gate) judge(ctx context.Context, m *mail.Mail, raw []byte) error {
	if g.o.Filter == nil {
		return nil
	}
	s, err := g.o.Filter(ctx, m, raw)
	if err != nil {
		return err
	}
	if s.Verdict != "" { // somebody was asked
		m.Spam = &s
	}
	return nil
}

// Facts gathers everything a step may depend on but the digest and the person:
// Intact, Match and Self are the caller's.
func (g *Gate) Facts(tx store.Tx, m *mail.Mail) (step.Facts, error) {
	f := step.Facts{Direction: m.Direction, Notice: m.Notice != nil, State: m.State, Basis: m.Basis}
	box, err := g.reg.Keeper(tx, m.Mailbox)
	if err != nil {
		return f, fmt.Errorf("gate: mailbox of %s: %w", m.ID, err)
	}
	f.Mode, f.Kept = box.Mode, box.LegalHold
	f.Spam = m.Spam != nil && m.Spam.Verdict == mail.SpamQuarantined ||
		m.Arrival != nil && m.Arrival.Auth.Quarantine // whatever a filter makes of it
	if m.Direction == mail.Incoming {
		f.Frozen, err = g.reg.FrozenMailbox(tx, m.Mailbox)
	} else {
		f.Frozen, err = g.reg.Frozen(tx, m.Agent, m.Mailbox)
	}
	if err != nil {
		return f, fmt.Errorf("gate: freezes over %s: %w", m.ID, err)
	}
	if err := g.domainFacts(tx, m, box, &f); err != nil {
		return f, err
	}
	if m.Direction == mail.Outgoing && box.DeletedAt.IsZero() {
		if f.Listed, err = g.reg.Allowed(tx, m.Mailbox, authored(m)); err != nil {
			return f, fmt.Errorf("gate: allowlist of %s: %w", m.ID, err)
		}
	}
	now := tx.Now()
	trusted := g.o.Trusted()
	f.Due = m.NotBefore.IsZero() || trusted && !now.Before(m.NotBefore)
	f.Late = trusted && !m.ExpiresAt.IsZero() && !now.Before(m.ExpiresAt)
	f.Delivered, f.Pending = progress(m)
	f.Owed = f.Delivered != step.None && slices.ContainsFunc(m.Envelope.Rcpts, func(r mail.Rcpt) bool {
		return r.Watches() && r.Standing == mail.Pending
	})
	if _, closed, err := g.reg.Closed(tx); err != nil || closed {
		f.Owed = false // nobody is sent a copy any more, nor waits for one
		return f, err
	}
	return f, nil
}

// named returns the recipients the author named.
func named(m *mail.Mail) []mail.Address {
	var out []mail.Address
	for _, r := range m.Envelope.Rcpts {
		if !r.Copy {
			out = append(out, r.Addr)
		}
	}
	return out
}

// authored returns the recipients the author named itself, without the copies to the operator
// that its mailbox adds.
func authored(m *mail.Mail) []mail.Address {
	var out []mail.Address
	for _, r := range m.Envelope.Rcpts {
		if !r.Operators() {
			out = append(out, r.Addr)
		}
	}
	return out
}

// progress counts the author's recipients; a copy only keeps the mail pending.
func progress(m *mail.Mail) (p step.Progress, pending bool) {
	all, delivered := 0, 0
	for _, r := range m.Envelope.Rcpts {
		pending = pending || r.Standing == mail.Pending
		if r.Operators() {
			continue
		}
		all++
		if r.Standing == mail.Delivered {
			delivered++
		}
	}
	switch delivered {
	case 0:
		return step.None, pending
	case all:
		return step.All, pending
	}
	return step.Some, pending
}

// terms says under whose name, in which mode and on what grounds a mail leaves.
func (g *Gate) terms(tx store.Tx, m *mail.Mail, basis mail.Basis) (terms, error) {
	var t terms
	box, err := g.reg.Keeper(tx, m.Mailbox)
	if err != nil {
		return t, err
	}
	op, err := g.reg.Operator(tx)
	if err != nil {
		return t, err
	}
	domain, err := g.reg.Domain(tx, m.Mailbox.Domain())
	if err != nil {
		return t, err
	}
	t.release = mail.Release{
		Mode: box.Mode, Basis: basis, By: "none", Ref: m.SubmitRef, Operator: op.Name,
		AgentRef: m.AgentRef, RefPolicy: box.RefPolicy, Capabilities: capabilities(box.Mode),
		Verified: domain.Verified(tx.Now()) && !domain.Internal,
	}
	if box.RefPolicy == mail.RefNone {
		t.release.AgentRef = ""
	}
	switch basis {
	case mail.Allowlist:
		t.release.By = "allowlist"
	case mail.Approved:
		if len(m.Decisions) == 0 {
			return t, fmt.Errorf("gate: %s is approved without a decision", m.ID)
		}
		d := m.Decisions[len(m.Decisions)-1]
		t.release.By, t.release.Ref = d.Kind, d.Ref
	}
	if box.Mode == mail.Monitored {
		if t.copy, err = g.reg.Oversight(tx, m.Mailbox); err != nil {
			return t, err
		}
		if t.copy.IsZero() {
			return t, errors.New("gate: monitored without an oversight address") // invariant 7
		}
	}
	return t, nil
}

// capabilities is what an agent of a mailbox may do at this moment.
func capabilities(m mail.Mode) []string {
	if m == mail.ReadOnly {
		return []string{"read"}
	}
	return []string{"read", "schedule", "send"}
}
