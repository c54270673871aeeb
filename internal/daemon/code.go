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

// codeTime is how long the next hop may take over the mail of a code: a client waits.
const codeTime = 20 * time.Second

// sendCode mails a code to the operator in one attempt. The mail is put into no queue and
// no store: what holds the code is in memory until the next hop has it, or has not.
func (d *Daemon) sendCode(ctx context.Context, domain, ref string, n message.CodeNotice) error {
	ctx, cancel := context.WithTimeout(ctx, codeTime)
	defer cancel()
	m, raw, err := d.codeMail(ctx, domain, ref, n)
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
		return fmt.Errorf("code: the next hop has no free slot")
	}
	defer release()
	for _, r := range d.relay.Deliver(ctx, m, raw, func(mail.Phase) error { return ctx.Err() }) {
		if !r.Delivered { // its words may quote the mail
			return fmt.Errorf("code: the next hop %s answers %d %s", r.Remote, r.Code, r.Enhanced)
		}
	}
	return nil
}

// codeMail is the mail of a code, as released: by nobody's decision, on the grounds of the
// entry that the code was asked for under.
func (d *Daemon) codeMail(ctx context.Context, domain, ref string, n message.CodeNotice) (*mail.Mail, []byte, error) {
	var of registry.Domain
	var operator registry.Operator
	err := d.db.View(ctx, func(tx store.Tx) (err error) {
		if of, err = d.registry.Domain(tx, domain); err == nil {
			operator, err = d.registry.Operator(tx)
		}
		return err
	})
	if err == nil && !of.MaySend(n.Now) {
		err = fmt.Errorf("code: the domain %s may not send: it is not verified", of.Name)
	}
	if err == nil {
		n.From, err = mail.ParseAddress("postmaster@" + of.Name)
	}
	if err != nil {
		return nil, nil, err
	}
	id := mail.NewID(n.Now)
	msg, err := message.Read(n.Render(), message.ReadOptions{ID: id, Now: n.Now})
	if err != nil {
		return nil, nil, err
	}
	body := "7BIT"
	if msg.EightBit {
		body = "8BITMIME"
	}
	return &mail.Mail{
		ID: id, Mailbox: n.From, Author: mail.System, Door: "system",
		Envelope: mail.Envelope{From: n.From, Body: body, Rcpts: []mail.Rcpt{{Addr: n.To, Standing: mail.Pending}}},
		Header:   msg.Header, BodyHash: msg.BodyHash, TextHash: msg.TextHash, Size: int64(len(msg.Raw)),
		SubmitRef: ref, SubmittedAt: n.Now, ReleasedAt: n.Now,
		Release: &mail.Release{Mode: mail.Autonomous, By: "none", At: n.Now.UTC().Truncate(time.Second), Ref: ref,
			Operator: operator.Name, RefPolicy: mail.RefNone, Capabilities: []string{},
			Verified: of.Verified(n.Now) && !of.Internal},
	}, msg.Raw, nil
}
