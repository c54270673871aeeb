package mail

import (
	"errors"
	"fmt"
	"maps"
)

// Error is an error that a client may see. It says what kind of error it is and
// why, in terms of mail: each door has one table that gives it the codes of its
// own protocol.
type Error struct {
	Kind   Kind
	Reason Reason // more exactly than Kind, "" if Kind says it all
	Public string // one line for the client: what to do next; it never names a path, a key or a mechanism
	Limit  Limit  // the limit that was reached, "" for none
	Err    error  // private cause, for the log alone; may be nil
}

// Because returns a copy of e that carries the private cause err.
func (e *Error) Because(err error) *Error {
	c := *e
	c.Err = err
	return &c
}

// Word is the reason of e, or its kind if it has none.
func (e *Error) Word() string {
	if e.Reason != "" {
		return string(e.Reason)
	}
	return e.Kind.String()
}

// WordOf returns the word of the first Error or Kind in err, "" if it has none.
func WordOf(err error) string {
	var e *Error
	var k Kind
	switch {
	case errors.As(err, &e):
		return e.Word()
	case errors.As(err, &k):
		return k.String()
	}
	return ""
}

func (e *Error) Error() string {
	s := e.Word() + ": " + e.Public
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is the kind of e, or says the same to a client,
// whatever its cause.
func (e *Error) Is(target error) bool {
	switch t := target.(type) {
	case Kind:
		return t == e.Kind
	case *Error:
		return t.Kind == e.Kind && t.Reason == e.Reason && t.Public == e.Public
	}
	return false
}

// Temporary reports whether the client may try again later unchanged.
func (e *Error) Temporary() bool { return e.Kind.Temporary() }

// Kind is what a client can do about an error. A kind is an error too, for
// errors.Is and for where no client reads the words.
type Kind uint8

// The kinds. The zero value is an error that no client may see.
const (
	ErrInternal     Kind = iota
	ErrInvalid           // the request is malformed; it never succeeds as it stands
	ErrUnauthorised      // the credentials are missing or wrong
	ErrForbidden         // this principal may not do that
	ErrNotFound          // it does not exist, or not for this principal
	ErrConflict          // the name is taken
	ErrStale             // the mail has changed since
	ErrTooLarge          // more than a limit allows
	ErrRateLimited       // too often
	ErrFrozen            // sending is frozen
	ErrUnavailable       // not now
)

// kinds has one row for each kind.
var kinds = [...]struct {
	word      string
	temporary bool
}{
	ErrInternal:     {"internal", true},
	ErrInvalid:      {"invalid", false},
	ErrUnauthorised: {"unauthorised", false},
	ErrForbidden:    {"forbidden", false},
	ErrNotFound:     {"not_found", false},
	ErrConflict:     {"conflict", false},
	ErrStale:        {"stale", false},
	ErrTooLarge:     {"too_large", false},
	ErrRateLimited:  {"rate_limited", true},
	ErrFrozen:       {"frozen", true},
	ErrUnavailable:  {"unavailable", true},
}

// Kinds returns every kind.
func Kinds() []Kind {
	var all []Kind
	for k := range kinds {
		all = append(all, Kind(k))
	}
	return all
}

func (k Kind) String() string { return kinds[k].word }

func (k Kind) Error() string { return k.String() }

// Temporary reports whether the same request may succeed later.
func (k Kind) Temporary() bool { return kinds[k].temporary }

// Errorf returns an Error of kind k whose public text is formatted from args.
func (k Kind) Errorf(format string, args ...any) *Error {
	return &Error{Kind: k, Public: fmt.Sprintf(format, args...)}
}

// Reason is why, where one kind is too coarse for some door.
type Reason string

// The reasons. Every door has a row for each.
const (
	ReasonAddress     Reason = "address"      // malformed address
	ReasonDomain      Reason = "domain"       // malformed domain
	ReasonContent     Reason = "content"      // the message is malformed, or beyond a limit of its form
	ReasonLoop        Reason = "loop"         // too many Received fields
	ReasonNoRecipient Reason = "no_recipient" // the envelope has none
	ReasonRecipients  Reason = "recipients"   // the envelope has too many
	ReasonSender      Reason = "sender"       // not an address of this principal
	ReasonReadOnly    Reason = "read_only"    // the mailbox may not send
	ReasonScope       Reason = "scope"        // the credential lacks a scope
	ReasonSelf        Reason = "self"         // a decision over one's own mail
	ReasonDiskFull    Reason = "disk_full"    // the disk takes no more
	ReasonMailboxFull Reason = "mailbox_full" // the mailbox has too much waiting
	ReasonBusy        Reason = "busy"         // too many messages in memory

	ReasonUnauthenticated Reason = "unauthenticated" // the policy of the domain in From forbids the mail
	ReasonUnverified      Reason = "unverified"      // who sent the mail could not be learnt
	ReasonNoMailbox       Reason = "no_mailbox"      // incoming: a domain of ours has no such mailbox
	ReasonRelay           Reason = "relay"           // incoming: for a domain that is not ours
	ReasonQuota           Reason = "quota"           // incoming: the mailbox may keep no more
	ReasonKept            Reason = "kept"            // a legal hold forbids it
	ReasonSuppressed      Reason = "suppressed"      // a recipient is on the suppression list of the mailbox
	ReasonNoAnswer        Reason = "no_answer"       // it answers a mail that no program may answer
	ReasonWarmUp          Reason = "warm_up"         // the sending domain is new, and its day is used up
	ReasonClosed          Reason = "closed"          // the account is closed for good
)

// reasons gives each reason its kind.
var reasons = map[Reason]Kind{
	ReasonAddress:     ErrInvalid,
	ReasonDomain:      ErrInvalid,
	ReasonContent:     ErrInvalid,
	ReasonLoop:        ErrInvalid,
	ReasonNoRecipient: ErrInvalid,
	ReasonRecipients:  ErrTooLarge,
	ReasonSender:      ErrForbidden,
	ReasonReadOnly:    ErrForbidden,
	ReasonScope:       ErrForbidden,
	ReasonSelf:        ErrForbidden,
	ReasonDiskFull:    ErrUnavailable,
	ReasonMailboxFull: ErrUnavailable,
	ReasonBusy:        ErrUnavailable,

	ReasonUnauthenticated: ErrForbidden,
	ReasonUnverified:      ErrUnavailable,
	ReasonNoMailbox:       ErrNotFound,
	ReasonRelay:           ErrForbidden,
	ReasonQuota:           ErrUnavailable,
	ReasonKept:            ErrForbidden,
	ReasonSuppressed:      ErrForbidden,
	ReasonNoAnswer:        ErrForbidden,
	ReasonWarmUp:          ErrRateLimited,
	ReasonClosed:          ErrForbidden,
}

// Reasons returns every reason with its kind.
func Reasons() map[Reason]Kind { return maps.Clone(reasons) }

// Kind returns the kind that r belongs to.
func (r Reason) Kind() Kind { return reasons[r] }

// Errorf returns an Error of reason r whose public text is formatted from args.
func (r Reason) Errorf(format string, args ...any) *Error {
	return &Error{Kind: r.Kind(), Reason: r, Public: fmt.Sprintf(format, args...)}
}

// ErrNotice says that a notice can never be built.
var ErrNotice = errors.New("the notice cannot be built")
