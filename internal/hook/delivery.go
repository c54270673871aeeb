package hook

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Status is the standing of a delivery.
type Status string

// The statuses.
const (
	Pending   Status = "pending"
	Delivered Status = "delivered" // the target answered 2xx
	Failed    Status = "failed"    // it did not, for days
	Withdrawn Status = "withdrawn" // its owner may not see it any more, or it was erased
)

// Delivery is one event on its way to one subscription. It holds nothing of the mail: what
// is sent is read again at each attempt.
type Delivery struct {
	ID        string    `json:"id"` // the same at every attempt
	Webhook   string    `json:"webhook"`
	Event     Event     `json:"event"`
	Chain     string    `json:"chain"` // of the entry that it is made of
	Seq       uint64    `json:"seq"`
	Mail      mail.ID   `json:"mail,omitempty"`
	At        time.Time `json:"at"` // when it happened
	CreatedAt time.Time `json:"created_at"`

	Status   Status    `json:"status"`
	Attempts int       `json:"attempts,omitempty"` // all of them
	Tries    int       `json:"tries,omitempty"`    // since it was queued or asked for again
	Answer   int       `json:"answer,omitempty"`   // HTTP status of the last attempt; 0: there was none
	Problem  Problem   `json:"problem,omitempty"`  // of the last attempt
	LastAt   time.Time `json:"last_at,omitzero"`   // last attempt
	NextAt   time.Time `json:"next_at,omitzero"`   // while it is pending
}

// schedule is how long after each failed attempt the next one follows: about three days in
// all. Up to a fifth is added, so that what failed together does not come back together.
var schedule = [...]time.Duration{5 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour,
	6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 24 * time.Hour}

const (
	// maxPending bounds what waits for one target; one that is further behind is switched off.
	maxPending = 2000
	// maxDone is how many deliveries that are over one subscription lists.
	maxDone = 200
	// patience is how long every attempt may fail before a subscription is switched off.
	patience = 60 * time.Hour
	// lease is how long an attempt may take before another is made in its place.
	lease = time.Minute
)

// The words of the log for a subscription that is switched off.
const (
	whyFailing = "failing" // nothing was delivered for days
	whyGone    = "gone"    // the target answered 410
	whyOwner   = "owner"   // the credential of its owner has ended
	whyBacklog = "backlog" // too much waits for it
)

func (d Delivery) due() string { return dueKey + d.Webhook + "/" + store.Stamp(d.NextAt) + "/" + d.ID }

// queue has a new delivery attempted at once.
func (h *Hooks) queue(tx store.Tx, s *Subscription, d Delivery) error {
	if s.Pending >= maxPending {
		h.o.Over(mail.LimitWebhookBacklog)
		return h.disable(tx, s, whyBacklog)
	}
	d.Status, d.NextAt = Pending, tx.Now()
	s.Pending++
	if err := space.Put(tx, listKey+d.Webhook+"/"+d.ID, nil); err != nil {
		return err
	}
	return h.wait(tx, d)
}

// wait writes a delivery that is to be attempted at NextAt.
func (h *Hooks) wait(tx store.Tx, d Delivery) error {
	if err := put(tx, deliveryKey+d.ID, d); err != nil {
		return err
	}
	return space.Put(tx, d.due(), nil)
}

// end writes a delivery that is over, and forgets the oldest one that is.
func (h *Hooks) end(tx store.Tx, s *Subscription, d Delivery, as Status) error {
	d.Status, d.NextAt = as, time.Time{}
	s.Pending--
	s.Done++
	if err := put(tx, deliveryKey+d.ID, d); err != nil {
		return err
	}
	if err := space.Put(tx, doneKey+d.Webhook+"/"+d.ID, nil); err != nil {
		return err
	}
	if s.Done <= maxDone {
		return nil
	}
	oldest := ""
	err := space.Scan(tx, store.Prefix(doneKey+s.ID+"/"), func(key string, _ []byte) error {
		oldest = last(key)
		return store.Stop
	})
	s.Done--
	for _, key := range []string{doneKey + s.ID + "/" + oldest, listKey + s.ID + "/" + oldest, deliveryKey + oldest} {
		if err == nil {
			err = space.Delete(tx, key)
		}
	}
	return err
}

// claim commits that a delivery is attempted, before it is: after a crash another attempt
// follows the end of the lease. nil: there is nothing to do.
func (h *Hooks) claim(tx store.Tx, id string) (*job, error) {
	var d Delivery
	if err := get(tx, deliveryKey+id, &d); err != nil {
		if errors.Is(err, store.ErrNotFound) {
			err = nil
		}
		return nil, err
	}
	s, err := h.Get(tx, d.Webhook)
	if err != nil || d.Status != Pending || !s.Active() || tx.Now().Before(d.NextAt) {
		return nil, err
	}
	if err := space.Delete(tx, d.due()); err != nil {
		return nil, err
	}
	d.Attempts, d.Tries, d.LastAt, d.NextAt = d.Attempts+1, d.Tries+1, tx.Now(), tx.Now().Add(lease)
	body, err := h.body(tx, s, d)
	switch {
	case errors.Is(err, ErrGone):
		err = h.disable(tx, &s, whyOwner)
		if err == nil {
			err = h.wait(tx, d)
		}
	case errors.Is(err, errHidden):
		tx.AfterCommit(func() { h.o.Count(string(Withdrawn)) })
		err = h.end(tx, &s, d, Withdrawn)
	default:
		j := &job{s: s, d: d, body: body, now: tx.Now(), err: err}
		return j, h.wait(tx, d)
	}
	if err == nil {
		err = put(tx, subscriptionKey+s.ID, s)
	}
	return nil, err
}

// settle writes what became of an attempt.
func (h *Hooks) settle(tx store.Tx, j *job, a answer) error {
	var d Delivery
	err := get(tx, deliveryKey+j.d.ID, &d)
	if errors.Is(err, store.ErrNotFound) || err == nil && (d.Status != Pending || d.Attempts != j.d.Attempts) {
		return nil // it was removed, or its lease ran out and another attempt is the one that counts
	}
	if err != nil {
		return err
	}
	s, err := h.Get(tx, d.Webhook)
	if err != nil {
		return err
	}
	if err := space.Delete(tx, d.due()); err != nil {
		return err
	}
	d.Answer, d.Problem = a.status, a.problem
	switch {
	case a.problem == "":
		s.FailingAt = time.Time{}
		err = h.end(tx, &s, d, Delivered)
	case d.Tries > len(schedule):
		err = h.end(tx, &s, d, Failed)
	default:
		pause := schedule[d.Tries-1]
		d.NextAt = tx.Now().Add(pause + time.Duration(h.o.Jitter(int64(pause/5))))
		err = h.wait(tx, d)
	}
	if err == nil && a.problem != "" {
		err = h.failed(tx, &s, a)
	}
	if err == nil {
		err = put(tx, subscriptionKey+s.ID, s)
	}
	return err
}

// failed notes a failure of a target, and switches off what has failed for long enough.
func (h *Hooks) failed(tx store.Tx, s *Subscription, a answer) error {
	if s.FailingAt.IsZero() {
		s.FailingAt = tx.Now()
	}
	switch {
	case !s.Active():
		return nil
	case a.status == statusGone:
		return h.disable(tx, s, whyGone)
	case !tx.Now().Before(s.FailingAt.Add(patience)):
		return h.disable(tx, s, whyFailing)
	}
	return nil
}

var errNoDelivery = mail.ErrNotFound.Errorf("no such delivery; the last 200 of each webhook are listed")

// Redeliver has a delivery attempted now, under its id, whatever became of it.
func (h *Hooks) Redeliver(tx store.Tx, by Actor, id string) (d Delivery, err error) {
	if _, err := mail.ParseID(id); err != nil {
		return d, errNoDelivery
	}
	if err = get(tx, deliveryKey+id, &d); err != nil {
		if errors.Is(err, store.ErrNotFound) {
			err = errNoDelivery
		}
		return d, err
	}
	s, err := h.Get(tx, d.Webhook)
	switch {
	case err != nil:
		return d, err
	case !s.Active():
		return d, mail.ErrConflict.Errorf("this webhook is disabled; delete it and add it again")
	case d.Status == Pending && d.LastAt.Add(lease).Equal(d.NextAt):
		return d, nil // an attempt is under way
	case d.Status == Pending:
		err = space.Delete(tx, d.due())
	case s.Pending >= maxPending:
		return d, mail.ErrConflict.Errorf("too much waits for this webhook; try again later").Over(mail.LimitWebhookBacklog)
	default:
		s.Pending++
		s.Done--
		err = space.Delete(tx, doneKey+s.ID+"/"+d.ID)
	}
	if err != nil {
		return d, err
	}
	d.Status, d.Tries, d.NextAt = Pending, 0, tx.Now()
	if err := h.wait(tx, d); err != nil {
		return d, err
	}
	if err := put(tx, subscriptionKey+s.ID, s); err != nil {
		return d, err
	}
	return d, h.note(tx, by, audit.WebhookResend, s, nil)
}

// Deliveries lists what was and is to be delivered, newest first: to one subscription, or to
// all where it is ""; older than the delivery before, "" for the newest.
func (h *Hooks) Deliveries(tx store.Tx, webhook, before string, limit int) (out []Delivery, err error) {
	r := store.Prefix(deliveryKey)
	if webhook != "" {
		if _, err := h.Get(tx, webhook); err != nil {
			return nil, err
		}
		r = store.Prefix(listKey + webhook + "/")
	}
	if before != "" {
		r.To = r.From + before
	}
	r.Reverse = true
	var ids []string
	err = space.Scan(tx, r, func(key string, _ []byte) error {
		if len(ids) >= limit {
			return store.Stop
		}
		ids = append(ids, last(key))
		return nil
	})
	for _, id := range ids {
		var d Delivery
		b, failed := space.Get(tx, deliveryKey+id)
		if failed == nil {
			failed = json.Unmarshal(b, &d)
		}
		if failed != nil {
			return nil, errors.Join(err, failed)
		}
		out = append(out, d)
	}
	return out, err
}
