package bounce

import (
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/mail"
)

// Verdict is what a report means for one recipient.
type Verdict struct {
	// Action is "failed", "delayed", "delivered", "relayed" or "complaint"; "" says that the
	// report means nothing for it.
	Action string
	Result mail.Result // of a failure: what the server that refused it said
}

// unknownReason is what an author is told where a report does not say why.
const unknownReason = "unknown reason"

// Judge says what a report means for the one recipient of its token. Whom the report
// names may be somebody else: the recipient's server may have sent the mail on. So a
// group that names the recipient counts, and without one only what all groups agree on.
func Judge(r message.Report, to mail.Address) Verdict {
	switch r.Kind {
	case message.Complaint:
		// RFC 5965, section 7.3: the other types say that somebody else is to blame, or that
		// no reader complained.
		if r.Feedback == "abuse" {
			return Verdict{Action: "complaint"}
		}
		return Verdict{}
	case message.Delivery:
		return judge(r.Recipients, to)
	}
	return Verdict{}
}

func judge(list []message.Reported, to mail.Address) (v Verdict) {
	for _, c := range list {
		if c.Final.Key() == to.Key() || c.Original.Key() == to.Key() {
			return verdict(c, to)
		}
	}
	for i, c := range list {
		next := verdict(c, to)
		if i > 0 && next.Action != v.Action {
			return Verdict{}
		}
		if i == 0 || v.Result.Hard() && !next.Result.Hard() { // the mildest reason
			v = next
		}
	}
	return v
}

func verdict(c message.Reported, to mail.Address) Verdict {
	switch c.Action {
	case "failed":
		// A failure of class 4 is one too: the server has given up (RFC 3463, section 3.1).
		if c.Status != "" && c.Status[0] == '2' {
			return Verdict{}
		}
		r := mail.Result{Addr: to, Permanent: true, Enhanced: c.Status, Message: c.Text}
		if r.Message == "" {
			r.Message = unknownReason
		}
		return Verdict{Action: "failed", Result: r}
	case "delayed", "delivered", "relayed":
		return Verdict{Action: c.Action}
	case "expanded": // RFC 3464, section 2.3.3: a list took it
		return Verdict{Action: "delivered"}
	}
	return Verdict{}
}
