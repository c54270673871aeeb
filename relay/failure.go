package relay

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/emersion/go-smtp"

	"github.com/multimail/multimail/mail"
)

// failure is why a step did not succeed, typed where it is known. It stands
// for every recipient the step was about.
type failure struct {
	mail.Result
	handshake bool // TLS could not be set up, but nothing looks like an attack
	badToken  bool // the smarthost refused the access token
	tooMany   bool // the next hop takes no further recipient in this transaction
	lost      bool // the connection broke, or the next hop is closing it
}

// permanent and temporary make failures that rest on no reply.
func permanent(enhanced, format string, args ...any) *failure {
	f := temporary(enhanced, format, args...)
	f.Permanent = true
	return f
}

func temporary(enhanced, format string, args ...any) *failure {
	text := mail.PlainLine(fmt.Sprintf(format, args...))
	return &failure{Result: mail.Result{Enhanced: enhanced, Message: text}}
}

// failed types the error of a step. Replies decide by their first digit (RFC
// 5321, section 4.2.1); whatever is no reply is temporary.
func failed(step string, err error) *failure {
	var reply *smtp.SMTPError
	if !errors.As(err, &reply) {
		f := temporary("4.4.2", "%s", step+": "+cause(err))
		f.lost = true
		return f
	}
	f := &failure{Result: mail.Result{Code: reply.Code}}
	var enhanced string
	enhanced, f.Message = splitReply(reply)
	f.refine(enhanced)
	f.Permanent = reply.Code/100 == 5
	// 421 announces the end of the connection; a digit that no step expects
	// means that command and reply no longer belong together.
	f.lost = reply.Code == 421 || reply.Code < 400 || reply.Code > 599
	if f.lost && reply.Code != 421 {
		f.Permanent = false
	}
	return f
}

// refine keeps the enhanced code of a reply when it is of the class of its
// first digit (RFC 2034, section 4); one that contradicts it is dropped.
func (f *failure) refine(enhanced string) {
	if f.Enhanced = ""; enhanced != "" && enhanced[0] == byte('0'+f.Code/100) {
		f.Enhanced = enhanced
	}
}

// refusedRcpt types a refused RCPT. RFC 5321, section 4.5.3.1.10: 452 is the
// code for too many recipients, and 552, which older servers send, is to be
// taken for it, unless its enhanced code says something else.
func refusedRcpt(err error) *failure {
	f := failed("RCPT", err)
	full := f.Code == 452 || f.Code == 552
	var reply *smtp.SMTPError
	var enhanced string
	if errors.As(err, &reply) {
		enhanced, _ = splitReply(reply)
	}
	if full && (enhanced == "" || strings.HasSuffix(enhanced, ".5.3")) {
		f.Permanent, f.tooMany = false, true
	}
	return f
}

// splitReply returns the enhanced code of a reply, if it has one, and its text as
// one line.
func splitReply(reply *smtp.SMTPError) (enhanced, text string) {
	if e := reply.EnhancedCode; e != smtp.EnhancedCodeNotSet {
		return splitEnhanced(fmt.Sprintf("%d.%d.%d %s", e[0], e[1], e[2], reply.Message))
	}
	return splitEnhanced(reply.Message)
}

// splitEnhanced cuts an enhanced status code (RFC 2034) off the front of the
// text of a reply. go-smtp does so only for errors that have a text behind it,
// and takes three numbers of any size and sign for one.
func splitEnhanced(s string) (enhanced, text string) {
	first, rest := s, ""
	if i := strings.IndexAny(s, " \n"); i >= 0 {
		first, rest = s[:i], s[i:]
	}
	if mail.EnhancedCode(first) == "" {
		return "", mail.PlainLine(s)
	}
	return first, mail.PlainLine(rest)
}

// cause names an error of the network without its addresses; the log has those.
func cause(err error) string {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "no answer in time"
	case errors.Is(err, net.ErrClosed):
		return "interrupted"
	case errors.Is(err, errNoReply):
		return "not an SMTP reply"
	case errors.Is(err, errUnread):
		return "the next hop sent a reply before a command"
	case errors.Is(err, errLongReply), errors.Is(err, smtp.ErrTooLongLine):
		return "reply too long"
	default:
		return "connection lost"
	}
}
