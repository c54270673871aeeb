package registry

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Limits of codes.
const (
	CodeLife     = 24 * time.Hour
	CodeTries    = 5 // wrong codes that void a request
	CodesPerHour = 3 // requests of one principal for one mailbox
	redeemedLife = time.Minute
)

// The letters of a code: none that is read or heard as another. 10 of 32 are 50 bits.
const (
	codeLetters = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
	codeLen     = 10
)

// CodeRequest is a request that waits for a code of the operator.
type CodeRequest struct {
	ID         string       `json:"id"`
	Operation  string       `json:"operation"`
	Requester  string       `json:"requester"` // id of the principal
	Credential Credential   `json:"credential"`
	Mailbox    mail.Address `json:"mailbox"` // zero: none in particular
	Request    []byte       `json:"request"` // in its one spelling
	Sum        Hash         `json:"sum"`     // of Request
	Code       Hash         `json:"code"`
	CreatedAt  time.Time    `json:"created_at"`
	ExpiresAt  time.Time    `json:"expires_at"`
	To         mail.Address `json:"to"`              // who gets the code
	Ref        string       `json:"ref"`             // hash of the entry, hex
	Wrong      int          `json:"wrong,omitempty"` // tries
	Spent      string       `json:"spent,omitempty"` // the redemption that carried it out
	Policy     Hash         `json:"policy"`          // that it was asked for under
}

// Asked is a request that shall wait for a code.
type Asked struct {
	Operation string
	Mailbox   mail.Address
	Request   []byte
}

// Errors of codes.
var (
	ErrNoCode    = mail.ErrNotFound.Errorf("nothing waits for this code; ask for it again without a code")
	ErrWrongCode = mail.ErrForbidden.Errorf("the code is wrong")
	ErrOtherCode = mail.ErrConflict.Errorf("the code is for another request: repeat the one that it was sent for")
	// ErrMovedCode is also of a change that was undone again: the operator who gave the code
	// did not know of it.
	ErrMovedCode = mail.ErrConflict.Errorf("modes, allowlist or settings have changed since the code was asked for, " +
		"and it is void; ask again without a code")
	errVoidCode = mail.ErrForbidden.Errorf("the code is wrong, and the request is void; ask again without a code")
	errOverseer = mail.ErrConflict.Errorf("there is no oversight address that the operator alone reads; " +
		"ask your operator to set one")
)

// NewCode returns a fresh code, written XXX-XXX-XXXX.
func NewCode() string {
	b := make([]byte, codeLen)
	rand.Read(b) // never fails: the runtime ends the process first
	for i := range b {
		b[i] = codeLetters[b[i]%byte(len(codeLetters))] // 256 is a multiple of their number
	}
	return string(b[:3]) + "-" + string(b[3:6]) + "-" + string(b[6:])
}

// codeHash is the hash of a code, however it is written: dashes and blanks do not count,
// nor the case of letters.
func codeHash(code string) Hash {
	return hashOf("code:" + strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(code)))
}

func (a Asked) key(p Principal) string {
	return waitKey + a.Operation + "/" + p.ID() + "/" + a.Mailbox.Key()
}

// asks is the right to ask for a code: an agent's that may send. One mailbox must be its own.
func (a Asked) asks(p Principal) bool {
	return p.Kind == KindAgent && p.Has(ScopeSend) && (a.Mailbox.IsZero() || p.Covers(a.Mailbox))
}

// Await keeps a request until its code is presented, and returns where the code must be
// sent; ref is the hash of the entry. One that waits already, of the same principal,
// operation and mailbox, is void. It fails with ErrRateLimited, and when it may be tried
// again, after CodesPerHour within an hour. Who cannot send the code calls Unsent.
func (r *Registry) Await(tx store.Tx, actor Principal, a Asked, code string) (
	q CodeRequest, after time.Duration, err error,
) {
	p, err := r.authorize(tx, actor, a.asks)
	if err != nil {
		return q, 0, err
	}
	to, err := r.overseer(tx, a.Mailbox)
	if err != nil {
		return q, 0, err
	}
	if after, err = r.countAsked(tx, p, a); err != nil {
		return q, after, err
	}
	if err := r.voidWaiting(tx, p, a, "newer"); err != nil {
		return q, 0, err
	}
	under, err := r.underPolicy(tx, p, a)
	if err != nil {
		return q, 0, err
	}
	now := tx.Now()
	q = CodeRequest{ID: string(mail.NewID(now)), Operation: a.Operation, Requester: p.ID(), Credential: p.Credential,
		Mailbox: a.Mailbox, Request: a.Request, Sum: sha256.Sum256(a.Request), Code: codeHash(code), CreatedAt: now,
		ExpiresAt: now.Add(CodeLife), To: to, Policy: under}
	ref, err := r.log.Append(tx, p.Signed(q.record(audit.CodeRequest, "")))
	if err != nil {
		return q, 0, fmt.Errorf("registry: record a request: %w", err)
	}
	q.Ref = ref.String()
	return q, 0, put(tx, a.key(p), q)
}

// countAsked counts a request, and reports in what time the next is allowed when this is
// not.
func (r *Registry) countAsked(tx store.Tx, p Principal, a Asked) (after time.Duration, err error) {
	if err := r.movable(tx, p, a); err != nil {
		return 0, err
	}
	at := askedKey + p.ID() + "/" + a.Mailbox.Key()
	times, _, err := get[[]time.Time](tx, at)
	if err != nil {
		return 0, err
	}
	now := tx.Now()
	times = slices.DeleteFunc(times, func(t time.Time) bool { return now.Sub(t).Abs() >= time.Hour })
	if len(times) >= CodesPerHour {
		return times[0].Add(time.Hour).Sub(now), mail.ErrRateLimited.Errorf(
			"%d codes were asked for within an hour; wait, or ask your operator", CodesPerHour)
	}
	return 0, put(tx, at, append(times, now))
}

// movable fails while a freeze stands: nothing is loosened then.
func (r *Registry) movable(tx store.Tx, p Principal, a Asked) error {
	frozen, err := r.Frozen(tx, p.Agent, a.Mailbox)
	if err == nil && frozen {
		err = mail.ErrFrozen.Errorf("a freeze is in force; ask your operator")
	}
	return err
}

// Unsent voids a request whose code did not reach the operator.
func (r *Registry) Unsent(tx store.Tx, actor Principal, a Asked, id string) error {
	q, ok, err := get[CodeRequest](tx, a.key(actor))
	if err != nil || !ok || q.ID != id {
		return err
	}
	return r.voidWaiting(tx, actor, a, "unsent")
}

// voidWaiting removes what waits.
func (r *Registry) voidWaiting(tx store.Tx, p Principal, a Asked, why string) error {
	q, ok, err := get[CodeRequest](tx, a.key(p))
	if err != nil || !ok {
		return err
	}
	if err := space.Delete(tx, a.key(p)); err != nil || q.Spent != "" {
		return err
	}
	if !tx.Now().Before(q.ExpiresAt) {
		why = voidExpired
	}
	return r.noteCode(tx, p, audit.CodeVoid, q, why)
}

// voidExpired is the reason of an entry.
const voidExpired = "expired"

// ExpiredCodes reports whether there are requests whose time is over.
func (r *Registry) ExpiredCodes(tx store.Tx) (some bool, err error) {
	err = each(tx, waitKey, func(at string, q CodeRequest) (string, error) {
		some = some || !tx.Now().Before(q.ExpiresAt)
		return at, nil
	})
	return some, err
}

// ExpireCodes voids the requests whose time is over, and forgets those that were carried out.
func (r *Registry) ExpireCodes(tx store.Tx) error {
	over := map[string]CodeRequest{}
	err := each(tx, waitKey, func(at string, q CodeRequest) (string, error) {
		if !tx.Now().Before(q.ExpiresAt) {
			over[waitKey+at] = q
		}
		return at, nil
	})
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(over)) {
		if err := space.Delete(tx, key); err != nil {
			return err
		}
		if over[key].Spent != "" {
			continue
		}
		e := over[key].record(audit.CodeVoid, voidExpired)
		e.Actor = audit.System
		if _, err := r.log.Append(tx, e); err != nil {
			return fmt.Errorf("registry: record %s: %w", e.Kind, err)
		}
	}
	return nil
}

// overseer returns the address that gets the codes of a mailbox: one that no agent reads.
func (r *Registry) overseer(tx store.Tx, box mail.Address) (to mail.Address, err error) {
	if box.IsZero() {
		o, oerr := r.Operator(tx)
		to, err = o.Oversight, oerr
	} else {
		to, err = r.Oversight(tx, box)
	}
	if err == nil && to.IsZero() {
		err = errOverseer
	}
	if err == nil {
		err = r.notOurs(tx, to, errOverseer)
	}
	return to, err
}

// notOurs fails with the error where mail for an address goes to an agent of ours: it
// would read what is for the operator alone, codes among it.
func (r *Registry) notOurs(tx store.Tx, addr mail.Address, ours error) error {
	_, ok, err := get[Mailbox](tx, mailboxKey+addr.Key())
	if err == nil && ok {
		err = ours
	}
	return err
}

// errOverseen refuses an oversight address.
func errOverseen(addr mail.Address) error {
	return in(ErrInvalid, "%s is a mailbox of an agent here; mail for the operator goes to another address", addr)
}

// overseen reports an error when an address is an oversight address, and so no mailbox.
func (r *Registry) overseen(tx store.Tx, addr mail.Address) error {
	o, err := r.Operator(tx)
	if err != nil {
		return err
	}
	boxes, err := r.Mailboxes(tx)
	if err != nil {
		return err
	}
	if o.Oversight.Key() == addr.Key() || slices.ContainsFunc(boxes, func(m Mailbox) bool {
		return m.Oversight.Key() == addr.Key()
	}) {
		return in(ErrInvalid, "%s is an oversight address; no agent may read it", addr)
	}
	return nil
}

// Redeem takes the code of a request that waits, and returns the request with the
// principal in whose name it is carried out: the operator, for this request and a short
// time. asked.Request nil takes whatever waits.
//
// The code is not spent yet. It is when this principal is read again for the first time, in
// the transaction that carries out the request: what comes to nothing there leaves the code
// as it was, and of two redemptions one finds it spent.
//
// A wrong code is counted in the transaction, which must be committed then: verdict says
// why the code was not taken, err that the transaction fails.
func (r *Registry) Redeem(tx store.Tx, actor Principal, a Asked, code string) (
	q CodeRequest, as Principal, verdict, err error,
) {
	p, err := r.authorize(tx, actor, a.asks)
	if err == nil {
		err = r.movable(tx, p, a)
	}
	if err != nil {
		return q, as, nil, err
	}
	q, ok, err := get[CodeRequest](tx, a.key(p))
	now := tx.Now()
	if err == nil && ok && !now.Before(q.ExpiresAt) {
		return q, as, ErrNoCode, r.voidWaiting(tx, p, a, voidExpired)
	}
	if err != nil || !ok || q.Spent != "" || q.Credential != p.Credential {
		return q, as, ErrNoCode, err
	}
	if old, err := r.outdated(tx, p, a, q); err != nil || old {
		if err == nil {
			err = r.voidWaiting(tx, p, a, "policy")
		}
		return q, as, ErrMovedCode, err
	}
	switch same := a.Request == nil || q.Sum.is(sha256.Sum256(a.Request)); {
	case !q.Code.is(codeHash(code)):
		verdict, err = r.wrongCode(tx, p, a, q, ErrWrongCode, "code")
		return q, as, verdict, err
	case !same:
		verdict, err = r.wrongCode(tx, p, a, q, ErrOtherCode, "request")
		return q, as, verdict, err
	}
	as = Principal{Kind: KindOperator, Name: "code", UID: -1, Credential: Credential{CredentialCode, q.ID}, IP: p.IP,
		redeemed: &redemption{mark: rand.Text(), asked: a, requester: p, request: q, until: now.Add(redeemedLife)}}
	return q, as.confirmed(p), nil, nil
}

// wrongCode counts a code that was not taken, or one for another request.
func (r *Registry) wrongCode(
	tx store.Tx, p Principal, a Asked, q CodeRequest, refusal error, why string,
) (verdict, err error) {
	q.Wrong++
	if err := r.noteCode(tx, p, audit.CodeRefuse, q, why); err != nil {
		return nil, err
	}
	if q.Wrong < CodeTries {
		return refusal, put(tx, a.key(p), q)
	}
	if err := space.Delete(tx, a.key(p)); err != nil {
		return nil, err
	}
	return errVoidCode, r.noteCode(tx, p, audit.CodeVoid, q, "tries")
}

// noteCode writes the entry of a step.
func (r *Registry) noteCode(tx store.Tx, p Principal, kind audit.Kind, q CodeRequest, why string) error {
	e := q.record(kind, why)
	return r.note(tx, p, kind, e.Facts, e.Private)
}

// record is the entry of a step. The hash of the request lets a reader of the log compare
// what was asked for with what was done; the code itself is nowhere.
func (q CodeRequest) record(kind audit.Kind, why string) audit.Record {
	facts := details{"operation": q.Operation, "request": q.ID, "sum": q.Sum.String()}
	if why != "" {
		facts["why"] = why
	}
	if kind == audit.CodeRefuse {
		facts["wrong"] = strconv.Itoa(q.Wrong)
	}
	private := details{}
	if !q.Mailbox.IsZero() {
		private["mailbox"] = q.Mailbox.String()
	}
	return audit.Record{Kind: kind, Facts: facts, Private: private}
}

// redemption is a request whose code was presented, while it is carried out.
type redemption struct {
	mark      string // its own, to know it by
	asked     Asked
	requester Principal
	request   CodeRequest
	until     time.Time
}

// confirmed gives the operator of a redeemed request its rights: to configure and to
// loosen, over the mailboxes of who asked alone.
func (as Principal) confirmed(requester Principal) Principal {
	as.Scopes, as.Mailboxes = KindOperator.Scopes(), requester.Mailboxes
	return as
}

// currentCode reads the operator of a redeemed request again, and spends the code unless
// this redemption has. It is there for the time of one call, and only while who asked could
// still ask.
func (r *Registry) currentCode(tx store.Tx, p Principal) (Principal, error) {
	d := p.redeemed
	if d == nil || p.Kind != KindOperator || p.Credential.ID != d.request.ID || !tx.Now().Before(d.until) {
		return Principal{}, ErrCredentials
	}
	requester, err := r.Current(tx, d.requester)
	if err != nil {
		return Principal{}, err
	}
	if !d.asked.asks(requester) {
		return Principal{}, ErrCredentials
	}
	return p.confirmed(requester), r.spend(tx, d, requester)
}

// spend marks the request of a redemption as carried out by it. It fails with ErrNoCode where
// another one was first, or a newer request came in between, and with ErrMovedCode where
// policy has changed since the code was looked up.
func (r *Registry) spend(tx store.Tx, d *redemption, requester Principal) error {
	at := d.asked.key(d.requester)
	q, ok, err := get[CodeRequest](tx, at)
	switch {
	case err != nil:
		return err
	case !ok || q.ID != d.request.ID || q.Spent != "" && q.Spent != d.mark:
		return ErrNoCode
	case q.Spent != "":
		return nil // in this transaction, or an earlier one of the same request
	}
	if err := r.movable(tx, d.requester, d.asked); err != nil {
		return err
	}
	if old, err := r.outdated(tx, requester, d.asked, q); err != nil || old {
		return errors.Join(err, ErrMovedCode)
	}
	q.Spent, q.Request = d.mark, nil
	if err := put(tx, at, q); err != nil {
		return err
	}
	return r.noteCode(tx, d.requester, audit.CodeRedeem, q, "")
}

// Requester returns who asked for the request that p carries out; ok is false where p asks
// for itself.
func (p Principal) Requester() (asked Principal, ok bool) {
	if p.redeemed == nil {
		return Principal{}, false
	}
	return p.redeemed.requester, true
}

// requesterID is the principal that a redeemed request was asked by, "" for any other.
func (p Principal) requesterID() string {
	if p.redeemed == nil {
		return ""
	}
	return p.redeemed.requester.ID()
}

// mayIssueByCode judges a key that was asked for with a code: one of the agent that asked.
// Anything else would give it rights that no agent has.
func (p Principal) mayIssueByCode(q KeyRequest) error {
	if q.Kind != KindAgent || q.Owner != p.redeemed.requester.Name {
		return in(ErrForbidden, "a code makes no key but one of the agent that asked for it")
	}
	if q.Mailboxes == nil && p.redeemed.requester.Limited() {
		return in(ErrForbidden, "your own credential does not reach every mailbox; name some")
	}
	for _, a := range q.Mailboxes {
		if !p.Covers(a) {
			return in(ErrForbidden, "your own credential does not reach %s", a)
		}
	}
	return nil
}
