package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/multimail/multimail/internal/resolver"
	"github.com/multimail/multimail/sign"
)

func TestAnErrorOfTheDNSSaysWhetherItMayBeTriedAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		err       error
		temporary bool
	}{
		"no record": {fmt.Errorf("x: %w", resolver.ErrNone), false},
		"no answer": {fmt.Errorf("x: %w", resolver.ErrTemporary), true},
		"another":   {errors.New("x"), true},
	} {
		var got *net.DNSError
		if !errors.As(dnsError("k._domainkey.x.test", tt.err), &got) || got.Temporary() != tt.temporary ||
			got.IsNotFound == tt.temporary {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if err := dnsError("x.test", nil); err != nil {
		t.Error(err)
	}
}

func TestADocumentIsAskedOfTheDomainOfTheIssuer(t *testing.T) {
	r, err := resolver.New(resolver.Options{Servers: []string{"127.0.0.1:1"}, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	p := Published{Records: r, Document: func(_ context.Context, domain, kid string) ([]byte, error) {
		return []byte(domain + " " + kid), nil
	}}
	if b, err := p.Lookup(t.Context()).Document("https://example.com", "k"); err != nil || string(b) != "example.com k" {
		t.Errorf("%s, %v", b, err)
	}
	// Nobody answers there: what the domain has is unknown.
	_, err = p.Lookup(t.Context()).TXT("k._domainkey.example.com")
	var got *net.DNSError
	if !errors.As(err, &got) || !got.Temporary() {
		t.Errorf("%v", err)
	}
}

// dnsServer answers TXT questions on loopback over TCP; over UDP every answer is
// cut off. It returns its address and the networks over which it was asked.
func dnsServer(t *testing.T, records func(name string) []string, code int) (addr string, asked func() string) {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var networks []string
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		reply := new(dns.Msg).SetRcode(q, code)
		reply.Authoritative = true
		mu.Lock()
		networks = append(networks, w.RemoteAddr().Network())
		mu.Unlock()
		for _, text := range records(q.Question[0].Name) {
			txt := &dns.TXT{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET}}
			for ; len(text) > 255; text = text[255:] {
				txt.Txt = append(txt.Txt, text[:255])
			}
			txt.Txt = append(txt.Txt, text)
			reply.Answer = append(reply.Answer, txt)
		}
		if code == dns.RcodeNameError { // an answer that says so has the SOA of the zone (RFC 2308)
			reply.Ns = []dns.RR{&dns.SOA{Hdr: dns.RR_Header{Name: "example.com.", Rrtype: dns.TypeSOA, Class: dns.ClassINET},
				Ns: "ns.example.com.", Mbox: "h.example.com."}}
		}
		if w.RemoteAddr().Network() == "udp" && code == dns.RcodeSuccess {
			reply.Truncated, reply.Answer = true, nil
		}
		if err := w.WriteMsg(reply); err != nil {
			t.Error(err)
		}
	})
	for _, srv := range []*dns.Server{{Listener: tcp, Handler: handler}, {PacketConn: udp, Handler: handler}} {
		ready := make(chan struct{})
		srv.NotifyStartedFunc = func() { close(ready) }
		go srv.ActivateAndServe()
		<-ready
		t.Cleanup(func() { srv.Shutdown() })
	}
	return tcp.Addr().String(), func() string {
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(networks, " ")
	}
}

func TestAKeyOfARealDNSServer(t *testing.T) {
	keys := sign.OpenKeys(t.TempDir())
	if err := keys.Ensure("example.com", time.Unix(1_770_000_000, 0)); err != nil {
		t.Fatal(err)
	}
	_, good, err := keys.DNS("example.com")
	if err != nil {
		t.Fatal(err)
	}
	kid := good[strings.Index(good, "kid=")+4:][:16]
	long := strings.Repeat("x", 600)
	for _, tt := range []struct {
		name    string
		records []string
		code    int
		asked   string // the networks
		says    string // of the error; "" for a key
	}{
		{"the key in an answer that UDP cuts off", []string{good, long}, dns.RcodeSuccess, "udp tcp", ""},
		{"a second v= record beside it", []string{good, "v=spf1 -all"}, dns.RcodeSuccess, "udp tcp", "not of the form"},
		{"no record", nil, dns.RcodeNameError, "udp", "no such record"},
		{"SERVFAIL", nil, dns.RcodeServerFailure, "udp udp", "no usable answer"},
	} {
		addr, asked := dnsServer(t, func(name string) []string {
			if name != "_multimail-identity.example.com." {
				t.Errorf("%s was asked for", name)
			}
			return tt.records
		}, tt.code)
		r, err := resolver.New(resolver.Options{Servers: []string{addr}, Timeout: 5 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		records, err := Published{Records: r}.Lookup(t.Context()).TXT(sign.RecordName("example.com"))
		if err == nil {
			_, err = sign.FromTXT(records, kid)
		}
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if got := asked(); got != tt.asked {
			t.Errorf("%s: asked over %s", tt.name, got)
		}
	}
}
