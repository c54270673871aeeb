package resolver_test

import (
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/multimail/multimail/internal/resolver"
)

// server is an authoritative server on loopback, over UDP and TCP on one port.
type server struct {
	addr     string
	udp, tcp atomic.Int32 // questions
}

// serve answers every question with answer, which gets a reply that fits it.
func serve(t *testing.T, answer func(reply *dns.Msg, network string)) *server {
	t.Helper()
	s := &server{}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = tcp.Addr().String()
	udp, err := net.ListenPacket("udp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		network := w.RemoteAddr().Network()
		if network == "udp" {
			s.udp.Add(1)
		} else {
			s.tcp.Add(1)
		}
		reply := new(dns.Msg).SetReply(q)
		reply.Authoritative = true
		answer(reply, network)
		if reply.Id != 0 {
			w.WriteMsg(reply)
		}
	})
	for _, srv := range []*dns.Server{{Listener: tcp, Handler: handler}, {PacketConn: udp, Handler: handler}} {
		ready := make(chan struct{})
		srv.NotifyStartedFunc = func() { close(ready) }
		go srv.ActivateAndServe()
		<-ready
		t.Cleanup(func() { srv.Shutdown() })
	}
	return s
}

// silent makes a reply one that is not sent.
func silent(reply *dns.Msg, _ string) { reply.Id = 0 }

func rr(t *testing.T, text string) dns.RR {
	t.Helper()
	r, err := dns.NewRR(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// answering returns records of the zone-file form.
func answering(t *testing.T, records ...string) func(*dns.Msg, string) {
	var all []dns.RR
	for _, r := range records {
		all = append(all, rr(t, r))
	}
	return func(reply *dns.Msg, _ string) { reply.Answer = all }
}

func newResolver(t *testing.T, servers ...string) *resolver.Resolver {
	t.Helper()
	r, err := resolver.New(resolver.Options{Servers: servers, Timeout: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return r
}
