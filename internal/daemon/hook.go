package daemon

import (
	"context"
	"errors"
	"fmt"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/hook"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/metrics"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/sign/fetch"
)

// makeHooks makes what tells URLs what happens.
func (d *Daemon) makeHooks(m *metrics.Metrics) error {
	allow, err := hook.ParseTargets(d.o.Config.Hooks.AllowTargets)
	if err != nil {
		return fmt.Errorf("hooks.allow_targets: %w", err)
	}
	d.hooks, err = hook.New(hook.Options{Store: d.db, Audit: d.audit, Mail: d.ledger.Load,
		Rights:   func(tx store.Tx, o hook.Owner) (hook.Rights, error) { return rightsOf(d.registry, tx, o) },
		Resolver: d.resolver, Public: fetch.IsPublic, Allow: allow, Changed: d.reader.Changed,
		Tell: d.tellDisabled, Count: m.CountWebhook, Over: func(l mail.Limit) { m.CountLimit(string(l)) }, Log: d.o.Log})
	return err
}

// whyDisabled says to a person why a webhook was switched off.
var whyDisabled = map[string]string{
	"failing": "Every attempt failed for two and a half days.",
	"gone":    "The target answered 410: it is gone for good.",
	"owner":   "The credential of its owner has ended.",
	"backlog": "2,000 deliveries wait for it.",
}

// tellDisabled mails the operator that a webhook was switched off.
func (d *Daemon) tellDisabled(ctx context.Context, s hook.Subscription) error {
	ctx, cancel := context.WithTimeout(ctx, tellTime)
	defer cancel()
	n := message.WebhookNotice{ID: s.ID, Host: s.Host(), Owner: s.Owner.String(), Why: whyDisabled[s.Why],
		CreatedAt: s.CreatedAt}
	domain := ""
	err := d.db.View(ctx, func(tx store.Tx) error {
		operator, err := d.registry.Operator(tx)
		if err != nil {
			return err
		}
		domains, err := d.registry.Domains(tx)
		n.To, n.Now = operator.Oversight, tx.Now()
		for _, of := range domains {
			if domain == "" && of.MaySend(n.Now) {
				domain = of.Name
			}
		}
		return err
	})
	if err == nil && (n.To.IsZero() || domain == "") {
		err = errors.New("there is no oversight address, or no domain that may send")
	}
	if err != nil {
		return err
	}
	return d.tellOperator(ctx, domain, s.Ref, n.To, n.Now, func(from mail.Address) []byte {
		n.From = from
		return n.Render()
	})
}

// rightsOf returns what the owner of a webhook may see now.
func rightsOf(r *registry.Registry, tx store.Tx, o hook.Owner) (hook.Rights, error) {
	p, err := r.Lasting(tx, registry.Principal{Kind: registry.Kind(o.Kind), Name: o.Name, UID: o.UID, Dev: o.Dev,
		Credential: registry.Credential{Kind: registry.CredentialKind(o.CredentialKind), ID: o.Credential}})
	if errors.Is(err, registry.ErrCredentials) {
		return hook.Rights{}, hook.ErrGone
	}
	if err != nil {
		return hook.Rights{}, err
	}
	return hook.Rights{Read: p.Has(registry.ScopeRead), Covers: p.Covers,
		Oversee: p.Has(registry.ScopeOversight) || p.Has(registry.ScopeOversightRead),
		Policy:  p.Has(registry.ScopeAdmin) || p.Has(registry.ScopeOversight),
		All:     p.Kind != registry.KindAgent && len(p.Mailboxes) == 0}, nil
}

// webhooks are the webhooks in the words of the API.
type webhooks struct {
	hooks    *hook.Hooks
	registry *registry.Registry
}

// Add implements httpd.Webhooks. Who may configure the installation may; one that an agent
// asked for with a code of the operator is told what the agent may see.
func (w webhooks) Add(tx store.Tx, p registry.Principal, q api.NewWebhook) (out api.WebhookSecret, _ error) {
	by, err := w.registry.Configures(tx, p)
	if err != nil {
		return out, err
	}
	r, err := w.request(tx, q)
	if err != nil {
		return out, err
	}
	owner := by
	if asked, ok := by.Requester(); ok {
		owner = asked
	}
	s, err := w.hooks.Add(tx, by, ownerOf(owner), r)
	return api.WebhookSecret{Webhook: webhookOf(s), Secret: s.Secret}, err
}

// Check implements httpd.Webhooks.
func (w webhooks) Check(tx store.Tx, owner registry.Principal, q api.NewWebhook) error {
	r, err := w.request(tx, q)
	if err != nil {
		return err
	}
	return w.hooks.Check(tx, ownerOf(owner), r)
}

// request reads what a webhook shall be.
func (w webhooks) request(tx store.Tx, q api.NewWebhook) (r hook.Request, err error) {
	r = hook.Request{URL: q.URL, Events: q.Events, Format: hook.Format(q.Format)}
	if q.Mailbox == "" {
		return r, nil
	}
	if r.Mailbox, err = mail.ParseAddress(q.Mailbox); err == nil {
		_, err = w.registry.Mailbox(tx, r.Mailbox)
	}
	return r, err
}

func ownerOf(p registry.Principal) hook.Owner {
	return hook.Owner{Kind: string(p.Kind), Name: p.Name, UID: p.UID, Dev: p.Dev,
		CredentialKind: string(p.Credential.Kind), Credential: p.Credential.ID}
}

// List implements httpd.Webhooks.
func (w webhooks) List(tx store.Tx) ([]api.Webhook, error) {
	all, err := w.hooks.List(tx)
	out := make([]api.Webhook, 0, len(all))
	for _, s := range all {
		out = append(out, webhookOf(s))
	}
	return out, err
}

// Get implements httpd.Webhooks.
func (w webhooks) Get(tx store.Tx, id string) (api.Webhook, error) {
	s, err := w.hooks.Get(tx, id)
	return webhookOf(s), err
}

// Remove implements httpd.Webhooks.
func (w webhooks) Remove(tx store.Tx, p registry.Principal, id string) error {
	by, err := w.registry.Configures(tx, p)
	if err != nil {
		return err
	}
	return w.hooks.Remove(tx, by, id)
}

// Rotate implements httpd.Webhooks.
func (w webhooks) Rotate(tx store.Tx, p registry.Principal, id string) (out api.WebhookSecret, _ error) {
	by, err := w.registry.Configures(tx, p)
	if err != nil {
		return out, err
	}
	s, err := w.hooks.Rotate(tx, by, id)
	return api.WebhookSecret{Webhook: webhookOf(s), Secret: s.Secret}, err
}

// Deliveries implements httpd.Webhooks.
func (w webhooks) Deliveries(tx store.Tx, webhook string, before mail.ID, limit int) ([]api.Delivery, error) {
	all, err := w.hooks.Deliveries(tx, webhook, string(before), limit)
	out := make([]api.Delivery, 0, len(all))
	for _, one := range all {
		v, err := w.deliveryOf(tx, one)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, err
}

// Redeliver implements httpd.Webhooks.
func (w webhooks) Redeliver(tx store.Tx, p registry.Principal, id string) (out api.Delivery, _ error) {
	by, err := w.registry.Configures(tx, p)
	if err != nil {
		return out, err
	}
	one, err := w.hooks.Redeliver(tx, by, id)
	if err != nil {
		return out, err
	}
	return w.deliveryOf(tx, one)
}

func webhookOf(s hook.Subscription) api.Webhook {
	v := api.Webhook{ID: s.ID, URL: s.URL, Events: []string{}, Mailbox: s.Mailbox.String(), Format: string(s.Format),
		Owner: s.Owner.String(), IsActive: s.Active(), Why: s.Why, Pending: s.Pending, FailingAt: s.FailingAt,
		DisabledAt: s.EndedAt, CreatedAt: s.CreatedAt, RotatesTill: s.BeforeEnd}
	for _, e := range s.Events {
		v.Events = append(v.Events, string(e))
	}
	return v
}

func (w webhooks) deliveryOf(tx store.Tx, d hook.Delivery) (api.Delivery, error) {
	s, err := w.hooks.Get(tx, d.Webhook)
	return api.Delivery{ID: d.ID, Webhook: d.Webhook, Event: string(d.Event), EmailID: string(d.Mail), URL: s.URL,
		Status: string(d.Status), Attempts: d.Attempts, Response: d.Answer, Problem: string(d.Problem),
		CreatedAt: d.CreatedAt, LastAt: d.LastAt, NextAt: d.NextAt, HappenedAt: d.At}, err
}
