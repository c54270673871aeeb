package relay

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/multimail/multimail/mail"
)

// from sends MAIL, or finds beforehand that the next hop could not take the
// message. Its parameters are written only where their extension is offered.
// returnPath stands in the place of the sender of the envelope unless it is zero.
func (a *attempt) from(s *session, returnPath mail.Address) *failure {
	s.used++
	if a.content.eightBit && !s.eightBit {
		// RFC 6152, section 3: the other choice would be to rewrite the bytes.
		return s.fail(permanent("5.6.3", "the next hop takes no 8-bit message"))
	}
	if s.maxSize > 0 && a.content.size() > int64(s.maxSize) {
		return s.fail(permanent("5.3.4", "the message is larger than the next hop takes"))
	}
	env := &a.mail.Envelope
	opts := &smtp.MailOptions{Size: a.content.size()}
	if env.Ret == "FULL" || env.Ret == "HDRS" {
		opts.Return = smtp.DSNReturn(env.Ret)
	}
	if printable(env.EnvID) {
		opts.EnvelopeID = env.EnvID
	}
	sender := env.From
	if !returnPath.IsZero() {
		sender = returnPath
	}
	// Invariant 9: the address is written from its type, quoted where it must be.
	if err := s.smtp.Mail(sender.String(), opts); err != nil && !accepted(err) {
		return s.fail(a.aboutUs(failed("MAIL", err)))
	}
	s.open = true
	return nil
}

// send carries one transaction from the first RCPT to the reply to the final
// dot. It returns those the next hop wants in a transaction of their own.
func (a *attempt) send(s *session, batch []target) (again []target) {
	var taken []target
	for i, t := range batch {
		err := s.smtp.Rcpt(t.Addr.String(), dsn(t.Rcpt))
		if err == nil || accepted(err) {
			taken = append(taken, t)
			continue
		}
		f := s.fail(a.aboutUs(refusedRcpt(err)))
		if f.lost {
			a.report(append(taken, batch[i:]...), f)
			return nil
		}
		f.Alone = true
		a.report(batch[i:i+1], f)
		if f.tooMany {
			again = append(again, t)
		}
	}
	if len(taken) == 0 {
		return nil
	}
	f := a.data(s)
	f.Alone = len(taken) == 1 && len(batch) == 1
	a.report(taken, f)
	if !f.Delivered {
		return nil // the others would get the same, and keep their 452
	}
	return again
}

// aboutUs makes a smarthost's refusal of our login temporary, and drops the
// session: it is about our settings and not about the mail.
func (a *attempt) aboutUs(f *failure) *failure {
	switch f.Code {
	case 530, 534, 535, 538: // RFC 3207, section 4; RFC 4954, section 6
		if a.o.Smarthost != "" {
			f.Permanent, f.lost = false, true
		}
	}
	return f
}

// accepted reports whether a reply that go-smtp did not expect takes the
// command all the same: the first digit decides (RFC 5321, section 4.3.2).
func accepted(err error) bool {
	var reply *smtp.SMTPError
	return errors.As(err, &reply) && reply.Code/100 == 2
}

// data sends DATA, writes the content and reads the reply to the final dot.
func (a *attempt) data(s *session) *failure {
	if a.ask(mail.BeforeData) != nil {
		return s.fail(stopped(s.host))
	}
	cmd, err := s.smtp.Data()
	if err != nil {
		return s.fail(failed("DATA", err))
	}
	// Until the final dot nothing is a command: go-smtp would end the body before one.
	s.wire.inBody = true
	if err := a.write(s); err != nil {
		return s.fail(s.interjected(err))
	}
	if err := s.wire.quiet(); err != nil {
		return s.fail(s.interjected(err)) // a reply to a message that is not complete
	}
	// Invariant 11: the next two lines stay together. Only the octets of finalDot
	// come after this answer, and nothing waits in between.
	if a.ask(mail.BeforeDot) != nil {
		return s.fail(stopped(s.host))
	}
	s.open = false
	s.tcp.SetDeadline(time.Now().Add(a.o.DataTimeout))
	reply, err := cmd.CloseWithResponse()
	s.wire.inBody = false
	if err == nil {
		f := &failure{Result: mail.Result{Delivered: true, Code: 250}}
		f.Enhanced, f.Message = splitEnhanced(reply.StatusText)
		f.refine(f.Enhanced)
		return s.fail(f)
	}
	f := failed("final dot", err)
	switch f.Code / 100 {
	case 2: // RFC 5321, section 4.3.2: the first digit decides
		f.Delivered, f.lost = true, false
	case 4, 5:
	default:
		// The dot may have arrived: the next hop may have the message and may
		// have sent it on, which cannot be learnt; the queue decides what follows.
		f.Uncertain, f.Code, f.lost = true, 0, true
	}
	return s.fail(f)
}

// write puts the whole content but its last CRLF on the wire.
func (a *attempt) write(s *session) error {
	s.out.Reset(steady{s.wire.Conn, a.o.CommandTimeout})
	if err := a.content.writeTo(s.out); err != nil {
		return err
	}
	return s.out.Flush()
}

// lastReply is how long a reply is waited for when writing has failed.
const lastReply = time.Second

// interjected types a failure to write the body. A next hop that refuses the
// rest may reply why before it closes the connection, and that reply counts.
func (s *session) interjected(err error) *failure {
	s.tcp.SetReadDeadline(time.Now().Add(lastReply))
	if reply, rerr := s.wire.readReply(); rerr == nil {
		if code, text := join(reply); code >= 400 {
			err = &smtp.SMTPError{Code: code, Message: text}
		}
	}
	f := failed("body", err)
	f.lost = true
	return f
}

// dsn returns the parameters of RFC 3461 for a recipient; go-smtp leaves them
// out where DSN is not offered. What does not look like one is left out too.
func dsn(r mail.Rcpt) *smtp.RcptOptions {
	o := &smtp.RcptOptions{}
	for _, n := range r.Notify {
		o.Notify = append(o.Notify, smtp.DSNNotify(n))
	}
	if !validNotify(r.Notify) {
		o.Notify = nil
	}
	kind, addr, ok := strings.Cut(r.ORcpt, ";")
	if ok && strings.EqualFold(kind, "rfc822") && addr != "" && printable(addr) {
		o.OriginalRecipientType, o.OriginalRecipient = smtp.DSNAddressTypeRFC822, addr
	}
	return o
}

func validNotify(list []string) bool {
	for i, w := range list {
		known := w == "SUCCESS" || w == "FAILURE" || w == "DELAY" || w == "NEVER" && len(list) == 1
		if !known || slices.Contains(list[:i], w) {
			return false
		}
	}
	return true
}

// printable reports whether s can stand in a parameter.
func printable(s string) bool {
	return strings.Trim(mail.PlainLine(s), " ") == s && mail.AllPrintable(s)
}
