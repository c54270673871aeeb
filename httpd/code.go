package httpd

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// maxCodeRequest bounds what a request that waits for a code may hold: the operator is
// to read all of it.
const maxCodeRequest = 8 << 10

// mayAsk reports whether a caller may have an operation by a code of the operator.
func (c caller) mayAsk(op *api.Operation) bool {
	return op.Tier.ByCode() && c.Kind == registry.KindAgent && c.Has(registry.ScopeSend)
}

// task is what carries out an operation for a caller.
type task func(ctx context.Context, c caller, in any) error

// withCode carries out a request that an agent may have by a code. With a code it is done
// as the operator. Without one it is tried with the agent's own rights, if a scope lets
// it: what tightens needs no code. What these do not suffice for waits for a code, which
// goes to the operator alone.
func (s *Server) withCode(ctx context.Context, op *api.Operation, c caller, in any, denied error, do task) (
	*api.PendingApproval, error,
) {
	asked, err := askedOf(op, c, in)
	if err != nil {
		return nil, err
	}
	if code := op.Code(in); code != "" {
		as, q, err := s.redeem(ctx, c, asked, code)
		if err != nil {
			return nil, err
		}
		stored, err := op.Thawed(q.Request)
		if err != nil {
			return nil, err
		}
		return nil, do(ctx, as, stored)
	}
	if denied == nil {
		if err := do(ctx, c, in); !errors.Is(err, registry.ErrForbidden) {
			return nil, err
		}
	}
	if hooked, ok := in.(api.NewWebhook); ok {
		if err := s.webhookCheck(ctx, c, hooked); err != nil {
			return nil, err
		}
	}
	var spam effect
	if about, ok := in.(api.SpamRelease); ok {
		if err := s.spamEffect(ctx, c, about.ID, &spam); err != nil {
			return nil, err
		}
	}
	q, err := s.askOperator(ctx, c, asked, op.Summary, op.Parameters(in), func(tx store.Tx) (effect, error) {
		e, err := s.effectOf(tx, c, op, in)
		e.ours, e.stranger = append(spam.ours, e.ours...), append(spam.stranger, e.stranger...)
		return e, err
	})
	if err != nil {
		return nil, err
	}
	return &api.PendingApproval{Status: api.StatusPending, ExpiresAt: q.ExpiresAt,
		Message: "Nothing has been done. The operator got a code by mail. Once the operator has given it to you, " +
			"repeat the request with the same values and approval_code."}, nil
}

// askedOf is the request in its one spelling. A mailbox that it names must be the caller's.
func askedOf(op *api.Operation, c caller, in any) (a registry.Asked, err error) {
	a.Operation = op.Name
	if key, ok := in.(api.NewKey); ok && (key.Kind != "" && key.Kind != string(registry.KindAgent) ||
		key.Owner != "" && key.Owner != c.Name) { // the registry refuses it too: nobody is mailed in vain
		return a, refuse(http.StatusForbidden, "by a code an agent gets a key of its own, and no other")
	}
	if name, ok := op.MailboxOf(in); ok {
		if a.Mailbox, err = c.reaches(name); err != nil {
			return a, err
		}
	}
	if a.Request, err = op.Frozen(in); err == nil && len(a.Request) > maxCodeRequest {
		err = refuse(http.StatusRequestEntityTooLarge, "the request is too long for an operator to read")
	}
	return a, err
}

// redeem takes a code, and returns who carries out the request that waited for it. The code is
// spent in the transaction that does.
func (s *Server) redeem(ctx context.Context, c caller, a registry.Asked, code string) (
	as caller, q registry.CodeRequest, err error,
) {
	as = c
	var verdict error
	err = s.o.Store.Update(ctx, func(tx store.Tx) (err error) {
		q, as.Principal, verdict, err = s.o.Registry.Redeem(tx, c.Principal, a, code)
		return err
	})
	return as, q, errors.Join(err, verdict)
}

// askOperator keeps a request and sends the operator the code for it. Where the next hop does not
// take the mail there is no request. What it comes to is read in the transaction that binds
// the code to the policy in force.
func (s *Server) askOperator(ctx context.Context, c caller, a registry.Asked, what string, values []api.Parameter,
	effectOf func(store.Tx) (effect, error)) (q registry.CodeRequest, err error,
) {
	var e effect
	code, after := registry.NewCode(), time.Duration(0)
	err = s.o.Store.Update(ctx, func(tx store.Tx) (err error) {
		if q, after, err = s.o.Registry.Await(tx, c.Principal, a, code); err == nil {
			e, err = effectOf(tx)
		}
		return err
	})
	if after > 0 {
		return q, &refusal{status: http.StatusTooManyRequests, text: publicText(err), after: after,
			limit: mail.LimitCodes}
	}
	if err != nil {
		return q, err
	}
	box := a.Mailbox
	if box.IsZero() && len(c.Mailboxes) > 0 {
		box = c.Mailboxes[0]
	}
	n := message.CodeNotice{To: q.To, Code: code, Requester: c.ID(), Operation: a.Operation, What: what,
		Mailbox: a.Mailbox, Good: registry.CodeLife, Now: s.o.Now(),
		Effect: e.ours, Stranger: e.stranger}
	for _, v := range values {
		n.Values = append(n.Values, message.CodeValue{Name: v.Name, Value: v.Value})
	}
	err = errors.New("there is nothing that sends it")
	if s.o.SendCode != nil {
		err = s.o.SendCode(ctx, box.Domain(), q.Ref, n)
	}
	if err == nil {
		return q, nil
	}
	s.o.Log.Error("code not sent", "err", err)
	verr := s.o.Store.Update(context.WithoutCancel(ctx), func(tx store.Tx) error {
		return s.o.Registry.Unsent(tx, c.Principal, a, q.ID)
	})
	return q, errors.Join(mail.ErrUnavailable.Errorf(
		"the operator could not be mailed a code; nothing was asked for, try again later"), verr)
}

// publicText is what a client may read of an error.
func publicText(err error) string {
	_, said := translate(err)
	return said.Message
}
