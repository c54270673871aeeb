package bench

import (
	"context"
	"crypto/tls"
	"fmt"
	"testing"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/systemtest"
	"github.com/multimail/multimail/internal/throttle"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/smtpd"
)

// taken is an inspector that looks at nothing: what the checks of a sender cost depends
// on the DNS, and is not the door's.
type taken struct{}

func (taken) Inspect(_ context.Context, t smtpd.Transaction) (smtpd.Inspected, error) {
	return smtpd.Inspected{Raw: t.Raw}, nil
}

// world serves mail from the world on the system of the fixture, under TLS.
func (h *fixture) world(b *testing.B, server *tls.Config) target {
	b.Helper()
	s, err := smtpd.NewInbound(h.Gate, smtpd.InboundOptions{
		Hostname: "localhost", TLSConfig: server, MaxSize: 25 << 20,
		MaxRecipients: 100, MaxConnections: 1000, MaxPerSource: 100,
		ConnectionsPerMinute: 1000, MessagesPerMinute: 1000, UnknownPerMinute: 1000,
		Messages: throttle.NewBytes(16 * 25 << 20), Inspector: taken{}, Log: systemtest.Quiet,
		Postmaster: func(context.Context) (mail.Address, error) { return mail.ParseAddress("postmaster@example.test") },
	})
	if err != nil {
		b.Fatal(err)
	}
	l := listen(b)
	go s.Serve(l, true) // ends with the benchmark
	b.Cleanup(func() { _ = s.Shutdown(context.Background()) })
	return target{addr: l.Addr().String(), client: h.client}
}

// BenchmarkInbound takes messages of 4 KiB from the world that are stored durably, and
// as many from an agent, on the same system, over connections under TLS that stay open: a
// message costs what the protocol, the gate and the store do.
func BenchmarkInbound(b *testing.B) {
	for _, conns := range []int{1, 32} {
		b.Run(fmt.Sprintf("conns=%d", conns), func(b *testing.B) {
			server, cl := certificates(b)
			const unlimited = 1 << 50
			h := startMultiMailWith(b, server, cl, gate.Options{QuotaSize: unlimited, QuotaCount: unlimited})
			in, out := connectWorld(b, h.world(b, server), conns), connect(b, h.target, conns)
			b.ResetTimer()
			for i := range rounds {
				n := b.N*(i+1)/rounds - b.N*i/rounds
				in.round(b, n)
				out.round(b, n)
			}
			b.StopTimer()
			b.ReportMetric(in.took.Seconds()*1e9/float64(b.N), "ns/op")
			b.ReportMetric(in.rate(), "msg/s")
			b.ReportMetric(out.rate(), "submitted-msg/s")
			b.ReportMetric(in.rate()/out.rate(), "×submission")
		})
	}
}

// connectWorld is connect for a door without a login.
func connectWorld(b *testing.B, t target, conns int) *load {
	b.Helper()
	l := &load{conns: make([]*client, conns)}
	for i := range l.conns {
		nc, err := tls.Dial("tcp", t.addr, t.client)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { nc.Close() })
		l.conns[i] = newClient(nc, "far@far.test", mailbox)
		if err := l.conns[i].expect("220"); err != nil {
			b.Fatal(err)
		}
		if err := l.conns[i].do("EHLO bench\r\n", "250"); err != nil {
			b.Fatal(err)
		}
	}
	return l
}
