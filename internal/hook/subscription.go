package hook

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Owner is the principal that added a subscription, by the credential that it had.
type Owner struct {
	Kind           string `json:"kind"`
	Name           string `json:"name"`
	CredentialKind string `json:"credential_kind"`
	Credential     string `json:"credential,omitempty"`
	UID            int    `json:"uid,omitempty"`
	Dev            bool   `json:"dev,omitempty"`
}

// String returns "kind:name"; of the local socket it says whose it is.
func (o Owner) String() string {
	if o.Name == "" {
		return fmt.Sprintf("%s:%d", o.Kind, o.UID)
	}
	return o.Kind + ":" + o.Name
}

// Format is the form of what is sent.
type Format string

// The formats.
const (
	Raw   Format = "raw"   // the event with its data
	Slack Format = "slack" // a message for an incoming webhook of Slack
	Teams Format = "teams" // an adaptive card for a workflow of Teams
)

// Formats lists them.
var Formats = []Format{Raw, Slack, Teams}

// Subscription is a URL that events are sent to.
type Subscription struct {
	ID        string       `json:"id"`
	URL       string       `json:"url"`
	Events    []Event      `json:"events"`
	Mailbox   mail.Address `json:"mailbox,omitzero"` // the only one; zero: all that the owner reaches
	Format    Format       `json:"format"`
	Owner     Owner        `json:"owner"`
	Secret    string       `json:"secret"`
	Before    string       `json:"before,omitempty"`     // the secret before, which signs too
	BeforeEnd time.Time    `json:"before_end,omitzero"`  // until when it does
	CreatedAt time.Time    `json:"created_at"`           // what happened before is not told
	FailingAt time.Time    `json:"failing_at,omitzero"`  // first failure since the last success
	EndedAt   time.Time    `json:"disabled_at,omitzero"` // it was switched off
	Why       string       `json:"why,omitempty"`        // it was: a word of the log
	Ref       string       `json:"ref,omitempty"`        // hash of the entry that it was, hex
	TellAt    time.Time    `json:"tell_at,omitzero"`     // when the operator is told so next
	Tells     int          `json:"tells,omitempty"`      // how often it was tried
	Pending   int          `json:"pending,omitempty"`    // deliveries that are not over
	Done      int          `json:"done,omitempty"`       // those that are, and still listed
}

// Active reports whether events are sent to it.
func (s Subscription) Active() bool { return s.EndedAt.IsZero() }

// The bounds of subscriptions.
const (
	maxSubscriptions = 100 // of an installation
	maxOwned         = 20  // of one principal
	maxURL           = 2048
	overlap          = 24 * time.Hour // how long the secret before still signs
)

// Request is what a new subscription shall be.
type Request struct {
	URL     string
	Events  []string
	Mailbox mail.Address
	Format  Format // "": raw
}

// Add makes a subscription of an owner, and returns it with its secret. by is who asks,
// which the caller has found to be allowed to.
func (h *Hooks) Add(tx store.Tx, by Actor, o Owner, q Request) (Subscription, error) {
	s, active, err := h.fit(tx, o, q)
	if err != nil {
		return s, err
	}
	if !active { // nobody has followed the log meanwhile
		if err := skip(tx); err != nil {
			return s, err
		}
	}
	if err := put(tx, subscriptionKey+s.ID, s); err != nil {
		return s, err
	}
	return s, h.note(tx, by, audit.WebhookAdd, s, nil)
}

// Check refuses what Add would refuse now.
func (h *Hooks) Check(tx store.Tx, o Owner, q Request) error {
	_, _, err := h.fit(tx, o, q)
	return err
}

// fit makes a subscription that may be added, and reports whether there is an active one.
func (h *Hooks) fit(tx store.Tx, o Owner, q Request) (s Subscription, active bool, err error) {
	s = Subscription{ID: string(mail.NewID(tx.Now())), URL: q.URL, Mailbox: q.Mailbox, Format: q.Format,
		Owner: o, Secret: newSecret(), CreatedAt: tx.Now()}
	if s.Format == "" {
		s.Format = Raw
	}
	rights, err := h.o.Rights(tx, o)
	switch {
	case errors.Is(err, ErrGone):
		return s, false, mail.ErrForbidden.Errorf("this credential cannot own a webhook, because it ends with a " +
			"session; use an API key")
	case err != nil:
		return s, false, err
	}
	if err := s.listen(q.Events, rights); err != nil {
		return s, false, err
	}
	if err := h.o.Allow.check(q.URL); err != nil {
		return s, false, err
	}
	all, err := h.List(tx)
	if err != nil {
		return s, false, err
	}
	owned := 0
	for _, other := range all {
		if other.Owner.Kind == o.Kind && other.Owner.Name == o.Name {
			owned++
		}
		active = active || other.Active()
	}
	if len(all) >= maxSubscriptions || owned >= maxOwned {
		h.o.Over(mail.LimitWebhooks)
		return s, false, mail.ErrConflict.Errorf("there are too many webhooks; delete one that nobody needs").
			Over(mail.LimitWebhooks)
	}
	return s, active, nil
}

// listen sets the events, which must be some that the owner may hear of.
func (s *Subscription) listen(events []string, r Rights) error {
	if len(events) == 0 {
		return mail.ErrInvalid.Errorf("name the events, of %s", strings.Join(EventNames(), ", "))
	}
	for _, name := range events {
		e := Event(name)
		switch {
		case !slices.Contains(Events[:], e):
			return mail.ErrInvalid.Errorf("an event is one of %s", strings.Join(EventNames(), ", "))
		case !r.hears(e):
			return mail.ErrForbidden.Errorf("your credential may not see what %s tells; leave it out, or use one "+
				"with the scope read, for oversight.pending oversight_read", e)
		case !slices.Contains(s.Events, e):
			s.Events = append(s.Events, e)
		}
	}
	if !slices.Contains(Formats, s.Format) {
		return mail.ErrInvalid.Errorf("a format is raw, slack or teams")
	}
	if !s.Mailbox.IsZero() && !r.Covers(s.Mailbox) {
		return mail.ErrForbidden.Errorf("your credential does not reach this mailbox")
	}
	return nil
}

// Remove ends a subscription; what was to be delivered to it is forgotten.
func (h *Hooks) Remove(tx store.Tx, by Actor, id string) error {
	s, err := h.Get(tx, id)
	if err != nil {
		return err
	}
	for _, prefix := range []string{dueKey, doneKey, listKey} {
		keys, err := keysOf(tx, prefix+s.ID+"/")
		if err != nil {
			return err
		}
		for _, key := range keys {
			if err := space.Delete(tx, key); err != nil {
				return err
			}
			if prefix != listKey {
				continue
			}
			if err := space.Delete(tx, deliveryKey+last(key)); err != nil {
				return err
			}
		}
	}
	if err := space.Delete(tx, subscriptionKey+s.ID); err != nil {
		return err
	}
	return h.note(tx, by, audit.WebhookRemove, s, nil)
}

// EndClosed removes one subscription of a closed account, and returns how many it removed: 0 once
// none is left.
func (h *Hooks) EndClosed(tx store.Tx) (int, error) {
	all, err := h.List(tx)
	if err != nil || len(all) == 0 {
		return 0, err
	}
	return 1, h.Remove(tx, system{}, all[0].ID)
}

// Rotate gives a subscription a new secret. The one before signs beside it for a day.
func (h *Hooks) Rotate(tx store.Tx, by Actor, id string) (Subscription, error) {
	s, err := h.Get(tx, id)
	if err != nil {
		return s, err
	}
	s.Before, s.BeforeEnd, s.Secret = s.Secret, tx.Now().Add(overlap), newSecret()
	if err := put(tx, subscriptionKey+s.ID, s); err != nil {
		return s, err
	}
	return s, h.note(tx, by, audit.WebhookRotate, s, nil)
}

// disable switches a subscription off, and says so in the log. Its deliveries stay where
// they are, and are not attempted.
func (h *Hooks) disable(tx store.Tx, s *Subscription, why string) error {
	s.EndedAt, s.Why, s.TellAt = tx.Now(), why, tx.Now()
	tx.AfterCommit(func() {
		h.o.Count("disabled")
		h.o.Log.Warn("webhook disabled", "webhook", s.ID, "why", why)
	})
	ref, err := h.entry(tx, system{}, audit.WebhookDisable, *s, map[string]string{"why": why})
	s.Ref = ref.String()
	return err
}

var errNoWebhook = mail.ErrNotFound.Errorf("no such webhook")

// Get returns a subscription.
func (h *Hooks) Get(tx store.Tx, id string) (s Subscription, err error) {
	if _, err := mail.ParseID(id); err != nil {
		return s, errNoWebhook
	}
	err = get(tx, subscriptionKey+id, &s)
	if errors.Is(err, store.ErrNotFound) {
		err = errNoWebhook
	}
	return s, err
}

// List returns every subscription, oldest first.
func (h *Hooks) List(tx store.Tx) (all []Subscription, err error) {
	err = space.Scan(tx, store.Prefix(subscriptionKey), func(_ string, b []byte) error {
		var s Subscription
		if err := json.Unmarshal(b, &s); err != nil {
			return fmt.Errorf("hook: a subscription: %w", err)
		}
		all = append(all, s)
		return nil
	})
	return all, err
}

// active returns the subscriptions that events are sent to.
func (h *Hooks) active(ctx context.Context) (out []Subscription, err error) {
	err = h.o.Store.View(ctx, func(tx store.Tx) error {
		all, err := h.List(tx)
		out = slices.DeleteFunc(all, func(s Subscription) bool { return !s.Active() })
		return err
	})
	return out, err
}

// newSecret returns 32 random octets in the form of Standard Webhooks.
func newSecret() string {
	b := make([]byte, 32)
	rand.Read(b)
	return secretPrefix + base64.StdEncoding.EncodeToString(b)
}

// Host returns the host of its URL, with the port.
func (s Subscription) Host() string { return host(s.URL) }

// host returns the host and port of a URL that check has passed.
func host(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}

func words(events []Event) string {
	var out []string
	for _, e := range events {
		out = append(out, string(e))
	}
	return strings.Join(out, " ")
}

func put(tx store.Tx, key string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return space.Put(tx, key, b)
}

func get(tx store.Tx, key string, v any) error {
	b, err := space.Get(tx, key)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

// keysOf lists the keys that begin with a prefix.
func keysOf(tx store.Tx, prefix string) (keys []string, err error) {
	err = space.Scan(tx, store.Prefix(prefix), func(key string, _ []byte) error {
		keys = append(keys, key)
		return nil
	})
	return keys, err
}

// last returns what stands behind the last slash of a key.
func last(key string) string { return key[strings.LastIndexByte(key, '/')+1:] }
