//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/multimail/multimail/internal/mailtest"
)

// zoneOf serves the records of a zone file on loopback, over UDP and TCP.
func zoneOf(t *testing.T, text *atomic.Value) (port string, stop func()) {
	t.Helper()
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		reply := new(dns.Msg).SetReply(q)
		reply.Authoritative = true
		p := dns.NewZoneParser(strings.NewReader(text.Load().(string)), ".", "")
		p.SetDefaultTTL(0)
		for rr, ok := p.Next(); ok; rr, ok = p.Next() {
			if h := rr.Header(); strings.EqualFold(h.Name, q.Question[0].Name) && h.Rrtype == q.Question[0].Qtype {
				reply.Answer = append(reply.Answer, rr)
			}
		}
		if len(reply.Answer) == 0 { // with a time for which nobody keeps it
			soa, _ := dns.NewRR("example.test. 0 IN SOA ns.example.test. boss.example.test. 1 60 60 60 0")
			reply.Ns = append(reply.Ns, soa)
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
	var all []*dns.Server
	for _, s := range []*dns.Server{{Listener: tcp, Handler: handler}, {PacketConn: udp, Handler: handler}} {
		ready := make(chan struct{})
		s.NotifyStartedFunc = func() { close(ready) }
		go s.ActivateAndServe()
		<-ready
		all = append(all, s)
	}
	stop = func() {
		for _, s := range all {
			s.Shutdown()
		}
	}
	t.Cleanup(stop)
	_, port, _ = net.SplitHostPort(tcp.Addr().String())
	return port, stop
}

// unbound runs Debian's resolver before an authoritative server of example.test.
func unbound(t *testing.T, authority string) (addr string) {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = free.Addr().String()
	free.Close()
	_, port, _ := net.SplitHostPort(addr)
	conf := write(t, "unbound.conf", fmt.Sprintf(`server:
  interface: 127.0.0.1
  port: %s
  do-daemonize: no
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  do-ip6: no
  do-not-query-localhost: no
  local-zone: "test." nodefault
  module-config: "iterator"
  cache-max-ttl: 0
  cache-max-negative-ttl: 0
  infra-host-ttl: 1
remote-control:
  control-enable: no
stub-zone:
  name: "example.test"
  stub-addr: 127.0.0.1@%s
`, port, authority))
	cmd := exec.Command("/usr/sbin/unbound", "-d", "-c", conf)
	log := &lockedBuffer{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if t.Failed() {
			t.Logf("unbound said:\n%s", log)
		}
	})
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return addr
		}
		if time.Now().After(end) {
			t.Fatalf("unbound does not listen:\n%s", log)
		}
	}
}

// What the command prints is published, a resolver that is not ours finds it, and the
// domain is verified; when the servers of the zone are gone, it stays so.
func TestADomainIsVerifiedThroughUnbound(t *testing.T) {
	var zone atomic.Value
	zone.Store("")
	authority, silence := zoneOf(t, &zone)
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	run := func(args ...string) result {
		return command(t, "", nil, binary, append(args, "--data", data)...)
	}
	r := run("init", "--operator", "Example", "--domain", "example.test", "--oversight", "boss@example.test",
		"--approver", "ann", "--approver-key", filepath.Join(dir, "ann.key"), "--bind")
	if r.code != 0 {
		t.Fatal(r.err)
	}
	records := r.out
	mailtest.NewCA(t).Files(dir, "localhost")
	conf := write(t, "multimail.toml", fmt.Sprintf("data = %q\n[smtp]\nsubmission = \"127.0.0.1:0\"\nsubmissions = \"\"\n"+
		"tls_cert_file = %q\ntls_key_file = %q\n[http]\nlisten = \"\"\n[dns]\nresolver = [%q]\ntimeout = \"1s\"\n",
		data, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), unbound(t, authority)))
	cmd := exec.Command(binary, "serve", "--config", conf)
	log := &lockedBuffer{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if t.Failed() {
			t.Logf("the daemon said:\n%s", log)
		}
	})
	for end := time.Now().Add(30 * time.Second); run("domain", "list").code != 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no daemon answers:\n%s", log)
		}
	}
	if r := run("domain", "verify", "example.test"); r.code != 1 || !strings.Contains(r.out, "missing    ownership") {
		t.Fatalf("before: exit %d\n%s%s", r.code, r.out, r.err)
	}
	zone.Store(records)
	if r := run("domain", "verify", "example.test"); r.code != 0 || strings.Count(r.out, "present  ") != 5 ||
		!strings.Contains(r.out, "example.test is verified until ") {
		t.Fatalf("published: exit %d\n%s%s", r.code, r.out, r.err)
	}
	if r := run("domain", "records", "example.test", "--bind"); r.out != records {
		t.Errorf("the daemon prints\n%s, init printed\n%s", r.out, records)
	}
	silence()
	if r := run("domain", "verify", "example.test"); r.code != 0 || strings.Count(r.out, "unknown  ") != 5 {
		t.Fatalf("silence: exit %d\n%s%s", r.code, r.out, r.err)
	}
}
