package gate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/bounce"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// What a server is told that brings something for a bounce address.
var (
	errNoReport = mail.ErrForbidden.Errorf("this address takes reports about mail that was sent, and nothing else; " +
		"write to the author instead")
	errEarly = mail.ErrUnavailable.Errorf("the mail that this is about is being sent; report it again later")
)

// BounceDomain returns where reports on mail of a sending domain come back, "" where the
// configuration names no bounce subdomain.
func (g *Gate) BounceDomain(sending string) string { return g.o.Bounces.Domain(sending) }

// returnPaths gives each pending recipient of an attempt an envelope sender of its own, where
// reports about mail of the domain come back to us. They are made anew for each attempt, and
// are in no record: whoever reads one needs the key alone.
func (g *Gate) returnPaths(tx store.Tx, m *mail.Mail) error {
	name := m.Mailbox.Domain()
	sub := g.o.Bounces.Domain(name)
	if sub == "" {
		return nil
	}
	d, err := g.reg.Domain(tx, name)
	if err != nil || !d.TakesBounces() {
		return err
	}
	if _, here, err := g.domain(tx, sub); err != nil || here {
		return err // it is a sending domain itself: its addresses are mailboxes
	}
	for i := range m.Envelope.Rcpts {
		r := &m.Envelope.Rcpts[i]
		group := bounce.Group(i) // those that the author named stand first and stay where they are
		if r.Copy || i >= int(bounce.Copies) {
			group = bounce.Copies
		}
		r.ReturnPath, err = g.o.Bounces.Make(tx, name, bounce.Token{Mail: m.ID, Group: group})
		if errors.Is(err, bounce.ErrNone) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// bounceAddress reads an address of a bounce domain of ours; ours is false for every other
// address. One without a good token is errNoMailbox, and so it is for whoever asks again.
func (g *Gate) bounceAddress(tx store.Tx, to mail.Address) (t bounce.Token, ours bool, err error) {
	sending, is := g.o.Bounces.Of(to)
	if !is {
		return t, false, nil
	}
	if _, here, err := g.domain(tx, to.Domain()); err != nil || here {
		return t, false, err
	}
	if _, here, err := g.domain(tx, sending); err != nil || !here {
		return t, false, err
	}
	t, good, err := g.o.Bounces.Read(tx, to)
	if err == nil && !good {
		err = errNoMailbox
	}
	return t, true, err
}

// operators returns the address of the operator's own mailbox that one of a bounce domain
// stands for: every domain has a postmaster (RFC 5321, section 4.5.1).
func (g *Gate) operators(to mail.Address) mail.Address {
	sending, is := g.o.Bounces.Of(to)
	if !is || !slices.Contains(registry.Reserved, strings.ToLower(to.Local())) {
		return to
	}
	a, err := mail.ParseAddress(to.Local() + "@" + sending)
	if err != nil {
		return to
	}
	return a
}

// reports are what a delivery says of mail that was sent from here.
type reports struct {
	from   mail.Address // who brought it
	what   message.Report
	tokens []reported
}

// reported is a token and the sending domain whose address had it.
type reported struct {
	bounce.Token
	domain string
}

// split takes the bounce addresses out of those that a delivery is for. A complaint for
// postmaster or abuse counts as well, by the address that it names.
func (g *Gate) split(ctx context.Context, d Delivery) (rest []mail.Address, r reports, err error) {
	operators := false
	err = g.db.View(ctx, func(tx store.Tx) error {
		rest, r.tokens, operators = nil, nil, false
		for _, to := range d.To {
			to = g.operators(to)
			t, ours, err := g.bounceAddress(tx, to)
			if err != nil {
				return err
			}
			if ours {
				r.add(t, g.sending(to))
				continue
			}
			operators = operators || slices.Contains(registry.Reserved, strings.ToLower(to.Local()))
			if !slices.ContainsFunc(rest, func(a mail.Address) bool { return a.Key() == to.Key() }) {
				rest = append(rest, to)
			}
		}
		return nil
	})
	if err != nil || len(r.tokens) == 0 && !operators {
		return rest, r, err
	}
	r.from, r.what = d.From, message.ReadReport(d.Raw)
	switch {
	case len(r.tokens) > 0 && r.what.Kind == message.NoReport && len(rest) == 0:
		return nil, r, errNoReport // nobody would read it
	case len(r.tokens) == 0 && r.what.Kind == message.Complaint:
		err = g.complained(ctx, &r)
	}
	return rest, r, err
}

func (g *Gate) sending(to mail.Address) string {
	domain, _ := g.o.Bounces.Of(to)
	return domain
}

func (r *reports) add(t bounce.Token, domain string) {
	if add := (reported{t, domain}); !slices.Contains(r.tokens, add) {
		r.tokens = append(r.tokens, add)
	}
}

// complained finds the tokens in the envelope senders that a complaint names. One that is none of
// ours is of no interest.
func (g *Gate) complained(ctx context.Context, r *reports) error {
	return g.db.View(ctx, func(tx store.Tx) error {
		for _, path := range r.what.Paths {
			t, ours, err := g.bounceAddress(tx, path)
			if err != nil && !errors.Is(err, errNoMailbox) {
				return err
			}
			if ours && err == nil {
				r.add(t, g.sending(path))
			}
		}
		return nil
	})
}

// apply does what the reports of a delivery mean, each for the group of its own token.
func (g *Gate) apply(tx store.Tx, r reports) error {
	if err := g.takes(tx); err != nil {
		return err
	}
	for _, t := range r.tokens {
		if err := g.reportOn(tx, t, r); err != nil {
			return err
		}
	}
	return nil
}

// reportOn does what a report means for the recipients of one group. What it says of a mail
// that is gone, or of a recipient that is not there, means nothing.
func (g *Gate) reportOn(tx store.Tx, t reported, r reports) error {
	m, err := g.q.Load(tx, t.Mail)
	if errors.Is(err, mail.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if m.Direction != mail.Outgoing || m.Mailbox.Domain() != t.domain {
		return nil
	}
	for i := range m.Envelope.Rcpts {
		rc := &m.Envelope.Rcpts[i]
		if rc.Copy != (t.Group == bounce.Copies) || !rc.Copy && i != int(t.Group) {
			continue
		}
		switch v := r.what.For(rc.Addr); v.Action {
		case "":
		case "failed":
			err = g.bounced(tx, m, i, v.Result, r.from)
		case "complaint":
			err = g.suppress(tx, m, *rc, bounce.Complaint)
		default:
			err = g.tell(tx, m, *rc, t.Token, v.Action)
		}
		if err != nil {
			return fmt.Errorf("gate: report on %s: %w", m.ID, err)
		}
	}
	return nil
}

// bounced records that a recipient which counted as delivered is not. The first failure wins:
// what comes after it changes nothing and leaves no entry. While an attempt is under way the
// reply of the next hop may not have been recorded yet.
func (g *Gate) bounced(tx store.Tx, m *mail.Mail, i int, res mail.Result, from mail.Address) error {
	rc := &m.Envelope.Rcpts[i]
	if m.State == mail.Sending && rc.Standing != mail.Bounced {
		return errEarly
	}
	if rc.Standing != mail.Delivered {
		return nil
	}
	before := slices.Clone(m.Envelope.Rcpts)
	res.At = tx.Now().UTC()
	if rc.Result != nil {
		res.Remote = rc.Result.Remote
	}
	rc.Standing, rc.Result = mail.Bounced, &res
	facts, err := g.Facts(tx, m)
	if err != nil {
		return err
	}
	out, err := g.move(tx, m, queue.Change{Event: step.Bounce, Facts: facts, Actor: audit.System,
		Extra: map[string]string{"report": "delivery", "enhanced": res.Enhanced},
		Private: map[string]string{"reporter": from.String(),
			fmt.Sprintf("rcpt%d", i): fmt.Sprintf("%s %s %s %s", rc.Addr, rc.Standing, res.Enhanced, res.Message)}})
	switch {
	case err != nil:
		return err
	case out.Answer == step.TooLate:
		return errEarly
	case out.Answer != step.Done: // the mail has ended in another way
		return nil
	}
	g.o.Log.Info("bounced", "mail", m.ID, "rcpt", rc.Addr.String(), "state", m.State, "enhanced", res.Enhanced,
		"text", res.Message)
	if rc.Watches() {
		g.o.Log.Error("the copy for the oversight address bounced", "mail", m.ID, "rcpt", rc.Addr.String())
	}
	if res.Hard() {
		if err := g.suppress(tx, m, *rc, bounce.HardBounce); err != nil {
			return err
		}
	}
	return g.report(tx, m, before)
}

// tell puts the notice of a report that changes nothing, once, for an author who wanted to
// hear of it (RFC 3461, section 4.1).
func (g *Gate) tell(tx store.Tx, m *mail.Mail, rc mail.Rcpt, t bounce.Token, action string) error {
	want := "SUCCESS"
	if action == "delayed" {
		want = "DELAY"
	}
	if rc.Standing != mail.Delivered || !slices.Contains(rc.Notify, want) {
		return nil
	}
	if before, err := g.o.Bounces.Told(tx, t, action); err != nil || before {
		return err
	}
	rc.Result = nil // it is what the next hop said when it took the mail
	return g.putNotice(tx, message.Notice{About: m, Action: action, Rcpts: []mail.Rcpt{rc}})
}
