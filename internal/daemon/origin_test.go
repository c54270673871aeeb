package daemon

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/multimail/multimail/dkim"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/origin"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/sign"
	"github.com/multimail/multimail/smtpd"
)

func TestThePolicyOfTheDomainInFromIsFollowedAtTheDoor(t *testing.T) {
	var zone atomic.Value
	c := world(t)
	c.DNS.Resolver = []string{zoneServer(t, func() string { return zone.Load().(string) })}
	running(t, c, func(d *Daemon) {
		for _, tt := range []struct {
			record, reply string
			state         mail.State
			result        string
		}{
			{"", "250 2.0.0", mail.Received, "none"},
			{"v=DMARC1; p=none", "250 2.0.0", mail.Received, "fail"},
			{"v=DMARC1; p=quarantine", "250 2.0.0", mail.Quarantined, "fail"},
			{"v=DMARC1; p=reject", "550 5.7.26", mail.New, ""},
		} {
			zone.Store("far.test. IN TXT \"v=spf1 -all\"\n_dmarc.far.test. IN TXT \"" + tt.record + "\"\n")
			before := len(cameIn(t, d, "bot@example.test"))
			got := deliver(t, "tcp", d.Addresses().Inbound, "bot@example.test")
			if !slices.Equal(got, []string{"250 2.1.5", tt.reply}) {
				t.Errorf("%q: %v", tt.record, got)
			}
			all := cameIn(t, d, "bot@example.test")
			if tt.state != mail.Received { // nobody's until an approver says so
				n := d.states()[mail.Quarantined.String()]
				if len(all) != before || n > 1 || tt.state == mail.Quarantined && n != 1 {
					t.Errorf("%q: %d came in, %d are quarantined", tt.record, len(all)-before, n)
				}
				continue
			}
			m := all[0]
			if m.State != tt.state || m.Arrival.Auth.DMARC.Result != tt.result || m.Arrival.Auth.SPF.Result != "fail" ||
				!strings.Contains(string(m.Prefix), "Authentication-Results: mx.example.test;\r\n\tspf=fail") {
				t.Errorf("%q: %s, %+v, %s", tt.record, m.State, m.Arrival, m.Prefix)
			}
		}
	})
}

func TestWithoutAnAnswerOfTheDNSTheMailComesAgain(t *testing.T) {
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	s := &dns.Server{PacketConn: l, NotifyStartedFunc: func() { close(ready) },
		Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
			_ = w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeServerFailure))
		})}
	go func() { _ = s.ActivateAndServe() }()
	<-ready
	t.Cleanup(func() { _ = s.Shutdown() })
	c := world(t)
	c.DNS.Resolver = []string{l.LocalAddr().String()}
	running(t, c, func(d *Daemon) {
		got := deliver(t, "tcp", d.Addresses().Inbound, "bot@example.test")
		if !slices.Equal(got, []string{"250 2.1.5", "451 4.7.26"}) || len(cameIn(t, d, "bot@example.test")) != 0 {
			t.Errorf("%v", got)
		}
	})
}

// The address is the sender's where nobody stands between; what a hop says is that of its
// configured name.
func TestTheClientIsTheSenderOnlyWhereNobodyStandsBetween(t *testing.T) {
	c, err := origin.New(origin.Options{DNS: noDNS{}, Host: "mx.example.test"})
	if err != nil {
		t.Fatal(err)
	}
	named := []byte("Authentication-Results: gw.test; spf=pass smtp.mailfrom=far.test\r\n" + fromFar)
	nameless := []byte("Authentication-Results: spf=pass smtp.mailfrom=far.test\r\n" + fromFar)
	for name, tt := range map[string]struct {
		door string
		hop  *smtpd.Hop
		spf  string
		raw  []byte
	}{
		"SMTP":                   {smtpd.DoorInbound, nil, "none", named},
		"a hop":                  {smtpd.DoorInbound, &smtpd.Hop{Name: "gw", AuthServID: "gw.test"}, "pass", named},
		"a hop without one":      {smtpd.DoorInbound, &smtpd.Hop{Name: "gw"}, "", named},
		"a hop of no name":       {smtpd.DoorInbound, &smtpd.Hop{Name: "gw", NoAuthServID: true}, "", named},
		"results without a name": {smtpd.DoorInbound, &smtpd.Hop{Name: "gw", NoAuthServID: true}, "pass", nameless},
		"LMTP":                   {smtpd.DoorLMTP, nil, "", named},
		"LMTP of a hop":          {smtpd.DoorLMTP, &smtpd.Hop{Name: "lmtp", AuthServID: "gw.test"}, "pass", named},
	} {
		got, err := inspector{c}.Inspect(t.Context(), smtpd.Transaction{
			Door: tt.door, Remote: netip.MustParseAddr("192.0.2.1"), From: mail.MustAddress("far@far.test"),
			Raw: tt.raw, Hop: tt.hop,
		})
		if err != nil || got.Arrival.Auth.SPF.Result != tt.spf || !bytes.Equal(got.Raw, tt.raw) ||
			len(got.Prefix) == 0 {
			t.Errorf("%s: %+v, %v", name, got.Arrival.Auth, err)
		}
	}
}

// sent returns a mail as an installation of example.test sends it, and what that
// publishes.
func sent(t *testing.T) (raw []byte, doc []byte, txt origin.TXT) {
	t.Helper()
	d, err := New(Options{Config: initialised(t), Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	now := time.Now()
	msg, err := message.Read([]byte("From: bot@example.test\r\nTo: ann@x.test\r\n\r\nSee you on Monday.\r\n"),
		message.ReadOptions{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	ref := strings.Repeat("ab", 32)
	m := &mail.Mail{ID: mail.NewID(now), Header: msg.Header, SubmitRef: ref, SubmittedAt: now, Release: &mail.Release{
		Mode: mail.Autonomous, By: "none", At: now, Ref: ref, Operator: "Example", Capabilities: []string{"send"},
	}}
	if m.Prefix, err = sign.NewStamper(d.identity).Stamp(t.Context(), m, msg.Raw); err != nil {
		t.Fatal(err)
	}
	signature, err := dkim.NewStamper(d.dkim).Stamp(t.Context(), m, msg.Raw)
	if err != nil {
		t.Fatal(err)
	}
	if doc, err = d.identity.Document("example.test"); err != nil {
		t.Fatal(err)
	}
	records, err := d.dkim.Records("example.test")
	if err != nil {
		t.Fatal(err)
	}
	return slices.Concat(signature, m.Prefix, msg.Raw), doc, func(name string) ([]string, error) {
		for _, r := range records {
			if r.Name == name {
				return []string{r.TXT}, nil
			}
		}
		return nil, errors.New("another name")
	}
}

func TestTheIdentityOfAnotherInstallationIsChecked(t *testing.T) {
	raw, doc, txt := sent(t)
	nobody := func(context.Context, string, string) ([]byte, error) { return nil, nil }
	for name, tt := range map[string]struct {
		raw    []byte
		own    document
		others document
		want   mail.Check
	}{
		"good": {raw, nobody, always(doc, nil), mail.Check{Result: "pass", Detail: "valid"}},
		"our own": {raw, always(doc, nil), always(nil, errors.New("asked")),
			mail.Check{Result: "pass", Detail: "valid"}},
		"another text": {bytes.Replace(raw, []byte("Monday"), []byte("Sunday"), 1), nobody, always(doc, nil),
			mail.Check{Result: "fail", Detail: "unbound: body"}},
		"another token": {bytes.Replace(raw, []byte("Identity: ey"), []byte("Identity: ex"), 1), nobody, always(doc, nil),
			mail.Check{Result: "fail", Detail: "invalid: header"}},
		"no such key": {raw, nobody, always([]byte(`{"keys":[]}`), nil), mail.Check{Result: "fail", Detail: "invalid: key"}},
		"no document": {raw, nobody, always(nil, errors.New("down")),
			mail.Check{Result: "temperror", Detail: "the keys of the domain could not be looked up"}},
		"none": {[]byte(fromFar), nobody, always(nil, errors.New("asked")), mail.Check{Result: "none"}},
	} {
		if got := identity(tt.own, tt.others)(t.Context(), tt.raw, "example.test", txt); got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		slow := func(ctx context.Context, _, _ string) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		got := identity(nobody, slow)(t.Context(), raw, "example.test", txt)
		if got.Result != "temperror" || time.Since(start) != identityTime {
			t.Errorf("%+v after %s", got, time.Since(start))
		}
	})
}

// always is a document that is there, or not.
func always(doc []byte, err error) document {
	return func(context.Context, string, string) ([]byte, error) { return doc, err }
}
