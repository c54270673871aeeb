package daemon

import (
	"context"
	"fmt"
	"time"

	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// tellTime is how long the next hop may take over a mail to the operator.
const tellTime = 20 * time.Second

// tellOperator sends a mail of the daemon in one attempt. It is put into no queue and no store.
func (d *Daemon) tellOperator(
	ctx context.Context, domain, ref string, to mail.Address, now time.Time, render func(from mail.Address) []byte,
) error {
	m, raw, err := d.operatorMail(ctx, domain, ref, to, now, render)
	if err != nil {
		return err
	}
	for _, s := range d.stamps {
		stamp, err := s.Stamp(ctx, m, raw)
		if err != nil {
			return err
		}
		m.Prefix = append(stamp, m.Prefix...)
	}
	release, ok := d.relay.Reserve(m)
	if !ok {
		return fmt.Errorf("mail to the operator: the next hop has no free slot")
	}
	defer release()
	for _, r := range d.relay.Deliver(ctx, m, raw, func(mail.Phase) error { return ctx.Err() }) {
		if !r.Delivered { // its words may quote the mail
			return fmt.Errorf("mail to the operator: the next hop %s answers %d %s", r.Remote, r.Code, r.Enhanced)
		}
	}
	return nil
}

// operatorMail is a mail of the daemon, as released: by nobody's decision, on the grounds of
// the entry that it is about.
func (d *Daemon) operatorMail(
	ctx context.Context, domain, ref string, to mail.Address, now time.Time, render func(from mail.Address) []byte,
) (*mail.Mail, []byte, error) {
	var from mail.Address
	var of registry.Domain
	var operator registry.Operator
	err := d.db.View(ctx, func(tx store.Tx) (err error) {
		if err := d.registry.Open(tx); err != nil { // nothing leaves a closed account
			return err
		}
		if of, err = d.registry.Domain(tx, domain); err == nil {
			operator, err = d.registry.Operator(tx)
		}
		return err
	})
	if err == nil && !of.MaySend(now) {
		err = fmt.Errorf("mail to the operator: the domain %s may not send: it is not verified", of.Name)
	}
	if err == nil {
		from, err = mail.ParseAddress("postmaster@" + of.Name)
	}
	if err != nil {
		return nil, nil, err
	}
	id := mail.NewID(now)
	msg, err := message.Read(render(from), message.ReadOptions{ID: id, Now: now})
	if err != nil {
		return nil, nil, err
	}
	body := "7BIT"
	if msg.EightBit {
		body = "8BITMIME"
	}
	return &mail.Mail{
		ID: id, Mailbox: from, Author: mail.System, Door: "system",
		Envelope: mail.Envelope{From: from, Body: body, Rcpts: []mail.Rcpt{{Addr: to, Standing: mail.Pending}}},
		Header:   msg.Header, BodyHash: msg.BodyHash, TextHash: msg.TextHash, Size: int64(len(msg.Raw)),
		SubmitRef: ref, SubmittedAt: now, ReleasedAt: now,
		Release: &mail.Release{Mode: mail.Autonomous, By: "none", At: now.UTC().Truncate(time.Second), Ref: ref,
			Operator: operator.Name, RefPolicy: mail.RefNone, Capabilities: []string{},
			Verified: of.Verified(now) && !of.Internal},
	}, msg.Raw, nil
}
