// Package step is the decision core: one pure function from what is known about
// a mail and what happens to it, to its next state (invariant 10).
//
// [Step] reads no clock, no store and no configuration. Whoever calls it gathers
// the [Facts] inside the transaction that will store the [Outcome], so that the
// decision and its grounds can never drift apart. The domain is finite: the
// test holds the whole table and checks every row.
//
// The rules have a [Version]. An audit entry names the version that decided it,
// and [Check] replays it with that one, so a later change of the rules leaves
// the log verifiable.
package step

import "github.com/multimail/multimail/mail"

// Progress is how many of the recipients an author named were delivered.
type Progress uint8

// The three degrees of progress.
const (
	None Progress = iota
	Some
	All
)

// Facts is everything a decision may depend on.
type Facts struct {
	Direction mail.Direction
	Notice    bool // incoming: a notice about a mail that was submitted here

	State State
	Mode  mail.Mode  // of the mailbox, now
	Basis mail.Basis // on which the mail stands

	Frozen bool // a freeze is in force for its agent, mailbox or domain

	Unverified bool // the domain of its mailbox is neither verified nor pinned as internal
	Overdue    bool // it has waited for that longer than a hold

	Listed bool // every recipient is on the allowlist, now
	Due    bool // NotBefore has passed
	Late   bool // the hold has expired
	Intact bool // the stored bytes still have the digest
	Match  bool // the decision names the digest of the mail
	Self   bool // the principal that decides is the one that submitted

	Deferred bool // its author wants an approver to be asked when its time has come, which it has not

	Spam bool // a filter takes it for spam
	Kept bool // a legal hold is in force over it

	Delivered Progress
	Pending   bool // a recipient still waits for an attempt
	Owed      bool // somebody got it and the oversight address did not yet
}

// State is mail.State; named here so that Facts reads as one table.
type State = mail.State

// Event is what happens to a mail.
type Event uint8

// The events.
const (
	Submit  Event = iota // a door, or a notice, brings it
	Approve              // an approver says yes
	Reject               // an approver says no
	Cancel               // the submitter or an admin withdraws it
	Hold                 // an admin or an approver puts it back
	Expire               // nobody decided in time
	Claim                // a worker wants to attempt it
	Settle               // the results of an attempt are known
	Lapse                // the lease of an attempt ran out
	Report               // a reader takes received mail for spam
	Bounce               // a server that took it says that a recipient did not get it
	Clear                // an approver says that received mail is no spam
	Erase                // it has been kept long enough
)

// Events lists every event.
var Events = [...]Event{Submit, Approve, Reject, Cancel, Hold, Expire, Claim, Settle, Lapse,
	Report, Bounce, Clear, Erase}

var eventNames = [...]string{
	"submit", "approve", "reject", "cancel", "hold", "expire", "claim", "settle", "lapse",
	"report", "bounce", "clear", "erase",
}

func (e Event) String() string { return eventNames[e] }

// Answer is the answer to an event: Done, or why nothing changed.
type Answer uint8

// The answers.
const (
	Done        Answer = iota
	Stale              // the mail is not in a state in which this can happen
	TooLate            // an attempt is under way, or the hold has expired
	Frozen             // nothing in scope moves
	ReadOnly           // the mailbox may not send
	SelfDecided        // the submitter can never decide
	Mismatch           // the decision names another digest
	NotDue             // scheduled for later
	Unverified         // the domain of its mailbox is not verified
	Kept               // a legal hold is in force
)

var answerNames = [...]string{
	"done", "stale", "too_late", "frozen", "read_only", "self_decided", "mismatch", "not_due",
	"unverified", "kept",
}

func (v Answer) String() string { return answerNames[v] }

// Kind names the audit entry of a step. It is a type of its own because this
// package imports mail alone; queue turns it into an audit.Kind, and a test of
// audit holds the two lists equal.
type Kind string

// The kinds.
const (
	MailSubmit  Kind = "mail.submit"
	MailReceive Kind = "mail.receive"
	MailHold    Kind = "mail.hold"
	MailApprove Kind = "mail.approve"
	MailReject  Kind = "mail.reject"
	MailCancel  Kind = "mail.cancel"
	MailExpire  Kind = "mail.expire"
	MailClaim   Kind = "mail.claim"
	MailRetry   Kind = "mail.retry"
	MailLapse   Kind = "mail.lapse"
	MailSent    Kind = "mail.sent"
	MailFailed  Kind = "mail.failed"
	MailReport  Kind = "mail.report"
	MailBounce  Kind = "mail.bounce"
	MailClear   Kind = "mail.clear"
	MailErase   Kind = "mail.erase"
)

// Kinds lists every kind.
var Kinds = [...]Kind{
	MailSubmit, MailReceive, MailHold, MailApprove, MailReject, MailCancel, MailExpire,
	MailClaim, MailRetry, MailLapse, MailSent, MailFailed, MailReport, MailBounce,
	MailClear, MailErase,
}

// Outcome is the next state of the mail and the kind of its audit entry. When
// Answer is not Done, State and Basis are as they were and Kind is empty.
type Outcome struct {
	State  State
	Basis  mail.Basis
	Answer Answer
	Kind   Kind
	// CopyOnly: the claim is for the oversight address alone.
	CopyOnly bool
}

// Version is the version of the rules in this file.
const Version = 5

// Step returns what becomes of a mail.
func Step(f Facts, e Event) Outcome {
	switch e {
	case Submit:
		if f.Direction == mail.Incoming {
			return receive(f)
		}
		return submit(f)
	case Approve, Reject:
		return decide(f, e)
	case Cancel:
		return cancel(f)
	case Expire:
		return expire(f)
	case Report:
		return report(f)
	case Clear:
		return clearing(f)
	case Erase:
		return erase(f)
	}
	if f.Direction == mail.Incoming { // there is no attempt
		return f.refuse(Stale)
	}
	switch e {
	case Hold:
		return hold(f)
	case Claim:
		return claim(f)
	case Settle:
		return settle(f)
	case Lapse:
		if f.State != mail.Sending {
			return f.refuse(Stale)
		}
		return done(mail.Ready, f.Basis, MailLapse)
	case Bounce:
		return bounce(f)
	}
	return f.refuse(Stale)
}

// expire: nobody decided in time; or the mail waited for its domain so long that
// the decision it stands on is an old one.
func expire(f Facts) Outcome {
	switch {
	case f.waits() && f.Late:
		return done(mail.Expired, f.Basis, MailExpire)
	case f.State == mail.Ready && f.Direction == mail.Outgoing && f.Unverified && f.Overdue:
		return backToHeld()
	}
	return f.refuse(Stale)
}

// submit: what the mode lets pass is ready, everything else is held. What is to be asked about
// later is ready on nothing: the claim holds it when it is due, and nothing else frees it.
func submit(f Facts) Outcome {
	switch {
	case f.State != mail.New:
		return f.refuse(Stale)
	case f.Frozen:
		return f.refuse(Frozen)
	case f.Mode == mail.ReadOnly:
		return f.refuse(ReadOnly)
	}
	if b := f.passes(); b != mail.NoBasis {
		return done(mail.Ready, b, MailSubmit)
	}
	if f.Deferred && !f.Spam {
		return done(mail.Ready, mail.NoBasis, MailSubmit)
	}
	return done(mail.Held, mail.NoBasis, MailSubmit)
}

// receive: a notice reaches its mailbox in every mode and under a freeze; what is
// taken for spam does in none, and gated_all holds everything else.
func receive(f Facts) Outcome {
	switch {
	case f.State != mail.New:
		return f.refuse(Stale)
	case f.Notice:
	case f.Frozen:
		return f.refuse(Frozen)
	case f.Spam:
		return done(mail.Quarantined, mail.NoBasis, MailReceive)
	case f.Mode == mail.GatedAll:
		return done(mail.Held, mail.NoBasis, MailReceive)
	}
	return done(mail.Received, mail.Open, MailReceive)
}

// decide: the first decision wins, and only over what was seen. Approved
// incoming mail moves at once, so a freeze stops its approval.
func decide(f Facts, e Event) Outcome {
	switch {
	case !f.waits():
		return f.refuse(Stale)
	case f.Self:
		return f.refuse(SelfDecided)
	case !f.Match:
		return f.refuse(Mismatch)
	case e == Reject:
		return done(mail.Rejected, f.Basis, MailReject)
	case f.Late:
		return f.refuse(TooLate)
	case f.Direction == mail.Incoming && f.Frozen:
		return f.refuse(Frozen)
	case f.Direction == mail.Incoming:
		return done(mail.Received, mail.Approved, MailApprove)
	case f.Mode == mail.ReadOnly:
		return f.refuse(ReadOnly)
	}
	return done(mail.Ready, mail.Approved, MailApprove)
}

// waits reports whether the mail waits for a decision.
func (f Facts) waits() bool {
	return f.State == mail.Held || f.State == mail.Quarantined && f.Direction == mail.Incoming
}

// hold: what is owed to the oversight address goes first.
func hold(f Facts) Outcome {
	switch {
	case f.State != mail.Ready:
		return f.refuse(Stale)
	case f.Owed:
		return f.refuse(TooLate)
	}
	return backToHeld()
}

// backToHeld: the mail stands on nothing until somebody decides anew.
func backToHeld() Outcome { return done(mail.Held, mail.NoBasis, MailHold) }

// cancel: an agent must not get rid of a copy by withdrawing the rest.
func cancel(f Facts) Outcome {
	if f.Direction == mail.Incoming {
		if !f.waits() {
			return f.refuse(Stale)
		}
		return done(mail.Cancelled, f.Basis, MailCancel) // there is no copy
	}
	switch f.State {
	case mail.Held, mail.Ready:
		if f.Owed {
			return f.refuse(TooLate)
		}
		return done(mail.Cancelled, f.Basis, MailCancel)
	case mail.Sending:
		return f.refuse(TooLate)
	}
	return f.refuse(Stale)
}

// claim reads the mode again.
func claim(f Facts) Outcome {
	switch {
	case f.State != mail.Ready:
		return f.refuse(Stale)
	case f.Frozen:
		return f.refuse(Frozen)
	case !f.Due:
		return f.refuse(NotDue)
	case !f.Intact:
		return backToHeld()
	case f.Unverified:
		return f.refuse(Unverified)
	}
	switch p, basis := permit(f); p {
	case Go:
		return done(mail.Sending, basis, MailClaim)
	case CopyOnly:
		o := done(mail.Sending, f.Basis, MailClaim)
		o.CopyOnly = true
		return o
	}
	return backToHeld()
}

// Permission says whether an attempt that is under way may go on.
type Permission uint8

// The permissions.
const (
	Stop     Permission = iota
	CopyOnly            // only to the oversight address
	Go
)

var permissionNames = [...]string{"stop", "copy_only", "go"}

func (p Permission) String() string { return permissionNames[p] }

// Proceed is asked before DATA and before the final dot of an attempt. It reads
// policy alone and changes nothing: no state, no entry.
func Proceed(f Facts) Permission {
	if f.Frozen || f.Unverified || f.Direction == mail.Incoming {
		return Stop
	}
	p, _ := permit(f)
	return p
}

// permit says what the mode of now lets leave, and on which basis. A human
// approval suffices in every mode but read_only; any other basis must be what a
// submission would get now. Where that keeps the mail back although a copy is
// owed, the copy goes alone.
func permit(f Facts) (Permission, mail.Basis) {
	switch b := f.passes(); {
	case f.Basis == mail.NoBasis: // what stands on nothing is never freed by a looser mode
		return Stop, mail.NoBasis
	case f.Mode == mail.ReadOnly:
	case f.Basis == mail.Approved:
		return Go, mail.Approved
	case b != mail.NoBasis:
		return Go, b
	}
	if f.Owed {
		return CopyOnly, f.Basis
	}
	return Stop, mail.NoBasis
}

// settle: with nothing pending, one delivered recipient makes the mail sent.
func settle(f Facts) Outcome {
	switch {
	case f.State != mail.Sending:
		return f.refuse(Stale)
	case f.Pending:
		return done(mail.Ready, f.Basis, MailRetry)
	case f.Delivered == None:
		return done(mail.Failed, f.Basis, MailFailed)
	}
	return done(mail.Sent, f.Basis, MailSent)
}

// report: from then on only an approver lets its reader see it again. A notice is
// our own word.
func report(f Facts) Outcome {
	if f.Direction == mail.Outgoing || f.Notice || f.State != mail.Received {
		return f.refuse(Stale)
	}
	return done(mail.Quarantined, mail.NoBasis, MailReport)
}

// clearing: an approver's word about mail that its mailbox shows; the mail stays where it is.
func clearing(f Facts) Outcome {
	switch {
	case f.Direction == mail.Outgoing || f.Notice || f.State != mail.Received:
		return f.refuse(Stale)
	case f.Self:
		return f.refuse(SelfDecided)
	case !f.Match:
		return f.refuse(Mismatch)
	}
	return done(mail.Received, f.Basis, MailClear)
}

// bounce: a recipient that counted as delivered does no more. While an attempt is under
// way its results come first. What the others wait for, or how they ended, stays.
func bounce(f Facts) Outcome {
	switch f.State {
	case mail.Sending:
		return f.refuse(TooLate)
	case mail.Sent:
		if f.Delivered == None {
			return done(mail.Failed, f.Basis, MailBounce)
		}
	case mail.Held, mail.Ready, mail.Rejected, mail.Cancelled, mail.Expired:
	default:
		return f.refuse(Stale)
	}
	return done(f.State, f.Basis, MailBounce)
}

// erase: of mail for which nothing is waited any more.
func erase(f Facts) Outcome {
	switch {
	case !f.State.Final() || f.State == mail.Erased:
		return f.refuse(Stale)
	case f.Kept:
		return f.refuse(Kept)
	}
	return done(mail.Erased, f.Basis, MailErase)
}

// passes returns the basis on which the mode lets a mail leave undecided: none for
// what is taken for spam.
func (f Facts) passes() mail.Basis {
	switch {
	case f.Spam:
	case f.Mode == mail.Monitored || f.Mode == mail.Autonomous:
		return mail.Open
	case f.Mode == mail.GatedSend && f.Listed:
		return mail.Allowlist
	}
	return mail.NoBasis
}

func (f Facts) refuse(v Answer) Outcome { return Outcome{State: f.State, Basis: f.Basis, Answer: v} }

func done(s State, b mail.Basis, kind Kind) Outcome {
	return Outcome{State: s, Basis: b, Answer: Done, Kind: kind}
}
