package daemon

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/zone"
	"github.com/multimail/multimail/sign/fetch"
)

// zoneServer is an authoritative server on loopback, of a library, with the records
// of a zone file.
func zoneServer(t *testing.T, records func() string) (addr string) {
	t.Helper()
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		reply := new(dns.Msg).SetReply(q)
		reply.Authoritative = true
		p := dns.NewZoneParser(strings.NewReader(records()), ".", "")
		p.SetDefaultTTL(60)
		for rr, ok := p.Next(); ok; rr, ok = p.Next() {
			if h := rr.Header(); strings.EqualFold(h.Name, q.Question[0].Name) && h.Rrtype == q.Question[0].Qtype {
				reply.Answer = append(reply.Answer, rr)
			}
		}
		if err := p.Err(); err != nil {
			t.Errorf("the zone file is broken: %v", err)
		}
		if w.RemoteAddr().Network() == "udp" {
			reply.Truncate(512)
		}
		w.WriteMsg(reply)
	})
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*dns.Server{{Listener: tcp, Handler: handler}, {PacketConn: udp, Handler: handler}} {
		ready := make(chan struct{})
		s.NotifyStartedFunc = func() { close(ready) }
		go s.ActivateAndServe()
		<-ready
		t.Cleanup(func() { s.Shutdown() })
	}
	return tcp.Addr().String()
}

// strict is a daemon whose domain is not internal, before a zone that says what
// the test says.
func strict(t *testing.T, zone *atomic.Value) *Daemon {
	t.Helper()
	c := initialised(t)
	c.DNS.Resolver = []string{zoneServer(t, func() string { return zone.Load().(string) })}
	c.DNS.MX, c.DNS.Bounce, c.DNS.SPF = []string{"mx.example.net"}, "bounce", []string{"include:spf.example.net"}
	c.SMTP.Hostname = "localhost"
	d, err := New(Options{Config: c})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	d.document = func(context.Context, string) (fetch.Document, error) { return fetch.Document{}, fetch.ErrUnreachable }
	err = d.db.Update(t.Context(), func(tx store.Tx) error {
		_, err := d.registry.UnpinDomain(tx, registry.Socket(os.Getuid(), true), "example.test")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// printed is what `domain records --bind` prints.
func printed(t *testing.T, d *Daemon) string {
	t.Helper()
	var text strings.Builder
	err := d.db.View(t.Context(), func(tx store.Tx) error {
		text.Reset()
		dom, err := d.registry.Domain(tx, "example.test")
		if err != nil {
			return err
		}
		list, err := d.watcher.Records(dom.Name, dom.Challenge)
		for _, r := range list {
			text.WriteString(api.Record{Type: r.Type, Name: r.Name, Value: r.Value}.Zone() + "\n")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func (d *Daemon) maySend(t *testing.T) (may bool) {
	t.Helper()
	err := d.db.View(t.Context(), func(tx store.Tx) error {
		dom, err := d.registry.Domain(tx, "example.test")
		may = dom.MaySend(tx.Now())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return may
}

// What is printed is pasted into a zone, and a server of a library serves it.
func TestADomainIsVerifiedByWhatItPrints(t *testing.T) {
	var served atomic.Value
	served.Store("")
	d := strict(t, &served)
	check := func() zone.Report {
		t.Helper()
		r, err := d.watcher.Verify(t.Context(), "example.test")
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for _, f := range check().Findings {
		if f.Status != zone.Missing {
			t.Errorf("nothing is published: %+v", f)
		}
	}
	if d.maySend(t) {
		t.Error("it may send")
	}
	served.Store(printed(t, d))
	r := check()
	if len(r.Findings) != 10 || r.Outcome != zone.Ours || !d.maySend(t) {
		t.Errorf("%d findings, outcome %v", len(r.Findings), r.Outcome)
	}
	for _, f := range r.Findings {
		if f.Status != zone.Present {
			t.Errorf("all is published: %+v", f)
		}
	}
}

// find returns the check of a name.
func find(t *testing.T, checks []api.Check, name string) api.Check {
	t.Helper()
	i := slices.IndexFunc(checks, func(c api.Check) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("no check of %s in %+v", name, checks)
	}
	return checks[i]
}

func TestAnExaminationSaysWhatFailsAndWhatToDo(t *testing.T) {
	var served atomic.Value
	served.Store("")
	d := strict(t, &served)
	before := d.examine(t.Context())
	for name, want := range map[string]string{"store": api.CheckOK, "clock": api.CheckOK,
		"certificate": api.CheckWarn, // of an authority of the test
		"next hop":    api.CheckFail, "dkim.algorithms": api.CheckOK, "domain": api.CheckFail,
		"spam filter":      api.CheckOK, // none
		"record ownership": api.CheckFail, "record identity": api.CheckFail, "record spf": api.CheckWarn,
		"key document": api.CheckWarn} {
		c := find(t, before, name)
		if c.Status != want || c.Detail == "" || (c.Do == "") != (want == api.CheckOK) {
			t.Errorf("got %+v, want %s", c, want)
		}
		if strings.Contains(c.Detail+c.Do, d.o.Config.Data) {
			t.Errorf("%s names a path: %+v", name, c)
		}
	}
	served.Store(printed(t, d))
	doc, err := d.identity.Document("example.test")
	if err != nil {
		t.Fatal(err)
	}
	d.document = func(context.Context, string) (fetch.Document, error) { return fetch.Document{Body: doc}, nil }
	after := d.examine(t.Context())
	if c := find(t, after, "domain"); c.Status != api.CheckOK {
		t.Errorf("got %+v", c)
	}
	if c := find(t, after, "key document"); c.Status != api.CheckOK {
		t.Errorf("got %+v", c)
	}
	if i := slices.IndexFunc(after, func(c api.Check) bool { return strings.HasPrefix(c.Name, "record ") }); i >= 0 {
		t.Errorf("got %+v", after[i])
	}
	other := strings.Replace(string(doc), `"x":"`, `"x":"A`, 1)
	d.document = func(context.Context, string) (fetch.Document, error) {
		return fetch.Document{Body: []byte(other)}, nil
	}
	if c := find(t, d.examine(t.Context()), "key document"); c.Status != api.CheckFail {
		t.Errorf("got %+v", c)
	}
}

func TestCertificatesAreJudgedAsAClientWould(t *testing.T) {
	c := initialised(t)
	pair, err := tls.LoadX509KeyPair(c.SMTP.CertFile, c.SMTP.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, row := range []struct {
		name, host string
		at         time.Time
		dev        bool
		want       string
	}{
		{"an authority that nobody knows", "localhost", now, false, api.CheckWarn},
		{"the same in dev mode", "localhost", now, true, api.CheckOK},
		{"another name", "mail.example.net", now, true, api.CheckFail},
		{"over", "localhost", time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC), true, api.CheckFail},
		{"not begun", "localhost", time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC), true, api.CheckFail},
	} {
		if got := judgeCertificate("smtp.tls_cert_file", &pair, row.host, row.at, row.dev); got.Status != row.want {
			t.Errorf("%s: %+v, want %s", row.name, got, row.want)
		}
	}
}
