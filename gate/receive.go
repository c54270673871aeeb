package gate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// Delivery is a mail that another server brings for mailboxes of this installation.
type Delivery struct {
	From    mail.Address   // MAIL FROM; zero: the null sender
	To      []mail.Address // each passed AdmitDelivery, no duplicates; bounce addresses among them
	Raw     []byte         // the bytes to keep, lines ended by CRLF
	Prefix  []byte         // header fields of the door, to stand before them
	Arrival mail.Arrival
	Door    string // "smtp-in" or "lmtp"
	TLS     bool
	Body    string // "7BIT", "8BITMIME" or "" (RFC 6152)
}

// What another server is told.
var (
	errNoMailbox  = mail.ReasonNoMailbox.Errorf("no such mailbox here; check the address")
	errRelay      = mail.ReasonRelay.Errorf("this server takes mail for its own domains alone")
	errFrozenIn   = mail.ErrFrozen.Errorf("this mailbox takes no mail for now; try again later")
	errQuotaSize  = mail.ReasonQuota.Errorf("the mailbox is full; try again later").Over(mail.LimitQuotaSize)
	errQuotaCount = mail.ReasonQuota.Errorf("the mailbox is full; try again later").Over(mail.LimitQuotaCount)
)

// AdmitDelivery says whether a mail of the world may come in for an address now. The door
// asks at RCPT, so that nobody has to be told later that it did not; Receive asks
// again. size is how many octets are announced, 0 when that is not known; room is how many
// octets the mailbox may get now.
func (g *Gate) AdmitDelivery(ctx context.Context, from, to mail.Address, size int64) (room int64, err error) {
	if err := g.space(size); err != nil {
		return 0, err
	}
	err = g.db.View(ctx, func(tx store.Tx) error {
		room = 0
		if err := g.takes(tx); err != nil {
			return err
		}
		if _, ours, err := g.bounceAddress(tx, g.operators(to)); err != nil || ours {
			if err == nil {
				room = math.MaxInt64 // it is read and not kept
			}
			return err
		}
		box, err := g.receives(tx, g.operators(to))
		if err == nil {
			room, err = g.room(tx, box, size)
		}
		return err
	})
	return room, g.reached(answer(err))
}

// takes says whether mail of the world may come in at all: for a closed account there is no
// mailbox here.
func (g *Gate) takes(tx store.Tx) error {
	err := g.reg.Open(tx)
	if errors.Is(err, registry.ErrClosed) {
		return errNoMailbox
	}
	return err
}

// receives returns the mailbox of an address that may get mail now.
func (g *Gate) receives(tx store.Tx, to mail.Address) (registry.Mailbox, error) {
	if err := g.takes(tx); err != nil {
		return registry.Mailbox{}, err
	}
	box, err := g.reg.Receives(tx, to)
	if errors.Is(err, registry.ErrNotFound) {
		if _, here, err := g.domain(tx, to.Domain()); err != nil || !here {
			return box, errors.Join(errRelay, err)
		}
		return box, errNoMailbox
	}
	if err != nil {
		return box, err
	}
	frozen, err := g.reg.FrozenMailbox(tx, box.Address)
	if err == nil && frozen {
		err = errFrozenIn
	}
	return box, err
}

// room refuses mail beyond what a mailbox may keep, and returns how many octets that is now.
// What its agents do not see counts too: it is stored all the same.
func (g *Gate) room(tx store.Tx, box registry.Mailbox, size int64) (int64, error) {
	var sum queue.Tally
	for _, s := range []mail.State{mail.Received, mail.Held, mail.Quarantined} {
		t, err := g.q.Tally(tx, box.Address, mail.Incoming, s)
		if err != nil {
			return 0, err
		}
		sum.Count, sum.Octets = sum.Count+t.Count, sum.Octets+t.Octets
	}
	left := cmp.Or(box.QuotaSize, g.o.QuotaSize) - sum.Octets
	switch {
	case sum.Count >= cmp.Or(box.QuotaCount, g.o.QuotaCount):
		return 0, errQuotaCount
	case size > left || left <= 0:
		return 0, errQuotaSize
	}
	return left, nil
}

// Receive takes a mail in for every mailbox that it is for, in one transaction: one mail
// of its own for each. What is for a bounce address is no mail of a mailbox: it is read as
// a report on the mail that the address names. When it returns without an error they are durable (invariant 5),
// held, quarantined or received as mode and filter say.
func (g *Gate) Receive(ctx context.Context, d Delivery) ([]*mail.Mail, error) {
	mails, err := g.takeIn(ctx, d)
	if err = g.reached(answer(err)); err != nil {
		g.o.Metrics.Submissions.WithLabelValues(d.Door, "refused").Inc()
		return nil, err
	}
	for _, m := range mails {
		g.o.Metrics.Submissions.WithLabelValues(d.Door, m.State.String()).Inc()
		g.o.Log.Info("taken in", "mail", m.ID, "digest", m.Digest, "door", d.Door, "mailbox", m.Mailbox.String(),
			"state", m.State)
	}
	return mails, nil
}

func (g *Gate) takeIn(ctx context.Context, d Delivery) ([]*mail.Mail, error) {
	switch {
	case len(d.To) == 0:
		return nil, errNoRcpt
	case len(d.To) > g.o.MaxRcpt:
		return nil, errRcpts
	case int64(len(d.Raw)+len(d.Prefix)) > g.o.MaxSize+maxPrefix:
		return nil, errSize
	}
	if err := g.space(int64(len(d.Raw) * len(d.To))); err != nil {
		return nil, err
	}
	rest, about, err := g.split(ctx, d)
	if err != nil {
		return nil, err
	}
	if d.To = rest; len(rest) == 0 {
		return nil, g.update(ctx, func(tx store.Tx) error { return g.apply(tx, about) })
	}
	first, err := g.arrived(ctx, d)
	if err != nil {
		return nil, err
	}
	mails, err := g.addressed(ctx, first, d.To)
	if err != nil {
		return nil, err
	}
	staged := make([]store.Staged, 0, len(mails))
	defer func() { // what did not become a mail, on every path
		for _, s := range staged {
			g.db.Discard(s)
		}
	}()
	for _, m := range mails {
		m.Digest = mail.DigestOf(m.Envelope, d.Raw)
		s, err := g.db.Stage(ctx, queue.RawKey(m.ID), d.Raw)
		if err != nil {
			return nil, unstored(err)
		}
		staged = append(staged, s)
	}
	out := make([]*mail.Mail, len(mails))
	err = g.update(ctx, func(tx store.Tx) error {
		for i, m := range mails {
			fresh := *m
			out[i] = &fresh
			if err := g.deliver(tx, out[i], staged[i]); err != nil {
				return err
			}
		}
		return g.apply(tx, about)
	})
	return out, err
}

// maxPrefix is how many octets of header fields the door may add.
const maxPrefix = 64 << 10

// arrived makes the mail that each mailbox gets, but for its id and address.
func (g *Gate) arrived(ctx context.Context, d Delivery) (*mail.Mail, error) {
	in := message.ReadIncoming(d.Raw)
	arrival := d.Arrival
	arrival.Warnings = append(arrival.Warnings, in.Warnings...)
	env := mail.Envelope{From: d.From, Body: d.Body}
	for _, to := range d.To {
		env.Rcpts = append(env.Rcpts, mail.Rcpt{Addr: to})
	}
	header, more := in.Header.Cut(env)
	m := &mail.Mail{State: mail.New, Direction: mail.Incoming, Arrival: &arrival, Envelope: env, Author: mail.World,
		Door: d.Door, Encrypted: d.TLS, Header: header, More: more, Size: int64(len(d.Raw)), Prefix: d.Prefix,
		BodyHash: in.BodyHash, TextHash: in.TextHash}
	return m, g.judge(ctx, m, d.Raw)
}

// addressed makes one mail for each mailbox.
func (g *Gate) addressed(ctx context.Context, first *mail.Mail, to []mail.Address) (out []*mail.Mail, err error) {
	err = g.db.View(ctx, func(tx store.Tx) error {
		out = nil
		for _, a := range to {
			box, err := g.receives(tx, a)
			if err != nil {
				return err
			}
			m := *first
			m.ID, m.SubmittedAt = mail.NewID(tx.Now()), tx.Now().UTC()
			m.Mailbox, m.HoldFor = box.Address, g.reg.Hold(box)
			m.Envelope.Rcpts = []mail.Rcpt{{Addr: box.Address, Standing: mail.Delivered}}
			out = append(out, &m)
		}
		return nil
	})
	return out, err
}

// deliver puts a mail into its mailbox, if that still may have it.
func (g *Gate) deliver(tx store.Tx, m *mail.Mail, raw store.Staged) error {
	box, err := g.receives(tx, m.Mailbox)
	if err == nil {
		_, err = g.room(tx, box, m.Size)
	}
	if err != nil {
		return err
	}
	return g.receive(tx, m, raw)
}

// receive puts a mail for a mailbox of this installation, as the mode of the mailbox
// says. From then on it is decided, expired and listed by the same code as mail that
// was submitted.
func (g *Gate) receive(tx store.Tx, m *mail.Mail, raw store.Staged) error {
	facts, err := g.Facts(tx, m)
	if err == nil {
		err = g.fits(tx, m, facts)
	}
	if err != nil {
		return err
	}
	c := queue.Change{
		Event: step.Submit, Facts: facts, Actor: audit.System,
		Apply: func(m *mail.Mail, ref audit.Ref) {
			m.SubmitRef = ref.String()
			if !m.State.Final() {
				m.ExpiresAt = expiry(tx.Now(), m)
			}
		},
	}
	switch {
	case m.Notice != nil:
		c.Extra = map[string]string{"about": string(m.Notice.About), "action": m.Notice.Action}
	case m.Arrival != nil:
		c.Extra, c.Private = arrivalFacts(m), map[string]string{"mailbox": m.Mailbox.String(),
			"from": m.Envelope.From.String(), "subject": m.Header.Subject}
	}
	out, err := g.enter(tx, m, raw, c)
	switch {
	case err != nil:
		return err
	case out.Answer == step.Frozen:
		return errFrozenIn
	case out.Answer != step.Done:
		return fmt.Errorf("gate: receive %s: %s", m.ID, out.Answer)
	}
	return nil
}

// arrivalFacts are the facts of an entry about a mail of the world.
func arrivalFacts(m *mail.Mail) map[string]string {
	a := m.Arrival.Auth
	facts := map[string]string{"door": m.Door, "hop": m.Arrival.Hop, "spf": a.SPF.Result, "dmarc": a.DMARC.Result,
		"arc": a.ARC.Result, "identity": a.Identity.Result}
	var signatures []string
	for _, c := range a.DKIM {
		signatures = append(signatures, c.Result)
	}
	facts["dkim"] = strings.Join(signatures, " ")
	if m.Spam != nil {
		facts["verdict"] = string(m.Spam.Verdict)
	}
	return facts
}
