package httpd

import (
	"context"
	"net/http"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Webhooks keeps what is told to URLs, and who may ask for it.
type Webhooks interface {
	Add(tx store.Tx, p registry.Principal, q api.NewWebhook) (api.WebhookSecret, error)
	// Check refuses what nobody could own as owner.
	Check(tx store.Tx, owner registry.Principal, q api.NewWebhook) error
	List(tx store.Tx) ([]api.Webhook, error)
	Get(tx store.Tx, id string) (api.Webhook, error)
	Remove(tx store.Tx, p registry.Principal, id string) error
	Rotate(tx store.Tx, p registry.Principal, id string) (api.WebhookSecret, error)
	Deliveries(tx store.Tx, webhook string, before mail.ID, limit int) ([]api.Delivery, error)
	Redeliver(tx store.Tx, p registry.Principal, id string) (api.Delivery, error)
}

var errNoWebhooks = refuse(http.StatusConflict, "this server has no webhooks")

// hooks returns what keeps webhooks.
func (s *Server) hooks() (Webhooks, error) {
	if s.o.Webhooks == nil {
		return nil, errNoWebhooks
	}
	return s.o.Webhooks, nil
}

func (s *Server) webhookAdd(ctx context.Context, c caller, in api.NewWebhook) (out api.WebhookSecret, _ error) {
	w, err := s.hooks()
	if err != nil {
		return out, err
	}
	err = s.o.Store.Update(ctx, func(tx store.Tx) (err error) {
		out, err = w.Add(tx, c.Principal, in)
		return err
	})
	return out, err
}

// webhookCheck refuses a webhook that an agent asks a code for in vain.
func (s *Server) webhookCheck(ctx context.Context, c caller, in api.NewWebhook) error {
	w, err := s.hooks()
	if err != nil {
		return err
	}
	return s.o.Store.View(ctx, func(tx store.Tx) error { return w.Check(tx, c.Principal, in) })
}

func (s *Server) webhookList(ctx context.Context, _ caller, _ api.None) (out api.Webhooks, _ error) {
	w, err := s.hooks()
	if err != nil {
		return out, err
	}
	err = s.o.Store.View(ctx, func(tx store.Tx) (err error) {
		out.Subscriptions, err = w.List(tx)
		return err
	})
	return out, err
}

func (s *Server) webhook(ctx context.Context, _ caller, in api.WebhookRef) (out api.Webhook, _ error) {
	w, err := s.hooks()
	if err != nil {
		return out, err
	}
	err = s.o.Store.View(ctx, func(tx store.Tx) (err error) {
		out, err = w.Get(tx, in.ID)
		return err
	})
	return out, err
}

func (s *Server) webhookRemove(ctx context.Context, c caller, in api.WebhookRef) (out api.Done, _ error) {
	w, err := s.hooks()
	if err == nil {
		err = s.o.Store.Update(ctx, func(tx store.Tx) error { return w.Remove(tx, c.Principal, in.ID) })
	}
	if err != nil {
		return out, err
	}
	return api.Done{Status: "removed"}, nil
}

func (s *Server) webhookRotate(ctx context.Context, c caller, in api.WebhookRef) (out api.WebhookSecret, _ error) {
	w, err := s.hooks()
	if err != nil {
		return out, err
	}
	err = s.o.Store.Update(ctx, func(tx store.Tx) (err error) {
		out, err = w.Rotate(tx, c.Principal, in.ID)
		return err
	})
	return out, err
}

func (s *Server) deliveries(ctx context.Context, _ caller, in api.DeliveryQuery) (out api.Deliveries, _ error) {
	w, err := s.hooks()
	if err != nil {
		return out, err
	}
	cursor, err := queryID("cursor", in.Cursor)
	if err != nil {
		return out, err
	}
	err = s.o.Store.View(ctx, func(tx store.Tx) (err error) {
		out.Deliveries, err = w.Deliveries(tx, in.Webhook, cursor, in.Limit)
		return err
	})
	if n := len(out.Deliveries); err == nil && n == in.Limit {
		out.Cursor = out.Deliveries[n-1].ID
	}
	return out, err
}

func (s *Server) redeliver(ctx context.Context, c caller, in api.DeliveryRef) (out api.Delivery, _ error) {
	w, err := s.hooks()
	if err != nil {
		return out, err
	}
	err = s.o.Store.Update(ctx, func(tx store.Tx) (err error) {
		out, err = w.Redeliver(tx, c.Principal, in.ID)
		return err
	})
	return out, err
}
