package spam

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/emersion/go-milter"

	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/mail"
)

// asker asks a milter (protocol 6) as a mail server does, one connection for each
// mail. What the milter wants changed is offered to it, since many do not start
// without, and ignored: the bytes of a mail are fixed.
type asker struct {
	o                Options
	network, address string
}

// newMilter returns the question for Options.ask.
func newMilter(o Options) (func(context.Context, *mail.Mail, []byte) (answer, error), error) {
	network, address, _ := strings.Cut(o.Address, ":")
	switch network {
	case "inet":
		network = "tcp"
	case "unix":
	default:
		address = ""
	}
	if address == "" {
		return nil, errors.New("spam: the address of a milter is inet:host:port or unix:/path")
	}
	return asker{o, network, address}.check, nil
}

// What a milter may want, and which steps it may leave out or leave unanswered. The
// skipping of steps (SMFIP_SKIP) is not offered: the library cannot read it.
const (
	offeredActions = milter.OptAddHeader | milter.OptChangeBody | milter.OptAddRcpt | milter.OptRemoveRcpt |
		milter.OptChangeHeader | milter.OptQuarantine | milter.OptChangeFrom
	offeredSteps = milter.OptNoConnect | milter.OptNoHelo | milter.OptNoMailFrom | milter.OptNoRcptTo |
		milter.OptNoBody | milter.OptNoHeaders | milter.OptNoEOH | milter.OptNoUnknown | milter.OptNoData |
		milter.OptNoHeaderReply | milter.OptNoConnReply | milter.OptNoHeloReply | milter.OptNoMailReply |
		milter.OptNoRcptReply | milter.OptNoDataReply | milter.OptNoUnknownReply | milter.OptNoEOHReply |
		milter.OptNoBodyReply | milter.OptHeaderLeadingSpace
)

// maxTalk bounds the octets that are read of a milter, beside a body that it replaces.
const maxTalk = 1 << 20

// talk is the connection of one mail. It has one deadline, of the whole question: the
// library has one for each packet, which "in progress" would extend for ever.
type talk struct {
	net.Conn
	in   *bufio.Reader // the library reads a packet of five octets in two
	left int           // octets that may still be read
}

func (t *talk) Read(p []byte) (int, error) {
	if t.left <= 0 {
		return 0, lie("longer than a milter has to say")
	}
	n, err := t.in.Read(p[:min(len(p), t.left)])
	t.left -= n
	return n, err
}

// dialer hands out a connection that is there already.
type dialer struct{ conn net.Conn }

func (d dialer) Dial(string, string) (net.Conn, error) { return d.conn, nil }

// check asks for the verdict over one mail.
func (k asker) check(ctx context.Context, m *mail.Mail, raw []byte) (answer, error) {
	conn, err := dial(ctx, k.o, k.network, k.address)
	if err != nil {
		return answer{}, err
	}
	defer conn.Close() // the library leaves it open where the negotiation fails
	if end, ok := ctx.Deadline(); ok {
		conn.SetDeadline(end)
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	a, err := k.converse(&talk{conn, bufio.NewReader(conn), len(raw) + maxTalk}, m, raw)
	var network net.Error
	if err != nil && !errors.As(err, &network) && !isEnd(err) && !errors.Is(err, errAnswer) {
		err = lie("%v", err)
	}
	return a, err
}

// converse speaks to the milter until it has decided.
func (k asker) converse(conn net.Conn, m *mail.Mail, raw []byte) (answer, error) {
	s, err := milter.NewClientWithOptions("", "", milter.ClientOptions{
		Dialer: dialer{conn}, ActionMask: offeredActions, ProtocolMask: offeredSteps,
	}).Session()
	if err != nil {
		return answer{}, err
	}
	defer s.Close()
	for _, step := range k.steps(s, m, raw) {
		act, err := step()
		if err != nil {
			return answer{}, err
		}
		if act.Code != milter.ActContinue {
			return decided(act)
		}
	}
	return ended(s, raw)
}

// steps are what a mail server tells a milter before the body.
func (k asker) steps(s *milter.ClientSession, m *mail.Mail, raw []byte) []func() (*milter.Action, error) {
	name, family, addr := "localhost", milter.FamilyUnknown, ""
	helo := k.o.Hostname
	if a := m.Arrival; a != nil && a.Hop == "" { // of a hop in front, nothing is to be judged
		if ip, err := netip.ParseAddr(a.Remote); err == nil {
			ip = ip.Unmap().WithZone("")
			name, addr, family = "["+ip.String()+"]", ip.String(), milter.FamilyInet
			if ip.Is6() {
				family = milter.FamilyInet6
			}
		}
		helo = plain(a.Helo)
	}
	steps := []func() (*milter.Action, error){
		macros(s, milter.CodeConn, "j", plain(k.o.Hostname), "{daemon_name}", "multimail", "v", "multimail"),
		func() (*milter.Action, error) { return s.Conn(name, family, 0, addr) },
		func() (*milter.Action, error) { return s.Helo(helo) },
	}
	values := []string{"i", m.Transaction(), "{mail_addr}", m.Envelope.From.String()}
	if m.Direction == mail.Outgoing {
		values = append(values, "{auth_authen}", plain(m.Agent), "{auth_type}", "PLAIN")
	}
	from := m.Envelope.From
	steps = append(steps, macros(s, milter.CodeMail, values...), func() (*milter.Action, error) {
		if from.IsZero() {
			return s.Mail("", nil)
		}
		return s.Mail(from.String(), nil)
	})
	for _, rcpt := range m.Envelope.Rcpts {
		steps = append(steps, macros(s, milter.CodeRcpt, "{rcpt_addr}", rcpt.Addr.String()),
			func() (*milter.Action, error) { return s.Rcpt(rcpt.Addr.String(), nil) })
	}
	for f := range message.RawFields(raw) {
		if f.Name == "" { // no field, so there is no way to tell it
			continue
		}
		value := fieldValue(f.Raw, s.ProtocolOption(milter.OptHeaderLeadingSpace))
		steps = append(steps, func() (*milter.Action, error) { return s.HeaderField(plain(f.Name), value) })
	}
	return append(steps, macros(s, milter.CodeEOB, "i", m.Transaction()), s.HeaderEnd)
}

// macros tells values that belong to the next command. Nothing answers them.
func macros(s *milter.ClientSession, code milter.Code, kv ...string) func() (*milter.Action, error) {
	return func() (*milter.Action, error) {
		return &milter.Action{Code: milter.ActContinue}, s.Macros(code, kv...)
	}
}

// fieldValue writes the value of a field as mail servers tell it: lines parted by LF,
// and without the one blank after the colon unless the milter asks for it. A NUL ends
// a text of this protocol.
func fieldValue(raw []byte, blank bool) string {
	_, value, _ := strings.Cut(strings.TrimRight(string(raw), "\r\n"), ":")
	if !blank {
		value = strings.TrimPrefix(value, " ")
	}
	return strings.NewReplacer("\r\n", "\n", "\x00", "").Replace(value)
}

// plain keeps what a milter can read in any case: printable ASCII, at most 255 octets.
func plain(s string) string {
	if len(s) > 255 || !mail.AllPrintable(s) {
		return "unknown"
	}
	return s
}

// ended sends the body and reads the last word.
func ended(s *milter.ClientSession, raw []byte) (answer, error) {
	_, body := message.SplitHeader(raw)
	changes, act, err := s.BodyReadFrom(bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	a, err := decided(act)
	for _, c := range changes { // everything else is ignored
		if c.Code == milter.ActQuarantine && err == nil && !a.later {
			a.verdict = mail.SpamQuarantined
			a.reasons = append(a.reasons, "quarantined by the milter: "+c.Reason)
		}
	}
	return a, err
}

// decided says what an action of a milter means here: a mail that a mail server would
// refuse or drop is quarantined, so that an approver can look at it.
func decided(act *milter.Action) (answer, error) {
	switch act.Code {
	case milter.ActContinue, milter.ActAccept:
		return answer{verdict: mail.SpamClean}, nil
	case milter.ActReject:
		return answer{verdict: mail.SpamQuarantined, reasons: []string{"rejected by the milter"}}, nil
	case milter.ActDiscard:
		return answer{verdict: mail.SpamQuarantined, reasons: []string{"discarded by the milter"}}, nil
	case milter.ActTempFail:
		return answer{later: true}, nil
	case milter.ActReplyCode:
		reply := fmt.Sprintf("the milter answers %d %s", act.SMTPCode, act.SMTPText)
		switch {
		case act.SMTPCode >= 400 && act.SMTPCode <= 499:
			return answer{later: true, reasons: []string{reply}}, nil
		case act.SMTPCode >= 500 && act.SMTPCode <= 599:
			return answer{verdict: mail.SpamQuarantined, reasons: []string{reply}}, nil
		}
	}
	return answer{}, lie("an action that is not known")
}
