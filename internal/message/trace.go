package message

import (
	"bytes"
	"net/netip"
	"strings"
	"time"

	"github.com/multimail/multimail/mail"
)

// FieldValues returns the values of every field of a name in the header of a message as
// it came, read as tolerant servers on the way do, unfolded and without outer blanks.
func FieldValues(raw []byte, name string) (values []string) {
	for f := range RawFields(raw) {
		if f.Is(name) {
			values = append(values, f.Value())
		}
	}
	return values
}

// Trace is what the trace fields of a mail from the world say (RFC 5321, section 4.4).
type Trace struct {
	From   mail.Address // of the envelope; zero for the null sender
	For    mail.Address // the only recipient; zero if there are several
	Helo   string       // what the client called itself
	Remote netip.Addr   // its address; the zero Addr over a unix socket
	Host   string       // this server
	With   string       // the protocol (RFC 3848)
	ID     string       // finds the transaction in the log
	At     time.Time
	// Results are the fields of this server about who sent the mail, each ended by CRLF. They
	// stand above its Received: what is below came with the mail (RFC 8601, section 4.1).
	Results []byte
}

// Fields returns Return-Path, the results and Received, each ended by CRLF.
func (t Trace) Fields() []byte {
	peer := "local"
	if t.Remote.Is4() {
		peer = "[" + t.Remote.String() + "]"
	} else if t.Remote.IsValid() {
		peer = "[IPv6:" + t.Remote.String() + "]"
	}
	var b bytes.Buffer
	b.WriteString("Return-Path: <" + t.From.String() + ">\r\n")
	b.Write(t.Results)
	b.WriteString("Received: from " + heloName(t.Helo) + " (" + peer + ")\r\n")
	b.WriteString("\tby " + t.Host + " (MultiMail) with " + t.With + " id " + t.ID)
	if !t.For.IsZero() {
		b.WriteString("\r\n\tfor <" + t.For.String() + ">")
	}
	b.WriteString(";\r\n\t" + t.At.UTC().Format(dateLayout) + "\r\n")
	return b.Bytes()
}

// heloName returns what a client called itself, if it may stand in a Received field: a
// domain or an address literal.
func heloName(s string) string {
	inner := strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	ok := inner != "" && len(s) <= 255 && strings.HasPrefix(s, "[") == strings.HasSuffix(s, "]")
	for _, c := range []byte(inner) {
		ok = ok && (mail.IsAlnum(c) || c == '-' || c == '.' || c == ':' || c == '_')
	}
	if !ok {
		return "unknown"
	}
	return s
}
