package systemtest

import (
	"context"
	"fmt"
	"sync"

	"github.com/multimail/multimail/mail"
)

// Hop is a next hop that answers as a test says. It always has a slot.
type Hop struct {
	Answer func(a mail.Address) mail.Result // to each recipient; nil: delivered
	Pause  func(mail.Phase)                 // called before each question to policy; nil: nothing

	mu    sync.Mutex
	wires []Wire
}

// Wire is what a Hop has taken.
type Wire struct {
	ID    mail.ID
	To    []string // who got it
	From  []string // the envelope sender for each of them
	Bytes string   // stamps and message
}

// Free says that every destination has a slot.
func (h *Hop) Free(*mail.Mail) bool { return true }

// Freed returns a channel that never has a value.
func (h *Hop) Freed() <-chan struct{} { return nil }

// Reserve takes nothing.
func (h *Hop) Reserve(*mail.Mail) (release func(), ok bool) { return func() {}, true }

// Deliver asks proceed twice, as a real next hop must, and then takes the mail.
func (h *Hop) Deliver(
	ctx context.Context, m *mail.Mail, raw []byte, proceed func(mail.Phase) error,
) (results []mail.Result) {
	for _, ph := range []mail.Phase{mail.BeforeData, mail.BeforeDot} {
		if h.Pause != nil {
			h.Pause(ph)
		}
		err := proceed(ph)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			for _, a := range m.Recipients(mail.Pending) {
				results = append(results, mail.Result{Addr: a, Stopped: true})
			}
			return results
		}
	}
	w := Wire{ID: m.ID, Bytes: string(m.Prefix) + string(raw)}
	for _, a := range m.Recipients(mail.Pending) {
		r := mail.Result{Addr: a, Delivered: true, Code: 250}
		if h.Answer != nil {
			r = h.Answer(a)
			r.Addr = a
		}
		if r.Delivered {
			w.To = append(w.To, a.String())
			w.From = append(w.From, senderFor(m, a))
		}
		results = append(results, r)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(w.To) > 0 {
		h.wires = append(h.wires, w)
	}
	return results
}

// senderFor is the envelope sender of the transaction for a recipient.
func senderFor(m *mail.Mail, to mail.Address) string {
	for _, r := range m.Envelope.Rcpts {
		if r.Addr == to && !r.ReturnPath.IsZero() {
			return r.ReturnPath.String()
		}
	}
	return m.Envelope.From.String()
}

// Sent returns what somebody got, in the order of its end.
func (h *Hop) Sent() []Wire {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Wire(nil), h.wires...)
}

// Stamp writes a field that names the release, so that a test sees whose it was.
type Stamp struct{}

// Stamp returns the field.
func (Stamp) Stamp(_ context.Context, m *mail.Mail, _ []byte) ([]byte, error) {
	r := m.Release
	return fmt.Appendf(nil, "X-Release: %s %s %s %s\r\n", r.Mode, r.Basis, r.By, r.Ref), nil
}
