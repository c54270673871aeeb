package smtpd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/mail"
)

var _ smtp.LMTPSession = (*delivery)(nil)

// delivery is what the commands of one connection of the world mean: one transaction
// at a time, for mailboxes here and for nobody else.
type delivery struct {
	in *inbound
	c  *conn

	open    bool // MAIL was accepted
	from    mail.Address
	size    int64
	body    string
	rcpts   []named
	count   int  // transactions of this session that came to DATA
	tight   bool // it has a recipient that may have no room for the mail
	unknown int  // recipients of this session that are no mailbox here
}

// named is a recipient, and how the client wrote it.
type named struct {
	given string
	addr  mail.Address
}

// Reset implements smtp.Session: the transaction is forgotten.
func (d *delivery) Reset() {
	d.open, d.from, d.size, d.body, d.rcpts, d.tight = false, mail.Address{}, 0, "", nil, false
}

// Logout implements smtp.Session.
func (d *delivery) Logout() error { return nil }

// Mail implements smtp.Session. The null sender is one too: it sends what nobody
// wants an answer to.
func (d *delivery) Mail(from string, o *smtp.MailOptions) error {
	switch {
	case d.open:
		return errSequence
	case o.Size > d.in.o.MaxSize:
		return errBig
	}
	var a mail.Address
	if from != "" {
		var err error
		if a, err = mail.ParseAddress(from); err != nil {
			e := d.public(err)
			e.EnhancedCode = smtp.EnhancedCode{5, 1, 7} // 5.1.3 is of a recipient (RFC 3463, 3.2)
			return e
		}
	}
	if key, limited := d.in.source(d.c.remote); limited && d.in.messages != nil && d.in.messages.Take(key) > 0 {
		d.c.srv.reached(mail.LimitInboundMessageRate)
		return errMessageRate
	}
	d.open, d.from, d.size, d.body = true, a, o.Size, string(o.Body)
	return nil
}

// Rcpt implements smtp.Session. A recipient given twice counts once.
func (d *delivery) Rcpt(to string, _ *smtp.RcptOptions) error {
	if !d.open {
		return errSequence
	}
	ctx, cancel := context.WithTimeout(d.c.srv.work, d.c.srv.o.CommandTimeout)
	defer cancel()
	a, err := d.recipient(ctx, to)
	if err != nil {
		return d.public(err)
	}
	given := named{to, a}
	others := 0
	for _, r := range d.rcpts {
		if r.addr.Key() == a.Key() {
			d.rcpts = append(d.rcpts, given)
			return nil
		}
		others++
	}
	switch {
	case d.from.IsZero() && others > 0:
		return errNullMany
	case len(d.addresses()) >= d.in.o.MaxRecipients:
		d.c.srv.reached(mail.LimitInboundRecipients)
		return errMany
	}
	room, err := d.admit(ctx, a)
	if err != nil {
		return err
	}
	// A mail of unknown size that one of several mailboxes has no room for would have to be
	// refused for all of them. LMTP has a reply for each (RFC 2033, section 4.2).
	tight := d.size == 0 && room < d.in.o.MaxSize && d.in.hop == nil
	if others > 0 && (tight || d.tight) {
		return errTight
	}
	d.rcpts, d.tight = append(d.rcpts, given), tight
	return nil
}

// recipient reads a forward-path. <postmaster> without a domain is the only one that is
// no address (RFC 5321, 4.5.1).
func (d *delivery) recipient(ctx context.Context, to string) (mail.Address, error) {
	if strings.EqualFold(to, "postmaster") {
		return d.in.o.Postmaster(ctx)
	}
	return mail.ParseAddress(to)
}

// admit asks the gate for a recipient. Who asks for many that do not exist is looking for
// those that do: the connection ends, and then the source must wait, whoever it asks for.
func (d *delivery) admit(ctx context.Context, to mail.Address) (room int64, err error) {
	key, limited := d.in.stranger(d.c.remote)
	limited = limited && d.in.unknown != nil
	if limited && d.in.unknown.Wait(key) > 0 {
		d.c.srv.reached(mail.LimitInboundUnknownRate)
		return 0, errUnknownRate
	}
	room, err = d.in.gate.AdmitDelivery(ctx, d.from, to, d.size)
	if err == nil {
		return room, nil
	}
	if errors.Is(err, mail.ErrNotFound) || errors.Is(err, mail.ErrForbidden) {
		if limited {
			d.in.unknown.Take(key)
		}
		if d.unknown++; d.unknown >= maxInboundUnknown && d.in.hop == nil {
			d.c.srv.reached(mail.LimitInboundUnknown)
			return 0, errUnknownMany
		}
	}
	return 0, d.public(err)
}

// addresses returns the recipients, each once.
func (d *delivery) addresses() (list []mail.Address) {
	seen := map[string]bool{}
	for _, r := range d.rcpts {
		if !seen[r.addr.Key()] {
			seen[r.addr.Key()] = true
			list = append(list, r.addr)
		}
	}
	return list
}

// Data implements smtp.Session: the mail is taken for all recipients, or for none.
func (d *delivery) Data(r io.Reader) error {
	ctx, cancel := context.WithTimeout(d.c.srv.work, receiveTime)
	defer cancel()
	g, err := d.inspect(ctx, r)
	if err != nil {
		return d.public(err)
	}
	mails, err := d.receive(ctx, g)
	if err != nil {
		return d.public(err)
	}
	return taken(mails)
}

// LMTPData implements smtp.LMTPSession. A mail that all its mailboxes take is put by one
// transaction. What one of them refuses, such as a full one, is not refused for the rest:
// then each is asked by itself.
func (d *delivery) LMTPData(r io.Reader, status smtp.StatusCollector) error {
	ctx, cancel := context.WithTimeout(d.c.srv.work, receiveTime)
	defer cancel()
	g, err := d.inspect(ctx, r)
	if err != nil {
		return d.public(err)
	}
	mails, err := d.receive(ctx, g)
	if err == nil || len(g.To) == 1 || !ofOneMailbox(err) {
		for _, r := range d.rcpts {
			status.SetStatus(r.given, d.said(mails, err))
		}
		return nil
	}
	said := map[string]error{}
	for _, to := range g.To {
		one := g
		one.To = []mail.Address{to}
		said[to.Key()] = d.said(d.receive(ctx, one))
	}
	for _, r := range d.rcpts {
		status.SetStatus(r.given, said[r.addr.Key()])
	}
	return nil
}

// ofOneMailbox reports whether another mailbox may take what one has refused so.
func ofOneMailbox(err error) bool {
	var e *mail.Error
	return errors.As(err, &e) && (e.Kind == mail.ErrNotFound || e.Kind == mail.ErrFrozen ||
		e.Reason == mail.ReasonQuota)
}

// said is the reply to what became of a mail.
func (d *delivery) said(mails []*mail.Mail, err error) error {
	if err != nil {
		return d.public(err)
	}
	return taken(mails)
}

// taken is the reply to a mail that was taken: go-smtp has no other way to reply with
// a text.
func taken(mails []*mail.Mail) error {
	text := "Ok"
	if len(mails) > 0 {
		text = "Ok: taken as " + string(mails[0].ID)
	}
	return refusal(250, smtp.EnhancedCode{2, 0, 0}, text)
}

// inspect reads a message and finds out who sent it.
func (d *delivery) inspect(ctx context.Context, r io.Reader) (gate.Delivery, error) {
	d.count++
	raw, err := octets(r)
	if err != nil {
		return gate.Delivery{}, err
	}
	if len(message.FieldValues(raw, "Received")) > message.MaxHops {
		d.c.srv.reached(mail.LimitReceivedHops)
		return gate.Delivery{}, errLoop
	}
	t := Transaction{
		Door: d.in.door, Remote: d.remote(), Helo: d.c.hello, TLS: d.c.tls,
		From: d.from, To: d.addresses(), Raw: raw, Hop: d.in.hop,
	}
	if t.Hop == nil {
		t.Hop = matchHop(d.in.o.Hops, t)
	}
	seen, err := d.in.o.Inspector.Inspect(ctx, t)
	if err != nil {
		return gate.Delivery{}, err
	}
	a := seen.Arrival
	a.Transaction = d.transaction()
	a.Helo, a.Remote, a.Hop = t.Helo, "", ""
	if t.Remote.IsValid() {
		a.Remote = t.Remote.String()
	}
	if t.Hop != nil {
		a.Hop = t.Hop.Name
	}
	return gate.Delivery{From: d.from, To: t.To, Raw: seen.Raw, Prefix: d.stamp(t, seen.Prefix),
		Arrival: a, Door: d.in.door, TLS: d.c.secure, Body: d.body}, nil
}

// transaction names the transaction: that of the connection, and which of its mails it is.
func (d *delivery) transaction() string { return fmt.Sprintf("%s-%d", d.c.cid, d.count) }

// remote returns the address of the client.
func (d *delivery) remote() netip.Addr {
	a, err := netip.ParseAddr(d.c.remote)
	if err != nil {
		return netip.Addr{} // a unix socket
	}
	return a.Unmap().WithZone("")
}

// stamp returns the trace fields of this server (RFC 5321, 4.4).
func (d *delivery) stamp(t Transaction, results []byte) []byte {
	one := mail.Address{}
	if len(t.To) == 1 {
		one = t.To[0] // of several none is named: they need not know of each other
	}
	return message.Trace{
		From: t.From, For: one, Helo: t.Helo, Remote: t.Remote, Host: d.in.o.Hostname,
		With: with(d.in.door, d.c.extended, d.c.secure), ID: d.transaction(), At: time.Now(), Results: results,
	}.Fields()
}

// with is the protocol of a transaction (RFC 3848).
func with(door string, extended, secure bool) string {
	name := "SMTP"
	switch {
	case door == DoorLMTP:
		name = "LMTP"
	case extended:
		name = "ESMTP"
	}
	if secure {
		name += "S"
	}
	return name
}

// receive hands a mail to the gate.
func (d *delivery) receive(ctx context.Context, g gate.Delivery) ([]*mail.Mail, error) {
	mails, err := d.in.gate.Receive(ctx, g)
	for _, m := range mails {
		d.c.srv.o.Log.Info(logReceived, "mail", m.ID, "cid", d.c.cid, "door", d.in.door,
			"mailbox", m.Mailbox.String(), "state", m.State, "remote", d.c.remote)
	}
	return mails, err
}

// public makes an SMTPError of an error.
func (d *delivery) public(err error) *smtp.SMTPError {
	var own *smtp.SMTPError
	if errors.As(err, &own) {
		return own
	}
	return public(err, d.c.srv.o.Log, d.c.cid)
}
