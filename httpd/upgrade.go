package httpd

import (
	"context"
	"encoding/json"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// upgrade is a request for a mode that does not tighten.
type upgrade struct {
	To string `json:"to"`
}

// askedUpgrade names the request for another mode of a mailbox.
func askedUpgrade(box mail.Address) registry.Asked {
	return registry.Asked{Operation: api.RequestUpgrade.Name, Mailbox: box}
}

// currentMode returns the mode of a mailbox that a caller reaches.
func (s *Server) currentMode(ctx context.Context, box mail.Address) (mode mail.Mode, err error) {
	err = s.o.Store.View(ctx, func(tx store.Tx) error {
		m, err := s.o.Registry.Mailbox(tx, box)
		mode = m.Mode
		return err
	})
	return mode, err
}

// requestUpgrade has a code mailed to the operator.
func (s *Server) requestUpgrade(ctx context.Context, c caller, in api.UpgradeRequest) (out api.Upgrade, _ error) {
	box, err := c.reaches(in.Mailbox)
	if err != nil {
		return out, err
	}
	mode, err := mail.ParseMode(in.TargetMode)
	if err != nil {
		return out, invalid("target_mode must be read_only, gated_all, gated_send, monitored or autonomous")
	}
	now, err := s.currentMode(ctx, box)
	if err != nil {
		return out, err
	}
	switch {
	case mode == now:
		return out, invalid("the mailbox is in %s already", now)
	case now.TightensTo(mode):
		return out, invalid("from %s to %s tightens; set it with PATCH /v1/mailboxes/{id}, without a code", now, mode)
	}
	a := askedUpgrade(box)
	if a.Request, err = json.Marshal(upgrade{mode.String()}); err != nil {
		return out, err
	}
	q, err := s.askOperator(ctx, c, a, "change the oversight of the mailbox from "+now.String()+" to "+mode.String(),
		[]api.Parameter{{Name: "target_mode", Value: mode.String()}}, func(tx store.Tx) (e effect, _ error) {
			m, err := s.o.Registry.Mailbox(tx, box)
			if err == nil && m.Mode != now {
				err = mail.ErrConflict.Errorf("the mode has just changed; ask again")
			}
			e.add("oversight_mode", "is %s, becomes %s", now, mode)
			return e, err
		})
	if err != nil {
		return out, err
	}
	return api.Upgrade{Status: api.UpgradeRequested, OversightMode: now.String(), TargetMode: mode.String(),
		Message:   "Nothing has changed. The operator got a code by mail: apply it once you were given it.",
		ExpiresAt: q.ExpiresAt}, nil
}

// applyUpgrade sets the mode that was asked for, as the operator.
func (s *Server) applyUpgrade(ctx context.Context, c caller, in api.UpgradeCode) (out api.Upgrade, _ error) {
	box, err := c.reaches(in.Mailbox)
	if err != nil {
		return out, err
	}
	as, q, err := s.redeem(ctx, c, askedUpgrade(box), in.Code)
	if err != nil {
		return out, err
	}
	var u upgrade
	if err := json.Unmarshal(q.Request, &u); err != nil {
		return out, err
	}
	mode, err := mail.ParseMode(u.To)
	if err != nil {
		return out, err
	}
	if _, err := s.o.Gate.SetMode(ctx, as.Principal, box, mode); err != nil {
		return out, err
	}
	return api.Upgrade{Status: api.Upgraded, OversightMode: mode.String()}, nil
}
