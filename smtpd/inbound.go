package smtpd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/metrics"
	"github.com/multimail/multimail/internal/throttle"
	"github.com/multimail/multimail/mail"
)

// Receiver is what the doors for mail from the world need of the gate.
type Receiver interface {
	// AdmitDelivery says whether a recipient would be taken now: a mailbox here with room
	// for so many octets (0: not known). room is how many octets it may get.
	AdmitDelivery(ctx context.Context, from, to mail.Address, size int64) (room int64, err error)
	// Receive takes a mail for all its recipients, or for none.
	Receive(ctx context.Context, d gate.Delivery) ([]*mail.Mail, error)
}

var _ Receiver = (*gate.Gate)(nil)

// InboundOptions are the settings of a door for mail from the world, all required but
// where it says otherwise.
type InboundOptions struct {
	Hostname       string      // announced name, in Received too
	TLSConfig      *tls.Config // nil: STARTTLS is not offered
	MaxSize        int64       // octets of a message
	MaxRecipients  int         // of a message
	MaxConnections int         // at the same time

	// Of one throttle.Source, and not of trusted hops; not for LMTP.
	MaxPerSource         int // connections at the same time
	ConnectionsPerMinute int
	MessagesPerMinute    int // MAIL commands
	UnknownPerMinute     int // recipients that are no mailbox here

	Messages   *throttle.Bytes // octets of messages in memory, also those of the other doors
	Hops       []HopRule       // the trusted hops; may be empty
	Inspector  Inspector
	Postmaster func(ctx context.Context) (mail.Address, error) // who <postmaster> without a domain is

	Log     *slog.Logger     // nil means slog.Default
	Metrics *metrics.Metrics // nil means metrics that nobody reads
}

// What is no setting.
const (
	maxInboundText    = maxEndless       // octets of a line; docs/decisions/0025
	maxInboundUnknown = 10               // unknown recipients in a session
	maxInboundErrors  = 20               // replies of 5xx since the last mail that was taken
	maxCommands       = 500              // without a mail that is taken, beside MaxRecipients
	idleTime          = 10 * time.Minute // between two mails that are taken
	receiveTime       = 4 * time.Minute  // from the final dot to the reply; a client waits for ten
)

// check refuses settings that are left out.
func (o InboundOptions) check() error {
	for name, missing := range map[string]bool{
		"Hostname": o.Hostname == "", "MaxSize": o.MaxSize <= 0, "MaxRecipients": o.MaxRecipients <= 0,
		"MaxConnections": o.MaxConnections <= 0, "MaxPerSource": o.MaxPerSource <= 0,
		"ConnectionsPerMinute": o.ConnectionsPerMinute <= 0, "MessagesPerMinute": o.MessagesPerMinute <= 0,
		"UnknownPerMinute": o.UnknownPerMinute <= 0, "Messages": o.Messages == nil,
		"Inspector": o.Inspector == nil, "Postmaster": o.Postmaster == nil,
	} {
		if missing {
			return fmt.Errorf("smtpd: InboundOptions.%s is required", name)
		}
	}
	for _, h := range o.Hops {
		if err := h.check(); err != nil {
			return err
		}
	}
	return nil
}

// inbound is what the connections of one door for mail from the world share.
type inbound struct {
	o    InboundOptions
	door string
	gate Receiver
	hop  *Hop // LMTP: the server in front; nil: found by HopRule

	messages, unknown *throttle.Rate // by source; nil for no limit
}

// NewInbound returns the server for mail from the world over SMTP, the one of port 25.
// It listens nowhere yet.
func NewInbound(g Receiver, o InboundOptions) (*Server, error) {
	return newInbound(g, o, nil)
}

// NewLMTP returns the server for mail that a mail server in front of this one hands on
// over LMTP (RFC 2033): hop is that server.
func NewLMTP(g Receiver, o InboundOptions, hop Hop) (*Server, error) {
	return newInbound(g, o, &hop)
}

func newInbound(g Receiver, o InboundOptions, hop *Hop) (*Server, error) {
	if g == nil {
		return nil, errors.New("smtpd: a gate is required")
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	in := &inbound{o: o, gate: g, hop: hop}
	s := newServer(Options{
		Hostname: o.Hostname, TLSConfig: o.TLSConfig, MaxSize: o.MaxSize, MaxRecipients: o.MaxRecipients,
		MaxConnections: o.MaxConnections, MaxPerSource: o.MaxPerSource, MaxCommands: maxCommands,
		MaxErrors: maxInboundErrors, LoginTimeout: idleTime,
		Messages: o.Messages, Log: o.Log, Metrics: o.Metrics,
	})
	if hop != nil {
		s.p, s.o.MaxErrors = in.lmtp(), maxCommands // the server in front repeats errors of others
		return s, nil
	}
	s.p = in.smtp()
	s.p.rate = throttle.NewRate(o.ConnectionsPerMinute, nil)
	in.messages = throttle.NewRate(o.MessagesPerMinute, nil)
	in.unknown = throttle.NewRate(o.UnknownPerMinute, nil)
	return s, nil
}

// smtp is the profile of port 25.
func (in *inbound) smtp() profile {
	in.door = DoorInbound
	return profile{
		door: DoorInbound, protocol: "ESMTP",
		help: "EHLO STARTTLS MAIL RCPT DATA RSET NOOP QUIT (RFC 5321)",
		verbs: everywhere(map[string]verb{
			"EHLO": (*conn).ehlo, "HELO": (*conn).helo, "AUTH": (*conn).noLogin,
		}),
		params:   []string{"SIZE", "BODY"},
		keywords: func(*conn) []string { return nil },
		session:  in.session, listener: func(*conn) string { return "inbound" },
		noRcpt: errNoRcpt, maxText: maxInboundText, long: errLongInbound, longest: mail.LimitEndlessLine,
		source:  in.source,
		tooMany: mail.LimitInboundConnections, tooNear: mail.LimitInboundSourceConnections,
	}
}

// lmtp is the profile of LMTP, whose client is a mail server of the operator's: there are
// no limits per source. EHLO and HELO do not exist (RFC 2033, 4.1).
func (in *inbound) lmtp() profile {
	in.door = DoorLMTP
	return profile{
		door: DoorLMTP, protocol: "LMTP", perRcpt: true,
		help:     "LHLO STARTTLS MAIL RCPT DATA RSET NOOP QUIT (RFC 2033)",
		verbs:    everywhere(map[string]verb{"LHLO": (*conn).ehlo, "AUTH": (*conn).noLogin}),
		params:   []string{"SIZE", "BODY"},
		keywords: func(*conn) []string { return nil },
		session:  in.session, listener: func(*conn) string { return "lmtp" },
		noRcpt: errNoRcptLMTP, maxText: maxInboundText, long: errLongInbound, longest: mail.LimitEndlessLine,
		source:  func(string) (string, bool) { return "", false },
		tooMany: mail.LimitInboundConnections, tooNear: mail.LimitInboundSourceConnections,
	}
}

// session returns a session for a connection.
func (in *inbound) session(c *conn) smtp.Session { return &delivery{in: in, c: c} }

// stranger is what questions for mailboxes that do not exist are counted by: only who is
// proved to be a hop by its address alone may ask without a limit.
func (in *inbound) stranger(host string) (key string, limited bool) {
	key, limited = throttle.Source(host)
	if a, err := netip.ParseAddr(host); err == nil && limited {
		for _, h := range in.o.Hops {
			limited = limited && !(h.Private && h.covers(a))
		}
	}
	return key, limited
}

// source is what the limits per source count a host by. The addresses of trusted hops,
// through which all mail may come, are not limited.
func (in *inbound) source(host string) (key string, limited bool) {
	key, limited = throttle.Source(host)
	if a, err := netip.ParseAddr(host); err == nil && limited {
		for _, h := range in.o.Hops {
			limited = limited && !h.covers(a)
		}
	}
	return key, limited
}
