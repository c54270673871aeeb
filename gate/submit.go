package gate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// sendGrace is how long past its time a scheduled mail may still be approved;
// after that it expires instead of going out late in silence.
const sendGrace = time.Hour

// Submission is what a door brings: raw bytes and who is to get them.
type Submission struct {
	Mailbox   mail.Address  // the mailbox it is sent from
	Envelope  mail.Envelope // From is Mailbox; at least one recipient
	Raw       []byte        // as received, lines ended by CRLF
	Door      string        // "smtp", "http" or "mcp"
	TLS       bool          // the door spoke TLS
	NotBefore time.Time     // scheduled for then; zero: at once
	Timing    mail.Timing   // of scheduled mail: when an approver is asked

	// Replaces is a scheduled mail of the same agent, which is cancelled once this one is in.
	Replaces mail.ID

	Codes Codes // of this door, for the audit log

	// IdempotencyKey joins repeated requests of one mailbox for 24 hours;
	// Fingerprint says whether the repetition asks for the same. Both are
	// empty over SMTP, where nothing joins mails.
	IdempotencyKey string
	Fingerprint    string
}

// Codes gives what a door answers to an error in terms of its own protocol, as
// facts of the audit entry of a refusal; nil gives none.
type Codes func(*mail.Error) map[string]string

// Receipt is what a submission became.
type Receipt struct {
	Mail   *mail.Mail
	Replay bool // the mail of an earlier request with the same key
}

// Admit says whether principal p may send from this address now. Doors ask at
// MAIL FROM, before the bytes travel; Submit asks again. size is how many octets
// are announced (RFC 1870, section 6.1), 0 when that is not known: those that the
// disk cannot take are refused before they are sent.
func (g *Gate) Admit(ctx context.Context, p registry.Principal, from mail.Address, size int64, codes Codes) error {
	if err := g.space(size); err != nil {
		return err
	}
	err := g.db.View(ctx, func(tx store.Tx) error {
		_, err := g.admit(tx, p, from)
		return err
	})
	if err != nil {
		g.refused(ctx, p, from, codes, err)
	}
	return answer(err)
}

// owner says whether p, as it stands now, sends for this mailbox at all.
func (g *Gate) owner(tx store.Tx, p registry.Principal, from mail.Address) error {
	p, err := g.reg.Current(tx, p)
	switch {
	case err != nil:
		return err
	case !p.Has(registry.ScopeSend):
		return errKey
	case !p.Covers(from):
		return errSender
	}
	return nil
}

// admit returns the mailbox that p may send from now.
func (g *Gate) admit(tx store.Tx, p registry.Principal, from mail.Address) (registry.Mailbox, error) {
	if err := g.owner(tx, p, from); err != nil {
		return registry.Mailbox{}, err
	}
	box, err := g.reg.Mailbox(tx, from)
	if err != nil {
		return box, err
	}
	if box.Mode == mail.ReadOnly {
		return box, errReadOnly
	}
	frozen, err := g.reg.Frozen(tx, p.Agent, from)
	if err == nil && frozen {
		err = errFrozen
	}
	return box, err
}

// Submit takes a mail in. When it returns without an error the mail is durable
// (invariant 5), held or ready as the mode says.
func (g *Gate) Submit(ctx context.Context, p registry.Principal, s Submission) (Receipt, error) {
	r, err := g.submit(ctx, p, s)
	if err = answer(err); err != nil {
		g.refused(ctx, p, s.Mailbox, s.Codes, err)
		g.o.Metrics.Submissions.WithLabelValues(s.Door, "refused").Inc()
		return Receipt{}, err
	}
	result := "released"
	if r.Mail.State == mail.Held {
		result = "held"
	}
	g.o.Metrics.Submissions.WithLabelValues(s.Door, result).Inc()
	g.o.Log.Info(result, "mail", r.Mail.ID, "digest", r.Mail.Digest, "agent", r.Mail.Agent,
		"door", s.Door, "from", s.Mailbox.String(), "state", r.Mail.State, "replay", r.Replay)
	return r, nil
}

func (g *Gate) submit(ctx context.Context, p registry.Principal, s Submission) (Receipt, error) {
	if err := g.db.Healthy(); err != nil {
		return Receipt{}, errFull.Because(err)
	}
	var now time.Time
	var box registry.Mailbox
	var ours []registry.Domain
	var r Receipt
	err := g.db.View(ctx, func(tx store.Tx) (err error) {
		now = tx.Now()
		// Whose key it is comes first: a stranger learns nothing of a mail.
		if err := g.owner(tx, p, s.Mailbox); err != nil {
			return err
		}
		if r, err = g.replay(tx, s); err != nil || r.Replay {
			return err
		}
		if box, err = g.admit(tx, p, s.Mailbox); err != nil {
			return err
		}
		if err = g.replaceable(tx, p, s); err == nil {
			ours, err = g.reg.Domains(tx)
		}
		return err
	})
	if err != nil || r.Replay {
		return r, err
	}
	if g.rate.Take(p.ID()+" "+p.Credential.ID) > 0 {
		return r, errRate
	}
	m, raw, err := g.read(p, s, box, ours, now)
	if err == nil {
		err = g.judge(ctx, m, raw)
	}
	if err != nil {
		return r, err
	}
	if err := g.fitsNow(ctx, m, int64(len(raw))); err != nil {
		return r, err
	}
	staged, err := g.db.Stage(ctx, queue.RawKey(m.ID), raw)
	if err != nil {
		return r, unstored(err)
	}
	defer g.db.Discard(staged) // what did not become a mail, on every path
	err = g.update(ctx, func(tx store.Tx) (err error) {
		if r, err = g.replay(tx, s); err != nil || r.Replay {
			return err
		}
		if box, err = g.admit(tx, p, s.Mailbox); err != nil {
			return err
		}
		fresh := *m
		r.Mail = &fresh
		return g.put(tx, p, s, box, &fresh, staged)
	})
	return r, err
}

// fitsNow asks whether mailbox and disk can take a mail before anything is
// written; the transaction asks again.
func (g *Gate) fitsNow(ctx context.Context, m *mail.Mail, size int64) error {
	err := g.db.View(ctx, func(tx store.Tx) error {
		facts, err := g.Facts(tx, m)
		if err != nil {
			return err
		}
		if err := g.fits(tx, m, facts); err != nil {
			return err
		}
		_, err = g.warming(tx, m)
		return err
	})
	if err != nil {
		return err
	}
	return g.space(size)
}

// read checks the bytes and the envelope and makes the mail that will be
// stored. ours are the operator's domains.
func (g *Gate) read(
	p registry.Principal, s Submission, box registry.Mailbox, ours []registry.Domain, now time.Time,
) (*mail.Mail, []byte, error) {
	switch env := s.Envelope; {
	case int64(len(s.Raw)) > g.o.MaxSize:
		return nil, nil, errSize
	case len(env.Rcpts) == 0:
		return nil, nil, errNoRcpt
	case len(env.Rcpts) > g.o.MaxRcpt:
		return nil, nil, errRcpts
	case env.From.Key() != s.Mailbox.Key():
		return nil, nil, errSender
	}
	id := mail.NewID(now)
	o := message.ReadOptions{ID: id, Now: now, Host: s.Mailbox.Domain()}
	for _, d := range ours {
		o.Domains = append(o.Domains, d.Name)
	}
	msg, err := message.Read(s.Raw, o)
	if err != nil {
		return nil, nil, err
	}
	for _, a := range msg.Senders {
		if a.Key() != s.Mailbox.Key() {
			return nil, nil, errSender
		}
	}
	env := s.Envelope
	env.From = box.Address // as the mailbox is spelled, not as the agent wrote it
	if msg.EightBit {
		env.Body = "8BITMIME" // what the bytes are, whatever the client declared
	}
	env.Rcpts = addressed(env.Rcpts, box)
	header, more := msg.Header.Cut(env)
	return &mail.Mail{
		ID: id, State: mail.New, Envelope: env, Digest: mail.DigestOf(env, msg.Raw),
		Mailbox: box.Address, Agent: p.Agent, AgentRef: p.AgentRef, Author: p.ID(), Identity: p.Identity(),
		Door: s.Door, Encrypted: s.TLS,
		Header: header, More: more, Size: int64(len(msg.Raw)), BodyHash: msg.BodyHash, TextHash: msg.TextHash,
		SubmittedAt: now.UTC(), NotBefore: s.NotBefore, Replaces: s.Replaces, HoldFor: g.reg.Hold(box),
	}, msg.Raw, nil
}

// addressed returns the recipients of a mail: those that its author named, and the copies to
// the operator that its mailbox adds for whom it did not name.
func addressed(by []mail.Rcpt, box registry.Mailbox) []mail.Rcpt {
	out := slices.Clone(by)
	for i := range out {
		out[i].Standing, out[i].Auto = mail.Pending, false
	}
	for _, a := range []mail.Address{box.AutoCC, box.AutoBCC} {
		there := slices.ContainsFunc(out, func(r mail.Rcpt) bool { return r.Addr.Key() == a.Key() })
		if !a.IsZero() && !there {
			out = append(out, mail.Rcpt{Addr: a, Auto: true, Standing: mail.Pending})
		}
	}
	return out
}

// put stores the mail with its first state.
func (g *Gate) put(
	tx store.Tx, p registry.Principal, s Submission, box registry.Mailbox, m *mail.Mail, staged store.Staged,
) error {
	if err := g.replace(tx, p, s, m); err != nil {
		return err
	}
	facts, err := g.Facts(tx, m)
	if err != nil {
		return err
	}
	if err := g.reachable(tx, m.Mailbox, named(m)); err != nil {
		return err
	}
	if err := g.answers(tx, m); err != nil {
		return err
	}
	if err := g.fits(tx, m, facts); err != nil {
		return err
	}
	if err := g.warm(tx, m); err != nil {
		return err
	}
	facts.Deferred = s.Timing == mail.ScheduleFirst && tx.Now().Before(m.NotBefore)
	private := map[string]string{
		"mailbox": m.Mailbox.String(), "rcpts": addresses(named(m)), "subject": m.Header.Subject}
	if i := m.Identity; i != nil {
		private["issuer"], private["tenant"], private["client"] = i.Issuer, i.Tenant, i.Client
		private["blueprint"], private["shape"] = i.Blueprint, i.Shape
	}
	by := p.Signed(audit.Record{Private: private})
	extra := map[string]string{"door": s.Door, "agent": m.Agent}
	if s.Replaces != "" {
		extra["replaces"] = string(s.Replaces)
	}
	out, err := g.enter(tx, m, staged, queue.Change{
		Event: step.Submit, Facts: facts, Actor: by.Actor, Private: by.Private,
		Extra: extra,
		Apply: func(m *mail.Mail, ref audit.Ref) {
			m.SubmitRef = ref.String()
			if m.State == mail.Held {
				m.ExpiresAt = expiry(tx.Now(), m)
			}
			m.NextAttempt = later(tx.Now(), m.NotBefore)
		},
	})
	if err != nil {
		return err
	}
	switch out.Answer {
	case step.Done:
	case step.Frozen:
		return errFrozen
	case step.ReadOnly:
		return errReadOnly
	default:
		return fmt.Errorf("gate: submit %s: %s", m.ID, out.Answer)
	}
	return g.remember(tx, s, m.ID)
}

// answers refuses an answer to a mail that no program may answer, by whichever door it
// comes (RFC 3834, section 2).
func (g *Gate) answers(tx store.Tx, m *mail.Mail) error {
	if g.o.Answers == nil {
		return nil
	}
	why, err := g.o.Answers.NoAnswer(tx, m)
	if err != nil || why == "" {
		return err
	}
	return mail.ReasonNoAnswer.Errorf("%s", why)
}

// expiry is when the hold ends: scheduled mail does not wait long past its time.
func expiry(now time.Time, m *mail.Mail) time.Time {
	at := now.Add(m.HoldFor)
	if late := m.NotBefore.Add(sendGrace); now.Before(m.NotBefore) && late.Before(at) {
		at = late
	}
	return at.UTC()
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b.UTC()
	}
	return a.UTC()
}

// reached counts the limit that err names, and returns err.
func (g *Gate) reached(err error) error {
	var e *mail.Error
	if errors.As(err, &e) && e.Limit != "" {
		g.o.Metrics.Limits.WithLabelValues(string(e.Limit)).Inc()
	}
	return err
}

// refused records a refusal of an authenticated principal.
func (g *Gate) refused(ctx context.Context, p registry.Principal, from mail.Address, codes Codes, why error) {
	var e *mail.Error
	if g.reached(why); !errors.As(why, &e) || errors.Is(why, errStore) || errors.Is(why, errFull) {
		g.o.Log.Error("refused", "actor", p.ID(), "from", from.String(), "err", why)
		return // our fault, and most likely nothing can be recorded now
	}
	g.o.Log.Info("refused", "actor", p.ID(), "from", from.String(), "reason", e.Word(), "err", why)
	facts := map[string]string{"reason": e.Word()}
	if codes != nil {
		maps.Copy(facts, codes(e))
	}
	g.NoteRefusal(ctx, p, audit.Record{Kind: audit.SubmitRefuse, Facts: facts,
		Private: map[string]string{"from": from.String(), "text": e.Public},
	})
}

func addresses(list []mail.Address) string {
	var s []string
	for _, a := range list {
		s = append(s, a.String())
	}
	return strings.Join(s, ", ")
}
