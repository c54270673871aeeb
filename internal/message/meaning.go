package message

import "github.com/multimail/multimail/mail"

// Meaning is what a report means for one recipient.
type Meaning struct {
	// Action is "failed", "delayed", "delivered", "relayed" or "complaint"; "" says that the
	// report means nothing for it.
	Action string
	Result mail.Result // of a failure: what the server that refused it said
}

// unknownReason is what an author is told where a report does not say why.
const unknownReason = "unknown reason"

// For says what the report means for the one recipient that it can be about. Whom the report
// names may be somebody else: the recipient's server may have sent the mail on. So a
// group that names the recipient counts, and without one only what all groups agree on.
func (r Report) For(to mail.Address) Meaning {
	switch r.Kind {
	case Complaint:
		// RFC 5965, section 7.3: the other types say that somebody else is to blame, or that
		// no reader complained.
		if r.Feedback == "abuse" {
			return Meaning{Action: "complaint"}
		}
		return Meaning{}
	case Delivery:
		return meaningOf(r.Recipients, to)
	}
	return Meaning{}
}

func meaningOf(list []Reported, to mail.Address) (v Meaning) {
	for _, c := range list {
		if c.Final.Key() == to.Key() || c.Original.Key() == to.Key() {
			return meaning(c, to)
		}
	}
	for i, c := range list {
		next := meaning(c, to)
		if i > 0 && next.Action != v.Action {
			return Meaning{}
		}
		if i == 0 || v.Result.Hard() && !next.Result.Hard() { // the mildest reason
			v = next
		}
	}
	return v
}

func meaning(c Reported, to mail.Address) Meaning {
	switch c.Action {
	case "failed":
		// A failure of class 4 is one too: the server has given up (RFC 3463, section 3.1).
		if c.Status != "" && c.Status[0] == '2' {
			return Meaning{}
		}
		r := mail.Result{Addr: to, Permanent: true, Code: c.Code, Enhanced: c.Status, Message: c.Text}
		if r.Message == "" {
			r.Message = unknownReason
		}
		return Meaning{Action: "failed", Result: r}
	case "delayed", "delivered", "relayed":
		return Meaning{Action: c.Action}
	case "expanded": // RFC 3464, section 2.3.3: a list took it
		return Meaning{Action: "delivered"}
	}
	return Meaning{}
}
